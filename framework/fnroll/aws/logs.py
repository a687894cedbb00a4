"""Reading CloudWatch Logs: events of a group, once or as they come, and the lines of one request.

FilterLogEvents is the one call. It may give an event late and out of order, so following looks back a little each time
and tells known events by their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fnroll.aws.clock import SYSTEM, Clock
from fnroll.aws.errors import border
from fnroll.aws.functions import FunctionState
from fnroll.errors import NotFound

PAUSE = 2.0
"""Seconds between two looks: FilterLogEvents has a limit of five a second for the whole account."""

LOOK_BACK = 15_000
"""Milliseconds by which an event may be late and is still seen."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line. `timestamp`: milliseconds since 1970; `message` without its line end."""

    timestamp: int
    stream: str
    message: str
    id: str


def log_group(name: str, state: FunctionState | None = None) -> str:
    """Where a function's log goes: LoggingConfig.LogGroup, else /aws/lambda/NAME."""
    logging = (state.configuration.get("LoggingConfig") if state else None) or {}
    return str(logging.get("LogGroup") or f"/aws/lambda/{name}")


def read_events(
    client: Any,
    group: str,
    *,
    since: int,
    until: int | None = None,
    pattern: str | None = None,
    stream: str | None = None,
) -> Iterator[LogEvent]:
    """FilterLogEvents, page by page as they are asked for; `until` is included. Raises NotFound, AwsError for a pattern
    that is none."""
    more: dict[str, Any] = {"logGroupName": group, "startTime": since}
    if until is not None:
        more["endTime"] = until
    if pattern:
        more["filterPattern"] = pattern
    if stream is not None:
        more["logStreamNames"] = [stream]
    with border("FilterLogEvents", group):
        pages = iter(client.get_paginator("filter_log_events").paginate(**more))
    while True:
        with border("FilterLogEvents", group):
            page = next(pages, None)
        if page is None:
            return
        yield from (_event(row) for row in page.get("events", ()))


def _event(row: Any) -> LogEvent:
    message = str(row.get("message", "")).rstrip("\r\n")
    return LogEvent(int(row["timestamp"]), str(row.get("logStreamName", "")), message, str(row.get("eventId", "")))


def follow_events(
    client: Any,
    group: str,
    *,
    since: int,
    pattern: str | None = None,
    clock: Clock = SYSTEM,
    missing: Callable[[], None] = lambda: None,
) -> Iterator[LogEvent]:
    """Every event since then, each once, and on without end. A group that does not exist yet is waited for; `missing`
    is called when that is so for the first time."""
    newest, seen, told = since, dict[str, int](), False
    while True:
        fresh = []
        try:
            for event in read_events(client, group, since=max(since, newest - LOOK_BACK), pattern=pattern):
                if event.id not in seen:
                    seen[event.id] = event.timestamp
                    fresh.append(event)
        except NotFound:
            if not told:
                missing()
            told = True
        yield from sorted(fresh, key=lambda event: event.timestamp)
        newest = max([newest, *(event.timestamp for event in fresh)])
        seen = {name: timestamp for name, timestamp in seen.items() if timestamp >= newest - LOOK_BACK}
        clock.sleep(PAUSE)


def events_of_request(client: Any, group: str, request_id: str, *, since: int) -> list[LogEvent]:
    """Every line of one invocation, in order; those that do not name the request too.

    An environment has one invocation at a time, so what stands in its stream between the first and the last line that
    name the request is the request's own. An attempt that was retried elsewhere has lines in two streams.
    """
    named: dict[str, list[LogEvent]] = {}
    for event in read_events(client, group, since=since, pattern=f'"{request_id}"'):
        named.setdefault(event.stream, []).append(event)
    found: list[LogEvent] = []
    for stream, events in named.items():
        times = [event.timestamp for event in events]
        around = list(read_events(client, group, since=min(times), until=max(times), stream=stream))
        places = [place for place, event in enumerate(around) if request_id in event.message]
        found += around[places[0] : places[-1] + 1] if places else events
    return sorted(found, key=lambda event: event.timestamp)
