"""A function on its way: what Lambda shows and refuses while it makes or updates one, for who wants to see it.

    create    State Pending, then Active        nothing may be done with it meanwhile but be read, or deleted
    update    LastUpdateStatus InProgress,      the old code and configuration serve meanwhile, and no further write
              then Successful                   and no version is accepted

Only with `--realistic` does either take time; else a function is what it was made at once. settler.py lets them arrive.
Source: facts/release.md 2.1, facts/emulators.md 2.7.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from fnroll.cloud.faults import Fault, conflict
from fnroll.cloud.records import Call, Result, VersionRow, new_revision

Kind = Literal["Pending", "InProgress"]

SECONDS: Final[Mapping[Kind, float]] = {"Pending": 3.0, "InProgress": 1.5}
"""About what Lambda takes for a zip function without a VPC."""

_CANNOT: Final = "The operation cannot be performed at this time."
_REASON: Final = "The function is being created."
"""Lambda gives it for updates too."""

_SHOWN: Final[Mapping[Kind | None, Mapping[str, str]]] = {
    None: {"State": "Active", "LastUpdateStatus": "Successful"},
    "Pending": {"State": "Pending", "StateReason": _REASON, "StateReasonCode": "Creating"},
    "InProgress": {
        "State": "Active",
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": _REASON,
        "LastUpdateStatusReasonCode": "Creating",
    },
}


def shown(version: VersionRow) -> Mapping[str, str]:
    """The states as FunctionConfiguration has them."""
    said = _SHOWN[version.standing.get("kind")]
    if said["State"] == "Active" and version.managed:
        if not version.number:
            return {**said, "State": "ActiveNonInvocable"}
        if _is_deactivated(version):
            return {**said, "State": "Deactivated"}
    return said


def _is_deactivated(version: VersionRow) -> bool:
    """Whether its scaling config leaves it no environment."""
    return bool(version.scaling.get("Requested", {}).get("MaxExecutionEnvironments") == 0)


def begin(call: Call, version: VersionRow, before: VersionRow | None = None) -> VersionRow:
    """`version`, that was just made or that `before` became, as it is from now on: on its way, if that takes time."""
    if call.pace is None:
        return version
    kind: Kind = "Pending" if before is None else "InProgress"
    standing: Result = {"kind": kind, "until": call.now.timestamp() + SECONDS[kind] / call.pace}
    if before is not None:
        standing["before"] = {name: getattr(before, name) for name in ("config", "fingerprint", "package", "image")}
    call.effects.settling = True
    return replace(version, standing=standing)


def check_settled(version: VersionRow) -> None:
    """Before a write to a function, and before a version of it. Fault ResourceConflict."""
    match version.standing.get("kind"):
        case "Pending":
            raise _in_state("Pending")
        case "InProgress":
            raise conflict(f"{_CANNOT} An update is in progress for resource: {version.function.arn}")


def _in_state(state: str) -> Fault:
    return conflict(f"{_CANNOT} The function is currently in the following state: {state}")


def serving(version: VersionRow) -> VersionRow:
    """What an invocation of `version` runs. Fault ResourceConflict."""
    if version.standing.get("kind") == "Pending":
        check_settled(version)
    if version.scaling and _is_deactivated(version):
        raise _in_state("Deactivated")
    before: Mapping[str, Any] = version.standing.get("before", {})
    return replace(version, **before) if before else version


def settle(db: sqlite3.Connection, now: float | None = None) -> None:
    """Whatever should have arrived by `now` has; None: everything. A RevisionId moves with it, as on AWS."""
    rows = db.execute("SELECT function_id, number, standing FROM version WHERE standing <> '{}'").fetchall()
    for row in rows:
        if now is None or json.loads(row["standing"])["until"] <= now:
            db.execute(
                "UPDATE version SET standing = '{}', revision = ? WHERE function_id = ? AND number = ?",
                (new_revision(), row["function_id"], row["number"]),
            )


def next_arrival(db: sqlite3.Connection) -> float | None:
    """When the first of those on their way should arrive, in epoch seconds."""
    rows = db.execute("SELECT standing FROM version WHERE standing <> '{}'").fetchall()
    return min((json.loads(row["standing"])["until"] for row in rows), default=None)
