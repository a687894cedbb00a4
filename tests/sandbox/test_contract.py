"""The contract of fnroll/sandbox/api.py, kept by both tiers, started by root and by an ordinary user."""

from __future__ import annotations

import pytest

import sandbox_contract
import sandbox_contract_more  # noqa: F401 -- adds to the table of checks
import sandbox_support

TIERS = tuple((tier, who) for tier in ("linux", "landlock", "process") for who in sandbox_support.WHO)


@pytest.mark.parametrize("name", sandbox_contract.CHECKS)
@pytest.mark.parametrize(("tier", "who"), TIERS, ids=["-".join(pair) for pair in TIERS])
def test_contract(name: str, tier: str, who: str) -> None:
    if reason := sandbox_support.why_not(tier, who):
        pytest.skip(reason)
    sandbox_support.check(name, tier, who)
