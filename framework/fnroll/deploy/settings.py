"""What a function has beside its code and configuration: the rest of the key Fn, compared with what is there. Pure.

Absent in the file means not managed; present means exactly so, and empty (`{}`, `[]`) means none. Which calls read and
write them is aws/settings.py's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from fnroll.definition.service import shape
from fnroll.deploy.steps import Step
from fnroll.errors import DeployError

OF_FUNCTION: Final = ("FunctionConcurrency", "RecursionConfig", "RuntimeManagementConfig", "LogRetentionInDays")
OF_ALIAS: Final = ("EventInvokeConfig", "ProvisionedConcurrency")
SOURCES: Final = "EventSourceMappings"
PERMISSIONS: Final = "Permissions"

DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "RecursionConfig": {"RecursiveLoop": "Terminate"},
    "RuntimeManagementConfig": {"UpdateRuntimeOn": "Auto"},
}
"""Settings that are always there: what "none" means for them."""

EMPTIED: Final[Mapping[str, Any]] = {
    "FilterCriteria": {"Filters": []},
    "FunctionResponseTypes": [],
    "DestinationConfig": {},
    "ScalingConfig": {},
}
"""Members of a mapping that are taken away by sending them empty."""


def setting_steps(
    keys: Sequence[str], wanted: Mapping[str, Any], there: Mapping[str, Any] | None, name: str
) -> Iterator[Step]:
    """The steps for those of `keys` that the file manages. `there`: what they are now, None for a new function."""
    for key in keys:
        if key not in wanted:
            continue
        value = _as_request(key, wanted[key])
        now = _as_request(key, (there or {}).get(key))
        if value == now:
            continue
        was = json.dumps(now) if now else "none"
        if value:
            yield Step("put-setting", f"Fn.{key} is {was} on {name}", value, target=key)
        else:
            yield Step("reset-setting", f"Fn.{key} is empty, and {was} on {name}", target=key)


def _as_request(key: str, value: Any) -> dict[str, Any]:
    """A setting as the request that makes it so; {} for none."""
    if isinstance(value, int):
        value = {"retentionInDays": value} if value else {}
    said = {member: item for member, item in (value or {}).items() if item not in (None, "", {}, [])}
    if key == "EventInvokeConfig" and "DestinationConfig" in said:
        said["DestinationConfig"] = {way: to for way, to in said["DestinationConfig"].items() if to}
        if not said["DestinationConfig"]:
            del said["DestinationConfig"]
    return said or dict(DEFAULTS.get(key, {}))


def source_steps(wanted: Sequence[Mapping[str, Any]] | None, there: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """The event source mappings of the alias; None: not managed. Raises DeployError for a change that AWS refuses."""
    if wanted is None:
        return
    known = {_identity(mapping): mapping for mapping in there}
    changeable = shape("UpdateEventSourceMappingRequest")["members"].keys()
    for mapping in wanted:
        now = known.pop(_identity(mapping), None)
        source = _named(mapping)
        if now is None:
            yield Step("create-event-source", f"{source} does not feed the alias", dict(mapping), target=source)
            continue
        changed = _changes(mapping, now)
        if fixed := sorted(changed.keys() - changeable):
            raise DeployError(
                f"{', '.join(fixed)} of the event source mapping of {source} cannot be changed",
                hint="take the mapping out of the file, deploy, and put it back",
            )
        if changed:
            reason = f"changed: {', '.join(sorted(changed))}"
            yield Step("update-event-source", reason, {"UUID": now["UUID"], **changed}, target=source)
    for now in known.values():
        if now.get("State") != "Deleting":
            source = _named(now)
            yield Step("delete-event-source", "not in Fn.EventSourceMappings", {"UUID": now["UUID"]}, target=source)


def _identity(mapping: Mapping[str, Any]) -> str:
    return json.dumps(
        [mapping.get(key) for key in ("EventSourceArn", "SelfManagedEventSource", "Topics", "Queues")], sort_keys=True
    )


def _named(mapping: Mapping[str, Any]) -> str:
    return str(mapping.get("EventSourceArn") or ", ".join(mapping.get("Topics", ())) or "an event source")


def _changes(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The members to send. What AWS fills in by itself is no difference; what it takes away only at creation is."""
    there = {"Enabled": now.get("State", "Enabled") in ("Enabled", "Enabling", "Creating", "Updating"), **now}
    changed = {
        key: value for key, value in wanted.items() if key != "FunctionName" and not _covers(value, there.get(key))
    }
    at = "StartingPositionTimestamp"
    if at in changed and at in now and _moment(changed[at]) == _moment(now[at]):
        del changed[at]
    # Where a stream was begun is not told once it has been read; then nobody can want it otherwise.
    for key in ("StartingPosition", "StartingPositionTimestamp", "Tags"):
        if key not in now:
            changed.pop(key, None)
    for key, empty in EMPTIED.items():
        if key not in wanted and _says_something(now.get(key)):
            changed[key] = empty
    return changed


def _moment(value: Any) -> Any:
    """Of a time as a file has it and as boto3 gives it: seconds since the epoch."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return value
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _covers(value: Any, now: Any) -> bool:
    if isinstance(value, Mapping):
        now = now or {}
        return all(_covers(item, now.get(key)) for key, item in value.items())
    if value in ([], "", None):
        return not _says_something(now)
    return bool(value == now)


def _says_something(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_says_something, value.values()))
    return value not in (None, "", [], ())
