"""HTTP/1.1 on a listening socket.

The Runtime API (one connection from each runtime) and the local cloud's port (any SDK) both speak through
`HttpServer`. One connection of it is connection.py's; exchange.py has what handlers see.

A handler is called once per request with the request and a `Reply`, synchronously; it answers by `reply.send` now or
whenever it likes (GET /next waits for the next event this way without a task of its own).
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from fnroll.emulator.connection import LINGER, MAX_HEAD, HttpConnection
from fnroll.emulator.exchange import Handler, Reply, Sink, Streamer
from fnroll.emulator.message import Headers, Request, head

__all__ = [
    "LINGER",
    "MAX_HEAD",
    "Handler",
    "Headers",
    "HttpConnection",
    "HttpServer",
    "Reply",
    "Request",
    "Sink",
    "head",
]


class HttpServer:
    """A listening socket whose connections all call one handler. Owned by the event loop that started it."""

    def __init__(
        self,
        handler: Handler,
        *,
        max_body: int,
        too_large: Handler | None = None,
        streamer: Streamer | None = None,
        max_head: int = MAX_HEAD,
    ) -> None:
        self._connection = partial(HttpConnection, handler, max_body, too_large, streamer=streamer, max_head=max_head)
        self._closed = False
        self._server: asyncio.Server | None = None
        self.connections: set[HttpConnection] = set()

    def _make(self) -> HttpConnection:
        connection = self._connection(on_close=self.connections.discard)
        self.connections.add(connection)
        connection.refused = self._closed
        return connection

    async def start(self, sock: socket.socket) -> None:
        """Serve on `sock`, which must be bound and non-blocking. The server closes it in `close()`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, sock=sock, backlog=1024)

    async def close(self) -> None:
        """Stop listening and drop every connection. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._closed = True
        for connection in list(self.connections):
            connection.refused = True  # one that is accepted and not made yet is dropped when it is
            if connection.transport is not None:
                connection.transport.abort()
        self.connections.clear()
        for _ in range(3):  # one that was accepted is made, dropped, and hears of it
            await asyncio.sleep(0)
