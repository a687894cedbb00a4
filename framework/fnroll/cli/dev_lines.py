"""What `fn dev` prints of log lines: the function's own with its name before them, one line for each request. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fnroll.emulator import LogLine

_REPORT: Final = re.compile(
    r"REPORT RequestId: \S+\tDuration: (?P<duration>[\d.]+) ms\tBilled Duration: \d+ ms\t"
    r"Memory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB\t(?:Init Duration: (?P<init>[\d.]+) ms\t)?"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_PLATFORM: Final = ("INIT_START ", "START RequestId: ", "END RequestId: ", "EXTENSION\t", "TELEMETRY\t", "LOGS\t")

Styled = tuple[str, dict[str, Any]]


def shown(line: LogLine) -> Iterator[Styled]:
    """The lines to print, and how; none for what only says that something went as always."""
    text = line.text
    if (report := _REPORT.fullmatch(text)) is not None:
        status = report["rest"].strip().replace("\t", ", ")
        yield _request(
            line, float(report["duration"]), report["init"], int(report["used"]), int(report["size"]), status
        )
        return
    if text.startswith('{"time":"') and (event := _platform_event(text)) is not None:
        if event["type"] == "platform.report":
            yield _json_request(line, event["record"])
        return
    if text.startswith(_PLATFORM):
        return
    for part in text.replace("\r", "\n").rstrip("\n").split("\n"):
        yield f"{line.function} | {part}", {}


def _platform_event(text: str) -> dict[str, Any] | None:
    try:
        event: Any = json.loads(text)
    except ValueError:
        return None
    known = isinstance(event, dict) and str(event.get("type", "")).startswith("platform.") and "record" in event
    return event if known else None


def _json_request(line: LogLine, record: dict[str, Any]) -> Styled:
    metrics, status = record["metrics"], record["status"]
    init = metrics.get("initDurationMs")
    said = "" if status == "success" else f"Status: {status}"
    if record.get("errorType"):
        said += f", Error Type: {record['errorType']}"
    return _request(
        line, metrics["durationMs"], init and str(init), metrics["maxMemoryUsedMB"], metrics["memorySizeMB"], said
    )


def _request(line: LogLine, duration: float, init: str | None, used: int, size: int, status: str) -> Styled:
    start = f"cold, init {float(init):.0f} ms" if init else "warm"
    text = f"{line.function} {duration:.1f} ms ({start}), {used} of {size} MB"
    return (f"{text}, {status}", {"fg": "red"}) if status else (text, {"dim": True})
