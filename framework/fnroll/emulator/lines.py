"""The platform's own log lines in the text format, to the letter. Source: recorded on AWS (facts 2.4). Pure.

Each function returns what CloudWatch stores as one event, without its last line end; an event may hold a line end
(the blank line after a timeout, the error type under its text).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from fnroll.emulator.api import Report, Status
from fnroll.emulator.faults import Fault

Phase = Literal["init", "invoke"]

_RUNTIME = re.compile(r"([a-z]+)\.?(.*?)(\.x)?")

TEMPLATES: Final = {
    "INIT_START": "INIT_START Runtime Version: {runtime}.v{number}\tRuntime Version ARN: {arn}",
    "INIT_REPORT": "INIT_REPORT Init Duration: {init:.2f} ms\tPhase: {phase}\tStatus: {status}",
    "INIT": "Init Duration: {init:.2f} ms\t",
    "TYPE": "\tError Type: {type}",
    "FAULT": "RequestId: {id} Error: {message}\n{type}",
    "TIMEOUT": "{time} {id} {message}\n",
    "EXTENSION": "EXTENSION\tName: {name}\tState: {state}\tEvents: [{events}]",
    "SUBSCRIPTION": "{kind}\tName: {name}\tState: Subscribed\tTypes: [{types}]",
}


def init_start(runtime: str | None, region: str) -> str:
    """The runtime's version is AWS's to number: ours is v0, and the hash in the ARN that of its name."""
    match = _RUNTIME.fullmatch(runtime or "provided")
    name = f"{match[1]}:{match[2]}" if match else str(runtime)
    digest = hashlib.sha256(f"fn:{runtime}".encode()).hexdigest()
    arn = f"arn:aws:lambda:{region}::runtime:{digest}"
    return TEMPLATES["INIT_START"].format(runtime=name.rstrip(":"), number=0, arn=arn)


def init_report(init_ms: float, phase: Phase, status: Status, error_type: str | None = None) -> str:
    line = TEMPLATES["INIT_REPORT"].format(init=init_ms, phase=phase, status=status)
    return line + (TEMPLATES["TYPE"].format(type=error_type) if error_type else "")


def start(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}"


def end(request_id: str) -> str:
    return f"END RequestId: {request_id}"


def report(request_id: str, figures: Report) -> str:
    """Ends with a tab; with the status instead where the platform found the error (crash, timeout, init, too large)."""
    line = (
        f"REPORT RequestId: {request_id}\tDuration: {figures.duration_ms:.2f} ms\t"
        f"Billed Duration: {figures.billed_ms} ms\tMemory Size: {figures.memory_mb} MB\t"
        f"Max Memory Used: {figures.max_memory_mb} MB\t"
    )
    if figures.init_ms is not None:
        line += TEMPLATES["INIT"].format(init=figures.init_ms)
    if not figures.platform_error:
        return line
    line += f"Status: {figures.status}"
    if figures.status == "error" and figures.error_type:
        line += TEMPLATES["TYPE"].format(type=figures.error_type)
    return line


def fault(request_id: str, found: Fault) -> str:
    return TEMPLATES["FAULT"].format(id=request_id, message=found.message, type=found.type)


def timeout(request_id: str, found: Fault, now: float) -> str:
    """`now` in epoch seconds."""
    return TEMPLATES["TIMEOUT"].format(time=_instant(now), id=request_id, message=found.message)


def extension(name: str, state: str, events: Sequence[str], error_type: str | None = None) -> str:
    line = TEMPLATES["EXTENSION"].format(name=name, state=state, events=", ".join(events))
    return line + (TEMPLATES["TYPE"].format(type=error_type) if error_type else "")


def subscription(name: str, types: Sequence[str], old: bool) -> str:
    kind, told = "LOGS" if old else "TELEMETRY", ", ".join(kind.capitalize() for kind in types)
    return TEMPLATES["SUBSCRIPTION"].format(kind=kind, name=name, types=told)


def _instant(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def billed_ms(duration_ms: float, init_ms: float = 0.0) -> int:
    """Whole milliseconds, rounded up, init included (since August 2025); counted on the figures as printed."""
    shown = round(duration_ms, 2)
    return math.ceil(round(shown + round(init_ms, 2), 2) if init_ms else shown)


def stream_name(now: float, version: str, unique: str) -> str:
    """`YYYY/MM/DD/[version]32hex`; `now` in epoch seconds, `unique` 32 hex digits."""
    return f"{datetime.fromtimestamp(now, UTC):%Y/%m/%d}/[{version}]{unique}"
