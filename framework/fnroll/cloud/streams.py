"""Streamed responses: from the runtime's chunks to AWS's event stream, or to the body of a function URL's answer.

`Relay` takes what the emulator gives and hands it on as it comes. Source of the frames: the event stream encoding of
AWS's SDKs (a prelude of lengths with its CRC, headers, payload, a CRC of all).
"""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from fnroll.cloud.protocol import Answer
from fnroll.emulator.api import Outcome, ResponseStream
from fnroll.emulator.streaming import PRELUDE_TYPE, NoPrelude, Prelude, split_prelude

_STRING: Final = 7
EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_running: set[asyncio.Task[Outcome]] = set()


class Relay:
    """A ResponseStream, and what it got. `begun` is the content type once the response has begun."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task: asyncio.Task[Outcome] | None = None
        self.begun: str | None = None

    def begin(self, content_type: str) -> None:
        self.begun = content_type
        self._pieces.put_nowait(b"")

    def chunk(self, data: bytes) -> None:
        self._pieces.put_nowait(data)

    async def start(self, invoke: Callable[[ResponseStream], Awaitable[Outcome]]) -> None:
        """Invoke, and return when the response begins or the invocation is over. Raises what it raises until then."""
        self._task = asyncio.ensure_future(invoke(self))
        _running.add(self._task)  # it goes on where its reader goes away
        self._task.add_done_callback(_running.discard)
        self._task.add_done_callback(lambda _: self._pieces.put_nowait(None))
        if await self._pieces.get() is None:
            self._task.result()
            self._pieces.put_nowait(None)

    async def pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if piece:
                yield piece

    def outcome(self) -> Outcome:
        """Of an invocation that is over. Raises what it raised."""
        assert self._task is not None
        return self._task.result()


def frame(kind: str, content_type: str, payload: bytes) -> bytes:
    """One event of an event stream."""
    named = {":event-type": kind, ":content-type": content_type, ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + bytes([_STRING]) + struct.pack(">H", len(value)) + value.encode()
        for name, value in named.items()
    )
    start = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = start + struct.pack(">I", zlib.crc32(start)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


async def event_stream(relay: Relay, log: Callable[[Outcome], str | None]) -> AsyncIterator[bytes]:
    """PayloadChunks and the InvokeComplete of an invocation that has begun."""
    async for piece in relay.pieces():
        yield frame("PayloadChunk", "application/octet-stream", piece)
    said: dict[str, Any] = {}
    try:
        outcome = relay.outcome()
    except Exception as error:
        said = {"ErrorCode": "ServiceException", "ErrorDetails": str(error)}
    else:
        if outcome.function_error is not None:
            said = {"ErrorCode": outcome.function_error, "ErrorDetails": outcome.payload.decode("utf-8", "replace")}
        elif outcome.payload:
            yield frame("PayloadChunk", "application/octet-stream", outcome.payload)
        if (tail := log(outcome)) is not None:
            said["LogResult"] = tail
    yield frame("InvokeComplete", "application/json", json.dumps(said).encode())


async def url_answer(relay: Relay, headers: Callable[[Mapping[str, Any]], list[tuple[str, str]]]) -> Answer | None:
    """A response that has begun, as a function URL's answer; None where it is no stream: then the outcome tells.

    `headers` gives those of a result, checked; it raises ValueError or TypeError for what HTTP cannot carry.
    """
    if relay.begun is None:
        return None
    pieces = relay.pieces()
    prelude, rest = Prelude(headers={"content-type": relay.begun}), b""
    if relay.begun.partition(";")[0].strip() == PRELUDE_TYPE:
        data = b""
        while (found := split_prelude(data)) is None:
            piece = await anext(pieces, None)
            if piece is None:
                raise NoPrelude
            data += piece
        prelude, rest = found
    said = headers({"headers": prelude.headers, "cookies": prelude.cookies})

    async def body() -> AsyncIterator[bytes]:
        if rest:
            yield rest
        async for piece in pieces:
            yield piece

    return replace(Answer(prelude.status, said, b""), stream=body())
