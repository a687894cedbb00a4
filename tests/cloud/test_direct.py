"""The short way of Invoke answers as the long way does, and leaves alone what it cannot answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cloud_support import Failure, Raw, client, make, package, raw, served
from fnroll.cloud.direct import Direct
from fnroll.cloud.invoke import Done
from fnroll.cloud.invoke import Request as Event
from fnroll.cloud.names import Home
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome, Report
from fnroll.emulator.wire import Reply, Request
from fnroll.errors import InvocationThrottled

HOME = Home("000000000000", "us-east-1")
INVOKE = "/2015-03-31/functions/hello/invocations"


def by_arn(region: str, account: str, name: str) -> str:
    return f"/2015-03-31/functions/arn:aws:lambda:{region}:{account}:function:{name}/invocations"


def behaves(config: FunctionConfig, invocation: Invocation) -> Any:
    event = json.loads(invocation.payload)
    if event == "fail":
        raise Failure("failed")
    if event == "throttle":
        raise InvocationThrottled("ConcurrentInvocationLimitExceeded", where=config.name)
    if event == "break":
        raise ValueError("a fault of ours")
    return {"event": event, "context": invocation.client_context, "version": config.version, "arn": invocation.arn}


CALLS: Mapping[str, tuple[str, bytes, Mapping[str, str]]] = {
    "plain": (INVOKE, b'{"a": 1}', {}),
    "no event": (INVOKE, b"", {}),
    "tail": (INVOKE, b"1", {"X-Amz-Log-Type": "Tail"}),
    "context": (INVOKE, b"1", {"X-Amz-Client-Context": "e30="}),
    "bad context": (INVOKE, b"1", {"X-Amz-Client-Context": "%"}),
    "an alias": (f"{INVOKE}?Qualifier=live", b"1", {}),
    "a version by ARN": (by_arn("us-east-1", HOME.account, "hello:1"), b"1", {}),
    "no JSON": (INVOKE, b"{", {}),
    "failed": (INVOKE, b'"fail"', {}),
    "throttled": (INVOKE, b'"throttle"', {}),
    "broken": (INVOKE, b'"break"', {}),
    "too large": (INVOKE, b'"' + b"x" * 6_291_456 + b'"', {}),
    "an event": (INVOKE, b"1", {"X-Amz-Invocation-Type": "Event"}),
    "dry": (INVOKE, b"1", {"X-Amz-Invocation-Type": "DryRun"}),
    "nobody": ("/2015-03-31/functions/nobody/invocations", b"1", {}),
    "no such alias": (f"{INVOKE}?Qualifier=gone", b"1", {}),
    "another region": (by_arn("eu-west-1", HOME.account, "hello"), b"1", {}),
    "another account": (by_arn("us-east-1", "111111111111", "hello"), b"1", {}),
    "a page's": (INVOKE, b"1", {"Origin": "http://evil.example"}),
    "a strange host": (INVOKE, b"1", {"Host": "evil.example"}),
}


def comparable(answer: Raw) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-amzn-requestid")}
    return answer.status, headers, answer.body


@pytest.mark.parametrize("name", CALLS)
def test_the_second_call_is_answered_as_the_first(tmp_path: Path, name: str) -> None:
    path, body, headers = CALLS[name]
    with served(tmp_path, behaves) as (endpoint, _):
        make(client(endpoint), Publish=True)
        client(endpoint).create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        first, second, third = (comparable(raw(endpoint, "POST", path, body, headers)) for _ in range(3))
        assert first == second == third


def test_what_changes_between_two_calls_is_seen(tmp_path: Path) -> None:
    with served(tmp_path, behaves) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_, Publish=True)
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")

        def version() -> str:
            return raw(endpoint, "POST", f"{INVOKE}?Qualifier=live", b"1").headers["x-amz-executed-version"]

        assert [version(), version()] == ["1", "1"]
        lambda_.update_function_code(FunctionName="hello", ZipFile=package({"other": ""}), Publish=True)
        lambda_.update_alias(FunctionName="hello", Name="live", FunctionVersion="2")
        assert [version(), version()] == ["2", "2"]
        weights = {"AdditionalVersionWeights": {"1": 0.5}}
        lambda_.update_alias(FunctionName="hello", Name="live", RoutingConfig=weights)
        assert {version() for _ in range(60)} == {"1", "2"}
        lambda_.delete_function(FunctionName="hello")
        assert raw(endpoint, "POST", f"{INVOKE}?Qualifier=live", b"1").status == 404


class Wanted:
    """An `Invocations` that answers at once; a `Reply` and a `Failed` that remember."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: list[bytes] = []
        self.failures: list[Exception] = []
        self.sent = False

    def begin(self, event: Event, done: Done) -> None:
        self.events.append(event)
        done(Outcome(b"ok", None, "7", Report(1.0, 1, 128, 1, None, "success"), b""))

    def send_whole(self, answer: bytes) -> None:
        self.answers.append(answer)
        self.sent = True

    def failed(self, request: Request, reply: Reply, request_id: str, error: Exception) -> None:
        self.failures.append(error)


LONG = [
    {"InvocationType": "Event"},
    {"InvocationType": "DryRun"},
    {"TenantId": "a"},
    {"DurableExecutionName": "a"},
    {"FunctionName": "arn:aws:lambda:us-east-1:111111111111:function:hello"},
]


@pytest.mark.parametrize("given", [{}, {"InvocationType": "RequestResponse"}, {"LogType": "Tail"}, *LONG], ids=str)
def test_what_goes_the_short_way(given: dict[str, Any]) -> None:
    wanted: Any = Wanted()
    direct = Direct(wanted, lambda: "now", wanted.failed)
    request = Request("POST", INVOKE, [("x-amzn-trace-id", "Root=1")], b"1")
    taken = direct.answer(request, wanted, HOME, {"FunctionName": "hello", **given})
    assert taken == (given not in LONG)
    assert len(wanted.answers) == taken
    assert [(event.payload, event.trace_id) for event in wanted.events] == [(b"1", "Root=1")] * taken
    assert not wanted.failures
