"""The way back: the alias to a version that it served before.

Which one that was is recorded in the Description of the version that serves now (see `record`), and in that one's which
was before it: a chain that is known and not guessed. Where the chain ends (a version that other tools published, one
that was deleted) it is said, and the user names a version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fnroll.aws import SYSTEM, AliasState, Clock, FunctionState, Session
from fnroll.aws.aliases import get_alias, list_aliases, move_alias
from fnroll.aws.functions import delete_function
from fnroll.aws.versions import list_versions
from fnroll.aws.waits import ACTIVE, wait_for
from fnroll.deploy.record import previous_of, without_record
from fnroll.errors import DeployError


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rollback goes, and from where; `steps` is 0 for a version that the user named."""

    alias: AliasState
    version: str
    steps: int = 0

    @property
    def moves(self) -> bool:
        """Whether the alias is elsewhere yet."""
        return self.alias.version != self.version or bool(self.alias.weights)


@dataclass(frozen=True, slots=True)
class Served:
    """A version that the alias serves or served. `steps`: how many back from now; `published`: when, as AWS writes it;
    `exists`: False where only the record of the next one is left of it."""

    steps: int
    version: str
    exists: bool
    published: str = ""
    code_sha256: str = ""
    description: str = ""


def history(alias: AliasState, versions: Sequence[FunctionState]) -> tuple[Served, ...]:
    """What the alias served, newest first, as the records prove it; pure."""
    existing = {state.version: state for state in versions}
    found: list[Served] = []
    at: str | None = alias.version
    while at is not None and at not in {row.version for row in found}:
        state = existing.get(at)
        if state is None:
            found.append(Served(len(found), at, False))
            break
        words = without_record(state.description)
        found.append(Served(len(found), at, True, state.last_modified, state.code_sha256, words))
        at = previous_of(state.description)
    return tuple(found)


def target(
    alias: AliasState, versions: Sequence[FunctionState], to: str | None = None, steps: int = 1, *, stay: bool = False
) -> Target:
    """Decide; pure. `to`: a version that the user named (`stay`: it may be the one that serves); else as many steps
    back. Raises DeployError for no way."""
    existing = {state.version: state for state in versions if state.version.isdecimal()}
    known = ", ".join(existing) or "none"
    if alias.under_canary:
        raise DeployError(
            f"a canary is on alias {alias.name}; a rollback would leave its record behind",
            where=alias.name,
            hint=f"fn canary abort sends all traffic back to version {alias.version}; then roll back from there",
        )
    if to is not None:
        if to not in existing:
            raise DeployError(f"there is no version {to}; published: {known}", where=alias.name)
        if to == alias.version and not alias.weights and not stay:
            raise DeployError(f"alias {alias.name} serves version {to} already", where=alias.name)
        return Target(alias, to)
    if alias.weights:
        shares = ", ".join(f"{version} {share:.0%}" for version, share in alias.traffic.items())
        raise DeployError(
            f"alias {alias.name} splits its traffic ({shares}); which of them is the way back is not known",
            where=alias.name,
            hint="name the version that shall have all traffic with --version",
        )
    chain = history(alias, versions)
    if steps < len(chain) and chain[steps].exists:
        return Target(alias, chain[steps].version, steps)
    raise DeployError(_no_way(alias, chain, existing), where=alias.name, hint=_hint(chain[-1].version, existing, known))


def _no_way(alias: AliasState, chain: Sequence[Served], existing: Mapping[str, FunctionState]) -> str:
    end = chain[-1]
    if not end.exists:
        return f"version {end.version}, which alias {alias.name} served {end.steps} steps ago, is gone"
    if _lower(end.version, existing) is None:
        return f"nothing is known to have been served before version {end.version}, the oldest there is"
    return f"no record says what alias {alias.name} served before version {end.version}: it was published otherwise"


def _hint(end: str, existing: Mapping[str, FunctionState], known: str) -> str:
    lower = _lower(end, existing)
    near = f"the next lower one is {lower}; " if lower else ""
    return f"name a version with --version N: {near}published: {known}"


def _lower(end: str, existing: Mapping[str, FunctionState]) -> str | None:
    lower = [version for version in existing if end.isdecimal() and int(version) < int(end)]
    return max(lower, key=int, default=None)


def find_target(
    session: Session, name: str, alias: str, to: str | None = None, steps: int = 1, *, stay: bool = False
) -> Target:
    """Read the alias and the versions, and decide as `target` does."""
    found = get_alias(session.control, name, alias)
    return target(found, list_versions(session.control, name), to, steps, stay=stay)


def find_history(session: Session, name: str, alias: str) -> tuple[Served, ...]:
    """Read the alias and the versions; what it served. Raises NotFound."""
    return history(get_alias(session.control, name, alias), list_versions(session.control, name))


def roll_back(session: Session, name: str, goal: Target, *, clock: Clock = SYSTEM) -> AliasState:
    """Point the alias at the target, all traffic, if the alias is still what it was when the target was found.

    The version must be Active. Raises WaitEnded, PreconditionFailed.
    """
    wait_for(session.control, name, ACTIVE, qualifier=goal.version, clock=clock)
    alias = goal.alias
    return move_alias(
        session.control, name, alias.name, goal.version, alias.revision_id, clear_weights=bool(alias.weights)
    )


def check_deletable(session: Session, name: str, goal: Target) -> None:
    """Before anything is moved: whether the version that is left can go. Raises DeployError if another alias serves it
    or there is none to go."""
    leaving = goal.alias.version
    if not leaving.isdecimal() or leaving == goal.version:
        raise DeployError(f"alias {goal.alias.name} serves {leaving}, which cannot be deleted", where=name)
    bearers = [row.name for row in list_aliases(session.control, name) if leaving in row.traffic]
    others = ", ".join(bearer for bearer in bearers if bearer != goal.alias.name)
    if others:
        raise DeployError(
            f"version {leaving} cannot be deleted: alias {others} routes to it", where=name, hint="nothing was changed"
        )


def delete_left(session: Session, name: str, goal: Target) -> None:
    """Delete the version that the alias served until now. Raises Conflict if an alias took it up meanwhile."""
    delete_function(session.control, name, goal.alias.version)
