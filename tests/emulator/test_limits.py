"""The limit that one version has of its own: what the ledger refuses, and what it forgets."""

from __future__ import annotations

from fnroll.emulator.policy import Account, Ledger

ARN = "arn:aws:lambda:us-east-1:000000000000:function:hello"
FULL = "ConcurrentInvocationLimitExceeded"


def test_a_version_takes_no_more_than_its_limit_and_others_are_free() -> None:
    ledger = Ledger(Account(concurrency=10))
    ledger.limit(ARN, "1", 2)
    assert [ledger.admit(ARN, "1") for _ in range(3)] == [None, None, FULL]
    assert ledger.admit(ARN, "2") is None
    ledger.done(ARN, "1")
    assert [ledger.admit(ARN, "1") for _ in range(2)] == [None, FULL]


def test_what_is_provisioned_does_not_go_past_it() -> None:
    ledger = Ledger(Account(concurrency=10))
    ledger.provision(ARN, "1", 5)
    ledger.limit(ARN, "1", 1)
    assert [ledger.admit(ARN, "1") for _ in range(2)] == [None, FULL]


def test_it_holds_while_nothing_runs_and_ends_when_it_is_taken_away() -> None:
    ledger = Ledger(Account(concurrency=10))
    ledger.limit(ARN, "1", 0)
    assert [ledger.admit(ARN, "1") for _ in range(2)] == [FULL, FULL]
    ledger.limit(ARN, "1", None)
    assert ledger.admit(ARN, "1") is None


def test_what_is_refused_takes_nothing_of_the_accounts() -> None:
    ledger = Ledger(Account(concurrency=1))
    ledger.limit(ARN, "1", 0)
    assert ledger.admit(ARN, "1") == FULL
    assert ledger.admit(ARN + "2", "1") is None
