"""Permissions of layer versions: AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy.

Whoever uses a layer from another account is held to them (layers.py).
"""

from __future__ import annotations

import json

from fnroll.cloud.faults import Fault, conflict, stale
from fnroll.cloud.layers import existing, own_layer, policy_of
from fnroll.cloud.names import Home, layer_arn
from fnroll.cloud.policy_rules import Statement
from fnroll.cloud.records import Call, Given, Result, new_revision

Place = tuple[Home, str, int]


def add_layer_version_permission(call: Call, given: Given) -> Result:
    place = _place(call, given)
    statements, revision = policy_of(call.db, *place)
    _check(given, revision)
    sid, principal = given["StatementId"], given["Principal"]
    if sid in statements:
        raise conflict(
            f"The statement id ({sid}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    account = principal if principal == "*" or ":" in principal else f"arn:aws:iam::{principal}:root"
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": "*" if account == "*" else {"AWS": account},
        "Action": given["Action"],
        "Resource": layer_arn(*place),
    }
    if given.get("OrganizationId"):
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": given["OrganizationId"]}}
    statements[sid] = statement
    return {"Statement": json.dumps(statement, separators=(",", ":")), "RevisionId": _save(call, place, statements)}


def remove_layer_version_permission(call: Call, given: Given) -> Result:
    place = _place(call, given)
    statements, revision = policy_of(call.db, *place)
    if given["StatementId"] not in statements:
        raise Fault("ResourceNotFoundException", f"Statement {given['StatementId']} is not found in resource policy.")
    _check(given, revision)
    del statements[given["StatementId"]]
    _save(call, place, statements)
    return {}


def get_layer_version_policy(call: Call, given: Given) -> Result:
    statements, revision = policy_of(call.db, *_place(call, given))
    if not statements:
        raise Fault("ResourceNotFoundException", "No policy is associated with the given resource.")
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(statements.values())}
    return {"Policy": json.dumps(policy, separators=(",", ":")), "RevisionId": revision}


def _place(call: Call, given: Given) -> Place:
    version = existing(call, call.home, own_layer(call, given), given["VersionNumber"])
    return version.home, version.name, version.number


def _check(given: Given, revision: str | None) -> None:
    if given.get("RevisionId") and given["RevisionId"] != revision:
        raise stale("GetLayerVersionPolicy")


def _save(call: Call, place: Place, statements: dict[str, Statement]) -> str:
    revision, (home, name, number) = new_revision(), place
    call.db.execute(
        "INSERT OR REPLACE INTO layer_policy (account, region, name, number, statements, revision)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*home, name, number, json.dumps(statements), revision),
    )
    return revision
