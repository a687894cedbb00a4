"""What a published version's Description says beside the user's words: which version the alias served before it.

Pure. It is what rollback goes by, and it moves with the version, so nothing can lose it.
"""

from __future__ import annotations

import re

_PREVIOUS = re.compile(r" ?\(fn:previous=(\d+)\)$")
_MAX_DESCRIPTION = 256


def with_record(description: str, previous: str | None) -> str:
    """A version's Description: the user's, and which version the alias served before (what rollback goes by)."""
    if previous is None or not previous.isdecimal():
        return description
    record = f"(fn:previous={previous})"
    kept = description[: _MAX_DESCRIPTION - len(record) - 1]
    return f"{kept} {record}" if kept else record


def told(wanted: str, description: str) -> str:
    """The user's part of a Description; `wanted` itself if the record left no room for all of it."""
    if description in (wanted, with_record(wanted, previous_of(description))):
        return wanted
    return without_record(description)


def without_record(description: str) -> str:
    """The user's part of a version's Description."""
    return _PREVIOUS.sub("", description)


def previous_of(description: str) -> str | None:
    """The version recorded in a version's Description as served before it."""
    found = _PREVIOUS.search(description)
    return found.group(1) if found else None
