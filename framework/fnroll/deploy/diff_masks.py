"""Secrets in a diff: hidden, and yet told whether they differ. Pure.

A value that is the same on both sides becomes the same mark on both, so it makes no difference; one that differs
becomes two marks. Nothing of the value itself (no length, no digest) is in a mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fnroll.deploy.diff import Sides
from fnroll.deploy.ignored import MISSING, Path, parse

VARIABLES: Path = ("Environment", "Variables")
SAME, DEPLOYED, WANTED = "***", "*** (as deployed)", "*** (as in the file)"


def paths_of(masks: Sequence[str]) -> tuple[Path, ...]:
    """lambroll's --mask: a jq path if it begins with ".", else the name of a variable. Raises UsageError."""
    return tuple(
        path
        for mask in masks
        for path in (parse(mask, option="--mask") if mask.startswith(".") else [(*VARIABLES, mask)])
    )


def masked(sides: Sides, paths: Sequence[Path]) -> Sides:
    """`sides` with every value at and below `paths` hidden."""
    before: Any = sides.before
    after: Any = sides.after
    for path in paths:
        before, after = _mask(before, after, path)
    return Sides(before, after)


def _mask(before: Any, after: Any, path: Sequence[str | int | None]) -> tuple[Any, Any]:
    if not path:
        return _hide(before, after)
    head, *rest = path
    if isinstance(head, str):
        if not isinstance(before, Mapping) and not isinstance(after, Mapping):
            return before, after
        return _member(before, after, head, rest)
    lists = [side for side in (before, after) if isinstance(side, list)]
    longest = max(map(len, lists), default=0)
    for index in range(longest) if head is None else [head]:
        before, after = _item(before, after, index, rest)
    return before, after


def _member(before: Any, after: Any, name: str, rest: Sequence[str | int | None]) -> tuple[Any, Any]:
    pair = [side.get(name, MISSING) if isinstance(side, Mapping) else MISSING for side in (before, after)]
    hidden = _mask(pair[0], pair[1], rest)
    return (
        {**before, name: hidden[0]} if pair[0] is not MISSING else before,
        {**after, name: hidden[1]} if pair[1] is not MISSING else after,
    )


def _item(before: Any, after: Any, index: int, rest: Sequence[str | int | None]) -> tuple[Any, Any]:
    there = [isinstance(side, list) and -len(side) <= index < len(side) for side in (before, after)]
    hidden = _mask(before[index] if there[0] else MISSING, after[index] if there[1] else MISSING, rest)
    sides = []
    for side, has, value in zip((before, after), there, hidden, strict=True):
        at = index % len(side) if has else 0
        sides.append([*side[:at], value, *side[at + 1 :]] if has else side)
    return sides[0], sides[1]


def _hide(before: Any, after: Any) -> tuple[Any, Any]:
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        names = {**(before if isinstance(before, Mapping) else {}), **(after if isinstance(after, Mapping) else {})}
        for name in names:
            before, after = _member(before, after, name, ())
        return _leaf(before, after, Mapping)
    if isinstance(before, list) or isinstance(after, list):
        longest = max(len(side) for side in (before, after) if isinstance(side, list))
        for index in range(longest):
            before, after = _item(before, after, index, ())
        return _leaf(before, after, list)
    if before == after:
        return SAME, SAME
    return DEPLOYED, WANTED


def _leaf(before: Any, after: Any, kind: type) -> tuple[Any, Any]:
    """Where one side is a block and the other a plain value, that value is hidden too."""
    before = before if isinstance(before, kind) or before is MISSING else DEPLOYED
    return before, after if isinstance(after, kind) or after is MISSING else WANTED
