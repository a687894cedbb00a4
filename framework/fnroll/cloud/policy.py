"""The resource policy of a function, version or alias: AddPermission, RemovePermission, GetPolicy.

Who calls from another account, and who calls a function URL, is held to it (grants.py).
"""

from __future__ import annotations

import json
import sqlite3

from fnroll.cloud.faults import Fault, conflict, invalid, not_found, stale
from fnroll.cloud.grants import Statement
from fnroll.cloud.names import LATEST
from fnroll.cloud.records import Call, FunctionRow, Given, Result, absent, named, new_revision, qualified, statements_of

_CONDITIONS = (
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
)


def add_permission(call: Call, given: Given) -> Result:
    function, qualifier, arn = _place(call, given)
    statements = statements_of(call.db, function, qualifier)
    _check_revision(call, function, qualifier, given)
    sid = given["StatementId"]
    if any(statement["Sid"] == sid for statement in statements):
        raise conflict(
            f"The statement id ({sid}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    text = json.dumps(_statement(given, arn), separators=(",", ":"))
    call.db.execute(
        "INSERT INTO statement (function_id, qualifier, sid, place, body) VALUES (?, ?, ?, "
        "(SELECT COALESCE(MAX(place), 0) + 1 FROM statement WHERE function_id = ?), ?)",
        (function.id, qualifier, sid, function.id, text),
    )
    _touch(call, function, qualifier)
    return {"Statement": text}


def remove_permission(call: Call, given: Given) -> Result:
    function, qualifier, _ = _place(call, given)
    if not statements_of(call.db, function, qualifier):
        raise Fault("ResourceNotFoundException", "No policy is associated with the given resource.")
    _check_revision(call, function, qualifier, given)
    removed = call.db.execute(
        "DELETE FROM statement WHERE function_id = ? AND qualifier = ? AND sid = ?",
        (function.id, qualifier, given["StatementId"]),
    ).rowcount
    if not removed:
        raise Fault("ResourceNotFoundException", f"Statement {given['StatementId']} is not found in resource policy.")
    _touch(call, function, qualifier)
    return {}


def get_policy(call: Call, given: Given) -> Result:
    function, qualifier, _ = _place(call, given)
    statements = statements_of(call.db, function, qualifier)
    if not statements:
        raise absent()
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
    revision = _revision(call.db, function, qualifier)
    return {"Policy": json.dumps(policy, separators=(",", ":")), "RevisionId": revision}


def _place(call: Call, given: Given) -> tuple[FunctionRow, str, str]:
    ref, function = named(call, given)
    if ref.qualifier == LATEST:
        raise invalid("We currently do not support adding policies for $LATEST.")
    if ref.qualifier is not None and qualified(call.db, function, ref.qualifier) is None:
        raise not_found(ref.asked_arn)
    return function, ref.qualifier or "", ref.asked_arn


def _statement(given: Given, arn: str) -> Statement:
    statement: Statement = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(given["Principal"]),
        "Action": given["Action"],
        "Resource": arn,
    }
    conditions: dict[str, dict[str, str]] = {}
    for member, operator, key in _CONDITIONS:
        if member in given:
            value = given[member]
            conditions.setdefault(operator, {})[key] = str(value).lower() if isinstance(value, bool) else value
    if conditions:
        statement["Condition"] = conditions
    return statement


def _principal(text: str) -> str | dict[str, str]:
    if text == "*":
        return text
    if text.isdecimal() and len(text) == 12:
        return {"AWS": f"arn:aws:iam::{text}:root"}
    return {"AWS" if text.startswith("arn:") else "Service": text}


def _revision(db: sqlite3.Connection, function: FunctionRow, qualifier: str) -> str | None:
    row = db.execute(
        "SELECT revision FROM policy WHERE function_id = ? AND qualifier = ?", (function.id, qualifier)
    ).fetchone()
    return row and str(row["revision"])


def _check_revision(call: Call, function: FunctionRow, qualifier: str, given: Given) -> None:
    if given.get("RevisionId") and given["RevisionId"] != _revision(call.db, function, qualifier):
        raise stale("GetPolicy")


def _touch(call: Call, function: FunctionRow, qualifier: str) -> None:
    call.db.execute(
        "INSERT OR REPLACE INTO policy (function_id, qualifier, revision) VALUES (?, ?, ?)",
        (function.id, qualifier, new_revision()),
    )
