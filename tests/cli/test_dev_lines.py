"""What `fn dev` prints of a request and of what was logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fnroll.cli.dev_lines import Request, line_of, logged, request_of
from fnroll.emulator import FunctionConfig, Invocation, LogLine, Outcome, Report

CONFIG = FunctionConfig("api", "arn:aws:lambda:us-east-1:0:function:api", "$LATEST", "1", Path("/x"), "a.b")
ID = "8f507cfc-1d2e-4f6b-9d1c-000000000001"


def at_url(method: str = "GET", path: str = "/", query: str = "") -> bytes:
    event = {"version": "2.0", "rawQueryString": query, "requestContext": {"http": {"method": method, "path": path}}}
    return json.dumps(event).encode()


def outcome(
    payload: Any, *, error: bool = False, init: float | None = None, log: bytes = b"", kind: str | None = None
) -> Outcome:
    report = Report(12.34, 13, 128, 31, init, "error" if error else "success", kind)
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Outcome(data, "Unhandled" if error else None, "$LATEST", report, log)


class Stream:
    def begin(self, content_type: str) -> None: ...

    def chunk(self, data: bytes) -> None: ...


RAISED = {"errorType": "KeyError", "errorMessage": "'name'\nmore of it", "stackTrace": []}


@pytest.mark.parametrize(
    ("event", "came", "said"),
    [
        (b"{}", outcome({"statusCode": 404}), "api invoke, 12.3 ms (warm), 31 of 128 MB"),
        (b"no json", outcome(b"nor this"), "api invoke, 12.3 ms (warm), 31 of 128 MB"),
        (at_url(), outcome("hi", init=35.4), "api GET / 200, 12.3 ms (cold, init 35 ms), 31 of 128 MB"),
        (
            at_url("POST", "/a", "b=c"),
            outcome({"statusCode": 404}),
            "api POST /a?b=c 404, 12.3 ms (warm), 31 of 128 MB",
        ),
        (at_url(), outcome({"statusCode": "oops"}), "api GET / 502, 12.3 ms (warm), 31 of 128 MB"),
        (b'{"requestContext": null}', outcome("hi"), "api invoke, 12.3 ms (warm), 31 of 128 MB"),
        (
            at_url(),
            outcome(RAISED, error=True),
            f"api GET / 502, 12.3 ms (warm), 31 of 128 MB, KeyError: 'name', request {ID}",
        ),
        (
            b"{}",
            outcome({"errorType": "Sandbox.Timedout"}, error=True, kind="Sandbox.Timedout"),
            f"api invoke, 12.3 ms (warm), 31 of 128 MB, Sandbox.Timedout, request {ID}",
        ),
        (
            b"{}",
            outcome({}, error=True, log=b"INIT_REPORT Init Duration: 3 ms\tPhase: invoke"),
            f"api invoke, 12.3 ms (cold), 31 of 128 MB, the function answered with an error, request {ID}",
        ),
    ],
)
def test_a_request(event: bytes, came: Outcome, said: str) -> None:
    request = request_of(CONFIG, Invocation(ID, event, CONFIG.arn), came)
    text, style = line_of(request)
    assert text == said
    assert (style == {"fg": "red"}) is (came.function_error is not None)


def test_a_streamed_answer_has_a_status_that_nobody_knows() -> None:
    request = request_of(CONFIG, Invocation(ID, at_url(), CONFIG.arn, stream=Stream()), outcome(b""))
    assert (request.asked, request.status) == ("GET /", None)


def test_a_request_is_a_record_too() -> None:
    request = request_of(CONFIG, Invocation(ID, b"{}", CONFIG.arn), outcome("x", init=35.4))
    assert request == Request("api", "invoke", None, ID, True, 35.4, 12.34, 128, 31, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", ["api | hello"]),
        ("a\rb\nc\n", ["api | a", "api | b", "api | c"]),
        (f"START RequestId: {ID} Version: $LATEST", []),
        (f"END RequestId: {ID}", []),
        (f"REPORT RequestId: {ID}\tDuration: 1 ms", []),
        ("STARTING", ["api | STARTING"]),
        ('{"time":"2026","type":"platform.report","record":{}}', []),
        ('{"time":"2026","level":"INFO","message":"x"}', ['api | {"time":"2026","level":"INFO","message":"x"}']),
        ('{"time":"not json', ['api | {"time":"not json']),
    ],
)
def test_a_log_line(text: str, said: list[str]) -> None:
    assert list(logged(LogLine("api", "$LATEST", "s", None, 0, text))) == said
