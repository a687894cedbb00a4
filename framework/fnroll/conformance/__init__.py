"""Whether a runtime keeps Lambda's contract: one set of cases for every runtime, shipped ones and anybody's.

cases.py        the cases: events for a handler of fixed verbs
judgements.py   what must be true of what a runtime made of them
api.py          a Runtime API that hands out a case's events and keeps what is posted
subject.py      a runtime's folder, ready to be run: its layer unpacked, its own test handlers, what it does without
suite.py        runs the cases, each in a sandbox of its own

`fn runtime test` prints what `run` yields; docs/runtimes.md says how to write the handlers.
"""

from fnroll.conformance.cases import CASES, Case
from fnroll.conformance.subject import Subject, prepare
from fnroll.conformance.suite import Verdict, per_invocation, run

__all__ = ["CASES", "Case", "Subject", "Verdict", "per_invocation", "prepare", "run"]
