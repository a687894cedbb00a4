"""What the platform tells about an environment: each event once, as a text line, as a JSON line, as a telemetry record.

An event has a type, a level (what SystemLogLevel filters in the JSON format), the text line (None: the text format has
no line for it) and its record, made only when somebody wants it. The text lines are lines.py's. Source of types and
fields: facts 2.3; levels: AWS's table of system log events. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from fnroll.emulator import lines, traces
from fnroll.emulator.api import FunctionConfig, Invocation, Report
from fnroll.emulator.faults import Fault
from fnroll.emulator.tally import Ending

LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
Record = Mapping[str, Any]


class Event(NamedTuple):
    type: str
    level: str
    text: str | None
    record: Callable[[], Record]


def at_least(level: str, threshold: str) -> bool:
    return LEVELS.index(level) >= LEVELS.index(threshold)


def instant(now: float) -> str:
    """`2024-01-29T16:41:15.998Z`; `now` in epoch seconds."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def enveloped(event_type: str, record: Any, now: float) -> dict[str, Any]:
    """An event as the Telemetry API and the JSON log format have it."""
    return {"time": instant(now), "type": event_type, "record": record}


def as_line(event: Event, now: float) -> str:
    """The line of the JSON log format."""
    return json.dumps(enveloped(event.type, event.record(), now), separators=(",", ":"), ensure_ascii=False)


def init_start(config: FunctionConfig, phase: lines.Phase, instance: str) -> Event:
    text = lines.init_start(config.runtime, config.region)
    return Event("platform.initStart", "INFO", text, partial(_init_start, config, phase, instance, text))


def _init_start(config: FunctionConfig, phase: str, instance: str, text: str) -> Record:
    version, _, arn = text.removeprefix("INIT_START Runtime Version: ").partition("\tRuntime Version ARN: ")
    return {
        "initializationType": config.initialization,
        "phase": phase,
        "runtimeVersion": version,
        "runtimeVersionArn": arn,
        "functionName": config.name,
        "functionVersion": config.version,
        "instanceId": instance,
        "instanceMaxMemory": config.memory_mb * 1024 * 1024,
    }


def init_done(config: FunctionConfig, phase: lines.Phase, status: str, error_type: str | None = None) -> Event:
    record = {"initializationType": config.initialization, "phase": phase, **_outcome(status, error_type)}
    return Event("platform.initRuntimeDone", "DEBUG" if status == "success" else "WARN", None, lambda: record)


def init_report(
    config: FunctionConfig, phase: lines.Phase, init_ms: float, status: str, error_type: str | None = None
) -> Event:
    """In the text format only an init that failed has its own line."""
    good = status == "success"
    text = (
        None if good else lines.init_report(init_ms, phase, "timeout" if status == "timeout" else "error", error_type)
    )
    level = "WARN" if not good else "DEBUG" if config.initialization == "on-demand" else "INFO"
    metrics = {"metrics": {"durationMs": round(init_ms, 3)}}
    said = {"initializationType": config.initialization, "phase": phase, **_outcome(status, error_type), **metrics}
    return Event("platform.initReport", level, text, lambda: said)


def start(invocation: Invocation, version: str) -> Event:
    text = lines.start(invocation.request_id, version)
    return Event("platform.start", "INFO", text, partial(_start, invocation, version))


def _start(invocation: Invocation, version: str) -> Record:
    return {"requestId": invocation.request_id, "version": version, **_tracing(invocation.trace_id)}


class Spans(NamedTuple):
    """What an answered invocation spent its time on. `began` in epoch seconds; `overhead_ms`: between the answer and
    the runtime's next call for an event. The answer is read in one piece here, so that its reading takes no time."""

    began: float
    latency_ms: float
    overhead_ms: float

    def record(self) -> list[Record]:
        answered = self.began + self.latency_ms / 1000
        return [
            {"name": "responseLatency", "start": instant(self.began), "durationMs": round(self.latency_ms, 3)},
            {"name": "responseDuration", "start": instant(answered), "durationMs": 0.0},
            {"name": "runtimeOverhead", "start": instant(answered), "durationMs": round(self.overhead_ms, 3)},
        ]


def runtime_done(invocation: Invocation, ending: Ending, size: int, spans: Spans | None = None) -> Event:
    """The END line stands where this event does: the runtime has done its part of the invocation. `size`: bytes of the
    answer."""
    level = "DEBUG" if ending.status == "success" else "WARN"
    record = partial(_runtime_done, invocation, ending, size, spans)
    return Event("platform.runtimeDone", level, lines.end(invocation.request_id), record)


def _runtime_done(invocation: Invocation, ending: Ending, size: int, spans: Spans | None) -> Record:
    return {
        "requestId": invocation.request_id,
        **_outcome(ending.status, ending.error_type),
        "metrics": {"durationMs": round(ending.spent_ms, 3), "producedBytes": size},
        **({} if spans is None else {"spans": spans.record()}),
        **_tracing(invocation.trace_id),
    }


def report(invocation: Invocation, figures: Report, traced: bool = False) -> Event:
    """`traced`: of a function with active tracing."""
    level = "INFO" if figures.status == "success" else "WARN"
    text = lines.report(invocation.request_id, figures)
    if traced and (trace := traces.line(invocation.trace_id)):
        text += f"\n{trace}"
    return Event("platform.report", level, text, partial(_report, invocation, figures))


def _report(invocation: Invocation, figures: Report) -> Record:
    metrics = {
        "durationMs": figures.duration_ms,
        "billedDurationMs": figures.billed_ms,
        "memorySizeMB": figures.memory_mb,
        "maxMemoryUsedMB": figures.max_memory_mb,
        **({} if figures.init_ms is None else {"initDurationMs": figures.init_ms}),
    }
    outcome = _outcome(figures.status, figures.error_type)
    return {"requestId": invocation.request_id, **outcome, "metrics": metrics, **_tracing(invocation.trace_id)}


def fault(request_id: str, found: Fault) -> Event:
    text = lines.fault(request_id, found)
    return Event("platform.fault", "ERROR", text, lambda: {"requestId": request_id, "fault": text})


def timeout(request_id: str, found: Fault, now: float) -> Event:
    text = lines.timeout(request_id, found, now)
    return Event("platform.fault", "ERROR", text, lambda: {"requestId": request_id, "fault": text.rstrip("\n")})


def extension(name: str, state: str, subscribed: Sequence[str], error_type: str | None = None) -> Event:
    said = {
        "name": name,
        "state": state,
        "events": list(subscribed),
        **({"errorType": error_type} if error_type else {}),
    }
    text = lines.extension(name, state, subscribed, error_type)
    return Event("platform.extension", "INFO" if error_type is None else "WARN", text, lambda: said)


def subscription(name: str, types: Sequence[str], old: bool) -> Event:
    """To the Telemetry API, or to the Logs API that came before it."""
    kind = "platform.logsSubscription" if old else "platform.telemetrySubscription"
    said = {"name": name, "state": "Subscribed", "types": list(types)}
    return Event(kind, "INFO", lines.subscription(name, types, old), lambda: said)


def dropped(count: int, size: int, reason: str) -> Event:
    said = {"droppedBytes": size, "droppedRecords": count, "reason": reason}
    return Event("platform.logsDropped", "WARN", None, lambda: said)


def _outcome(status: str, error_type: str | None) -> Record:
    return {"status": status, **({"errorType": error_type} if error_type else {})}


def _tracing(trace_id: str | None) -> Record:
    return {"tracing": {"type": "X-Amzn-Trace-Id", "value": trace_id}} if trace_id else {}
