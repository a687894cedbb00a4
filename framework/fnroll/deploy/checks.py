"""Whether a function that was read again is what it must be: pure questions about two looks at one function."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from fnroll.aws import FunctionState

CODE: Final = "CodeSha256"
"""The member that stands for the code."""


def content(state: FunctionState) -> dict[str, Any]:
    """What of a function does not change when an update ends: code and configuration, but no state and no revision."""
    return {
        key: value
        for key, value in state.configuration.items()
        if key != "RevisionId" and not key.startswith(("State", "LastUpdateStatus"))
    }


def changed_members(before: FunctionState, after: FunctionState, members: Collection[str]) -> list[str]:
    """Those of `members` that are not as they were. What a write did not send must be: else a version would have our
    code and somebody else's configuration, or the other way round."""
    then, now = before.configuration, after.configuration
    return sorted(member for member in members if then.get(member) != now.get(member))
