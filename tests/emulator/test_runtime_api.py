"""The Runtime API on its own, over real sockets: statuses, headers, bodies and their order."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from emulator_wire_support import dialled
from fnroll.emulator.api import MAX_RESPONSE
from fnroll.emulator.runtime_api import Answer, Delivery, Hooks, InitError, RuntimeApi
from fnroll.emulator.states import State

BASE = "/2018-06-01/runtime"
EVENT = Delivery("id-1", 1700000000123, "arn:aws:lambda:us-east-1:000000000000:function:f:live", b'{"a":1}')


@dataclass
class Runtime:
    """A runtime's side of one connection, and what the platform's side was told."""

    api: RuntimeApi
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    told: list[object] = field(default_factory=list)

    def send(self, method: str, path: str, body: bytes = b"", *headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(body)}"]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def receive(self) -> tuple[int, list[tuple[str, str]], bytes]:
        top = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8")
        first, *rest = top.strip().split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in rest]
        length = int(dict(headers)["Content-Length"])
        return int(first.split()[1]), headers, await self.reader.readexactly(length)

    async def call(self, method: str, path: str, body: bytes = b"", *headers: str):
        self.send(method, path, body, *headers)
        status, _, answer = await self.receive()
        return status, answer

    async def take(self, delivery: Delivery = EVENT) -> tuple[int, list[tuple[str, str]], bytes]:
        self.send("GET", f"{BASE}/invocation/next")
        while self.api.state is not State.READY or not self.api.reachable:
            await asyncio.sleep(0)
        self.api.deliver(delivery)
        return await self.receive()


@asynccontextmanager
async def runtime() -> AsyncIterator[Runtime]:
    told: list[object] = []
    api = RuntimeApi(Hooks(lambda: told.append("ready"), told.append, told.append))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    await api.start(listener)
    try:
        async with dialled(port) as (reader, writer):
            yield Runtime(api, reader, writer, told)
    finally:
        await api.close()
        await asyncio.sleep(0)


OK = (202, b'{"status":"OK"}\n')


def error(error_type: str, message: str) -> dict[str, str]:
    return {"errorMessage": message, "errorType": error_type}


def test_an_event_has_lambdas_headers_in_their_order_and_none_that_is_empty() -> None:
    full = Delivery("id-1", 5, "arn", b"{}", trace_id="Root=1", client_context='{"a":"\u00e4\n\u2192"}')

    async def main():
        async with runtime() as one, runtime() as other:
            return await one.take(), await other.take(full)

    (status, headers, body), (_, more, _) = asyncio.run(main())
    assert (status, body) == (200, b'{"a":1}')
    assert headers == [
        ("Lambda-Runtime-Aws-Request-Id", "id-1"),
        ("Lambda-Runtime-Deadline-Ms", "1700000000123"),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f:live"),
        ("Content-Type", "application/json"),
        ("Content-Length", "7"),
    ]
    assert more[3:5] == [
        ("Lambda-Runtime-Trace-Id", "Root=1"),
        ("Lambda-Runtime-Client-Context", '{"a":"\u00e4 \u2192"}'),
    ]


def test_a_round_is_told_and_its_second_answer_refused() -> None:
    async def main():
        async with runtime() as one:
            await one.take()
            return (
                await one.call("POST", f"{BASE}/invocation/id-1/response", b"answer"),
                await one.call("POST", f"{BASE}/invocation/id-1/response", b"again"),
                one.told,
            )

    first, (status, refusal), told = asyncio.run(main())
    assert first == OK
    assert status == 403
    assert json.loads(refusal) == error(
        "InvalidStateTransition",
        "State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. "
        "Error: State transition is not allowed",
    )
    assert told == ["ready", Answer("id-1", b"answer")]


def test_next_while_running_gives_the_same_event_again() -> None:
    async def main():
        async with runtime() as one:
            first = await one.take()
            one.send("GET", f"{BASE}/invocation/next")
            return first, await one.receive(), one.told

    first, second, told = asyncio.run(main())
    assert first == second
    assert told == ["ready"]


def test_an_answer_and_the_next_call_may_come_in_one_write() -> None:
    async def main():
        async with runtime() as one:
            await one.take()
            one.send("POST", f"{BASE}/invocation/id-1/response", b"1")
            one.send("GET", f"{BASE}/invocation/next")
            first = await one.receive()
            while not one.api.reachable:
                await asyncio.sleep(0)
            one.api.deliver(Delivery("id-2", 5, "arn", b"two"))
            return first[0], (await one.receive())[2], one.told

    assert asyncio.run(main()) == (202, b"two", ["ready", Answer("id-1", b"1"), "ready"])


@pytest.mark.parametrize("verb", ["response", "error"])
def test_a_wrong_request_id_is_refused_before_the_state_is_asked(verb: str) -> None:
    async def main():
        async with runtime() as one:
            early = await one.call("POST", f"{BASE}/invocation/id-1/{verb}", b"{}")
            await one.take()
            return early, await one.call("POST", f"{BASE}/invocation/id-2/{verb}", b"{}"), one.told

    early, wrong, told = asyncio.run(main())
    assert early == wrong
    assert (wrong[0], json.loads(wrong[1])) == (400, error("InvalidRequestID", "Invalid request ID"))
    assert told == ["ready"]


def test_a_response_over_the_limit_is_413_and_the_runtime_may_go_on() -> None:
    async def main():
        async with runtime() as one:
            await one.take()
            fits = await one.call("POST", f"{BASE}/invocation/id-1/response", b"x" * MAX_RESPONSE)
            await one.take(Delivery("id-2", 5, "arn", b"{}"))
            large = await one.call("POST", f"{BASE}/invocation/id-2/response", b"x" * (MAX_RESPONSE + 1))
            await one.take(Delivery("id-3", 5, "arn", b"{}"))
            return fits, large, one.told

    fits, (status, body), told = asyncio.run(main())
    assert fits == OK
    assert status == 413
    assert json.loads(body) == error("RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
    assert told == ["ready", Answer("id-1", b"x" * MAX_RESPONSE), "ready", Answer("id-2", b"", too_large=True), "ready"]


def test_errors_are_told_with_their_type_cleaned() -> None:
    async def main():
        async with runtime() as one:
            await one.take()
            answer = await one.call(
                "POST", f"{BASE}/invocation/id-1/error", b"{}", "Lambda-Runtime-Function-Error-Type: Runtime.MyError"
            )
            return answer, one.told

    assert asyncio.run(main()) == (OK, ["ready", Answer("id-1", b"{}", "Runtime.MyError")])


def test_an_init_error_is_taken_once_and_only_at_the_start() -> None:
    async def main():
        async with runtime() as one, runtime() as other:
            first = await one.call("POST", f"{BASE}/init/error", b'{"errorMessage":"m"}')
            second = await one.call("POST", f"{BASE}/init/error")
            after = await one.call("GET", f"{BASE}/invocation/next")
            await other.take()
            late = await other.call("POST", f"{BASE}/init/error")
            return first, [second[0], after[0], late[0]], one.told

    first, refused, told = asyncio.run(main())
    assert first == OK
    assert refused == [403, 403, 403]
    assert told == [InitError(b'{"errorMessage":"m"}', "Runtime.Unknown")]


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/ping", 200, b"pong"),
        ("POST", "/ping", 405, b""),
        ("POST", f"{BASE}/invocation/next", 405, b""),
        ("GET", f"{BASE}/init/error", 405, b""),
        ("GET", f"{BASE}/invocation/x/response", 405, b""),
        ("GET", "/", 404, b"404 page not found\n"),
        ("GET", f"{BASE}/invocation", 404, b"404 page not found\n"),
        ("POST", f"{BASE}/invocation/a/b/response", 404, b"404 page not found\n"),
        ("POST", f"{BASE}/invocation/*/elsewhere", 404, b"404 page not found\n"),
        ("GET", "/2020-01-01/extension/register", 404, b"404 page not found\n"),
    ],
)
def test_routes(method: str, path: str, status: int, body: bytes) -> None:
    async def main():
        async with runtime() as one:
            return await one.call(method, path)

    assert asyncio.run(main()) == (status, body)


@pytest.mark.parametrize(("mode", "status"), [("streaming", 202), ("buffered", 400)])
def test_the_response_mode_is_one_that_exists(mode: str, status: int) -> None:
    async def main():
        async with runtime() as one:
            await one.take()
            return await one.call(
                "POST", f"{BASE}/invocation/id-1/response", b"", f"Lambda-Runtime-Function-Response-Mode: {mode}"
            )

    found, body = asyncio.run(main())
    assert found == status
    if status == 400:
        assert json.loads(body) == error("InvalidFunctionResponseMode", "Invalid function response mode")


def test_a_runtime_that_is_gone_is_not_reachable() -> None:
    async def main() -> tuple[bool, bool]:
        async with runtime() as one:
            one.send("GET", f"{BASE}/invocation/next")
            while one.api.state is not State.READY:
                await asyncio.sleep(0)
            before = one.api.reachable
            one.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            return before, one.api.reachable

    assert asyncio.run(main()) == (True, False)
