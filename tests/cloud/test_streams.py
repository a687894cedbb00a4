"""Streamed responses: AWS's event stream as botocore reads it, and function URLs of mode RESPONSE_STREAM."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import Failure, FakeEmulator, Streamed, make, raw
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation

PRELUDE = "application/vnd.awslambda.http-integration-response"


def streams(kind: str, *chunks: bytes) -> Any:
    return lambda config, invocation: Streamed(kind, chunks)


def read(lambda_: Any, **given: Any) -> tuple[list[bytes], dict[str, Any]]:
    """Chunks, and the end."""
    answer = lambda_.invoke_with_response_stream(FunctionName="hello", **given)
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    assert answer["ExecutedVersion"] == "$LATEST"
    *chunks, last = list(answer["EventStream"])
    return [chunk["PayloadChunk"]["Payload"] for chunk in chunks], last["InvokeComplete"]


def test_chunks_come_as_events_and_then_the_end(lambda_: Any, fake: FakeEmulator) -> None:
    make(lambda_)
    fake.function = streams("text/plain", b"one", b"two")
    assert read(lambda_) == ([b"one", b"two"], {})
    _, end = read(lambda_, LogType="Tail")
    assert base64.b64decode(end["LogResult"]) == b"x" * 4096


def test_a_response_that_is_not_streamed_is_one_chunk(lambda_: Any) -> None:
    make(lambda_)
    ((chunk,), end) = read(lambda_, Payload=b"1")
    assert (json.loads(chunk)["event"], end) == (1, {})


def test_an_error_is_told_at_the_end(lambda_: Any, fake: FakeEmulator) -> None:
    make(lambda_)

    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    fake.function = fail
    chunks, end = read(lambda_)
    assert chunks == []
    assert (end["ErrorCode"], json.loads(end["ErrorDetails"])["errorMessage"]) == ("Unhandled", "no")


def test_what_is_refused_before_it_begins_is_no_stream(lambda_: Any) -> None:
    with pytest.raises(ClientError, match="Function not found"):
        lambda_.invoke_with_response_stream(FunctionName="nobody")


def test_a_dry_run_of_a_stream_runs_nothing(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(lambda_)
    path = "/2021-11-15/functions/hello/response-streaming-invocations"
    assert raw(endpoint, "POST", path, b"{}", {"X-Amz-Invocation-Type": "DryRun"}).status == 204
    assert fake.seen == []


def test_the_deprecated_call_queues(lambda_: Any, fake: FakeEmulator) -> None:
    make(lambda_)
    assert lambda_.invoke_async(FunctionName="hello", InvokeArgs=b'{"n":1}')["Status"] == 202

    async def seen() -> None:
        while not fake.seen:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(seen(), 30))
    assert fake.seen[0][1].payload == b'{"n":1}'


def url(lambda_: Any, **given: Any) -> dict[str, str]:
    """A URL of hello that streams; the headers of a request to it."""
    made = lambda_.create_function_url_config(
        FunctionName="hello", AuthType="NONE", InvokeMode="RESPONSE_STREAM", **given
    )
    permit = {"FunctionName": "hello", "Principal": "*"}
    lambda_.add_permission(**permit, StatementId="a", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    lambda_.add_permission(**permit, StatementId="b", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    return {"Host": made["FunctionUrl"].removeprefix("http://").rstrip("/")}


@pytest.mark.parametrize(
    ("said", "status", "headers", "body"),
    [
        (streams("text/html", b"<p>", b"hi"), 200, {"content-type": "text/html"}, b"<p>hi"),
        (
            streams(
                PRELUDE, b'{"statusCode":201,"headers":{"x-a":"b"},"coo', b'kies":["c=d"]}' + bytes(8) + b"bo", b"dy"
            ),
            201,
            {"x-a": "b", "set-cookie": "c=d"},
            b"body",
        ),
        (streams(PRELUDE, b'{"statusCode":204}' + bytes(8)), 204, {}, b""),
        (streams(PRELUDE, b"no prelude"), 502, {}, b"Internal Server Error"),
        (streams(PRELUDE, b'{"headers":{"a\\nb":"c"}}' + bytes(8)), 502, {}, b"Internal Server Error"),
        (lambda config, invocation: {"statusCode": 202, "body": "whole"}, 202, {}, b"whole"),
    ],
)
def test_a_url_streams(
    lambda_: Any,
    endpoint: Endpoint,
    fake: FakeEmulator,
    said: Any,
    status: int,
    headers: dict[str, str],
    body: bytes,
) -> None:
    make(lambda_)
    to = url(lambda_)
    fake.function = said
    answer = raw(endpoint, "GET", "/", headers=to)
    assert (answer.status, answer.body) == (status, body)
    assert headers.items() <= answer.headers.items()


def test_an_error_of_the_function_is_a_bad_gateway(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(lambda_)
    to = url(lambda_, Cors={"AllowOrigins": ["*"]})

    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    fake.function = fail
    answer = raw(endpoint, "GET", "/", headers={**to, "Origin": "http://x.example"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (502, "*")
