"""The way back: the alias to the version that it served before.

Which one that was is recorded in the Description of the version that serves now (see `plan.with_record`), so it is
known and not guessed. Only where there is no record (a version that other tools published) the next lower version that
exists is taken, and `Target.recorded` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fnroll.aws import SYSTEM, AliasState, Clock, FunctionState, Session
from fnroll.aws.aliases import get_alias, move_alias
from fnroll.aws.versions import list_versions
from fnroll.aws.waits import ACTIVE, wait_for
from fnroll.deploy.plan import previous_of
from fnroll.errors import DeployError


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rollback goes: from one version to another, and whether a record or only the numbers say so."""

    alias: AliasState
    version: str
    recorded: bool


def target(alias: AliasState, versions: Sequence[FunctionState], to: str | None = None) -> Target:
    """Decide; pure. `to` is a version that the user named. Raises DeployError if there is nowhere to go."""
    existing = {state.version: state for state in versions if state.version.isdecimal()}
    known = ", ".join(existing) or "none"
    if to is not None:
        if to not in existing:
            raise DeployError(f"there is no version {to}; published: {known}", where=alias.name)
        if to == alias.version and not alias.weights:
            raise DeployError(f"alias {alias.name} serves version {to} already", where=alias.name)
        return Target(alias, to, True)
    if alias.weights:
        shares = ", ".join(f"{version} {share:.0%}" for version, share in alias.traffic.items())
        raise DeployError(
            f"alias {alias.name} splits its traffic ({shares}); which of them is the way back is not known",
            where=alias.name,
            hint="name the version that shall have all traffic with --version",
        )
    now = existing.get(alias.version)
    recorded = previous_of(now.description) if now else None
    if recorded is not None and recorded in existing:
        return Target(alias, recorded, True)
    lower = [version for version in existing if alias.version.isdecimal() and int(version) < int(alias.version)]
    if recorded is not None or not lower:
        why = f"version {recorded}, which it served before, is gone" if recorded else "no version was served before"
        hint = f"name one with --version; published: {known}"
        raise DeployError(f"{why} (alias {alias.name} is at {alias.version})", where=alias.name, hint=hint)
    return Target(alias, max(lower, key=int), False)


def find_target(session: Session, name: str, alias: str, to: str | None = None) -> Target:
    """Read the alias and the versions, and decide."""
    found = get_alias(session.control, name, alias)
    return target(found, list_versions(session.control, name), to)


def roll_back(session: Session, name: str, goal: Target, *, clock: Clock = SYSTEM) -> AliasState:
    """Point the alias at the target, all traffic, if the alias is still what it was when the target was found.

    The version must be Active. Raises WaitEnded, PreconditionFailed.
    """
    wait_for(session.control, name, ACTIVE, qualifier=goal.version, clock=clock)
    alias = goal.alias
    return move_alias(
        session.control, name, alias.name, goal.version, alias.revision_id, clear_weights=bool(alias.weights)
    )
