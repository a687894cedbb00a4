"""Which versions may go: a table, and what must hold for any of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.aws import AliasState, FunctionState
from fnroll.deploy.prune import prunable


def version(number: int, previous: int | None = None) -> FunctionState:
    description = f"(fn:previous={previous})" if previous else ""
    return FunctionState("f", str(number), {"Description": description})


def alias(name: str, at: str, **weights: float) -> AliasState:
    return AliasState(name, at, {key[1:]: share for key, share in weights.items()}, "", "r", "arn")


FOUR = [version(1), version(2), version(3), version(4, previous=3), FunctionState("f", "$LATEST", {})]

TABLE: list[tuple[list[AliasState], int, dict[str, Any], list[str]]] = [
    ([], 10, {}, []),
    ([], 2, {}, ["1", "2"]),
    ([alias("current", "4")], 1, {}, ["1", "2"]),
    ([alias("current", "4"), alias("old", "1")], 1, {}, ["2"]),
    ([alias("current", "4", v2=0.1)], 1, {}, ["1"]),
    ([], 2, {"coming": 1, "leaving": "4"}, ["1", "2", "3"]),
    ([], 1, {"coming": 1, "leaving": "3"}, ["1", "2", "4"]),
]


@pytest.mark.parametrize(("aliases", "keep", "more", "gone"), TABLE)
def test_what_may_go(aliases: list[AliasState], keep: int, more: dict[str, Any], gone: list[str]) -> None:
    assert prunable(FOUR, aliases, keep, **more) == gone


@given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)), st.integers(1, 50), st.booleans())
def test_whatever_is_used_and_the_newest_stay(numbers: set[int], used: set[int], keep: int, coming: bool) -> None:
    aliases = [alias(f"a{number}", str(number)) for number in used]
    gone = {int(number) for number in prunable([*map(version, numbers)], aliases, keep, coming=int(coming))}
    assert not gone & used
    assert gone <= numbers
    assert not gone & set(sorted(numbers)[len(numbers) - (keep - coming) :] if keep > coming else [])
