"""The Telemetry API of one environment: who has subscribed, and the events on their way to each.

Every event since the environment began is kept until init ends, as far as `REPLAY` goes, since a subscriber gets what
came before it; then subscriptions are closed, and without one nothing is kept any more. A subscriber's events wait
until its buffer says that it is time (items, bytes, or milliseconds since the first), and are posted in order; what it
does not take is tried again with a growing pause, and what does not fit into `BACKLOG` meanwhile is dropped and
counted. Source: facts 2.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from fnroll.emulator import events, subscriptions
from fnroll.emulator.extensions import JSON, Extension
from fnroll.emulator.subscriptions import Subscription
from fnroll.emulator.wire import Reply, Request

BACKLOG: Final = 4
"""Times its buffer that a subscriber may be behind."""

TRIES: Final = 6
FIRST_PAUSE: Final = 0.05
REPLAY: Final = (10_000, 4 << 20)
"""Events, and characters of printed lines, that are kept for a subscriber that may come."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of a subscriber's answer that are read: nobody wants them."""

CLOSED: Final = {
    subscriptions.TELEMETRY: ("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed"),
    subscriptions.LOGS: ("Logs.SubscriptionClosed", "Logs API subscription is closed already"),
}

PATHS: Final = (subscriptions.TELEMETRY, subscriptions.LOGS)
Dial = Callable[[int], Awaitable[socket.socket]]


class Told(Protocol):
    def tell(self, event: events.Event, *, keep: bool = True) -> None: ...


class Telemetry:
    """Belongs to the event loop. `tap` gets every event (Journal.tap)."""

    def __init__(self, journal: Told, dial: Dial, clock: Callable[[], float], *, json_lines: bool = False) -> None:
        """`json_lines`: whether the function logs in the JSON format."""
        self._journal = journal
        self._dial = dial
        self._clock = clock
        self._json_lines = json_lines
        self._replay: list[tuple[str, Any]] = []
        self._replay_left = list(REPLAY)
        self._lost = self._lost_size = 0
        self._subscribers: dict[str, Subscriber] = {}
        self._open = True

    def tap(self, event_type: str, record: Any) -> None:
        enveloped = events.enveloped(event_type, record, self._clock())
        if self._open:
            self._keep(event_type, enveloped)
        for subscriber in self._subscribers.values():
            subscriber.offer(event_type, enveloped)

    def _keep(self, event_type: str, enveloped: dict[str, Any]) -> None:
        size = len(enveloped["record"]) if isinstance(enveloped["record"], str) else 0
        if self._replay_left[0] < 1 or self._replay_left[1] < size:
            self._lost += 1
            self._lost_size += size
            return
        self._replay_left[0] -= 1
        self._replay_left[1] -= size
        self._replay.append((event_type, enveloped))

    def close_subscriptions(self) -> bool:
        """Init has ended. Whether anybody subscribed."""
        self._open = False
        self._replay.clear()
        return bool(self._subscribers)

    def handle(self, request: Request, path: str, reply: Reply, extension: Extension) -> None:
        """A PUT of a subscription, to one of `PATHS`. The same one again changes nothing; another one of the same
        extension takes its place, and one by the other API is refused."""
        former = self._subscribers.get(extension.name)
        if not self._open:
            _refuse(reply, 403, *CLOSED[path])
            return
        try:
            wanted = subscriptions.parse(path, request.body)
            if former is not None and former.wanted.old != wanted.old:
                raise subscriptions.Invalid("this extension has subscribed through the other API")
        except subscriptions.Invalid as invalid:
            _refuse(reply, 400, "ValidationError", str(invalid))
            return
        reply.send(200, JSON, b'"OK"')
        if former is None or former.wanted != wanted:
            self._subscribe(extension.name, wanted)

    def _subscribe(self, name: str, wanted: Subscription) -> None:
        former = self._subscribers.pop(name, None)
        if former is not None:
            former.close()
        subscriber = Subscriber(wanted, self._dial, self._clock, json_lines=self._json_lines)
        for event_type, enveloped in self._replay:
            subscriber.offer(event_type, enveloped)
        if self._lost:
            lost = events.dropped(self._lost, self._lost_size, "more than is kept for a subscriber that comes later")
            subscriber.offer(lost.type, events.enveloped(lost.type, lost.record(), self._clock()))
        self._subscribers[name] = subscriber
        self._journal.tell(events.subscription(name, wanted.types, wanted.old))

    async def flush(self, limit: float) -> None:
        """Send what waits, for `limit` seconds at most."""
        if self._subscribers:
            flushes = [asyncio.ensure_future(subscriber.flush()) for subscriber in self._subscribers.values()]
            _, late = await asyncio.wait(flushes, timeout=limit)
            for flush in late:
                flush.cancel()

    def close(self) -> None:
        for subscriber in self._subscribers.values():
            subscriber.close()


def _refuse(reply: Reply, status: int, error_type: str, message: str) -> None:
    body = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":")) + "\n"
    reply.send(status, JSON, body.encode())


class Subscriber:
    """One subscription's events on their way. A task of its own sends them."""

    def __init__(
        self,
        wanted: Subscription,
        dial: Dial,
        clock: Callable[[], float],
        first_pause: float = FIRST_PAUSE,
        *,
        json_lines: bool = False,
    ) -> None:
        self._first_pause = first_pause
        self._json_lines = json_lines
        self.wanted = wanted
        self._dial = dial
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = [0, 0]
        self._full = asyncio.Event()
        self._some = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sequence = 0
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def offer(self, event_type: str, enveloped: dict[str, Any]) -> None:
        if not self.wanted.wants(event_type):
            return
        for kind, record in subscriptions.told(self.wanted, event_type, enveloped["record"], self._json_lines):
            self._put({**enveloped, "type": kind, "record": record})

    def _put(self, event: dict[str, Any]) -> None:
        data = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        if self._bytes + len(data) > BACKLOG * self.wanted.max_bytes:
            self._dropped[0] += 1
            self._dropped[1] += len(data)
            return
        self._waiting.append(data)
        self._bytes += len(data)
        self._empty.clear()
        self._some.set()
        if len(self._waiting) >= self.wanted.max_items or self._bytes >= self.wanted.max_bytes:
            self._full.set()

    async def flush(self) -> None:
        self._full.set()
        await self._empty.wait()

    def close(self) -> None:
        self._task.cancel()
        self._hang_up()

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.wanted.timeout_ms / 1000):
                    await self._full.wait()
            self._full.clear()
            await self._deliver(self._batch())
            if self._dropped[0]:
                count, size = self._dropped
                self._dropped = [0, 0]
                event = events.dropped(count, size, "the subscriber did not keep up")
                self._put(events.enveloped(event.type, event.record(), self._clock()))
            if not self._waiting:
                self._some.clear()
                self._empty.set()

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._waiting and len(batch) < self.wanted.max_items and size < self.wanted.max_bytes:
            batch.append(self._waiting.popleft())
            size += len(batch[-1])
        self._bytes -= size
        return batch

    async def _deliver(self, batch: list[bytes]) -> None:
        """Try, and try again; a batch that nobody takes is counted as dropped."""
        self._sequence += 1
        for attempt in range(TRIES):
            try:
                await self._send(batch)
                return
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                self._hang_up()
            await asyncio.sleep(self._first_pause * 2**attempt)
        self._dropped[0] += len(batch)
        self._dropped[1] += sum(map(len, batch))

    async def _send(self, batch: list[bytes]) -> None:
        if self._stream is None:
            self._stream = await asyncio.open_connection(sock=await self._dial(self.wanted.port))
        reader, writer = self._stream
        if self.wanted.protocol == "TCP":
            writer.write(b"".join(item + b"\n" for item in batch))
            await writer.drain()
            return
        body = b"[" + b",".join(batch) + b"]"
        head = (
            f"{self.wanted.method} {self.wanted.path} HTTP/1.1\r\nHost: {subscriptions.HOSTS[0]}:{self.wanted.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nSequence-Id: {self._sequence}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        if not await _accepted(reader):
            self._hang_up()

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream[1].close()
            self._stream = None


async def _accepted(reader: asyncio.StreamReader) -> bool:
    """Read an answer. Whether the connection can be used again; raises ValueError for what is no success."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *fields = head.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    length = headers.get("content-length")
    if length is not None:
        await reader.readexactly(min(int(length), MAX_ANSWER))
    status = int(status_line.partition(" ")[2][:3])
    if not 200 <= status < 300:
        raise ValueError(f"the subscriber answered {status}")
    return length is not None and int(length) <= MAX_ANSWER and headers.get("connection", "").lower() != "close"
