"""Capacity providers, on which functions of managed instances run. Source: facts/release.md 2.5.

One is a record here: every environment is this machine's. A function must name one that exists, and one that a version
of a function names cannot be deleted. Making and deleting takes time only with `--realistic`, and what it takes is
read off the row: nobody has to end it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fnroll.cloud import states
from fnroll.cloud.faults import Fault, conflict, invalid
from fnroll.cloud.names import capacity_provider_arn, function_arn
from fnroll.cloud.records import Call, Given, Result, VersionRow, as_function, as_version, page

SECONDS: Final = 5.0
"""With `--realistic`, until one is Active or gone."""

MAX_VERSIONS: Final = 100
"""Published versions of functions that one capacity provider takes."""

_MEMBERS: Final = (
    "VpcConfig",
    "PermissionsConfig",
    "InstanceRequirements",
    "CapacityProviderScalingConfig",
    "KmsKeyArn",
    "PropagateTags",
    "TelemetryConfig",
)
_CHANGEABLE: Final = ("CapacityProviderScalingConfig", "PropagateTags", "TelemetryConfig")
_PATH: Final = "$.CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn"


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """`state` until `until` (epoch seconds), which a Pending one is Active after, and a Deleting one gone."""

    arn: str
    said: Mapping[str, Any]
    tags: Mapping[str, str]
    state: str
    until: float

    def at(self, now: float) -> str | None:
        """Its state then; None: it is gone."""
        if now < self.until:
            return self.state
        return None if self.state == "Deleting" else "Active"


def create_capacity_provider(call: Call, given: Given) -> Result:
    arn = _arn(call, given)
    if arn.rpartition(":")[0] + ":" != capacity_provider_arn(call.home, ""):
        raise invalid(f"{arn} is not a capacity provider of this account and region.")
    if find(call, arn) is not None:
        raise conflict(f"Capacity provider already exists: {arn}")
    _check(given)
    said = {key: given[key] for key in _MEMBERS if given.get(key) is not None}
    said["CapacityProviderScalingConfig"] = {"ScalingMode": "Auto", **said.get("CapacityProviderScalingConfig", {})}
    said["LastModified"] = call.stamp()
    row = ProviderRow(arn, said, given.get("Tags", {}), "Pending", _until(call))
    save(call.db, row)
    return _answer(call, row)


def get_capacity_provider(call: Call, given: Given) -> Result:
    return _answer(call, existing(call, _arn(call, given)))


def update_capacity_provider(call: Call, given: Given) -> Result:
    """What is absent keeps its value."""
    row = _settled(call, given)
    _check(given)
    changed = {key: given[key] for key in _CHANGEABLE if given.get(key) is not None}
    row = ProviderRow(row.arn, {**row.said, **changed, "LastModified": call.stamp()}, row.tags, row.state, row.until)
    save(call.db, row)
    return _answer(call, row)


def delete_capacity_provider(call: Call, given: Given) -> Result:
    row = _settled(call, given)
    if next(_versions(call.db, row.arn), None) is not None:
        raise conflict(f"Capacity provider {row.arn} cannot be deleted: it is in use by a Lambda function.")
    row = ProviderRow(row.arn, row.said, row.tags, "Deleting", _until(call))
    if call.pace is None:
        call.db.execute("DELETE FROM capacity_provider WHERE arn = ?", (row.arn,))
    else:
        save(call.db, row)
    return {"CapacityProvider": {**_describe(row), "State": "Deleting"}}


def list_capacity_providers(call: Call, given: Given) -> Result:
    everyone = capacity_provider_arn(call.home, "")
    rows = call.db.execute(
        "SELECT * FROM capacity_provider WHERE substr(arn, 1, ?) = ? ORDER BY arn", (len(everyone), everyone)
    )
    shown = [(row.arn, row.at(call.now.timestamp()), row) for row in map(_as_provider, rows)]
    wanted = given.get("State")
    kept = [(arn, {**_describe(row), "State": state}) for arn, state, row in shown if state and wanted in (None, state)]
    chosen, marker = page(kept, lambda item: item[0], given)
    return {"CapacityProviders": [said for _, said in chosen], **marker}


def list_function_versions_by_capacity_provider(call: Call, given: Given) -> Result:
    row = existing(call, _arn(call, given))
    found = [
        {
            "FunctionArn": function_arn(version.function.home, version.function.name, version.version),
            "State": states.shown(version)["State"],
        }
        for version in _versions(call.db, row.arn)
    ]
    found.sort(key=lambda item: item["FunctionArn"])
    chosen, marker = page(found, lambda item: item["FunctionArn"], given)
    return {"CapacityProviderArn": row.arn, "FunctionVersions": chosen, **marker}


def check_config(call: Call, config: Mapping[str, Any]) -> None:
    """The capacity provider that a function names is there, and lasts. Faults ResourceNotFound and ResourceConflict."""
    if existing(call, _named_by(config)).at(call.now.timestamp()) == "Deleting":
        raise _cannot("Deleting")


def check_room(call: Call, version: VersionRow) -> None:
    """Before a numbered version is published. Fault FunctionVersionsPerCapacityProviderLimitExceeded."""
    if not version.managed:
        return
    arn = _named_by(version.config["CapacityProviderConfig"])
    if sum(1 for each in _versions(call.db, arn) if each.number) >= MAX_VERSIONS:
        raise Fault(
            "FunctionVersionsPerCapacityProviderLimitExceededException",
            f"The maximum number of function versions per capacity provider ({MAX_VERSIONS}) has been reached: {arn}",
        )


def find(call: Call, arn: str) -> ProviderRow | None:
    """One of the caller's own."""
    if not arn.startswith(capacity_provider_arn(call.home, "")):
        return None
    row = call.db.execute("SELECT * FROM capacity_provider WHERE arn = ?", (arn,)).fetchone()
    found = None if row is None else _as_provider(row)
    return found if found is not None and found.at(call.now.timestamp()) is not None else None


def existing(call: Call, arn: str) -> ProviderRow:
    """Fault ResourceNotFound."""
    found = find(call, arn)
    if found is None:
        raise Fault("ResourceNotFoundException", f"Capacity provider not found: {arn}")
    return found


def save(db: sqlite3.Connection, row: ProviderRow) -> None:
    db.execute(
        "INSERT OR REPLACE INTO capacity_provider (arn, said, tags, state, until) VALUES (?, ?, ?, ?, ?)",
        (row.arn, json.dumps(row.said), json.dumps(row.tags), row.state, row.until),
    )


def _named_by(config: Mapping[str, Any]) -> str:
    arn: str = config["LambdaManagedInstancesCapacityProviderConfig"]["CapacityProviderArn"]
    return arn


def _arn(call: Call, given: Given) -> str:
    """A name, or the ARN that the API takes for one; one of another region or account is not found."""
    name: str = given["CapacityProviderName"]
    return name if name.startswith("arn:") else capacity_provider_arn(call.home, name)


def _check(given: Given) -> None:
    scaling = given.get("CapacityProviderScalingConfig") or {}
    if scaling.get("ScalingPolicies") and scaling.get("ScalingMode", "Auto") == "Auto":
        raise invalid("A scaling policy can't be specified when the scalingMode is set to Auto")


def _settled(call: Call, given: Given) -> ProviderRow:
    row = existing(call, _arn(call, given))
    state = row.at(call.now.timestamp())
    if state != "Active":
        raise _cannot(state)
    return row


def _cannot(state: str | None) -> Fault:
    return conflict(
        "The operation cannot be performed at this time. "
        f"The capacity provider is currently in the following state: {state}"
    )


def _until(call: Call) -> float:
    return 0.0 if call.pace is None else call.now.timestamp() + SECONDS / call.pace


def _as_provider(row: sqlite3.Row) -> ProviderRow:
    return ProviderRow(row["arn"], json.loads(row["said"]), json.loads(row["tags"]), row["state"], row["until"])


def _versions(db: sqlite3.Connection, arn: str) -> Iterator[VersionRow]:
    """Those that name it: by function, $LATEST first."""
    rows = db.execute(
        "SELECT function.*, version.* FROM version JOIN function ON id = function_id WHERE json_extract(config, ?) = ?"
        " ORDER BY region, name, number <> 0, number",
        (_PATH, arn),
    )
    return (as_version(as_function(row), row) for row in rows)


def _describe(row: ProviderRow) -> Result:
    return {"CapacityProviderArn": row.arn, **row.said}


def _answer(call: Call, row: ProviderRow) -> Result:
    return {"CapacityProvider": {**_describe(row), "State": row.at(call.now.timestamp())}}
