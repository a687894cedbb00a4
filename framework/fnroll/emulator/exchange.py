"""One request and its answer, as handlers see them: a reply to send, and a sink for a body that comes in pieces.

The connection is wire.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from fnroll.emulator.message import Headers, Request, head

Handler = Callable[[Request, "Reply"], None]


class Sink(Protocol):
    """Takes a request's body as it comes."""

    def data(self, chunk: bytes) -> None: ...

    def end(self, trailers: Headers) -> None:
        """The body is whole. Trailer names are lower case."""

    def lost(self) -> None:
        """The client has gone away before its end."""


Streamer = Callable[[Request, "Reply"], Sink | None]
"""Asked when the headers of a chunked request are there, whose body is empty then: a sink for the body, or None for
the handler."""


class Connection(Protocol):
    """What a reply asks of the connection that its request came by."""

    transport: asyncio.Transport | None

    def hung_up(self) -> bool: ...

    def answered(self, reply: Reply, data: bytes, keep: bool) -> None: ...

    def is_next(self, reply: Reply) -> bool:
        """Whether nothing else has to be answered before."""


class Reply:
    """The answer to one request; `send` may be called once, from the event loop's thread."""

    __slots__ = ("_connection", "_held", "_keep_alive", "_on_lost", "request", "sent")

    def __init__(self, connection: Connection, request: Request, keep_alive: bool) -> None:
        self._connection = connection
        self._keep_alive = keep_alive
        self._on_lost: Callable[[], None] | None = None
        self._held = b""
        self.request = request
        self.sent = False

    @property
    def lost(self) -> bool:
        """Whether the client has gone away, so that nobody would read the answer."""
        return self._connection.transport is None

    def hung_up(self) -> bool:
        """Whether the client has gone away, asked of the kernel: true before the event loop has heard of it."""
        return self._connection.hung_up()

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request on this connection."""
        return self._keep_alive

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

    def begin(self, status: int, headers: Headers = ()) -> None:
        """Begin an answer whose body comes in pieces: `write` each, then `finish`."""
        if self.sent:
            raise RuntimeError("an answer was already sent for this request")
        self.sent = True
        closing = () if self._keep_alive else (("Connection", "close"),)
        self._push(head(status, (*headers, *closing, ("Transfer-Encoding", "chunked")), None))

    def write(self, piece: bytes) -> None:
        """One piece, which is not empty."""
        self._push(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish(self) -> None:
        """The body is whole."""
        held, self._held = self._held, b""
        self._connection.answered(self, held + b"0\r\n\r\n", self._keep_alive)

    def _push(self, data: bytes) -> None:
        transport = self._connection.transport
        if transport is None:
            return
        self._held += data
        if self._connection.is_next(self):
            transport.write(self._held)
            self._held = b""

    def send_whole(self, answer: bytes) -> None:
        """As `send`, with an answer that is bytes already: head and body, Content-Length among them."""
        if self.sent:
            raise RuntimeError("an answer was already sent for this request")
        if not self._keep_alive:
            answer = answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        self.sent = True
        self._connection.answered(self, answer, self._keep_alive)
