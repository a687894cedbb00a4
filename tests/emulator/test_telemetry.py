"""Subscriptions as a table, and a subscriber that keeps up, falls behind, fails, or speaks TCP: over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from fnroll.emulator import events, telemetry
from fnroll.emulator.subscriptions import LOGS, TELEMETRY, Invalid, Subscription, as_logs, parse
from fnroll.emulator.telemetry import Subscriber

HTTP = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in?x=1"}
GOOD = {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "destination": HTTP}


def test_what_is_asked_for_and_what_is_not_said() -> None:
    assert parse(TELEMETRY, json.dumps(GOOD).encode()) == Subscription(
        "2022-12-13", ("platform", "function"), "HTTP", 8080, "/in?x=1", 10_000, 262_144, 1000
    )
    said = {**GOOD, "destination": {"protocol": "TCP", "port": 9999}, "buffering": {"maxItems": 1000, "timeoutMs": 25}}
    assert parse(TELEMETRY, json.dumps(said).encode()) == Subscription(
        "2022-12-13", ("platform", "function"), "TCP", 9999, "", 1000, 262_144, 25
    )
    old = parse(LOGS, json.dumps({"types": ["extension"], "destination": HTTP}).encode())
    assert (old.schema, old.old, old.method) == ("2020-08-15", True, "POST")
    put = parse(LOGS, json.dumps({"types": ["extension"], "destination": {**HTTP, "method": "PUT"}}).encode())
    assert put.method == "PUT"
    with pytest.raises(Invalid, match=r"destination\.method"):
        parse(LOGS, json.dumps({"types": ["extension"], "destination": {**HTTP, "method": "GET"}}).encode())


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"schemaVersion": "1999-01-01"}, "schemaVersion"),
        ({"schemaVersion": None}, "schemaVersion"),
        ({"types": []}, "types"),
        ({"types": ["network"]}, "types"),
        ({"types": "platform"}, "types"),
        ({"destination": None}, "destination"),
        ({"destination": {"protocol": "UDP", "port": 1}}, "destination.protocol"),
        ({"destination": {"protocol": "TCP", "port": 9001}}, "9001"),
        ({"destination": {"protocol": "TCP", "port": "80"}}, "port"),
        ({"destination": {"protocol": "HTTP", "URI": "http://127.0.0.1:8080/"}}, "destination.URI"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:99999999/"}}, "destination.URI"),
        ({"destination": {"protocol": "HTTP", "URI": "https://sandbox.localdomain:8080/"}}, "destination.URI"),
        ({"destination": {"protocol": "HTTP", "URI": 5}}, "destination.URI"),
        ({"buffering": []}, "buffering"),
        ({"buffering": {"maxItems": 999}}, "buffering.maxItems"),
        ({"buffering": {"maxBytes": 1_048_577}}, "buffering.maxBytes"),
        ({"buffering": {"timeoutMs": True}}, "buffering.timeoutMs"),
    ],
)
def test_what_is_refused_says_what_is_wrong(changes: dict[str, Any], about: str) -> None:
    with pytest.raises(Invalid, match=about):
        parse(TELEMETRY, json.dumps({**GOOD, **changes}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"no"])
def test_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse(TELEMETRY, body)


@pytest.mark.parametrize(
    ("event_type", "record", "schema", "expected"),
    [
        ("platform.initStart", {}, "2020-08-15", []),
        ("function", "line", "2020-08-15", [("function", "line")]),
        (
            "platform.start",
            {"requestId": "1", "version": "$LATEST", "tracing": {}},
            "2020-08-15",
            [("platform.start", {"requestId": "1", "version": "$LATEST"})],
        ),
        (
            "platform.runtimeDone",
            {"requestId": "1", "status": "success", "metrics": {}},
            "2020-08-15",
            [("platform.end", {"requestId": "1"})],
        ),
        (
            "platform.runtimeDone",
            {"requestId": "1", "status": "success", "metrics": {}},
            "2021-03-18",
            [("platform.runtimeDone", {"requestId": "1", "status": "success"}), ("platform.end", {"requestId": "1"})],
        ),
        ("platform.fault", {"requestId": "1", "fault": "text"}, "2020-08-15", [("platform.fault", "text")]),
    ],
)
def test_the_terms_of_the_logs_api(event_type: str, record: Any, schema: str, expected: list[Any]) -> None:
    assert as_logs(event_type, record, schema) == expected


class Inbox:
    """Listens; each request's Sequence-Id and events. `statuses` are given in turn, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[int, list[Any]]] = []
        self.came = asyncio.Event()
        self.serving: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Inbox:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
                body = json.loads(await reader.readexactly(int(fields["Content-Length"])))
                status = self.statuses.pop(0) if self.statuses else 200
                if status == 200:
                    self.got.append((int(fields["Sequence-Id"]), body))
                    self.came.set()
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode())
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    async def __aexit__(self, *_: object) -> None:
        """Every subscriber has been closed by now, so every connection ends."""
        self.server.close()
        await asyncio.wait_for(asyncio.gather(*self.serving), 20)
        await asyncio.sleep(0)

    async def dial(self, _: int) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return sock


def wanted(**changes: Any) -> Subscription:
    fields: dict[str, Any] = {"max_items": 1000, "max_bytes": 262_144, "timeout_ms": 25, **changes}
    return Subscription("2022-12-13", ("function",), "HTTP", 8080, "/", **fields)


def line(text: str) -> dict[str, Any]:
    return events.enveloped("function", text, 0.0)


def test_batches_come_in_order_and_filtered() -> None:
    async def main() -> list[tuple[int, list[Any]]]:
        async with Inbox() as inbox:
            subscriber = Subscriber(wanted(max_items=2), inbox.dial, lambda: 0.0)
            for text in ("a", "b", "c"):
                subscriber.offer("function", line(text))
            subscriber.offer("platform.start", line("not wanted"))
            await asyncio.wait_for(subscriber.flush(), 20)
            subscriber.close()
            return inbox.got

    got = asyncio.run(main())
    assert [number for number, _ in got] == [1, 2]
    assert [event["record"] for _, batch in got for event in batch] == ["a", "b", "c"]


def test_a_refused_batch_is_sent_again() -> None:
    async def main() -> list[tuple[int, list[Any]]]:
        async with Inbox(500, 503) as inbox:
            subscriber = Subscriber(wanted(), inbox.dial, lambda: 0.0)
            subscriber.offer("function", line("a"))
            await asyncio.wait_for(inbox.came.wait(), 20)
            subscriber.close()
            return inbox.got

    assert [[event["record"] for event in batch] for _, batch in asyncio.run(main())] == [["a"]]


def test_what_a_slow_subscriber_cannot_take_is_dropped_and_told() -> None:
    async def main() -> list[Any]:
        async with Inbox(*[500] * telemetry.TRIES) as inbox:
            subscriber = Subscriber(wanted(max_bytes=1000), inbox.dial, lambda: 0.0, first_pause=0.001)
            for _ in range(100):
                subscriber.offer("function", line("x" * 100))
            while not any(event["type"] == "platform.logsDropped" for _, batch in inbox.got for event in batch):
                inbox.came.clear()
                await asyncio.wait_for(inbox.came.wait(), 20)
            subscriber.close()
            return [event for _, batch in inbox.got for event in batch]

    got = asyncio.run(main())
    dropped = sum(event["record"]["droppedRecords"] for event in got if event["type"] == "platform.logsDropped")
    arrived = sum(event["type"] == "function" for event in got)
    assert arrived + dropped == 100
    assert arrived < 40


def test_tcp_is_a_line_for_each_event() -> None:
    async def main() -> list[Any]:
        got: asyncio.Queue[bytes] = asyncio.Queue()
        over = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.readline():
                got.put_nowait(data)
            writer.close()
            await writer.wait_closed()
            over.set()

        async with Inbox() as inbox:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            inbox.port = server.sockets[0].getsockname()[1]
            tcp = Subscription("2022-12-13", ("function",), "TCP", 1, "", 1000, 262_144, 25)
            subscriber = Subscriber(tcp, inbox.dial, lambda: 0.0)
            for text in ("a", "b"):
                subscriber.offer("function", line(text))
            lines = [await asyncio.wait_for(got.get(), 20) for _ in range(2)]
            subscriber.close()
            await asyncio.wait_for(over.wait(), 20)
            server.close()
            return [json.loads(line)["record"] for line in lines]

    assert asyncio.run(main()) == ["a", "b"]
