"""Traffic by hand: an alias to a version, or split between two. What Lambda would refuse is said before it is asked.

The write carries the RevisionId of the alias as it was read, so whoever moved it meanwhile is not overwritten. Rules:
facts (release) 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fnroll.aws import AliasState, FunctionState, Session
from fnroll.aws.aliases import create_alias, delete_alias, get_alias, route_alias
from fnroll.aws.functions import LATEST, get_function
from fnroll.aws.settings import read_setting
from fnroll.errors import AwsError, FnError, NotFound

_NAME = re.compile(r"(?!^[0-9]+$)[a-zA-Z0-9-_]{1,128}")


@dataclass(frozen=True, slots=True)
class Shift:
    """Where an alias shall route: `version` gets what `weights` (version -> share, 0 to 1) leave. `description` None:
    as it is."""

    name: str
    version: str
    weights: Mapping[str, float]
    description: str | None = None


def refusal(shift: Shift, states: Mapping[str, FunctionState], *, provisioned: bool = False) -> str | None:
    """Why Lambda would not take it, or traffic would suffer; None if nothing speaks against it. `states`: the versions
    that are there; `provisioned`: whether the alias has provisioned concurrency."""
    if not _NAME.fullmatch(shift.name):
        return f"{shift.name!r} is no alias name: 1 to 128 letters, digits, - and _, not digits alone"
    if len(shift.weights) > 1:
        return "an alias routes to one version beside its first"
    for version in (shift.version, *shift.weights):
        if version not in states:
            return f"there is no version {version}"
        if states[version].state not in ("Active", ""):
            return f"version {version} is {states[version].state}, not Active"
    for version, share in shift.weights.items():
        if not 0 <= share <= 1:
            return f"the share of version {version} is {share:g}: it lies between 0 and 1"
        if version == shift.version:
            return f"version {version} is the first already"
        if LATEST in (version, shift.version):
            return "$LATEST cannot share an alias with another version"
        if provisioned:
            return "an alias with provisioned concurrency cannot split its traffic"
        if other := _unlike(states[shift.version], states[version]):
            return (
                f"versions {shift.version} and {version} differ in their {other}: Lambda splits no traffic between them"
            )
    return None


def _unlike(one: FunctionState, other: FunctionState) -> str | None:
    if one.configuration.get("Role") != other.configuration.get("Role"):
        return "role"
    queues = [(state.configuration.get("DeadLetterConfig") or {}).get("TargetArn") for state in (one, other)]
    return "dead-letter queue" if (queues[0] or None) != (queues[1] or None) else None


def set_alias(session: Session, function: str, shift: Shift) -> tuple[AliasState | None, AliasState]:
    """Create or move the alias; as it was before (None: it was not there) and as it is now. Raises FnError for what
    would be refused, PreconditionFailed if somebody moves it meanwhile, NotFound."""
    client = session.control
    try:
        before = get_alias(client, function, shift.name)
    except NotFound:
        before = None
    states = {}
    for version in dict.fromkeys((shift.version, *shift.weights)):
        try:
            states[version] = get_function(client, function, version)
        except NotFound:
            continue
    if not states:
        get_function(client, function)  # a function that is not there is that error
    provisioned = False
    if before is not None and shift.weights:
        provisioned = is_provisioned(session, function, shift.name)
    if reason := refusal(shift, states, provisioned=provisioned):
        raise FnError(reason, where=f"{function}:{shift.name}", hint="fn versions lists what there is")
    if before is None:
        made = create_alias(client, function, shift.name, shift.version)
        if not shift.weights and shift.description is None:
            return None, made
        now = route_alias(client, function, made, shift.version, shift.weights, shift.description)
        return None, now
    return before, route_alias(client, function, before, shift.version, shift.weights, shift.description)


def is_provisioned(session: Session, function: str, alias: str) -> bool:
    """Whether the alias has provisioned concurrency."""
    try:
        return bool(read_setting(session, "ProvisionedConcurrency", function, alias, ""))
    except AwsError as error:
        if error.status != HTTPStatus.NOT_IMPLEMENTED:  # a cloud without it has none
            raise
        return False


def remove_alias(session: Session, function: str, name: str) -> AliasState:
    """Delete an alias; as it was. Its URL, permissions and settings go with it. Raises NotFound."""
    found = get_alias(session.control, function, name)
    delete_alias(session.control, function, name)
    return found
