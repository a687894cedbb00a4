"""Log lines, error payloads and billed time against texts recorded on AWS."""

from __future__ import annotations

import json

import pytest

from fnroll.emulator import lines
from fnroll.emulator.api import Report, Status
from fnroll.emulator.faults import (
    Fault,
    clean_error_type,
    exited,
    invalid_entrypoint,
    posted_error,
    response_too_large,
    timed_out,
)
from fnroll.sandbox.api import Exit

ID = "6f747a00-9a4b-4a3c-8d0e-000000000000"


def report(
    duration_ms: float = 3.01,
    billed_ms: int = 4,
    *,
    size: int = 128,
    used: int = 36,
    init_ms: float | None = None,
    status: Status = "success",
    error_type: str | None = None,
    platform: bool = False,
) -> Report:
    return Report(duration_ms, billed_ms, size, used, init_ms, status, error_type, platform)


CASES = {
    "start": (lines.start(ID, "$LATEST"), f"START RequestId: {ID} Version: $LATEST"),
    "start-published": (lines.start(ID, "7"), f"START RequestId: {ID} Version: 7"),
    "end": (lines.end(ID), f"END RequestId: {ID}"),
    "report-cold": (
        lines.report(ID, report(init_ms=110.1)),
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t",
    ),
    "report-warm": (
        lines.report(ID, report()),
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\t",
    ),
    "report-error-of-the-function": (
        lines.report(ID, report(status="error", error_type="Function.Bad")),
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\t",
    ),
    "report-timeout": (
        lines.report(ID, report(3000, 3000, status="timeout", error_type="Sandbox.Timedout", platform=True)),
        f"REPORT RequestId: {ID}\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tStatus: timeout",
    ),
    "report-failed": (
        lines.report(
            ID, report(size=1024, used=1024, status="error", error_type="Runtime.ImportModuleError", platform=True)
        ),
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 1024 MB\t"
        "Max Memory Used: 1024 MB\tStatus: error\tError Type: Runtime.ImportModuleError",
    ),
    "init-report-error": (
        lines.init_report(137.69, "init", "error", "Runtime.ImportModuleError"),
        "INIT_REPORT Init Duration: 137.69 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
    ),
    "init-report-again": (
        lines.init_report(3.6, "invoke", "error", "Runtime.ExitError"),
        "INIT_REPORT Init Duration: 3.60 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError",
    ),
    "init-report-timeout": (
        lines.init_report(10008.57, "init", "timeout"),
        "INIT_REPORT Init Duration: 10008.57 ms\tPhase: init\tStatus: timeout",
    ),
    "timeout": (
        lines.timeout(ID, timed_out(45.05), 1706546475.998),
        f"2024-01-29T16:41:15.998Z {ID} Task timed out after 45.05 seconds\n",
    ),
    "fault": (
        lines.fault(ID, exited(Exit(None, 9))),
        f"RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError",
    ),
    "stream": (
        lines.stream_name(1706546475.998, "$LATEST", "0123456789abcdef" * 2),
        "2024/01/29/[$LATEST]0123456789abcdef0123456789abcdef",
    ),
}


@pytest.mark.parametrize(("line", "expected"), CASES.values(), ids=CASES)
def test_lines_to_the_letter(line: str, expected: str) -> None:
    assert line == expected


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        ("python3.13", "python:3.13"),
        ("nodejs22.x", "nodejs:22"),
        ("provided.al2023", "provided:al2023"),
        ("java8.al2", "java:8.al2"),
        ("ruby3.4", "ruby:3.4"),
        ("dotnet8", "dotnet:8"),
        (None, "provided"),
    ],
)
def test_init_start_has_lambdas_shape(runtime: str | None, name: str) -> None:
    line = lines.init_start(runtime, "eu-west-1")
    left, _, arn = line.partition("\t")
    assert left == f"INIT_START Runtime Version: {name}.v0"
    assert arn.startswith("Runtime Version ARN: arn:aws:lambda:eu-west-1::runtime:")
    assert len(arn.rpartition(":")[2]) == 64


@pytest.mark.parametrize(
    ("duration", "init", "billed"),
    [(900000.0, 514.3, 900515), (3.01, 0.0, 4), (3.0, 0.0, 3), (3.004, 0.0, 3), (0.1, 0.2, 1), (0.0, 0.0, 0)],
)
def test_billed_duration_rounds_up_what_is_printed_init_included(duration: float, init: float, billed: int) -> None:
    assert lines.billed_ms(duration, init) == billed


PAYLOADS = {
    "timeout": (
        timed_out(1),
        f'{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {ID} Error: Task timed out after 1.00 seconds"}}',
    ),
    "exit-0": (
        exited(Exit(0, None)),
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {ID} Error: '
        'Runtime exited without providing a reason"}',
    ),
    "exit-127": (
        exited(Exit(127, None)),
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {ID} Error: '
        'Runtime exited with error: exit status 127"}',
    ),
    "killed": (
        exited(Exit(None, 9)),
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {ID} Error: '
        'Runtime exited with error: signal: killed"}',
    ),
    "segmentation-fault": (
        exited(Exit(None, 11)),
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {ID} Error: '
        'Runtime exited with error: signal: segmentation fault"}',
    ),
    "real-time-signal": (
        exited(Exit(None, 40)),
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {ID} Error: '
        'Runtime exited with error: signal: signal 40"}',
    ),
    "too-large": (
        response_too_large(),
        '{"errorType":"Function.ResponseSizeTooLarge",'
        '"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}',
    ),
    "no-bootstrap": (
        invalid_entrypoint("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        f'{{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: {ID} Error: '
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\"}",
    ),
}


@pytest.mark.parametrize(("fault", "payload"), PAYLOADS.values(), ids=PAYLOADS)
def test_payloads_to_the_letter(fault: Fault, payload: str) -> None:
    assert fault.payload(ID).decode() == payload
    json.loads(payload)


@pytest.mark.parametrize(
    ("header", "cleaned"),
    [
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.Bad", "Function.Bad"),
        ("Function.bad", "Function.Unknown"),
        ("Function.", "Function.Unknown"),
        ("Function.Bad.Worse", "Function.Unknown"),
        ("Runtime.X", "Runtime.Unknown"),
        ("Runtime.Bad\n", "Runtime.Unknown"),
        ("MyError", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
        (None, "Runtime.Unknown"),
    ],
)
def test_error_types_are_cleaned(header: str | None, cleaned: str) -> None:
    assert clean_error_type(header) == cleaned


CAUSE = "application/vnd.aws.lambda.error.cause+json"


@pytest.mark.parametrize(
    ("content_type", "body", "kept"),
    [
        ("application/json", b'{"errorCause": 1}', b'{"errorCause": 1}'),
        (None, b"anything", b"anything"),
        (
            CAUSE,
            b'{"errorCause": {"x": 1}, "errorType": "T", "errorMessage": "m"}',
            b'{"errorMessage":"m","errorType":"T"}',
        ),
        (CAUSE + "; charset=utf-8", b'{"stackTrace": ["a"], "y": 2}', b'{"stackTrace":["a"]}'),
        (CAUSE, b"not json", b"not json"),
        (CAUSE, b"[1]", b"[1]"),
    ],
    ids=["json", "no-type", "cause", "parameters", "no-json", "no-object"],
)
def test_an_error_with_a_cause_is_reduced_to_its_three_fields(
    content_type: str | None, body: bytes, kept: bytes
) -> None:
    assert posted_error(content_type, body) == kept
