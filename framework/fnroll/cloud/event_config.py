"""How a function's asynchronous events are treated: its event invoke config, dead-letter queue and reservation."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from fnroll.cloud.names import LATEST, FunctionRef
from fnroll.cloud.records import FunctionRow, find_function, meant, qualified
from fnroll.cloud.settings import EVENT_INVOKE, concurrency_of

RETRIES = 2
MAX_AGE = 21_600


@dataclass(frozen=True, slots=True)
class EventConfig:
    """`retries`: beside the first attempt; `max_age` in seconds; targets are ARNs; `concurrency`: what is reserved."""

    retries: int = RETRIES
    max_age: float = MAX_AGE
    on_success: str | None = None
    on_failure: str | None = None
    dead_letters: str | None = None
    concurrency: int | None = None


def read_event_config(db: sqlite3.Connection, ref: FunctionRef) -> EventConfig:
    """As it is now, of exactly the qualifier that was invoked; the defaults where the function is gone."""
    function = find_function(db, ref.home, ref.name)
    if function is None:
        return EventConfig()
    said = _said(db, function, ref.qualifier)
    destinations = said.get("DestinationConfig", {})
    version = qualified(db, function, meant(db, function, ref.qualifier))
    reserved = concurrency_of(db, function) or {}
    return EventConfig(
        said.get("MaximumRetryAttempts", RETRIES),
        said.get("MaximumEventAgeInSeconds", MAX_AGE),
        destinations.get("OnSuccess", {}).get("Destination"),
        destinations.get("OnFailure", {}).get("Destination"),
        version.config.get("DeadLetterConfig", {}).get("TargetArn") if version is not None else None,
        reserved.get("ReservedConcurrentExecutions"),
    )


def _said(db: sqlite3.Connection, function: FunctionRow, qualifier: str | None) -> dict[str, Any]:
    names = ("", LATEST) if qualifier in (None, LATEST) else (qualifier, qualifier)
    row = db.execute(
        "SELECT value FROM setting WHERE function_id = ? AND qualifier IN (?, ?) AND noun = ?",
        (function.id, *names, EVENT_INVOKE.noun),
    ).fetchone()
    return json.loads(row["value"]) if row is not None else {}
