"""Provisioned concurrency: the four operations. provisioner.py carries out what they write. Texts: facts 2.7."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.configuration import without_tenants
from fnroll.cloud.faults import Fault, conflict, invalid, not_found
from fnroll.cloud.names import LATEST, PUBLISHED, function_arn, is_version
from fnroll.cloud.records import (
    Call,
    FunctionRow,
    Given,
    Result,
    aliases_of,
    find_alias,
    find_version,
    named,
    page,
    version_number,
)
from fnroll.cloud.settings import UNRESERVED_LEAST, concurrency_of, unreserved

NOUN: Final = "ProvisionedConcurrency"


def put_provisioned_concurrency_config(call: Call, given: Given) -> Result:
    _, function = named(call, given)
    wanted, qualifier = given["ProvisionedConcurrentExecutions"], given["Qualifier"]
    if (version := find_version(call.db, function, 0)) is not None and version.tenanted:
        raise without_tenants("Provisioned concurrency")
    _check_target(call, function, qualifier)
    limit = concurrency_of(call.db, function)
    if limit is not None and wanted > limit["ReservedConcurrentExecutions"]:
        raise invalid(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
    if limit is None and unreserved(call.db, function.home) - wanted < UNRESERVED_LEAST:
        raise invalid(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{UNRESERVED_LEAST}]."
        )
    value = {
        "Requested": wanted,
        "Ready": 0,
        "Status": "IN_PROGRESS",
        "LastModified": call.stamp(),
        "Stamp": str(uuid4()),
    }
    save(call.db, function.id, qualifier, value)
    call.effects.provisioned = True
    return _describe(value)


def get_provisioned_concurrency_config(call: Call, given: Given) -> Result:
    _, function = named(call, given)
    if given["Qualifier"] == LATEST:
        raise invalid("The function resource provided must be an alias or a published version.")
    _check_exists(call, function, given["Qualifier"])
    value = find(call.db, function.id, given["Qualifier"])
    if value is None:
        raise Fault(
            "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"
        )
    return _describe(value)


def delete_provisioned_concurrency_config(call: Call, given: Given) -> Result:
    """Deleting what is not there is no error."""
    _, function = named(call, given)
    _check_exists(call, function, given["Qualifier"])
    call.db.execute(
        "DELETE FROM setting WHERE function_id = ? AND qualifier = ? AND noun = ?",
        (function.id, given["Qualifier"], NOUN),
    )
    call.effects.provisioned = True
    return {}


def list_provisioned_concurrency_configs(call: Call, given: Given) -> Result:
    _, function = named(call, given)
    rows = call.db.execute(
        "SELECT qualifier, value FROM setting WHERE function_id = ? AND noun = ? ORDER BY qualifier",
        (function.id, NOUN),
    )
    found = [(row["qualifier"], json.loads(row["value"])) for row in rows]
    chosen, marker = page(found, lambda item: str(item[0]), given)
    listed = [
        {"FunctionArn": function_arn(function.home, function.name, qualifier), **_describe(value)}
        for qualifier, value in chosen
    ]
    return {"ProvisionedConcurrencyConfigs": listed, **marker}


def _check_exists(call: Call, function: FunctionRow, qualifier: str) -> None:
    arn = function_arn(function.home, function.name, qualifier)
    if is_version(qualifier):
        if qualifier != LATEST and find_version(call.db, function, version_number(qualifier)) is None:
            raise not_found(arn)
    elif find_alias(call.db, function, qualifier) is None:
        raise Fault("ResourceNotFoundException", f"Cannot find alias arn: {arn}")


def _check_target(call: Call, function: FunctionRow, qualifier: str) -> None:
    """A published version, or an alias to such ones, and not both for one version."""
    _check_exists(call, function, qualifier)
    unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    if qualifier == LATEST:
        raise invalid(unpublished)
    if is_version(qualifier):
        names = [alias.name for alias in aliases_of(call.db, function) if alias.version == qualifier]
        if any(find(call.db, function.id, name) is not None for name in names):
            raise conflict("Version is pointed by a Provisioned Concurrency alias")
        return
    alias = find_alias(call.db, function, qualifier)
    assert alias is not None, "its existence was checked"
    if alias.version in (LATEST, PUBLISHED):
        raise invalid(unpublished)
    if alias.weights:
        raise invalid("Alias with weights can not be used with Provisioned Concurrency")
    others = (other for other in aliases_of(call.db, function) if other.name != alias.name)
    taken = (alias.version, *(other.name for other in others if other.version == alias.version))
    if any(find(call.db, function.id, place) is not None for place in taken):
        raise conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )


def find(db: sqlite3.Connection, function_id: int, qualifier: str) -> dict[str, Any] | None:
    row = db.execute(
        "SELECT value FROM setting WHERE function_id = ? AND qualifier = ? AND noun = ?", (function_id, qualifier, NOUN)
    ).fetchone()
    return None if row is None else json.loads(row["value"])


def save(db: sqlite3.Connection, function_id: int, qualifier: str, value: Mapping[str, Any]) -> None:
    db.execute(
        "INSERT OR REPLACE INTO setting (function_id, qualifier, noun, value) VALUES (?, ?, ?, ?)",
        (function_id, qualifier, NOUN, json.dumps(value)),
    )


def _describe(value: Mapping[str, Any]) -> Result:
    return {
        "RequestedProvisionedConcurrentExecutions": value["Requested"],
        "AllocatedProvisionedConcurrentExecutions": value["Ready"],
        "AvailableProvisionedConcurrentExecutions": value["Ready"],
        "Status": value["Status"],
        "StatusReason": value.get("StatusReason"),
        "LastModified": value["LastModified"],
    }
