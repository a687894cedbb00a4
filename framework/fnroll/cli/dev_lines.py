"""What `fn dev` prints: the function's own log lines with its name before them, one line for each request. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fnroll.cli.results import was_cold

if TYPE_CHECKING:
    from fnroll.emulator import FunctionConfig, Invocation, LogLine, Outcome

_PLATFORM: Final = (
    "INIT_START ",
    "START RequestId: ",
    "END RequestId: ",
    "REPORT RequestId: ",
    "EXTENSION\t",
    "TELEMETRY\t",
    "LOGS\t",
    "XRAY TraceId: ",
)
_LONGEST: Final = 120
"""Characters of an error's message; the log has it whole."""

Styled = tuple[str, dict[str, Any]]


def logged(line: LogLine) -> Iterator[str]:
    """The lines to print of what was logged; none for what only says that something went as always."""
    text = line.text
    if text.startswith(_PLATFORM) or (text.startswith('{"time":"') and _is_platform_event(text)):
        return
    for part in text.replace("\r", "\n").rstrip("\n").split("\n"):
        yield f"{line.function} | {part}"


def _is_platform_event(text: str) -> bool:
    try:
        event: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(event, dict) and str(event.get("type", "")).startswith("platform.") and "record" in event


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what came of it. `asked`: method and path at the URL, or invoke; `status`: of HTTP, where it was
    one and its answer was not streamed; `error`: what went wrong, else None; `init_ms` None: none that succeeded."""

    function: str
    asked: str
    status: int | None
    request_id: str
    cold: bool
    init_ms: float | None
    duration_ms: float
    memory_mb: int
    max_memory_mb: int
    error: str | None


def request_of(config: FunctionConfig, invocation: Invocation, outcome: Outcome) -> Request:
    report = outcome.report
    asked = _asked(invocation.payload)
    answer = _json(outcome.payload)
    status = None
    if asked is not None and (invocation.stream is None or outcome.payload):
        status = 502 if outcome.function_error else _status(answer)
    return Request(
        config.name,
        asked or "invoke",
        status,
        invocation.request_id,
        was_cold(outcome),
        report.init_ms,
        report.duration_ms,
        report.memory_mb,
        report.max_memory_mb,
        _error(answer, report.error_type) if outcome.function_error else None,
    )


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return None


def _asked(payload: bytes) -> str | None:
    """Method and path, if the event is of a function URL."""
    if b'"requestContext"' not in payload or not isinstance(event := _json(payload), dict):
        return None
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    if not isinstance(http, dict) or "method" not in http:
        return None
    query = f"?{event['rawQueryString']}" if event.get("rawQueryString") else ""
    return f"{http['method']} {http.get('path', '')}{query}"


def _status(answer: Any) -> int:
    given = answer.get("statusCode", 200) if isinstance(answer, dict) else 200
    try:
        return int(given)
    except (TypeError, ValueError):
        return 502


def _error(answer: Any, error_type: str | None) -> str:
    told = answer if isinstance(answer, dict) else {}
    kind, message = told.get("errorType") or error_type, told.get("errorMessage")
    line = next(iter(str(message or "").splitlines()), "")
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    return ": ".join(str(part) for part in (kind, line) if part) or "the function answered with an error"


def line_of(request: Request) -> Styled:
    asked = request.asked if request.status is None else f"{request.asked} {request.status}"
    start = (
        "warm" if not request.cold else "cold" if request.init_ms is None else f"cold, init {request.init_ms:.0f} ms"
    )
    text = (
        f"{request.function} {asked}, {request.duration_ms:.1f} ms ({start}), "
        f"{request.max_memory_mb} of {request.memory_mb} MB"
    )
    if request.error is None:
        return text, {"dim": True}
    return f"{text}, {request.error}, request {request.request_id}", {"fg": "red"}
