"""HTTP/1.1 on one connection: bytes in, requests out, one write per answer.

The Runtime API (one connection from each runtime) and the local cloud's port (any SDK) both speak through
`HttpServer`. httptools parses; this module adds what a server owes beyond parsing: bounded heads and bodies, requests
of one connection answered in the order they came, `Expect: 100-continue`, and head and body in a single write
(two small writes meet Nagle and delayed ACK: 40 ms a call). Nothing here knows what the requests mean.

A handler is called once per request with the request and a `Reply`, synchronously; it answers by `reply.send` now or
whenever it likes (GET /next waits for the next event this way without a task of its own).
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import httptools

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers; a larger head ends the connection with 431."""


@dataclass(frozen=True, slots=True)
class Request:
    """One parsed request. Header names are lower case; `body` is whole, `Transfer-Encoding` undone."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        """The path as sent, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def segments(self) -> list[str]:
        """The path split at `/`, each segment percent-decoded (so an encoded slash stays inside its segment)."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    @property
    def query_string(self) -> str:
        return self.target.partition("?")[2]

    @property
    def query(self) -> dict[str, str]:
        """The last value of each query parameter, decoded."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def header(self, name: str) -> str | None:
        """The first value of a header, by lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


Headers = Sequence[tuple[str, str]]
Handler = Callable[[Request, "Reply"], None]


def head(status: int, headers: Headers, length: int | None) -> bytes:
    """Status line and headers as bytes; Content-Length is added when `length` is given."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Reply:
    """The answer to one request; `send` may be called once, from the event loop's thread."""

    __slots__ = ("_connection", "_keep_alive", "_on_lost", "request", "sent")

    def __init__(self, connection: HttpConnection, request: Request, keep_alive: bool) -> None:
        self._connection = connection
        self._keep_alive = keep_alive
        self._on_lost: Callable[[], None] | None = None
        self.request = request
        self.sent = False

    @property
    def lost(self) -> bool:
        """Whether the client has gone away, so that nobody would read the answer."""
        return self._connection.transport is None

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback` if the client goes away before the answer is sent."""
        self._on_lost = callback

    def connection_lost(self) -> None:
        if not self.sent and self._on_lost is not None:
            self._on_lost()

    def send(self, status: int, headers: Headers = (), body: bytes = b"", *, close: bool = False) -> None:
        """Answer, in one write. 204 and 304 carry no Content-Length and no body. A lost client is no error."""
        if self.sent:
            raise RuntimeError("an answer was already sent for this request")
        self.sent = True
        keep = self._keep_alive and not close
        if not keep:
            headers = (*headers, ("Connection", "close"))
        bodiless = status in (204, 304)
        data = head(status, headers, None if bodiless else len(body))
        if not bodiless and self.request.method != "HEAD":
            data += body
        self._connection.answered(self, data, keep)


class HttpConnection(asyncio.Protocol):
    """One client connection. Reads are paused while an answer is owed, so a client cannot queue without bound."""

    def __init__(
        self, handler: Handler, max_body: int, too_large: Handler | None, on_close: Callable[[HttpConnection], None]
    ) -> None:
        self._handler = handler
        self._max_body = max_body
        self._too_large = too_large
        self._on_close = on_close
        self.transport: asyncio.Transport | None = None
        self._owed: deque[Reply] = deque()
        self._finished: dict[Reply, tuple[bytes, bool]] = {}
        self._parser: Any = httptools.HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._head_size = 0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, b"upgrade is not supported")
        except httptools.HttpParserCallbackError as error:
            reason = error.__context__
            if isinstance(reason, _HeadTooLarge):
                self._refuse(431, b"request head too large")
            elif reason is not None:
                raise reason from None
        except httptools.HttpParserError:
            self._refuse(400, b"malformed request")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        for reply in self._owed:
            reply.connection_lost()
        self._owed.clear()
        self._finished.clear()
        self._on_close(self)

    def _refuse(self, status: int, body: bytes) -> None:
        if self.transport is not None:
            self.transport.write(head(status, [("Connection", "close")], len(body)) + body)
            self.transport.close()

    # httptools' side

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))
        self._count_head(len(name) + len(value) + 4)

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        if any(name == "expect" and value.lower() == "100-continue" for name, value in self._headers):
            assert self.transport is not None
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        # Past the limit the body is counted but not kept: the client gets Lambda's answer, not a reset connection.
        self._size += len(body)
        if self._size <= self._max_body:
            self._chunks.append(body)
        else:
            self._chunks.clear()

    def on_message_complete(self) -> None:
        request = Request(
            self._parser.get_method().decode("ascii"),
            self._target.decode("latin-1"),
            self._headers,
            self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks),
        )
        reply = Reply(self, request, self._parser.should_keep_alive())
        self._owed.append(reply)
        if self._size > self._max_body:
            if self._too_large is None:
                reply.send(413, (), b"", close=True)
            else:
                self._too_large(request, reply)
            return
        self._handler(request, reply)
        if self._owed and self.transport is not None:
            self.transport.pause_reading()

    def answered(self, reply: Reply, data: bytes, keep: bool) -> None:
        """Write answers in request order: a later one waits here until the earlier ones are out."""
        self._finished[reply] = (data, keep)
        while self._owed and self._owed[0] in self._finished:
            data, keep = self._finished.pop(self._owed.popleft())
            if self.transport is None:
                continue
            self.transport.write(data)
            if not keep:
                self.transport.close()
                return
        if not self._owed and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()


class _HeadTooLarge(Exception):
    pass


class HttpServer:
    """A listening socket whose connections all call one handler. Owned by the event loop that started it."""

    def __init__(self, handler: Handler, *, max_body: int, too_large: Handler | None = None) -> None:
        self._handler = handler
        self._max_body = max_body
        self._too_large = too_large
        self._server: asyncio.Server | None = None
        self._connections: set[HttpConnection] = set()

    def _make(self) -> HttpConnection:
        connection = HttpConnection(self._handler, self._max_body, self._too_large, self._connections.discard)
        self._connections.add(connection)
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
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()
        self._connections.clear()
