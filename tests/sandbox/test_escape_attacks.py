"""Attacks that take more than a look from inside (tests/sandbox_attacks.py), on every tier."""

from __future__ import annotations

import pytest

import sandbox_attacks
import sandbox_support

SITES = [(tier, who) for tier in ("linux", "landlock", "process") for who in sandbox_support.WHO]


@pytest.mark.parametrize("name", sandbox_attacks.ATTACKS)
@pytest.mark.parametrize(("tier", "who"), SITES, ids=["-".join(pair) for pair in SITES])
def test_attack(name: str, tier: str, who: str) -> None:
    if reason := sandbox_support.why_not(tier, who):
        pytest.skip(reason)
    sandbox_support.attack(name, tier, who)
