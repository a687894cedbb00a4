"""HTTP/1.1 on one connection: bytes in, requests out, one write per answer.

httptools parses, or heads.py knows the headers already; this module adds what a server owes beyond parsing: bounded
heads and bodies, requests of one connection answered in the order they came, `Expect: 100-continue`, refusals that the
client gets to read, and head and body in a single write (two small writes meet Nagle and delayed ACK: 40 ms a call).
Nothing here knows what the requests mean.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools

from fnroll.emulator.exchange import Handler, Reply, Sink, Streamer
from fnroll.emulator.heads import Heads
from fnroll.emulator.message import Request, origin_form

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers; a larger head ends the connection with 431."""

LINGER = 2.0
"""Seconds that a closing connection still reads (and drops) what the client sends: closing on unread bytes resets
the connection, and the reset can overtake the answer."""

_GONE = getattr(select, "POLLRDHUP", 0) or getattr(select, "POLLIN", 0)


class HttpConnection(asyncio.Protocol):
    """One client connection.

    While an answer is owed one further read is accepted and kept (so that a client that hangs up is noticed); then
    reading stops until the answers are out, so that a client cannot queue without bound.
    """

    def __init__(
        self,
        handler: Handler,
        max_body: int,
        too_large: Handler | None,
        on_close: Callable[[HttpConnection], None],
        *,
        streamer: Streamer | None = None,
        max_head: int = MAX_HEAD,
    ) -> None:
        self._handler = handler
        self._streamer = streamer
        self._max_head = max_head
        self._sink: Sink | None = None
        self._streamed: Reply | None = None
        self._trailers: list[tuple[str, str]] = []
        self._max_body = max_body
        self._too_large = too_large
        self._on_close = on_close
        self._poll: select.poll | None = None
        self.transport: asyncio.Transport | None = None
        self.refused = False
        """Whether the server has been closed before this connection was made."""
        self._owed: deque[Reply] = deque()
        self._finished: dict[Reply, tuple[bytes, bool]] = {}
        self._parser: Any = httptools.HttpRequestParser(self)
        self._feeding = False
        self._kept = b""  # read, not parsed yet
        self._reading = True
        self._writable = True
        self._last = False  # no request after this one will be read
        self._leaving: asyncio.TimerHandle | None = None
        self._heads = Heads()
        self._raw = b""  # what was read when nothing of a message had been
        self._serial = 0  # of the message that is being read
        self._started = False
        self._in_body = False
        self._begin()

    def _begin(self) -> None:
        self._serial += 1
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._head_size = 0  # of the headers that are whole
        self._unfinished = 0  # of the reads since the one that the head began in
        self._continue = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self.refused:
            self.transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        if self._owed or self._kept:
            self._kept += data
            self._flow()
            return
        known = None if self._started else self._heads.find(data)
        if known is None:
            self._feed(data)
        else:
            self._hand_over(Reply(self, known, keep_alive=True), fits=True)

    def _feed(self, data: bytes) -> None:
        begun = self._serial if self._started and not self._in_body else 0
        self._raw = b"" if self._started else data
        self._feeding = True
        self._parse(data)
        self._feeding = False
        if begun == self._serial and self._started and not self._in_body and not self._last:
            # httptools hands a header out when it is whole; one that never ends has to be counted here.
            self._unfinished += len(data)
            if self._unfinished > self._max_head:
                self._refuse(431, b"request head too large")

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _HeadTooLarge):
                raise
            self._refuse(431, b"request head too large")
        except httptools.HttpParserError:
            self._refuse(400, b"malformed request")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Serve a request that offers an upgrade (h2c, from some clients with every first request) as what it is."""
        if self._last:
            return
        lines = [self._parser.get_method() + b" " + self._target + b" HTTP/1.1"]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in self._headers if name != "upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def eof_received(self) -> bool:
        """A client that has sent half a request and no more is told; one that waits for an answer has gone away."""
        if self._started and not self._last and not self._owed:
            self._refuse(400, b"truncated request")
        return False

    def pause_writing(self) -> None:
        self._writable = False
        self._flow()

    def resume_writing(self) -> None:
        self._writable = True
        self._flow()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._leaving is not None:
            self._leaving.cancel()
        if self._sink is not None:
            self._sink.lost()
            self._sink = None
        for reply in self._owed:
            reply.connection_lost()
        self._owed.clear()
        self._finished.clear()
        self._on_close(self)

    def hung_up(self) -> bool:
        if self.transport is None or self.transport.is_closing():
            return True
        if self._poll is None:  # asked before each event that is handed to a runtime
            sock = self.transport.get_extra_info("socket")
            if sock is None or sock.fileno() < 0:
                return True
            self._poll = select.poll()
            self._poll.register(sock.fileno(), _GONE)
        return bool(self._poll.poll(0))

    def unfinished(self) -> tuple[int, int] | None:
        """The request that is coming in, by its number, and the bytes of its body (-1: its head is not whole yet)."""
        if not self._started or self._last or self._owed:
            return None
        return self._serial, self._size if self._in_body else -1

    def give_up(self) -> None:
        """Wait no longer for the rest of a request."""
        self._refuse(408, b"the request did not end in time")

    def _flow(self) -> None:
        """Read, unless something read waits for its turn or the client does not read its answers."""
        if self.transport is None or self.transport.is_closing():
            return
        reading = self._writable and not self._kept
        if reading == self._reading:
            return
        self._reading = reading
        if reading:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def _refuse(self, status: int, body: bytes) -> None:
        """Answer what cannot be a request, after the answers owed before it, and read no more."""
        if self._last:
            return
        reply = Reply(self, Request("", "", (), b""), keep_alive=False)
        self._owed.append(reply)
        self._last = True
        reply.send(status, [("Content-Type", "text/plain")], body)

    def _failed(self, reply: Reply, error: Exception) -> None:
        """A handler raised: that is our fault and not the client's, who gets a 500."""
        asyncio.get_running_loop().call_exception_handler({"message": "an HTTP handler failed", "exception": error})
        if not reply.sent:
            reply.send(500, [("Content-Type", "text/plain")], b"internal error", close=True)

    # httptools' side

    def on_message_begin(self) -> None:
        self._begin()
        self._started = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        # What comes after a chunked body is a trailer, and never a header.
        fields = self._trailers if self._in_body else self._headers
        fields.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._max_head:
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._trailers = []
        for name, value in self._headers:
            if name == "expect" and value.lower() == "100-continue":
                self._continue = True
                self._may_continue()
            elif name == "transfer-encoding" and self._streamer is not None and not self._last:
                self._streamed = self._reply(b"")
                self._sink = self._streamer(self._streamed.request, self._streamed)

    def _may_continue(self) -> None:
        if self._continue and not self._owed and not self._last and self.transport is not None:
            self._continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        # Past the limit the body is counted but not kept: the client gets Lambda's answer, not a reset connection.
        self._continue = False
        if self._sink is not None:
            self._sink.data(body)
            return
        self._size += len(body)
        if self._size <= self._max_body:
            self._chunks.append(body)
        else:
            self._chunks.clear()

    def on_message_complete(self) -> None:
        self._continue = self._started = self._in_body = False
        if self._last:
            return
        method = self._parser.get_method().decode("ascii")
        if self._parser.should_upgrade():
            if method == "CONNECT":
                self._refuse(400, b"this is no proxy")
            return  # httptools stops here without a body; see _ignore_upgrade
        if self._sink is not None and self._streamed is not None:
            self._end_stream(self._sink, self._streamed)
            return
        reply = self._reply(self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))
        fits = self._size <= self._max_body
        if self._raw and fits and reply.keeps_alive:
            self._heads.learn(self._raw, reply.request, self._size)
        self._raw = b""  # whatever follows in it does not stand alone
        self._hand_over(reply, fits)

    def _hand_over(self, reply: Reply, fits: bool) -> None:
        """A request is whole. `fits`: its body is within the limit, and so is there."""
        self._last = not reply.keeps_alive
        self._owed.append(reply)
        try:
            if fits:
                self._handler(reply.request, reply)
            elif self._too_large is not None:
                self._too_large(reply.request, reply)
            else:
                reply.send(413, (), b"", close=True)
        except Exception as error:
            self._failed(reply, error)

    def _reply(self, body: bytes) -> Reply:
        method = self._parser.get_method().decode("ascii")
        request = Request(method, origin_form(self._target.decode("latin-1")), self._headers, body)
        keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        return Reply(self, request, keep_alive)

    def _end_stream(self, sink: Sink, reply: Reply) -> None:
        """The answer may have been given before the body's end; it goes out now, in its turn."""
        self._sink = self._streamed = None
        self._last = not reply.keeps_alive
        self._owed.append(reply)
        try:
            sink.end(self._trailers)
        except Exception as error:
            self._failed(reply, error)
        self._write_finished()

    # the handlers' side

    def answered(self, reply: Reply, data: bytes, keep: bool) -> None:
        """Write answers in request order: a later one waits here until the earlier ones are out."""
        if keep and not self._kept and len(self._owed) == 1 and self._owed[0] is reply and self.transport is not None:
            self._owed.clear()  # as nearly all are: alone
            self.transport.write(data)
            if self._continue or not self._reading:
                self._write_finished()
            return
        self._finished[reply] = (data, keep)
        self._write_finished()

    def is_next(self, reply: Reply) -> bool:
        return bool(self._owed) and self._owed[0] is reply

    def _write_finished(self) -> None:
        while self._owed and self._owed[0] in self._finished:
            data, keep = self._finished.pop(self._owed.popleft())
            if self.transport is None:
                continue
            self.transport.write(data)
            if not keep:
                self._leave()
                return
        if self._owed or self._feeding:
            return
        self._may_continue()
        if self._kept:
            kept, self._kept = self._kept, b""
            self._feed(kept)
        self._flow()

    def _leave(self) -> None:
        """Send no more, and read until the client has hung up too."""
        self._last = True
        self._owed.clear()
        self._kept = b""
        transport = self.transport
        if transport is None or transport.is_closing() or self._leaving is not None:
            return
        transport.write_eof()
        self._flow()
        self._leaving = asyncio.get_running_loop().call_later(LINGER, transport.close)


class _HeadTooLarge(Exception):
    pass
