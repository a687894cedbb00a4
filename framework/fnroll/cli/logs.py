"""`fn logs`: the function's log, from CloudWatch Logs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App
from fnroll.errors import NotFound, UsageError

if TYPE_CHECKING:
    from fnroll.aws.logs import LogEvent

FORMATS = ("detailed", "short", "json", "jsonl")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


@click.command()
@click.option("--since", metavar="WHEN", help="10m, 1h30m, 2d, or an ISO time.  [default: 10m; 1d with --request-id]")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--filter-pattern", metavar="PATTERN", help='CloudWatch\'s filter pattern: words, "a text", { $.a = 1 }.')
@click.option("--request-id", metavar="ID", help="All lines of this one invocation.")
@click.option("--qualifier", metavar="NAME", help="The lines of this version or alias alone.")
@click.option(
    "--format", "style", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True, help="How it looks."
)
@click.pass_obj
def logs(app: App, /, since: str | None, follow: bool, style: str, **said: Any) -> None:
    """Show the log of the deployed function.

    Formats: detailed is time, stream and message; short is time and message; json is detailed with messages that are
    JSON spread out; jsonl is an object on a line for each: timestamp, stream, message (as JSON if it is).
    """
    from fnroll.aws.functions import find_function
    from fnroll.aws.logs import events_of_request, follow_events, log_group, read_events

    request_id, pattern = said["request_id"], said["filter_pattern"]
    if request_id and (follow or pattern):
        raise UsageError("--request-id goes with neither --follow nor --filter-pattern")
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise UsageError(f"--request-id {request_id!r} is no request id", hint="START, END and REPORT lines name it")
    start = moment(since or ("1d" if request_id else "10m"), time.time())
    definition, session = app.definition(full=False), app.session()
    name = definition.name
    state = find_function(session.control, name)
    if state is None and "LogGroup" in definition.request.get("LoggingConfig", {}):
        group = str(definition.request["LoggingConfig"]["LogGroup"])
    else:
        group = log_group(name, state)
    marks = _marks(session.control, name, said["qualifier"])
    client = session.service("logs")

    def missing() -> None:
        app.say(f"there is no log group {group} yet: {name} has not logged anything", dim=True)

    events: Iterable[LogEvent]
    try:
        if request_id:
            events = events_of_request(client, group, request_id, since=start)
            if not events:
                raise NotFound(
                    f"no line names the request {request_id}",
                    where=group,
                    hint="lines come with some seconds' delay; --since looks further back",
                )
        elif follow:
            events = follow_events(client, group, since=start, pattern=pattern, missing=missing)
        else:
            events = read_events(client, group, since=start, pattern=pattern)
        for event in events:
            if not marks or any(mark in event.stream for mark in marks):
                app.show(line(event, style))
    except NotFound:
        if request_id or state is None:
            raise
        missing()


def _marks(client: Any, name: str, qualifier: str | None) -> list[str]:
    """What the names of a version's streams hold; those of every version that an alias routes to. Raises NotFound."""
    if qualifier is None:
        return []
    if qualifier == "$LATEST" or qualifier.isdecimal():
        return [f"[{qualifier}]"]
    from fnroll.aws.aliases import get_alias

    return [f"[{version}]" for version in get_alias(client, name, qualifier).traffic]


def moment(text: str, now: float) -> int:
    """`10m` (ago), `1h30m`, or an ISO time (UTC unless it says otherwise): milliseconds since 1970.

    `now` in seconds. Raises UsageError.
    """
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        ago = sum(float(number) * _UNITS[unit] for number, unit in parts)
        return max(0, int((now - ago) * 1000))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "30s, 10m, 1h30m, 2d, 1w, or 2026-01-31T12:00:00Z"
        raise UsageError(f"--since {text!r} is neither a duration nor a time", hint=hint) from error
    return max(0, int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000))


def line(event: LogEvent, style: str) -> str:
    """One event, as the format has it."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event.timestamp)
    parsed = _parsed(event.message) if style in ("json", "jsonl") else None
    if style == "short":
        return f"{at:%Y-%m-%dT%H:%M:%S} {event.message}"
    exact = at.isoformat(timespec="milliseconds")
    if style == "jsonl":
        message = event.message if parsed is None else parsed
        return json.dumps({"timestamp": exact, "stream": event.stream, "message": message}, ensure_ascii=False)
    message = event.message if parsed is None else "\n" + json.dumps(parsed, indent=4, ensure_ascii=False)
    return f"{exact} {event.stream} {message}"


def _parsed(message: str) -> Any:
    """The object or list that the message is; None for plain text (a number is plain text too)."""
    if not message.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return None
