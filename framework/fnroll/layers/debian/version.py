"""The order of Debian versions (Debian policy, 5.6.12): epoch, upstream version, revision; "~" sorts before the end."""

from __future__ import annotations

import re
from typing import TypeAlias

Key: TypeAlias = tuple[int, tuple[tuple[tuple[int, ...], int], ...], tuple[tuple[tuple[int, ...], int], ...]]

_PIECE = re.compile(r"(\D*)(\d*)")
_END = 0


def key(version: str) -> Key:
    """`version` as a value that compares as dpkg compares. Any text has one; an epoch that is no number counts as 0."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", version.strip()
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch) if epoch.isdecimal() else 0, _part(upstream), _part(revision)


def satisfies(version: str, operator: str, bound: str) -> bool:
    """Whether `version` stands in the relation `operator` (`<<`, `<=`, `=`, `>=`, `>>`) to `bound`."""
    left, right = key(version), key(bound)
    return {
        "<<": left < right,
        "<=": left <= right,
        "=": left == right,
        ">=": left >= right,
        ">>": left > right,
    }[operator]


def _part(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Runs of other characters and of digits by turns; a closing pair stands for the end, which only "~" precedes."""
    pieces = [(_letters(other), int(digits or "0")) for other, digits in _PIECE.findall(text) if other or digits]
    return (*pieces, ((_END,), 0))


def _letters(text: str) -> tuple[int, ...]:
    return (*(_rank(letter) for letter in text), _END)


def _rank(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isascii() and letter.isalpha() else ord(letter) + 256
