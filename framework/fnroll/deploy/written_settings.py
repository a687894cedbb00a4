"""What a deployed function has beside its code and configuration, as the key Fn that would make it so. Pure.

What is at its default is left out, and absent is unmanaged. Permissions that somebody else gave are not written: a
deploy would give them again under a name of its own, and they are their maker's to take away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fnroll.aws import FunctionUrl
from fnroll.definition.service import shape
from fnroll.deploy.described import stripped
from fnroll.deploy.settings import DEFAULTS, OF_ALIAS, OF_FUNCTION, PERMISSIONS, SOURCES
from fnroll.deploy.urls import PERMISSION_PREFIX, permission
from fnroll.deploy.written import url_file_of

RETENTION: Final = "LogRetentionInDays"

_MEANT: Final[Mapping[str, Any]] = {
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "BisectBatchOnFunctionError": False,
    "TumblingWindowInSeconds": 0,
}
"""What AWS answers for a member of an event source mapping that nobody gave."""
_BATCH: Final = {"sqs": 10}
_BATCH_OF_STREAMS: Final = 100

_CONDITIONS: Final[Mapping[str, str]] = {
    "aws:principalorgid": "PrincipalOrgID",
    "aws:sourcearn": "SourceArn",
    "aws:sourceaccount": "SourceAccount",
    "lambda:eventsourcetoken": "EventSourceToken",
    "lambda:functionurlauthtype": "FunctionUrlAuthType",
    "lambda:invokedviafunctionurl": "InvokedViaFunctionUrl",
}
"""Condition keys of a policy, in lower case -> members of AddPermission."""


def extras_of(
    settings: Mapping[str, Any],
    sources: Sequence[Mapping[str, Any]],
    url: FunctionUrl | None,
    statements: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The value of Fn, and in words what of it is not written. `settings` as aws/settings.py reads them; `url` and
    `statements` those of the alias, without the URL if a file of its own has it."""
    found: dict[str, Any] = {}
    notes = []
    if url is not None:
        written = url_file_of(url, None, statements)
        if written.get("Permissions"):
            notes.append("the function URL has callers of its own, which a function_url.json can say: --function-url")
        else:
            found["FunctionUrl"] = written["Config"]
    permissions, foreign = _permissions(statements)
    if permissions:
        found[PERMISSIONS] = permissions
    if foreign:
        notes.append(f"permissions that fn did not give stay as they are and are not written: {', '.join(foreign)}")
    for key in (*OF_FUNCTION, *OF_ALIAS):
        value = stripped(settings.get(key) or {})
        if value and value != DEFAULTS.get(key):
            found[key] = value["retentionInDays"] if key == RETENTION else value
    if mappings := [_source(row) for row in sources if row.get("State") != "Deleting"]:
        found[SOURCES] = mappings
    return found, tuple(notes)


def _source(row: Mapping[str, Any]) -> dict[str, Any]:
    """The request that would make this mapping to the alias."""
    arn = str(row.get("EventSourceArn", ""))
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    meant = {**_MEANT, "BatchSize": _BATCH.get(service, _BATCH_OF_STREAMS)}
    members = shape("CreateEventSourceMappingRequest")["members"].keys() - {"FunctionName", "Tags", "Enabled"}
    said = {key: stripped(row[key], key) for key in sorted(members) if key in row}
    request = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in said.items()
        if value not in (None, "", {}, []) and meant.get(key) != value
    }
    if row.get("State") in ("Disabled", "Disabling"):
        request["Enabled"] = False
    if arn and service != "sqs" and "StartingPosition" not in request:
        request["StartingPosition"] = "LATEST"  # where it was begun is not told of every source, and cannot change
    return {"EventSourceArn": arn, **request} if arn else request


def _permissions(statements: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Those of Fn.Permissions, and the Sids of everybody else's that have nothing to do with a URL."""
    ours, foreign = [], []
    for statement in statements:
        sid = str(statement.get("Sid", ""))
        made = [entry for entry in _entries(statement, sid) if permission(entry)["StatementId"] == sid]
        if made:
            ours.append(made[0])
        elif not any(key.lower().startswith("lambda:") for key in _conditions(statement)):
            foreign.append(sid or "one without a name")
    return ours, foreign


def _entries(statement: Mapping[str, Any], sid: str) -> Iterator[dict[str, Any]]:
    """What may have been said to get this statement: a policy names an account by its root, too."""
    if not sid.startswith(PERMISSION_PREFIX):
        return
    name = sid.removeprefix(PERMISSION_PREFIX).rpartition("-")[0]
    entry: dict[str, Any] = {"StatementId": name} if name else {}
    if (action := statement.get("Action", "")) != "lambda:InvokeFunction":
        entry["Action"] = action
    for key, value in _conditions(statement).items():
        if member := _CONDITIONS.get(key.lower()):
            entry[member] = str(value).lower() == "true" if member == "InvokedViaFunctionUrl" else value
    principal = statement.get("Principal", "*")
    named = next(iter(principal.values()), "*") if isinstance(principal, Mapping) else principal
    for who in (named, named.split(":")[4] if named.count(":") >= 5 else named):
        yield {"Principal": who, **entry}


def _conditions(statement: Mapping[str, Any]) -> dict[str, Any]:
    blocks = (statement.get("Condition") or {}).values()
    return {key: value for block in blocks for key, value in block.items()}
