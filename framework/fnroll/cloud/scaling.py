"""Function scaling configs: how many environments a version on managed instances keeps ready, and has at most.

    MinExecutionEnvironments   started ahead and kept, by the machinery of provisioned concurrency (provisioner.py)
    MaxExecutionEnvironments   the emulator refuses what would need more; 0 deactivates the version

What is asked for is requested; it is applied once its least environments are there. Source: facts/release.md 2.5.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud import states
from fnroll.cloud.faults import Fault, invalid, not_found
from fnroll.cloud.names import function_arn
from fnroll.cloud.records import (
    Call,
    FunctionRow,
    Given,
    Result,
    VersionRow,
    as_function,
    as_version,
    find_version,
    named,
    version_number,
)
from fnroll.definition.model import invocations_at_once

LEAST: Final = "MinExecutionEnvironments"
_NOT_MANAGED: Final = "The function provided by the arn does not contain a capacity provider configuration"
MOST: Final = "MaxExecutionEnvironments"


def put_function_scaling_config(call: Call, given: Given) -> Result:
    """An absent configuration, and an absent bound, is none."""
    version = _version(call, given)
    states.check_settled(version)
    if not version.managed:
        raise Fault("AccessDeniedException", _NOT_MANAGED)
    wanted: Mapping[str, int] = given.get("FunctionScalingConfig", {})
    if wanted.get(LEAST, 0) > wanted.get(MOST, wanted.get(LEAST, 0)):
        raise invalid(f"{LEAST} ({wanted[LEAST]}) cannot be greater than {MOST} ({wanted[MOST]}).")
    before = version.scaling.get("Applied", {})
    kept = {"Requested": wanted, "Applied": before, "Stamp": str(uuid4())}
    _save(call.db, version, kept if wanted or before else {})
    changed = replace(version, scaling=kept)
    carry_out(call, changed)
    return {"FunctionState": states.shown(changed)["State"]}


def get_function_scaling_config(call: Call, given: Given) -> Result:
    version = _version(call, given)
    return {
        "FunctionArn": function_arn(version.function.home, version.function.name, version.version),
        "RequestedFunctionScalingConfig": version.scaling.get("Requested"),
        "AppliedFunctionScalingConfig": version.scaling.get("Applied"),
    }


def carry_out(call: Call, version: VersionRow) -> None:
    """Once this call is committed, what the version's scaling config says is so."""
    call.effects.provisioned = True
    call.effects.limited[version.function.arn, version.version] = _limit(version, version.scaling.get("Requested", {}))


def forget(call: Call, function: FunctionRow, number: int | None = None) -> None:
    """Once this call is committed, no version of the function (or not that one) has a limit."""
    for version in scaled(call.db):
        if version.function.id == function.id and number in (None, version.number):
            carry_out(call, replace(version, scaling={}))


def scaled(db: sqlite3.Connection) -> list[VersionRow]:
    """Every version that has a scaling config."""
    rows = db.execute(
        "SELECT function.*, version.* FROM version JOIN function ON id = function_id WHERE scaling <> '{}'"
    )
    return [as_version(as_function(row), row) for row in rows]


def limits(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Of each version that has a most: its function's ARN, its name, and how many invocations it takes at a time."""
    found = ((version, _limit(version, version.scaling.get("Requested", {}))) for version in scaled(db))
    return [(version.function.arn, version.version, most) for version, most in found if most is not None]


def apply(db: sqlite3.Connection, function_id: int, number: int, stamp: str) -> None:
    """What was requested under this stamp is there; nothing if something else was requested since."""
    row = db.execute(
        "SELECT function.*, version.* FROM version JOIN function ON id = function_id WHERE id = ? AND number = ?",
        (function_id, number),
    ).fetchone()
    version = None if row is None else as_version(as_function(row), row)
    if version is not None and version.scaling.get("Stamp") == stamp:
        asked = version.scaling["Requested"]
        _save(db, version, {**version.scaling, "Applied": asked} if asked else {})


def _limit(version: VersionRow, wanted: Mapping[str, int]) -> int | None:
    return wanted[MOST] * invocations_at_once(version.config) if MOST in wanted else None


def _version(call: Call, given: Given) -> VersionRow:
    ref, function = named(call, given)
    version = find_version(call.db, function, version_number(given["Qualifier"]))
    if version is None:
        raise not_found(ref.asked_arn)
    return version


def _save(db: sqlite3.Connection, version: VersionRow, scaling: Mapping[str, Any]) -> None:
    db.execute(
        "UPDATE version SET scaling = ? WHERE function_id = ? AND number = ?",
        (json.dumps(scaling) if scaling else "{}", version.function.id, version.number),
    )
