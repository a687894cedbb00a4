"""Layers: publish a version, read, list, delete.

Numbers are never reused, and a deleted version keeps working for the functions that have it. A version of another
account may be used by its ARN if its policy allows that (layer_policies.py writes it).
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fnroll.cloud.accounts import identity
from fnroll.cloud.grants import allows, denied
from fnroll.cloud.names import Home, layer_arn, parse_layer, parse_layer_version
from fnroll.cloud.policy_rules import Statement
from fnroll.cloud.records import Call, Given, Result, absent, as_home, package_of, page

_INFO = ("Description", "CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo")


@dataclass(frozen=True, slots=True)
class LayerVersionRow:
    home: Home
    name: str
    number: int
    info: dict[str, Any]
    package: str
    size: int


def publish_layer_version(call: Call, given: Given) -> Result:
    name = own_layer(call, given)
    stored = package_of(call, given["Content"])
    (number,) = call.db.execute(
        "INSERT INTO layer (account, region, name, next_version) VALUES (?, ?, ?, 2)"
        " ON CONFLICT (account, region, name)"
        " DO UPDATE SET next_version = next_version + 1 RETURNING next_version - 1",
        (*call.home, name),
    ).fetchone()
    info = {"Description": "", **{key: given[key] for key in _INFO if key in given}, "CreatedDate": call.stamp()}
    call.db.execute(
        "INSERT INTO layer_version (account, region, name, number, info, package, size) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*call.home, name, number, json.dumps(info), stored.key, stored.size),
    )
    return _describe(call, LayerVersionRow(call.home, name, number, info, stored.key, stored.size))


def get_layer_version(call: Call, given: Given) -> Result:
    home, name = parse_layer(given["LayerName"], call.home)
    return _describe(call, existing(call, home, name, given["VersionNumber"]))


def get_layer_version_by_arn(call: Call, given: Given) -> Result:
    parts = parse_layer_version(given["Arn"])
    if parts is None:
        raise absent()
    return _describe(call, existing(call, *parts))


def list_layer_versions(call: Call, given: Given) -> Result:
    """Newest first. A layer that does not exist has no versions, which is no error."""
    found = _matching(call, given, own_layer(call, given))
    chosen, marker = page(found, lambda version: -version.number, given)
    return {"LayerVersions": [_item(version) for version in chosen], **marker}


def list_layers(call: Call, given: Given) -> Result:
    newest: dict[str, LayerVersionRow] = {}
    for version in _matching(call, given, None):
        newest.setdefault(version.name, version)
    chosen, marker = page(sorted(newest.values(), key=lambda version: version.name), lambda item: item.name, given)
    return {
        "Layers": [
            {
                "LayerName": version.name,
                "LayerArn": layer_arn(version.home, version.name),
                "LatestMatchingVersion": _item(version),
            }
            for version in chosen
        ],
        **marker,
    }


def delete_layer_version(call: Call, given: Given) -> Result:
    """Deleting an absent version is no error."""
    call.db.execute(
        "UPDATE layer_version SET deleted = 1 WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*call.home, own_layer(call, given), given["VersionNumber"]),
    )
    return {}


def package_key(db: sqlite3.Connection, arn: str) -> str | None:
    """The package of a layer version that a function names, deleted ones included."""
    parts = parse_layer_version(arn)
    row = parts and _row(db, *parts)
    return str(row["package"]) if row is not None else None


def layer_keys(db: sqlite3.Connection, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The packages of the layers that a function's configuration names, in order."""
    keys = (package_key(db, layer["Arn"]) for layer in config.get("Layers", ()))
    return tuple(key for key in keys if key is not None)


def referenced(db: sqlite3.Connection) -> tuple[set[str], set[tuple[str, ...]]]:
    """Every package that is still needed, and the layer packages of each version that has layers.

    Out of indexes, for it is asked at every start: reading each version's configuration takes a second for 50,000.
    """
    layered = db.execute(
        "SELECT DISTINCT json_extract(config, '$.Layers') FROM version"
        " WHERE json_extract(config, '$.Layers') IS NOT NULL"
    )
    merged = {layer_keys(db, {"Layers": json.loads(layers)}) for (layers,) in layered}
    packages = {key for (key,) in db.execute("SELECT DISTINCT package FROM version WHERE package IS NOT NULL")}
    packages |= {key for (key,) in db.execute("SELECT DISTINCT package FROM layer_version WHERE deleted = 0")}
    return packages.union(*merged), merged


def own_layer(call: Call, given: Given) -> str:
    """The name of a layer that must be the caller's own. Faults AccessDenied, ResourceNotFound (another region)."""
    home, name = parse_layer(given["LayerName"], call.home)
    if home.account != call.home.account:
        raise denied(identity(call.caller.key_id), call.operation, layer_arn(home, name))
    if home != call.home:
        raise absent()
    return name


def existing(call: Call, home: Home, name: str, number: int) -> LayerVersionRow:
    """A layer version that is there. Faults ResourceNotFound, and as `find_layer_version`."""
    version = find_layer_version(call, home, name, number) if home.region == call.home.region else None
    if version is None:
        raise absent()
    return version


def find_layer_version(call: Call, home: Home, name: str, number: int) -> LayerVersionRow | None:
    """A version that is there. Fault AccessDenied for one of another account, unless its policy lets the caller."""
    row = _row(call.db, home, name, number)
    if row is not None and row["deleted"]:
        row = None
    if home.account != call.home.account:
        who = identity(call.caller.key_id)
        statements = policy_of(call.db, home, name, number)[0].values() if row is not None else ()
        if not allows(statements, "GetLayerVersion", who):
            raise denied(who, "GetLayerVersion", layer_arn(home, name, number))
    return _as_version(row) if row is not None else None


def policy_of(db: sqlite3.Connection, home: Home, name: str, number: int) -> tuple[dict[str, Statement], str | None]:
    """The statements of a version's policy by their ids, and its RevisionId."""
    row = db.execute(
        "SELECT statements, revision FROM layer_policy WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*home, name, number),
    ).fetchone()
    return (json.loads(row["statements"]), row["revision"]) if row is not None else ({}, None)


def _row(db: sqlite3.Connection, home: Home, name: str, number: int) -> sqlite3.Row | None:
    """A version, deleted ones included."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM layer_version WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*home, name, number),
    ).fetchone()
    return row


def _matching(call: Call, given: Given, name: str | None) -> list[LayerVersionRow]:
    """Versions that are there and fit the runtime and architecture asked for, newest first."""
    rows = call.db.execute(
        "SELECT * FROM layer_version WHERE account = ? AND region = ? AND deleted = 0 AND (? IS NULL OR name = ?)"
        " ORDER BY number DESC",
        (*call.home, name, name),
    )
    wanted = (
        ("CompatibleRuntimes", given.get("CompatibleRuntime")),
        ("CompatibleArchitectures", given.get("CompatibleArchitecture")),
    )
    found = [_as_version(row) for row in rows]
    return [v for v in found if all(value is None or value in v.info.get(key, ()) for key, value in wanted)]


def _as_version(row: sqlite3.Row) -> LayerVersionRow:
    return LayerVersionRow(
        as_home(row), row["name"], row["number"], json.loads(row["info"]), row["package"], row["size"]
    )


def _item(version: LayerVersionRow) -> Result:
    arn = layer_arn(version.home, version.name, version.number)
    return {"LayerVersionArn": arn, "Version": version.number, **version.info}


def _describe(call: Call, version: LayerVersionRow) -> Result:
    sha256 = base64.b64encode(bytes.fromhex(version.package)).decode()
    content = {"Location": call.package_url(version.package), "CodeSha256": sha256, "CodeSize": version.size}
    return {"LayerArn": layer_arn(version.home, version.name), "Content": content, **_item(version)}
