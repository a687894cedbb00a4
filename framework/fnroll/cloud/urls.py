"""Function URLs as configuration: create, read, update, delete, list. `url_gate` serves them."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fnroll.cloud.configuration import without_tenants
from fnroll.cloud.faults import Fault, conflict
from fnroll.cloud.names import FunctionRef, function_arn
from fnroll.cloud.records import (
    Call,
    FunctionRow,
    Given,
    Result,
    absent,
    as_function,
    find_alias,
    find_version,
    page,
    sought,
)

_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class UrlRow:
    """One URL. `qualifier` is the alias it serves, or "" for $LATEST."""

    id: str
    function: FunctionRow
    qualifier: str
    auth: str
    cors: Mapping[str, Any] | None
    mode: str
    created: str
    modified: str

    @property
    def arn(self) -> str:
        return function_arn(self.function.home, self.function.name, self.qualifier or None)


def create_function_url_config(call: Call, given: Given) -> Result:
    ref, function = _function(call, given)
    if (version := find_version(call.db, function, 0)) is not None and version.tenanted:
        raise without_tenants("A function URL")
    if ref.qualifier is not None and find_alias(call.db, function, ref.qualifier) is None:
        raise Fault("ResourceNotFoundException", "Function does not exist")
    qualifier, now = ref.qualifier or "", _stamp(call)
    if _find(call.db, function, qualifier) is not None:
        raise conflict(
            f"Failed to create function url config for [functionArn = {ref.asked_arn}]. "
            "Error message:  FunctionUrlConfig exists for this Lambda function"
        )
    url = UrlRow(
        "".join(secrets.choice(_LETTERS) for _ in range(32)),
        function,
        qualifier,
        given["AuthType"],
        given.get("Cors") or None,
        given.get("InvokeMode", "BUFFERED"),
        now,
        now,
    )
    _save(call, url)
    return _describe(call, url)


def get_function_url_config(call: Call, given: Given) -> Result:
    return _describe(call, _existing(call, given))


def update_function_url_config(call: Call, given: Given) -> Result:
    """What is absent keeps its value; an empty Cors ends it."""
    old = _existing(call, given)
    url = UrlRow(
        old.id,
        old.function,
        old.qualifier,
        given.get("AuthType", old.auth),
        (given["Cors"] or None) if "Cors" in given else old.cors,
        given.get("InvokeMode", old.mode),
        old.created,
        _stamp(call),
    )
    _save(call, url)
    return _describe(call, url)


def delete_function_url_config(call: Call, given: Given) -> Result:
    call.db.execute("DELETE FROM url WHERE id = ?", (_existing(call, given).id,))
    return {}


def list_function_url_configs(call: Call, given: Given) -> Result:
    _, function = _function(call, given)
    rows = call.db.execute("SELECT * FROM url WHERE function_id = ? ORDER BY qualifier", (function.id,))
    chosen, marker = page([_as_url(function, row) for row in rows], lambda url: f":{url.qualifier}", given)
    return {"FunctionUrlConfigs": [_describe(call, url) for url in chosen], **marker}


def url_by_id(db: sqlite3.Connection, url_id: str) -> UrlRow | None:
    row = db.execute("SELECT * FROM url WHERE id = ?", (url_id,)).fetchone()
    if row is None:
        return None
    function = db.execute("SELECT * FROM function WHERE id = ?", (row["function_id"],)).fetchone()
    return _as_url(as_function(function), row)


def _function(call: Call, given: Given) -> tuple[FunctionRef, FunctionRow]:
    ref, function = sought(call, given["FunctionName"], given.get("Qualifier"))
    if function is None:
        raise absent()
    return ref, function


def _existing(call: Call, given: Given) -> UrlRow:
    ref, function = _function(call, given)
    url = _find(call.db, function, ref.qualifier or "")
    if url is None:
        raise absent()
    return url


def _find(db: sqlite3.Connection, function: FunctionRow, qualifier: str) -> UrlRow | None:
    row = db.execute("SELECT * FROM url WHERE function_id = ? AND qualifier = ?", (function.id, qualifier)).fetchone()
    return row and _as_url(function, row)


def _as_url(function: FunctionRow, row: sqlite3.Row) -> UrlRow:
    cors = row["cors"] and json.loads(row["cors"])
    return UrlRow(
        row["id"], function, row["qualifier"], row["auth"], cors, row["mode"], row["created"], row["modified"]
    )


def _save(call: Call, url: UrlRow) -> None:
    call.db.execute(
        "INSERT OR REPLACE INTO url (id, function_id, qualifier, auth, cors, mode, created, modified)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            url.id,
            url.function.id,
            url.qualifier,
            url.auth,
            json.dumps(url.cors) if url.cors else None,
            url.mode,
            url.created,
            url.modified,
        ),
    )


def _stamp(call: Call) -> str:
    return call.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _describe(call: Call, url: UrlRow) -> Result:
    result: Result = {
        # The port is this run's: the same URL may stand at another port in the next one.
        "FunctionUrl": f"http://{url.id}.lambda-url.{url.function.home.region}.localhost:{call.port}/",
        "FunctionArn": url.arn,
        "AuthType": url.auth,
        "InvokeMode": url.mode,
        "CreationTime": url.created,
        "LastModifiedTime": url.modified,
    }
    if url.cors:
        result["Cors"] = url.cors
    return result
