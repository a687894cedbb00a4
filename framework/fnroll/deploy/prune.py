"""Which published versions may go when only so many are to stay. Pure.

What an alias routes to stays, by whatever alias and weight; so does what the served version records as served before
it, which is the way back; so do the newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fnroll.aws import AliasState, FunctionState
from fnroll.deploy.record import previous_of
from fnroll.deploy.steps import Step


def prunable(
    versions: Sequence[FunctionState], aliases: Sequence[AliasState], keep: int, *, coming: int = 0, leaving: str = ""
) -> list[str]:
    """The version numbers to delete, oldest first. `coming`: how many will be published before; `leaving`: the version
    that an alias stops serving before, and that will be the way back."""
    numbered = {state.version: state for state in versions if state.version.isdecimal()}
    oldest_first = sorted(numbered, key=int)
    newest = max(keep - coming, 0)
    used = {version for alias in aliases for version in alias.traffic} | {leaving}
    if not coming:
        used |= {previous_of(numbered[version].description) or "" for version in used if version in numbered}
    candidates = oldest_first[: len(oldest_first) - newest] if newest else oldest_first
    return [version for version in candidates if version not in used]


def prune_steps(
    versions: Sequence[FunctionState], aliases: Sequence[AliasState], keep: int, *, coming: int = 0, leaving: str = ""
) -> Iterator[Step]:
    for version in prunable(versions, aliases, keep, coming=coming, leaving=leaving):
        yield Step("delete-version", f"only {keep} versions are to be kept", {"Qualifier": version})
