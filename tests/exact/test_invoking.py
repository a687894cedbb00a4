"""What a row cannot say of Invoke: streams, queued events, throttles, and every code of the model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from cloud_support import ARN, Failure, FakeEmulator, Held, client, make, served
from exact.invoking import NAMES, STREAM
from exact.vocabulary import FUNCTIONS, HELLO, INVOKE, ask, compact
from fnroll.cloud import Endpoint
from fnroll.cloud.faults import Fault
from fnroll.definition import service
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.errors import InvocationThrottled

Up = tuple[Endpoint, FakeEmulator]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """hello with version 1 and its alias live."""
    with served(tmp_path) as (endpoint, fake):
        make(client(endpoint), Publish=True)
        client(endpoint).create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        yield endpoint, fake


def raising(error: Exception) -> Any:
    def function(config: FunctionConfig, invocation: Invocation) -> Any:
        raise error

    return function


def test_the_arn_has_a_qualifier_only_if_the_caller_gave_one(up: Up) -> None:
    """The fact "emulators 2.6 invoked ARN"."""
    endpoint, fake = up
    for name in NAMES:
        for path, arn in (
            (f"{name}/invocations", "hello"),
            (f"{name}:1/invocations", "hello:1"),
            (f"{name}/invocations?Qualifier=live", "hello:live"),
            (f"{name}:$LATEST/invocations", "hello:$LATEST"),
        ):
            assert ask(endpoint, "POST", f"{FUNCTIONS}/{path}", {}).status == 200
            assert fake.seen[-1][1].arn == ARN + arn


def test_a_stream(up: Up) -> None:
    """The fact "emulators 2.6 response stream"."""
    endpoint, _ = up
    got = ask(endpoint, "POST", f"{STREAM}?Qualifier=live", {"a": 1}, {"X-Amz-Log-Type": "Tail"})
    assert (got.status, got.headers["x-amz-executed-version"]) == (200, "1")
    assert got.headers["content-type"] == "application/vnd.amazon.eventstream"
    answer = client(endpoint).invoke_with_response_stream(FunctionName="hello", LogType="Tail", Payload=b'{"a":1}')
    chunk, end = list(answer["EventStream"])
    assert chunk == {"PayloadChunk": {"Payload": b'{"version": "$LATEST", "event": {"a": 1}}'}}
    assert end == {"InvokeComplete": {"LogResult": base64.b64encode(b"x" * 4096).decode()}}
    assert b"\x0b:event-type\x07\x00\x0cPayloadChunk" in got.body
    assert b"\x0d:content-type\x07\x00\x18application/octet-stream" in got.body
    assert b"\x0b:event-type\x07\x00\x0eInvokeComplete" in got.body


def test_a_stream_that_fails_says_so_at_its_end(up: Up) -> None:
    """The fact "emulators 2.6 response stream"."""
    endpoint, fake = up
    fake.function = raising(Failure("no"))
    (end,) = list(client(endpoint).invoke_with_response_stream(FunctionName="hello")["EventStream"])
    assert end["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(end["InvokeComplete"]["ErrorDetails"]) == {"errorType": "Failure", "errorMessage": "no"}


def test_the_deprecated_call(up: Up) -> None:
    """The fact "emulators 2.6 invoke async"."""
    endpoint, _ = up
    got = ask(endpoint, "POST", "/2014-11-13/functions/hello/invoke-async", {"a": 1})
    assert (got.status, got.body) == (202, b"")


REASONS = (
    "ConcurrentInvocationLimitExceeded",
    "FunctionInvocationRateLimitExceeded",
    "ReservedFunctionConcurrentInvocationLimitExceeded",
    "ReservedFunctionInvocationRateLimitExceeded",
    "CallerRateLimitExceeded",
    "ConcurrentSnapshotCreateLimitExceeded",
)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("path", [INVOKE, STREAM])
def test_a_throttle_names_its_reason(up: Up, reason: str, path: str) -> None:
    """The facts "emulators 2.6 throttled" and "emulators 2.6 throttle reasons"; which of them this cloud knows is the
    emulator's matter."""
    endpoint, fake = up
    fake.function = raising(InvocationThrottled(reason))
    got = ask(endpoint, "POST", path, {})
    assert (got.status, got.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert got.body.decode() == compact({"Reason": reason, "Type": "User", "message": "Rate Exceeded."})


def test_the_reasons_are_the_models() -> None:
    """The fact "emulators 2.6 throttle reasons"."""
    assert set(service.shape("ThrottleReason")["enum"]) == set(REASONS)
    from fnroll.emulator.policy import Reason

    assert set(get_args(Reason)) <= set(REASONS)


def test_more_management_calls_than_lambda_takes(tmp_path: Path) -> None:
    """The fact "emulators 2.6 throttle reasons": the one that Invoke does not have. No time passes meanwhile."""
    with served(tmp_path, rates=True, clock=Held()) as (endpoint, _):
        answers = [ask(endpoint, "GET", f"{HELLO}/policy") for _ in range(17)]
    assert [got.status for got in answers] == [404] * 15 + [429] * 2
    assert answers[-1].headers["x-amzn-errortype"] == "TooManyRequestsException"
    words = {"Reason": "CallerRateLimitExceeded", "Type": "User", "message": "Rate exceeded"}
    assert answers[-1].body.decode() == compact(words)


STATUSES = {
    "UnsupportedMediaTypeException": 415,
    **dict.fromkeys(
        (
            "InvalidZipFileException",
            "InvalidRuntimeException",
            "ResourceNotReadyException",
            "ENILimitReachedException",
            "ENINotReadyException",
            "KMSAccessDeniedException",
            "KMSDisabledException",
            "KMSInvalidStateException",
            "KMSNotFoundException",
            "EC2AccessDeniedException",
            "EC2ThrottledException",
            "EC2UnexpectedException",
        ),
        502,
    ),
    "EFSIOException": 410,
    "EFSMountConnectivityException": 408,
    "EFSMountFailureException": 403,
    "EFSMountTimeoutException": 408,
    "SnapStartNotReadyException": 409,
    "SnapStartTimeoutException": 408,
    "SnapStartException": 400,
    "RecursiveInvocationException": 400,
    "ModeNotSupportedException": 400,
    "NoPublishedVersionException": 400,
    "SerializedRequestEntityTooLargeException": 413,
    "ServiceException": 500,
}
"""The facts have all of EFS's at 502; the model gives each its own, and the model is followed."""


MODELLED = {error["shape"] for error in service.service_model()["operations"]["Invoke"]["errors"]}


OF_THEIR_OWN = {"RequestTooLargeException", "TooManyRequestsException"}
"""One is seen on the wire under another name, the other has a reason."""


@pytest.mark.parametrize("code", sorted((STATUSES.keys() | MODELLED) - OF_THEIR_OWN))
def test_any_other_code_has_the_models_status_and_spelling(up: Up, code: str) -> None:
    """The fact "emulators 2.6 other codes": none of them arises here, so the emulator is made to say it."""
    endpoint, fake = up
    fake.function = raising(Fault(code, "words"))
    got = ask(endpoint, "POST", INVOKE, {})
    shape = service.shape(code)
    assert got.headers["x-amzn-errortype"] == code
    assert got.status == shape["error"]["httpStatusCode"] == STATUSES.get(code, got.status)
    (member,) = {"Message", "message"} & shape["members"].keys()
    kind = "Service" if got.status >= 500 else "User"
    assert got.body.decode() == compact({"Type": kind, member: "words"})
