"""Scenarios of LoggingConfig with LogFormat JSON: every line of the platform is a telemetry event (facts 2.3, 2.4)."""

from __future__ import annotations

from typing import Any

from scenarios.vocabulary import (
    NATIVE,
    Between,
    Call,
    Json,
    Scenario,
    answers,
    notes,
    scenario,
    told_error,
)

JSON = {"log_format": "JSON"}
SOME = Between(0, 60_000)


def told(kind: str, **record: object) -> Json:
    return Json({"time": "TIME", "type": f"platform.{kind}", "record": {"requestId": "ID", **record}})


START = told("start", version="$LATEST")


def report(status: str, kind: str | None = None, *, cold: bool = True, duration: Any = SOME) -> Json:
    metrics = {"durationMs": duration, "billedDurationMs": SOME, "memorySizeMB": 1769, "maxMemoryUsedMB": SOME}
    error = {} if kind is None else {"errorType": kind}
    return told("report", status=status, **error, metrics={**metrics, **({"initDurationMs": SOME} if cold else {})})


def done(status: str, size: int, kind: str | None = None) -> Json:
    error = {} if kind is None else {"errorType": kind}
    return told("runtimeDone", status=status, **error, metrics={"durationMs": SOME, "producedBytes": size})


EXITED = "RequestId: ID Error: Runtime exited with error: exit status 3"
CRASH = f'{{"errorType":"Runtime.ExitError","errorMessage":"{EXITED}"}}'
KIND = "Runtime.ExitError"
LATE = '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}'
FAILED = (
    told("fault", fault=f"{EXITED}\n{KIND}"),
    done("error", len(CRASH) + 34, KIND),  # ID stands for 36 bytes
    report("error", KIND),
)

TABLE: tuple[Scenario, ...] = (
    scenario(
        "JSON: a good invocation, and a warm one",
        answers("1", "print hi", "return 1", log=(START, "hi", report("success"))),
        answers("2", "return 2", log=(START, report("success", cold=False))),
        config=JSON,
        languages=NATIVE,
    ),
    scenario(
        "JSON: the function is told",
        notes(["JSON", "DEBUG"], "env AWS_LAMBDA_LOG_FORMAT", "env AWS_LAMBDA_LOG_LEVEL", log=None),
        config={**JSON, "application_log_level": "DEBUG"},
    ),
    scenario(
        "text: the function is told nothing",
        notes([None, None], "env AWS_LAMBDA_LOG_FORMAT", "env AWS_LAMBDA_LOG_LEVEL", log=None),
    ),
    scenario(
        "JSON: a crash",
        Call(("exit 3",), CRASH, KIND, told_error(KIND), log=(START, *FAILED)),
        config=JSON,
        languages=NATIVE,
    ),
    scenario(
        "JSON at WARN: a good invocation is silent, a crash is not",
        answers("1", "print hi", "return 1", log=("hi",)),
        Call(("exit 3",), CRASH, KIND, told_error(KIND), log=(*FAILED[:2], report("error", KIND, cold=False))),
        config={**JSON, "system_log_level": "WARN"},
        languages=NATIVE,
    ),
    scenario(
        "JSON at DEBUG: what the runtime has done",
        answers("1", "return 1", log=None),
        answers("22", "return 22", log=(START, done("success", 2), report("success", cold=False))),
        config={**JSON, "system_log_level": "DEBUG"},
        languages=NATIVE,
    ),
    scenario(
        "JSON: a timeout",
        Call(
            ("sleep 60000",),
            LATE,
            "Sandbox.Timedout",
            status="timeout",
            log=(
                START,
                told("fault", fault="TIME ID Task timed out after 1.00 seconds"),
                done("timeout", len(LATE) + 34, "Sandbox.Timedout"),
                report("timeout", "Sandbox.Timedout", duration=1000.0),
            ),
        ),
        config={**JSON, "timeout": 1},
        languages=NATIVE,
    ),
)
