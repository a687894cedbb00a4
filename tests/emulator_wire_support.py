"""A connection of emulator/wire.py without a socket, and one with: for the tests of the HTTP server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fnroll.emulator.wire import Handler, HttpConnection, HttpServer, Reply, Request


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; as much of a transport as HttpConnection asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False
        self.reading = True
        self.closing = False

    def write(self, data: Any) -> None:
        assert not self.ended, "written after the end"
        self.written += bytes(data)

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Wire:
    """One connection in memory. `requests` are those that reached the handler, `replies` their replies."""

    def __init__(
        self,
        answer: Callable[[Request, Reply], None] | None = None,
        *,
        max_body: int = 1 << 20,
        too_large: Handler | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.answer = answer
        self.transport = MemoryTransport()
        self.connection = HttpConnection(self._handle, max_body, too_large, lambda _: None)
        self.connection.connection_made(self.transport)

    def _handle(self, request: Request, reply: Reply) -> None:
        self.requests.append(request)
        self.replies.append(reply)
        if self.answer is not None:
            self.answer(request, reply)

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.transport.closing:
                self.connection.data_received(piece)

    def end(self) -> None:
        if not self.transport.closing and not self.connection.eof_received():
            self.transport.close()
        self.connection.connection_lost(None)


def echo(request: Request, reply: Reply) -> None:
    reply.send(200, [("X-Target", request.target)], request.body)


@asynccontextmanager
async def served(handler: Handler, **options: Any) -> AsyncIterator[int]:
    """A server on a fresh loopback port; yields the port."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    port: int = sock.getsockname()[1]
    server = HttpServer(handler, **{"max_body": 1 << 20, **options})
    await server.start(sock)
    try:
        yield port
    finally:
        await server.close()
        await asyncio.sleep(0)  # connections that were dropped hear of it in the next round


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass


async def ask(port: int, data: bytes, *, eof: bool = False) -> bytes:
    """Send, and everything that comes back until the server closes (the last request should ask it to)."""
    async with dialled(port) as (reader, writer):
        writer.write(data)
        if eof:
            writer.write_eof()
        return await reader.read()
