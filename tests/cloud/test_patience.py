"""Requests that do not end: given up at the second look, over a real connection; what goes on is left alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from emulator_wire_support import Wire, echo
from fnroll.cloud.patience import Patience
from fnroll.emulator.wire import HttpServer, Reply, Request

HEAD = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"


@asynccontextmanager
async def looked_over() -> AsyncIterator[tuple[Wire, Patience]]:
    wire = Wire()
    yield wire, Patience(lambda: [wire.connection])


@pytest.mark.parametrize("sent", [b"P", b"POST /x HTTP/1.1\r\nHost", HEAD[:-2], HEAD, HEAD + b"12345"])
def test_half_a_request_is_given_up_at_the_second_look(sent: bytes) -> None:
    async def main() -> bytes:
        async with looked_over() as (wire, patience):
            wire.feed(sent)
            patience.look()
            assert wire.transport.written == b""
            patience.look()
            assert wire.transport.ended
            wire.feed(HEAD + b"1234567890")
            assert wire.requests == []
            return wire.transport.written

    answer = asyncio.run(main())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b"the request did not end in time")


def test_a_head_that_grows_byte_by_byte_has_no_longer() -> None:
    async def main() -> bytes:
        async with looked_over() as (wire, patience):
            for place in range(3):
                wire.feed(HEAD[place : place + 1])
                patience.look()
            return wire.transport.written

    assert asyncio.run(main()).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_grows_is_waited_for() -> None:
    async def main() -> list[Request]:
        async with looked_over() as (wire, patience):
            wire.feed(HEAD)
            for _ in range(10):
                patience.look()
                wire.feed(b"x")
            return wire.requests

    assert [request.body for request in asyncio.run(main())] == [b"x" * 10]


def test_what_is_answered_slowly_or_idle_is_left_alone() -> None:
    async def main() -> bytes:
        async with looked_over() as (wire, patience):
            for _ in range(3):
                patience.look()
            wire.feed(HEAD + b"1234567890")
            for _ in range(3):
                patience.look()
            reply: Reply = wire.replies[0]
            reply.send(200)
            for _ in range(3):
                patience.look()
            wire.feed(HEAD + b"1234567890")
            wire.replies[1].send(204)
            return wire.transport.written

    answer = asyncio.run(main())
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b" 408 " not in answer


def test_half_a_request_by_way_of_the_server() -> None:
    """The looks are taken by themselves."""

    async def main() -> bytes:
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        server = HttpServer(echo, max_body=100)
        await server.start(sock)
        patience = Patience(lambda: server.connections)
        patience.start(0.01)
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(HEAD)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        await patience.close()
        await server.close()
        return answer

    assert asyncio.run(main()).startswith(b"HTTP/1.1 408 ")
