"""Counts from a file, to be judged: `{"bins": [...], "alpha"?, "r0"?, "min_canary_requests"?}`, every mistake named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fnroll.errors import FnError
from fnroll.release.verdict import ALPHA, MIN_CANARY_REQUESTS, RATIO_FLOOR, Bin, Rule

_MEMBERS = ("canary_requests", "baseline_requests", "canary_errors", "baseline_errors")
_OPTIONS = ("alpha", "r0", "min_canary_requests")


def read_counts(text: str, where: str) -> tuple[list[Bin], Rule]:
    """Raises FnError that names the member which is wrong."""
    try:
        said = json.loads(text)
    except ValueError as error:
        raise FnError(f"this is no JSON: {error}", where=where) from None
    if not isinstance(said, dict) or not isinstance(said.get("bins"), list):
        raise FnError("there is no list of bins", where=where, hint=f'{{"bins": [{{"{_MEMBERS[0]}": 30, ...}}]}}')
    if unknown := sorted(said.keys() - {"bins", *_OPTIONS}):
        raise FnError(f"unknown key {unknown[0]!r}", where=where, hint=f"known keys are bins, {', '.join(_OPTIONS)}")
    bins = [_bin(one, f"bins[{number}]", where) for number, one in enumerate(said["bins"])]
    alpha = _number(said.get("alpha", ALPHA), "alpha", where)
    ratio_floor = _number(said.get("r0", RATIO_FLOOR), "r0", where)
    minimum = _number(said.get("min_canary_requests", MIN_CANARY_REQUESTS), "min_canary_requests", where)
    if not 0 < alpha < 1:
        raise FnError(f"alpha is {alpha:g}: it lies between 0 and 1", where=where)
    if ratio_floor <= 0:
        raise FnError(f"r0 is {ratio_floor:g}: it is more than 0", where=where)
    return bins, Rule(alpha, ratio_floor, minimum=int(minimum))


def load_counts(path: Path) -> tuple[list[Bin], Rule]:
    """Raises FnError."""
    try:
        return read_counts(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise FnError(f"cannot be read: {error}", where=str(path)) from None


def _bin(said: Any, name: str, where: str) -> Bin:
    if not isinstance(said, dict) or said.keys() != set(_MEMBERS):
        raise FnError(f"{name} is not an object of {', '.join(_MEMBERS)}", where=where)
    counts = {key: _number(value, f"{name}.{key}", where) for key, value in said.items()}
    for key in ("canary_requests", "baseline_requests"):
        if counts[key] != int(counts[key]):
            raise FnError(f"{name}.{key} is no whole number", where=where)
    for arm in ("canary", "baseline"):
        if counts[f"{arm}_errors"] > counts[f"{arm}_requests"]:
            raise FnError(f"{name} has more {arm} errors than {arm} requests", where=where)
    return Bin(
        int(counts["canary_requests"]),
        int(counts["baseline_requests"]),
        counts["canary_errors"],
        counts["baseline_errors"],
    )


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
        raise FnError(f"{name} is {json.dumps(value)}: a number from 0 on is wanted", where=where)
    return value
