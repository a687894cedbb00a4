"""Outcomes as `fn run` prints them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cli.results import one_line, record, record_line, summary, was_cold
from fnroll.emulator import Outcome, Report


def report(duration: float, init: float | None = None, status: str = "success") -> Report:
    return Report(duration, round(duration), 128, 30, init, status)


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (b'{"a": 1}', b'{"a": 1}'),
        (b'{\n  "a": 1\r\n}\n', b'{   "a": 1  }'),
        (b"", b""),
        (b"not\nJSON", b"not\nJSON"),
        (b'"a\\nb"', b'"a\\nb"'),
    ],
)
def test_one_line(payload: bytes, line: bytes) -> None:
    assert one_line(payload) == line


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_line_means_what_the_payload_meant(value: object) -> None:
    line = one_line(json.dumps(value, indent=2).encode() + b"\n")
    assert b"\n" not in line
    assert json.loads(line) == value


def test_a_record_holds_payload_error_report_and_log() -> None:
    outcome = Outcome(b'{"a": 1}', None, "$LATEST", report(1.5, 20.25), "START\nä\n".encode())
    assert record(outcome) == {
        "payload": {"a": 1},
        "function_error": None,
        "report": {
            "status": "success",
            "error_type": None,
            "duration_ms": 1.5,
            "billed_ms": 2,
            "init_ms": 20.25,
            "memory_mb": 128,
            "max_memory_mb": 30,
        },
        "log": "START\nä\n",
    }
    other = Outcome(b"\xff", "Unhandled", "$LATEST", report(1), b"")
    assert (record(other)["payload"], record(other)["function_error"]) == ("\ufffd", "Unhandled")
    assert json.loads(record_line(outcome)) == record(outcome)
    assert b"\n" not in record_line(outcome)


@pytest.mark.parametrize(
    ("init", "log", "cold"),
    [
        (20.0, b"", True),
        (None, b"START RequestId: 1", False),
        (None, b"INIT_REPORT Init Duration: 1 ms\nSTART", True),
        (None, b'said\n{"time":"t","type":"platform.initReport","record":{}}\n', True),
        (None, b"START\nit prints INIT_REPORT\n", False),
    ],
)
def test_an_invocation_is_cold_if_an_init_was_part_of_it(init: float | None, log: bytes, cold: bool) -> None:
    assert was_cold(Outcome(b"", None, "1", report(1, init), log)) is cold


def test_a_summary_counts_and_measures() -> None:
    reports = [report(1, 30), report(2), report(10, status="timeout"), report(4)]
    assert summary(reports, 1, 1.234) == (
        "4 invocations in 1.23 s: 1 cold, 3 warm, 1 failed; "
        "duration min 1.00 p50 4.00 p99 10.00 max 10.00 ms; init min 30.00 p50 30.00 p99 30.00 max 30.00 ms"
    )
    assert summary([report(1), report(3)], 0, 0.5) == (
        "2 invocations in 0.50 s: 0 cold, 2 warm; duration min 1.00 p50 1.00 p99 3.00 max 3.00 ms"
    )
