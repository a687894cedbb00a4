"""What a function or an alias has beside code and configuration: one table of settings, three operations for each.

Reserved concurrency is enforced: the emulator is told once the write is committed, and again when the cloud starts. The
others are stored and answered without effect (docs/local-cloud.md).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fnroll.cloud.faults import Fault, invalid
from fnroll.cloud.names import LATEST, FunctionRef, Home, function_arn, home_of, is_version
from fnroll.cloud.records import Call, FunctionRow, Given, Result, absent, as_home, find_alias, page, sought

ACCOUNT_CONCURRENCY: Final = 1000
UNRESERVED_LEAST: Final = 100
"""Of the account's concurrency at least so much stays unreserved."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`noun`: in the names of its operations; `members`: of its value; `none`: what is answered where nothing is set
    (None: it is not found); `ends`: whether it can be deleted; `stamped`: LastModified and FunctionArn are answered."""

    noun: str
    members: tuple[str, ...]
    none: Mapping[str, Any] | None
    ends: bool = False
    stamped: bool = False


CONCURRENCY: Final = Setting("FunctionConcurrency", ("ReservedConcurrentExecutions",), {}, ends=True)
EVENT_INVOKE: Final = Setting(
    "FunctionEventInvokeConfig",
    ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"),
    None,
    ends=True,
    stamped=True,
)
SETTINGS: Final = (
    CONCURRENCY,
    EVENT_INVOKE,
    Setting("FunctionRecursionConfig", ("RecursiveLoop",), {"RecursiveLoop": "Terminate"}),
    Setting("RuntimeManagementConfig", ("UpdateRuntimeOn", "RuntimeVersionArn"), {"UpdateRuntimeOn": "Auto"}),
)


def operations() -> Iterator[tuple[str, Callable[[Call, Given], Result]]]:
    """Get, Put and Delete of each, by their names."""
    for setting in SETTINGS:
        yield f"Get{setting.noun}", _reader(setting)
        yield f"Put{setting.noun}", _writer(setting)
        if setting.ends:
            yield f"Delete{setting.noun}", _remover(setting)
    yield "UpdateFunctionEventInvokeConfig", _writer(EVENT_INVOKE, keep=True)
    yield "ListFunctionEventInvokeConfigs", _list_event_invoke_configs


def reserved(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """The ARN of each function with reserved concurrency, and how much."""
    rows = db.execute(
        "SELECT account, region, name, value FROM setting JOIN function ON id = function_id WHERE noun = ?",
        (CONCURRENCY.noun,),
    )
    return [
        (function_arn(as_home(row), row["name"]), json.loads(row["value"])["ReservedConcurrentExecutions"])
        for row in rows
    ]


def _reader(setting: Setting) -> Callable[[Call, Given], Result]:
    def get(call: Call, given: Given) -> Result:
        ref, function = _function(call, given)
        found = _find(call.db, setting, ref, function)
        if found is None and setting.none is None:
            raise _not_set(ref)
        return _answer(setting, ref, function, dict(setting.none or {}) if found is None else found)

    return get


def _writer(setting: Setting, *, keep: bool = False) -> Callable[[Call, Given], Result]:
    """`keep`: what is absent keeps its value, and there must be one."""

    def put(call: Call, given: Given) -> Result:
        ref, function = _function(call, given)
        value = {key: given[key] for key in setting.members if given.get(key) is not None}
        if keep:
            old = _find(call.db, setting, ref, function)
            if old is None:
                raise _not_set(ref)
            value = {**old, **value}
        if setting is EVENT_INVOKE:
            _check_destinations(value, function)
        if setting is CONCURRENCY:
            _check_concurrency(call, function, value["ReservedConcurrentExecutions"])
            call.effects.reserved[function.arn] = value["ReservedConcurrentExecutions"]
        if setting.stamped:
            value["LastModified"] = call.now.timestamp()
        call.db.execute(
            "INSERT OR REPLACE INTO setting (function_id, qualifier, noun, value) VALUES (?, ?, ?, ?)",
            (function.id, ref.qualifier or "", setting.noun, json.dumps(value)),
        )
        return _answer(setting, ref, function, value)

    return put


def _list_event_invoke_configs(call: Call, given: Given) -> Result:
    _, function = _function(call, given)
    rows = call.db.execute(
        "SELECT qualifier, value FROM setting WHERE function_id = ? AND noun = ? ORDER BY qualifier",
        (function.id, EVENT_INVOKE.noun),
    ).fetchall()
    chosen, marker = page(rows, lambda row: f":{row['qualifier']}", given)
    return {
        "FunctionEventInvokeConfigs": [
            _answer(
                EVENT_INVOKE,
                FunctionRef(function.home, function.name, row["qualifier"] or None),
                function,
                json.loads(row["value"]),
            )
            for row in chosen
        ],
        **marker,
    }


def _check_destinations(value: Mapping[str, Any], function: FunctionRow) -> None:
    for way in ("OnSuccess", "OnFailure"):
        target = value.get("DestinationConfig", {}).get(way, {}).get("Destination")
        if target is None:
            continue
        service = [*target.split(":"), "", "", ""][2]
        if service not in ("sqs", "sns", "lambda", "events", "s3") or (service == "s3" and way == "OnSuccess"):
            raise invalid(f"The provided destination config DestinationConfig is invalid: {target}")
        if service == "lambda" and (target + ":").startswith(function.arn + ":"):
            raise invalid("You can't specify the function as a destination for itself.")


def _remover(setting: Setting) -> Callable[[Call, Given], Result]:
    def delete(call: Call, given: Given) -> Result:
        ref, function = _function(call, given)
        if setting.none is None and _find(call.db, setting, ref, function) is None:
            raise _not_set(ref)
        if setting is CONCURRENCY:
            call.effects.reserved[function.arn] = None
        call.db.execute(
            "DELETE FROM setting WHERE function_id = ? AND qualifier = ? AND noun = ?",
            (function.id, ref.qualifier or "", setting.noun),
        )
        return {}

    return delete


def concurrency_of(db: sqlite3.Connection, function: FunctionRow) -> dict[str, Any] | None:
    """`ReservedConcurrentExecutions` of a function, if it has any."""
    return _find(db, CONCURRENCY, FunctionRef(function.home, function.name, None), function)


def unreserved(db: sqlite3.Connection, home: Home, but: str | None = None) -> int:
    """What of the concurrency of an account in a region no function has reserved; `but`: the ARN of one that does not
    count."""
    taken = (count for arn, count in reserved(db) if home_of(arn) == home and arn != but)
    return ACCOUNT_CONCURRENCY - sum(taken)


def _check_concurrency(call: Call, function: FunctionRow, wanted: int) -> None:
    if unreserved(call.db, function.home, function.arn) - wanted < UNRESERVED_LEAST:
        raise invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{UNRESERVED_LEAST}]."
        )


def _function(call: Call, given: Given) -> tuple[FunctionRef, FunctionRow]:
    ref, function = sought(call, given["FunctionName"], given.get("Qualifier"))
    if function is None:
        raise absent()
    is_alias = ref.qualifier is not None and not is_version(ref.qualifier)
    if is_alias and find_alias(call.db, function, ref.qualifier or "") is None:
        raise absent()
    return ref, function


def _find(db: sqlite3.Connection, setting: Setting, ref: FunctionRef, function: FunctionRow) -> dict[str, Any] | None:
    row = db.execute(
        "SELECT value FROM setting WHERE function_id = ? AND qualifier = ? AND noun = ?",
        (function.id, ref.qualifier or "", setting.noun),
    ).fetchone()
    return None if row is None else json.loads(row["value"])


def _answer(setting: Setting, ref: FunctionRef, function: FunctionRow, value: dict[str, Any]) -> Result:
    arn = function_arn(function.home, function.name, ref.qualifier)
    if setting.noun == "RuntimeManagementConfig":
        return {**value, "FunctionArn": arn}
    if setting.stamped:
        destinations = {"OnSuccess": {}, "OnFailure": {}, **value.get("DestinationConfig", {})}
        at = function_arn(function.home, function.name, ref.qualifier or LATEST)
        return {**value, "DestinationConfig": destinations, "FunctionArn": at}
    return value


def _not_set(ref: FunctionRef) -> Fault:
    return Fault("ResourceNotFoundException", f"The function {ref.asked_arn} doesn't have an EventInvokeConfig")
