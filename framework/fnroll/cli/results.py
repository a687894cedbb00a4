"""What `fn run` prints of its invocations: pure functions from outcomes to lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fnroll.emulator import Outcome, Report

_INIT_FAILED = (b"\nINIT_REPORT ", b'"type":"platform.initReport"')
"""In an invocation's log, as text or JSON: an init that failed (facts 2.4). One that succeeded is in its report."""


def one_line(payload: bytes) -> bytes:
    """A result as one line without its end. In JSON a line break is white space; what is not JSON stays as it is."""
    if b"\n" not in payload and b"\r" not in payload:
        return payload
    try:
        json.loads(payload)
    except ValueError:
        return payload
    return b" ".join(payload.split(b"\n")).replace(b"\r", b" ").strip()


def record_line(outcome: Outcome) -> bytes:
    return json.dumps(record(outcome), ensure_ascii=False).encode("utf-8", "replace")


def record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as --output json has it. A payload that is no JSON is a text."""
    report = outcome.report
    try:
        payload = json.loads(outcome.payload)
    except ValueError:
        payload = outcome.payload.decode("utf-8", "replace")
    return {
        "payload": payload,
        "function_error": outcome.function_error,
        "report": {
            "status": report.status,
            "error_type": report.error_type,
            "duration_ms": report.duration_ms,
            "billed_ms": report.billed_ms,
            "init_ms": report.init_ms,
            "memory_mb": report.memory_mb,
            "max_memory_mb": report.max_memory_mb,
        },
        "log": outcome.log.decode("utf-8", "replace"),
    }


def was_cold(outcome: Outcome) -> bool:
    """Whether an init was part of it, be it one that failed."""
    log = b"\n" + outcome.log
    return outcome.report.init_ms is not None or any(mark in log for mark in _INIT_FAILED)


def summary(reports: Sequence[Report], cold: int, seconds: float) -> str:
    """One line over several invocations, `cold` of which had an init, that took `seconds` together."""
    inits = [report.init_ms for report in reports if report.init_ms is not None]
    failed = sum(report.status != "success" for report in reports)
    counts = f"{cold} cold, {len(reports) - cold} warm" + (f", {failed} failed" if failed else "")
    parts = [
        f"{len(reports)} invocations in {seconds:.2f} s: {counts}",
        f"duration {_spread([report.duration_ms for report in reports])}",
    ]
    if inits:
        parts.append(f"init {_spread(inits)}")
    return "; ".join(parts)


def _spread(values: Sequence[float]) -> str:
    """Milliseconds: the lowest, the median, the 99th percentile and the highest of one or more."""
    ordered = sorted(values)
    last = len(ordered) - 1
    median, high = ordered[round(0.5 * last)], ordered[round(0.99 * last)]
    return f"min {ordered[0]:.2f} p50 {median:.2f} p99 {high:.2f} max {ordered[-1]:.2f} ms"
