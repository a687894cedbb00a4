"""Platform events: each as text, as a JSON line under each system log level, and in a function's log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from emulator_support import REQUEST_ID, function, opened
from fnroll.emulator import events
from fnroll.emulator.api import FunctionConfig, Invocation, Report
from fnroll.emulator.faults import exited
from fnroll.emulator.tally import Ending
from fnroll.sandbox.api import Exit

EVENT = Invocation("id", b"", "arn")
CONFIG = FunctionConfig("f", "arn", "7", "1", Path("/"), None)
GOOD = Report(3.01, 114, 128, 36, 110.1, "success")
BAD = GOOD._replace(status="error", error_type="Runtime.OutOfMemory", platform_error=True)

TABLE: list[tuple[events.Event, str, str | None, dict[str, Any]]] = [
    (
        events.start(EVENT._replace(trace_id="Root=1"), "7"),
        "INFO",
        "START RequestId: id Version: 7",
        {"requestId": "id", "version": "7", "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"}},
    ),
    (
        events.runtime_done(EVENT, Ending("success", None, False, 3.01), 12),
        "DEBUG",
        "END RequestId: id",
        {"requestId": "id", "status": "success", "metrics": {"durationMs": 3.01, "producedBytes": 12}},
    ),
    (
        events.runtime_done(
            EVENT, Ending("success", None, False, 17.12), 50, events.Spans(1719824094.108, 1.613, 15.507)
        ),
        "DEBUG",
        "END RequestId: id",
        {
            "requestId": "id",
            "status": "success",
            "metrics": {"durationMs": 17.12, "producedBytes": 50},
            "spans": [
                {"name": "responseLatency", "start": "2024-07-01T08:54:54.108Z", "durationMs": 1.613},
                {"name": "responseDuration", "start": "2024-07-01T08:54:54.109Z", "durationMs": 0.0},
                {"name": "runtimeOverhead", "start": "2024-07-01T08:54:54.109Z", "durationMs": 15.507},
            ],
        },
    ),
    (
        events.report(EVENT, GOOD),
        "INFO",
        "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\t"
        "Init Duration: 110.10 ms\t",
        {
            "requestId": "id",
            "status": "success",
            "metrics": {
                "durationMs": 3.01,
                "billedDurationMs": 114,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 36,
                "initDurationMs": 110.1,
            },
        },
    ),
    (
        events.report(EVENT, BAD._replace(init_ms=None)),
        "WARN",
        "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\t"
        "Status: error\tError Type: Runtime.OutOfMemory",
        {
            "requestId": "id",
            "status": "error",
            "errorType": "Runtime.OutOfMemory",
            "metrics": {"durationMs": 3.01, "billedDurationMs": 114, "memorySizeMB": 128, "maxMemoryUsedMB": 36},
        },
    ),
    (
        events.init_report(CONFIG, "init", 137.69, "error", "Runtime.ImportModuleError"),
        "WARN",
        "INIT_REPORT Init Duration: 137.69 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
        {
            "initializationType": "on-demand",
            "phase": "init",
            "status": "error",
            "errorType": "Runtime.ImportModuleError",
            "metrics": {"durationMs": 137.69},
        },
    ),
    (
        events.init_report(CONFIG, "init", 5.0, "success"),
        "DEBUG",
        None,
        {"initializationType": "on-demand", "phase": "init", "status": "success", "metrics": {"durationMs": 5.0}},
    ),
    (
        events.fault("id", exited(Exit(1, None))),
        "ERROR",
        "RequestId: id Error: Runtime exited with error: exit status 1\nRuntime.ExitError",
        {
            "requestId": "id",
            "fault": "RequestId: id Error: Runtime exited with error: exit status 1\nRuntime.ExitError",
        },
    ),
    (
        events.extension("agent", "Ready", ("INVOKE", "SHUTDOWN")),
        "INFO",
        "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        {"name": "agent", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]},
    ),
    (
        events.extension("agent", "LaunchError", (), "PermissionDenied"),
        "WARN",
        "EXTENSION\tName: agent\tState: LaunchError\tEvents: []\tError Type: PermissionDenied",
        {"name": "agent", "state": "LaunchError", "events": [], "errorType": "PermissionDenied"},
    ),
    (
        events.subscription("agent", ("function",), old=True),
        "INFO",
        "LOGS\tName: agent\tState: Subscribed\tTypes: [Function]",
        {"name": "agent", "state": "Subscribed", "types": ["function"]},
    ),
    (
        events.subscription("agent", ("platform", "function"), old=False),
        "INFO",
        "TELEMETRY\tName: agent\tState: Subscribed\tTypes: [Platform, Function]",
        {"name": "agent", "state": "Subscribed", "types": ["platform", "function"]},
    ),
]


@pytest.mark.parametrize(("event", "level", "text", "record"), TABLE, ids=[row[0].type for row in TABLE])
def test_an_event(event: events.Event, level: str, text: str | None, record: dict[str, Any]) -> None:
    assert (event.level, event.text, event.record()) == (level, text, record)
    line = events.as_line(event, 1706546475.998)
    assert json.loads(line) == {"time": "2024-01-29T16:41:15.998Z", "type": event.type, "record": record}


@pytest.mark.parametrize(
    ("level", "types"),
    [
        ("DEBUG", ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]),
        ("INFO", ["initStart", "start", "report"]),
        ("WARN", []),
    ],
)
def test_a_function_that_logs_in_json(tmp_path: Path, level: str, types: list[str]) -> None:
    config = function(tmp_path, log_format="JSON", system_log_level=level, application_log_level="WARN")

    async def main() -> tuple[Any, list[str]]:
        async with opened("plain") as invoke:
            text = 'print qq({"level":"INFO"}\\n), "plain\\n"; '
            text += 'respond("$ENV{AWS_LAMBDA_LOG_FORMAT} $ENV{AWS_LAMBDA_LOG_LEVEL}")'
            outcome = await invoke(config, text)
            return outcome, [line.text for line in invoke.lines]

    outcome, lines = asyncio.run(main())
    assert outcome.payload == b"JSON WARN"
    own = [line for line in lines if "platform." not in line]
    assert own == ['{"level":"INFO"}', "plain"]
    told = [json.loads(line) for line in lines if "platform." in line]
    assert [event["type"] for event in told] == [f"platform.{name}" for name in types]
    assert all(event["record"].get("requestId", REQUEST_ID) == REQUEST_ID for event in told)
