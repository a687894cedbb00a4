"""The Telemetry API and the Logs API before it: what a subscription is answered with, and what its subscriber gets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emulator_wire_support import Wire
from fnroll.emulator import events, telemetry
from fnroll.emulator.extensions import Extension
from fnroll.emulator.subscriptions import LOGS, TELEMETRY, Subscription, told
from fnroll.emulator.telemetry import Telemetry

GOOD = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function"],
    "destination": {"protocol": "TCP", "port": 8080},
    "buffering": {"timeoutMs": 25},
}
AGENT = Extension("agent", external=True)


class Api:
    """Telemetry, asked over connections in memory; `got` are the lines that its TCP subscribers were sent."""

    def __init__(self, *, json_lines: bool = False) -> None:
        self.told: list[events.Event] = []
        self.got: list[dict[str, Any]] = []
        self.came = asyncio.Event()
        self.telemetry = Telemetry(self, self._dial, lambda: 0.0, json_lines=json_lines)

    def tell(self, event: events.Event, *, keep: bool = True) -> None:
        self.told.append(event)
        self.telemetry.tap(event.type, event.record())

    async def _dial(self, _: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=theirs)
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))
        return ours

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.got.append(json.loads(line))
            self.came.set()
        self._writer.close()

    async def until(self, count: int) -> list[Any]:
        while len(self.got) < count:
            self.came.clear()
            await self.came.wait()
        return [event["record"] for event in self.got]

    def put(self, path: str = TELEMETRY, *, extension: Extension = AGENT, **changes: Any) -> tuple[int, Any]:
        body = json.dumps({**GOOD, **({"schemaVersion": "2021-03-18"} if path == LOGS else {}), **changes}).encode()
        wire = Wire(lambda request, reply: self.telemetry.handle(request, request.path, reply, extension))
        wire.feed(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head, _, said = wire.transport.written.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(said)

    async def closed(self) -> None:
        self.telemetry.close()
        if hasattr(self, "_reading"):
            await self._reading


def run(main: Callable[[Api], Awaitable[None]], **options: Any) -> None:
    async def all_of_it() -> None:
        api = Api(**options)
        async with asyncio.timeout(30):
            await main(api)
            await api.closed()

    asyncio.run(all_of_it())


def test_what_came_before_is_told_first_then_the_subscription_then_what_comes() -> None:
    async def main(api: Api) -> None:
        api.telemetry.tap("function", "loading\n")
        assert api.put() == (200, "OK")
        api.telemetry.tap("function", "loaded\n")
        records = await api.until(3)
        subscribed = {"name": "agent", "state": "Subscribed", "types": ["platform", "function"]}
        assert records == ["loading\n", subscribed, "loaded\n"]
        assert [event.text for event in api.told] == [
            "TELEMETRY\tName: agent\tState: Subscribed\tTypes: [Platform, Function]"
        ]

    run(main)


def test_the_same_subscription_again_changes_nothing() -> None:
    async def main(api: Api) -> None:
        assert [api.put()[0] for _ in range(3)] == [200] * 3
        assert len(api.told) == 1
        assert api.put(types=["extension"])[0] == 200
        assert len(api.told) == 2

    run(main)


@pytest.mark.parametrize(("first", "second"), [(TELEMETRY, LOGS), (LOGS, TELEMETRY)])
def test_one_extension_subscribes_through_one_of_the_two(first: str, second: str) -> None:
    async def main(api: Api) -> None:
        assert api.put(first)[0] == 200
        status, said = api.put(second)
        assert (status, said["errorType"]) == (400, "ValidationError")
        assert api.put(second, extension=Extension("other", external=True))[0] == 200

    run(main)


@pytest.mark.parametrize(
    ("path", "error_type", "message"),
    [
        (TELEMETRY, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed"),
        (LOGS, "Logs.SubscriptionClosed", "Logs API subscription is closed already"),
    ],
)
def test_after_init_nobody_subscribes(path: str, error_type: str, message: str) -> None:
    async def main(api: Api) -> None:
        assert not api.telemetry.close_subscriptions()
        assert api.put(path) == (403, {"errorMessage": message, "errorType": error_type})

    run(main)


def test_a_bad_subscription_is_refused_with_what_is_wrong() -> None:
    async def main(api: Api) -> None:
        status, said = api.put(types=["network"])
        assert (status, said["errorType"]) == (400, "ValidationError")
        assert "types" in said["errorMessage"]
        assert not api.told

    run(main)


def test_what_is_kept_for_later_is_bounded_and_what_was_lost_is_told() -> None:
    async def main(api: Api) -> None:
        size = telemetry.REPLAY[1] // 16
        for _ in range(20):
            api.telemetry.tap("function", "x" * size)
        api.put(types=["platform"])
        dropped, _ = await api.until(2)
        assert (dropped["droppedRecords"], dropped["droppedBytes"]) == (4, 4 * size)
        assert api.got[0]["type"] == "platform.logsDropped"

    run(main)


@pytest.mark.parametrize(
    ("schema", "line", "record"),
    [
        ("2022-07-01", '{"level":"INFO"}\n', '{"level":"INFO"}\n'),
        ("2022-12-13", '{"level":"INFO"}\n', {"level": "INFO"}),
        ("2025-01-29", '{"level":"INFO"}\n', {"level": "INFO"}),
        ("2025-01-29", "plain\n", "plain\n"),
        ("2025-01-29", "{broken\n", "{broken\n"),
        ("2025-01-29", '{"a":' * 100_000 + "\n", '{"a":' * 100_000 + "\n"),
    ],
    ids=["old", "object", "newest", "plain", "broken", "deep"],
)
def test_lines_of_the_json_format_are_objects_in_newer_schemas(schema: str, line: str, record: Any) -> None:
    wanted = Subscription(schema, ("function",), "TCP", 1, "", 1000, 262_144, 25)
    assert told(wanted, "function", line, json_lines=True) == [("function", record)]
    assert told(wanted, "function", line, json_lines=False) == [("function", line)]


def test_the_json_format_as_a_subscriber_sees_it() -> None:
    async def main(api: Api) -> None:
        api.put(types=["function"])
        api.telemetry.tap("function", '{"message":"hi"}\n')
        assert await api.until(1) == [{"message": "hi"}]

    run(main, json_lines=True)
