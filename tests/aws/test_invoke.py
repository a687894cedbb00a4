"""Invoke: bytes out and back, and what else the answer says. By Stubber."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from fnroll.aws import AwsOptions, Session
from fnroll.aws.invoke import invoke
from fnroll.errors import Throttled

BIG = b'{"n": 12345678901234567890, "b": 1, "a": 2}'
"""What a JSON round trip would spoil: a large integer, the order of keys."""


@pytest.fixture
def session() -> Session:
    return Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))


@pytest.fixture
def stub(session: Session) -> Iterator[Any]:
    with Stubber(session.invoker) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def body(data: bytes) -> StreamingBody:
    return StreamingBody(BytesIO(data), len(data))


def test_bytes_go_and_come_as_they_are_with_the_version_and_the_log(session: Session, stub: Any) -> None:
    log = b64encode(b"START\nEND\n").decode()
    answer = {"StatusCode": 200, "Payload": body(BIG), "ExecutedVersion": "7", "LogResult": log}
    asked = {"FunctionName": "hello", "Payload": BIG, "Qualifier": "current", "LogType": "Tail"}
    stub.add_response("invoke", answer, asked)
    done = invoke(session.invoker, "hello", BIG, qualifier="current", log_tail=True)
    assert (done.payload, done.status, done.executed_version) == (BIG, 200, "7")
    assert done.log == b"START\nEND\n"
    assert done.function_error is None


def test_an_event_is_queued_without_a_log(session: Session, stub: Any) -> None:
    asked = {"FunctionName": "hello", "Payload": b"{}", "InvocationType": "Event"}
    stub.add_response("invoke", {"StatusCode": 202, "Payload": body(b"")}, asked)
    done = invoke(session.invoker, "hello", b"{}", asynchronous=True, log_tail=True)
    assert (done.status, done.payload, done.log) == (202, b"", None)


def test_a_function_that_fails_is_a_result(session: Session, stub: Any) -> None:
    stub.add_response("invoke", {"StatusCode": 200, "Payload": body(b"{}"), "FunctionError": "Unhandled"})
    assert invoke(session.invoker, "hello", b"{}").function_error == "Unhandled"


def test_a_throttled_call_is_an_error(session: Session, stub: Any) -> None:
    stub.add_client_error("invoke", "TooManyRequestsException", "Rate Exceeded.", 429)
    with pytest.raises(Throttled, match="Rate Exceeded"):
        invoke(session.invoker, "hello", b"{}", qualifier="3")
