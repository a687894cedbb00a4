"""Aliases and the traffic that they route, and the evidence by which a canary is judged.

aliases.py    the aliases of a function as rows; shift.py: traffic by hand
plan.py       a canary's plan; plan_file.py: from release.json and flags; forecast.py: what it can see
record.py     a run's record in the alias's Description
evidence.py   points of CloudWatch -> counts and verdicts; ratio.py: how many times worse, to be shown
tick.py       alias, plan, evidence, time -> an action with at most one write; moves.py: what an operator may do
start.py      what must hold before the first share moves; drive.py: look, tick, write
report.py     what a look says, in words and as JSON
verdict.py    the canary rule: counts -> evidence -> FAIL, HOLD or PASS
counts.py     counts from a file
"""

from fnroll.release.aliases import AliasRow, list_rows

__all__ = ["AliasRow", "list_rows"]
