"""A Runtime API that a test writes the answers of: events handed out in order, whatever is posted kept.

HTTP is spoken by hand here, and not by emulator/wire.py, because a case may ask for what that never does: chunked
events, header names in another case, connections that end without a word. When no event is left, GET next stays
unanswered, as Lambda leaves it, and `idle` is set.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from fnroll.emulator.api import MAX_RESPONSE

PREFIX = "/2018-06-01/runtime/"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:conformance"
DEADLINE_MS = 60_000

_LIMIT = 64 * 1024
"""Bytes of one line of a head."""


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation, and how GET next is answered with it; `refuse` is the status that its answer gets."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    close: bool = False
    hang_up: bool = False
    """Answer fully, without Connection: close, and then close all the same."""
    lower: bool = False
    """Header names in lower case."""
    refuse: int = 0


@dataclass(frozen=True, slots=True)
class Posted:
    """One POST: the path after /2018-06-01/runtime/, headers and trailers with lower-case names; `log`: what had been
    printed by then; `status`: how it was answered; `after_ms`: since its event was handed out."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    trailers: Mapping[str, str]
    log: str
    status: int
    after_ms: float


class RuntimeApi:
    """Serves `events`. `printed` tells what has been printed so far; `idle` is set when `together` requests wait."""

    def __init__(self, events: tuple[Event, ...], printed: Callable[[], str], together: int = 1) -> None:
        self.posts: list[Posted] = []
        self.connections = 0
        self.problems: list[str] = []
        self.idle = asyncio.Event()
        self._events = events
        self._printed = printed
        self._together = together
        self._served = 0
        self._handed_out = 0.0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._address = ""

    async def start(self, listener: socket.socket, address: str) -> None:
        self._address = address
        self._server = await asyncio.start_server(self._connected, sock=listener, limit=_LIMIT)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        sock = writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        except (ValueError, asyncio.LimitOverrunError) as error:
            self.problems.append(f"sent what is no HTTP request: {error}")
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readline()
        if not first:
            return False
        method, path, version = first.decode("latin-1").split()
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(f"version {version}")
        headers = await _headers(reader)
        body, trailers = await _body(reader, headers)
        if headers.get("host") != self._address:
            self.problems.append(f"Host is {headers.get('host')!r}, the API is {self._address}")
        if not path.startswith(PREFIX):
            self.problems.append(f"asked for {path}")
            return await self._reply(writer, 404)
        path = path.removeprefix(PREFIX)
        if method == "GET" and path == "invocation/next":
            return await self._next(reader, writer)
        return await self._reply(writer, self._take(method, path, headers, body, trailers))

    def _take(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, trailers: Mapping[str, str]
    ) -> int:
        """The status for a POST."""
        if method != "POST":
            self.problems.append(f"asked {method} {path}")
            return 405
        status = 202
        if path != "init/error" and self._served:
            streamed = headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
            too_large = len(body) > MAX_RESPONSE and not streamed
            status = 413 if too_large else self._events[self._served - 1].refuse or 202
        after = (time.monotonic() - self._handed_out) * 1000
        self.posts.append(Posted(path, headers, body, trailers, self._printed(), status, after))
        return status

    async def _reply(self, writer: asyncio.StreamWriter, status: int) -> bool:
        body = b'{"status":"OK"}\n' if status < 300 else b'{"errorMessage":"refused","errorType":"Refused"}\n'
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        return True

    async def _next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._served == len(self._events):
            self._together -= 1
            if self._together <= 0:
                self.idle.set()
            await reader.read(1)  # until somebody hangs up
            return False
        event = self._events[self._served]
        self._served += 1
        fields = {
            "Lambda-Runtime-Aws-Request-Id": f"id-{self._served}",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + DEADLINE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": "application/json",
            **event.headers,
            **({"Connection": "close"} if event.close else {}),
            **({"Transfer-Encoding": "chunked"} if event.chunked else {"Content-Length": str(len(event.body))}),
        }
        lines = [f"{name.lower() if event.lower else name}: {value}" for name, value in fields.items()]
        head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode("latin-1")
        self._handed_out = time.monotonic()
        if event.chunked:
            pieces = [event.body[at : at + 1000] for at in range(0, len(event.body), 1000)]
            chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            writer.write(head + chunks[:5])
            await writer.drain()
            writer.write(chunks[5:] + b"0\r\nTrailer: x\r\n\r\n")
        else:
            writer.write(head + event.body)
        await writer.drain()
        return not (event.close or event.hang_up)


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    found: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise ValueError(f"header {line[:80]!r}")
        found[name.lower()] = value.strip()
    return found


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """The body, and the trailers of a chunked one."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return await reader.readexactly(int(headers.get("content-length", "0"))), {}
    pieces = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    return b"".join(pieces), await _headers(reader)
