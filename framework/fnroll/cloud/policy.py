"""The resource policy of a function, version or alias: AddPermission, RemovePermission, GetPolicy.

Who calls from another account, and who calls a function URL, is held to it (grants.py). resource_policies.py reads and
writes the same policy as a whole.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from fnroll.cloud.faults import Fault, conflict, invalid, not_found, stale
from fnroll.cloud.names import LATEST
from fnroll.cloud.policy_rules import Statement
from fnroll.cloud.records import Call, FunctionRow, Given, Result, absent, named, new_revision, qualified, statements_of

MAX_SIZE = 20_480
"""Characters of a policy."""

_HEAD = {"Version": "2012-10-17", "Id": "default"}

_CONDITIONS = (
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
)


def add_permission(call: Call, given: Given) -> Result:
    function, qualifier, arn = place(call, given)
    statements = statements_of(call.db, function, qualifier)
    check_revision(call, function, qualifier, given)
    sid = given["StatementId"]
    if any(statement.get("Sid") == sid for statement in statements):
        raise conflict(
            f"The statement id ({sid}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    statement = _statement(given, arn)
    add(call, function, qualifier, [statement])
    touch(call, function, qualifier)
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


def remove_permission(call: Call, given: Given) -> Result:
    function, qualifier, _ = place(call, given)
    if not statements_of(call.db, function, qualifier):
        raise Fault("ResourceNotFoundException", "No policy is associated with the given resource.")
    check_revision(call, function, qualifier, given)
    removed = call.db.execute(
        "DELETE FROM statement WHERE function_id = ? AND qualifier = ? AND sid = ?",
        (function.id, qualifier, given["StatementId"]),
    ).rowcount
    if not removed:
        raise Fault("ResourceNotFoundException", f"Statement {given['StatementId']} is not found in resource policy.")
    touch(call, function, qualifier)
    return {}


def get_policy(call: Call, given: Given) -> Result:
    function, qualifier, _ = place(call, given)
    policy, revision = document(call.db, function, qualifier)
    if policy is None:
        raise absent()
    return {"Policy": json.dumps(policy, separators=(",", ":")), "RevisionId": revision}


def document(
    db: sqlite3.Connection, function: FunctionRow, qualifier: str
) -> tuple[Mapping[str, Any] | None, str | None]:
    """The policy as it is written, None if there is none; and its revision."""
    statements = statements_of(db, function, qualifier)
    row = db.execute(
        "SELECT head, revision FROM policy WHERE function_id = ? AND qualifier = ?", (function.id, qualifier)
    ).fetchone()
    if row is None or not statements:
        return None, None
    return {**(json.loads(row["head"]) or _HEAD), "Statement": statements}, row["revision"]


def add(call: Call, function: FunctionRow, qualifier: str, statements: Iterable[Statement]) -> None:
    """Statements after those that are there. Fault PolicyLengthExceeded."""
    for statement in statements:
        call.db.execute(
            "INSERT INTO statement (function_id, qualifier, sid, place, body) VALUES (?, ?, ?, "
            "(SELECT COALESCE(MAX(place), 0) + 1 FROM statement WHERE function_id = ?), ?)",
            # One without an id has a key that no id can be: none has a colon.
            (function.id, qualifier, statement.get("Sid", f":{uuid4()}"), function.id, json.dumps(statement)),
        )
    whole = {**_HEAD, "Statement": statements_of(call.db, function, qualifier)}
    size = len(json.dumps(whole, separators=(",", ":")))
    if size > MAX_SIZE:
        raise Fault(
            "PolicyLengthExceededException", f"The final policy size ({size}) is bigger than the limit ({MAX_SIZE})."
        )


def forget(call: Call, function: FunctionRow, qualifier: str) -> None:
    for table in ("statement", "policy"):
        call.db.execute(f"DELETE FROM {table} WHERE function_id = ? AND qualifier = ?", (function.id, qualifier))


def place(call: Call, given: Given) -> tuple[FunctionRow, str, str]:
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


def check_revision(
    call: Call, function: FunctionRow, qualifier: str, given: Given, read_with: str = "GetPolicy"
) -> None:
    """Fault PreconditionFailed."""
    if given.get("RevisionId") and given["RevisionId"] != _revision(call.db, function, qualifier):
        raise stale(read_with)


def touch(call: Call, function: FunctionRow, qualifier: str, head: Mapping[str, str] | None = None) -> None:
    """A new revision; `head`: the policy's Version and Id from now on."""
    call.db.execute(
        "INSERT INTO policy (function_id, qualifier, revision, head) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (function_id, qualifier) DO UPDATE SET revision = excluded.revision"
        + (", head = excluded.head" if head is not None else ""),
        (function.id, qualifier, new_revision(), json.dumps(head or {})),
    )
