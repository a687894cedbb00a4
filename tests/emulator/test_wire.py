"""HTTP/1.1 as wire.py speaks it: order, limits, refusals, hang-ups; over memory, and over sockets where it matters."""

from __future__ import annotations

import asyncio
import itertools
import random

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator_wire_support import Wire, ask, dialled, echo, served
from fnroll.emulator.message import head
from fnroll.emulator.wire import MAX_HEAD, Reply, Request

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def in_loop(coroutine):
    return asyncio.run(coroutine)


def answers(data: bytes, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """The answers in `data`, as h11 reads them from a server."""
    found = []
    for _ in range(count):
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(data)
        client.receive_data(b"")
        status, headers, body = 0, {}, b""
        while True:
            event = client.next_event()
            if isinstance(event, h11.InformationalResponse):
                continue
            if isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                break
        found.append((status, headers, body))
        data = client.trailing_data[0] or b""
    assert data == b""
    return found


# order and connection handling


def test_requests_of_one_connection_are_answered_in_their_order_however_they_are_handled() -> None:
    async def main() -> bytes:
        wire = Wire()
        wire.feed(GET % 1 + GET % 2 + GET % 3)
        for reply in reversed(wire.replies):
            reply.send(200, (), reply.request.target.encode())
        return wire.transport.written

    assert [body for *_, body in answers(in_loop(main()), 3)] == [b"/1", b"/2", b"/3"]


def test_a_request_that_comes_while_an_answer_is_owed_waits_and_stops_the_reading() -> None:
    async def main() -> None:
        wire = Wire()
        wire.feed(GET % 1, GET % 2)
        assert [request.target for request in wire.requests] == ["/1"]
        assert not wire.transport.reading
        wire.replies[0].send(200)
        assert [request.target for request in wire.requests] == ["/1", "/2"]
        assert wire.transport.reading

    in_loop(main())


def test_reading_stops_while_the_client_does_not_read_its_answers() -> None:
    async def main() -> None:
        wire = Wire(echo)
        wire.connection.pause_writing()
        assert not wire.transport.reading
        wire.connection.resume_writing()
        assert wire.transport.reading

    in_loop(main())


def test_the_connection_is_kept_until_the_client_says_close() -> None:
    async def main() -> bytes:
        async with served(echo) as port:
            return await ask(port, GET % 1 + GET % 2 + LAST + GET % 4)

    (_, first, _), _, (_, last, _) = answers(in_loop(main()), 3)
    assert "connection" not in first
    assert last["connection"] == "close"
    assert last["x-target"] == "/last"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        LAST + b"\r\n",
        LAST + b"what is this",
    ],
    ids=["http-1.0", "http-1.0-keep-alive", "line-end-after-close", "bytes-after-close"],
)
def test_one_answer_and_the_end(request_bytes: bytes) -> None:
    async def main() -> bytes:
        async with served(echo) as port:
            return await ask(port, request_bytes)

    ((status, headers, _),) = answers(in_loop(main()), 1)
    assert (status, headers["connection"]) == (200, "close")


def test_a_large_answer_to_a_closing_connection_arrives_whole() -> None:
    async def main() -> bytes:
        async with served(lambda request, reply: reply.send(200, (), b"x" * 8_000_000)) as port:
            return await ask(port, LAST)

    assert len(in_loop(main())) > 8_000_000


def test_a_handler_that_fails_is_a_500_and_reported_to_the_loop() -> None:
    def handler(request: Request, reply: Reply) -> None:
        if request.target == "/bad":
            raise LookupError("our fault")
        reply.send(200)

    async def main() -> tuple[bytes, bytes]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
        async with served(handler) as port:
            return await ask(port, b"GET /bad HTTP/1.1\r\n\r\n"), await ask(port, LAST)

    seen: list[BaseException] = []
    bad, good = in_loop(main())
    assert (answers(bad, 1)[0][0], answers(good, 1)[0][0]) == (500, 200)
    assert [type(error) for error in seen] == [LookupError]


def test_nothing_is_served_after_an_answer_that_closes() -> None:
    async def main() -> list[Request]:
        wire = Wire(lambda request, reply: reply.send(200, close=True))
        wire.feed(GET % 1 + GET % 2, GET % 3)
        return wire.requests

    assert [request.target for request in in_loop(main())] == ["/1"]


def test_an_answer_is_sent_once() -> None:
    async def main() -> None:
        wire = Wire(echo)
        wire.feed(GET % 1)
        with pytest.raises(RuntimeError):
            wire.replies[0].send(200)

    in_loop(main())


# what a request is


def test_the_parts_of_a_target() -> None:
    request = Request("GET", "/functions/a%2Fb/c?Qualifier=%24LATEST&x=&x=2", (), b"")
    assert request.path == "/functions/a%2Fb/c"
    assert request.segments == ["functions", "a/b", "c"]
    assert request.query_string == "Qualifier=%24LATEST&x=&x=2"
    assert request.query == {"Qualifier": "$LATEST", "x": "2"}


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        (b"/a?b=http://c/d", "/a?b=http://c/d"),
        (b"http://host:1/a?b", "/a?b"),
        (b"http://host", "/"),
        (b"*", "*"),
    ],
)
def test_a_target_meant_for_a_proxy_is_taken_as_its_path(sent: bytes, target: str) -> None:
    async def main() -> str:
        wire = Wire(echo)
        wire.feed(b"OPTIONS " + sent + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        return wire.requests[0].target

    assert in_loop(main()) == target


def test_trailers_are_no_headers() -> None:
    async def main() -> Request:
        wire = Wire(echo)
        wire.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Admin: yes\r\n\r\n")
        return wire.requests[0]

    request = in_loop(main())
    assert request.body == b"abc"
    assert request.header("x-admin") is None


def test_an_offered_upgrade_is_ignored_and_the_request_served_with_its_body() -> None:
    upgrade = (
        b"POST /h2c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAE\r\nContent-Length: 3\r\n\r\nabc"
    )

    async def main() -> tuple[list[Request], bytes]:
        wire = Wire(echo)
        wire.feed(GET % 1 + upgrade + GET % 3)
        return wire.requests, wire.transport.written

    requests, written = in_loop(main())
    assert [(r.target, r.body) for r in requests] == [("/1", b""), ("/h2c", b"abc"), ("/3", b"")]
    assert [status for status, *_ in answers(written, 3)] == [200, 200, 200]


def test_expect_continue_is_answered_before_the_body_and_after_what_is_owed() -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

    async def main() -> None:
        wire = Wire(echo)
        wire.feed(post)
        assert wire.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.feed(b"abc")
        assert wire.transport.written.endswith(b"\r\n\r\nabc")

        wire = Wire()
        wire.feed(GET % 1 + post)
        assert wire.transport.written == b""
        wire.replies[0].send(200)
        assert wire.transport.written.endswith(b"Content-Length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")

    in_loop(main())


# answers


@pytest.mark.parametrize(
    ("headers", "length", "expected"),
    [
        ((), 0, b"HTTP/1.1 299 Unknown\r\nContent-Length: 0\r\n\r\n"),
        ([("A", "b")], None, b"HTTP/1.1 299 Unknown\r\nA: b\r\n\r\n"),
        ([("A", "b\r\nSet-Cookie: c")], None, b"HTTP/1.1 299 Unknown\r\nA: b  Set-Cookie: c\r\n\r\n"),
        ([("A\nB: c", "d")], None, b"HTTP/1.1 299 Unknown\r\nA B: c: d\r\n\r\n"),
        ([("A", "ä")], None, b"HTTP/1.1 299 Unknown\r\nA: \xe4\r\n\r\n"),
        ([("A", "\u2192")], None, b"HTTP/1.1 299 Unknown\r\nA: \xe2\x86\x92\r\n\r\n"),
    ],
    ids=["empty", "no-length", "split-by-value", "split-by-name", "latin-1", "beyond-latin-1"],
)
def test_head(headers: list[tuple[str, str]], length: int | None, expected: bytes) -> None:
    assert head(299, headers, length) == expected


@pytest.mark.parametrize(("status", "method"), [(204, b"GET"), (304, b"GET"), (200, b"HEAD")])
def test_answers_without_a_body(status: int, method: bytes) -> None:
    async def main() -> bytes:
        wire = Wire(lambda request, reply: reply.send(status, (), b"body"))
        wire.feed(method + b" / HTTP/1.1\r\n\r\n")
        return wire.transport.written

    written = in_loop(main())
    assert written.endswith(b"\r\n\r\n")
    assert (b"Content-Length: 4" in written) == (method == b"HEAD")


# limits


@pytest.mark.parametrize("pieces", [1, 7, 5000], ids=["at-once", "in-seven", "in-crumbs"])
@pytest.mark.parametrize("shape", ["one-endless-header", "many-headers", "long-target"])
def test_a_head_without_end_is_431_and_the_client_gets_to_read_it(shape: str, pieces: int) -> None:
    data = {
        "one-endless-header": b"GET / HTTP/1.1\r\nA: " + b"x" * (20 * MAX_HEAD),
        "many-headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (4 * MAX_HEAD),
        "long-target": b"GET /" + b"x" * (20 * MAX_HEAD),
    }[shape]

    async def main() -> bytes:
        async with served(echo) as port, dialled(port) as (reader, writer):
            step = len(data) // pieces + 1
            for start in range(0, len(data), step):
                writer.write(data[start : start + step])
            writer.write_eof()
            return await reader.read()

    if shape == "one-endless-header" and pieces == 1:
        data += b"\r\n\r\n"
    written = in_loop(main())
    assert answers(written, 1)[0][0] == 431


def test_heads_below_the_limit_pass_whatever_stood_in_the_same_read() -> None:
    body = b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000

    async def main() -> list[str]:
        wire = Wire(echo)
        wire.feed(body + b"GET /2 HT", b"TP/1.1\r\n\r\n" + body[:-1], body[-1:] + b"GET /4 HTTP/1.1\r", b"\n\r\n")
        return [request.target for request in wire.requests]

    assert in_loop(main()) == ["/", "/2", "/", "/4"]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(("size", "whole"), [(1000, True), (1001, False), (100_000, False)])
def test_bodies_over_the_limit_reach_the_other_handler(size: int, whole: bool, chunked: bool) -> None:
    head = b"POST /up HTTP/1.1\r\n" + (
        b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % size
    )
    body = b"x" * size
    data = head + (b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if chunked else body)

    def too_large(request: Request, reply: Reply) -> None:
        refused.append(request)
        reply.send(413, (), b"no")

    async def main() -> list[Request]:
        wire = Wire(echo, max_body=1000, too_large=too_large)
        wire.feed(data[: len(data) // 2], data[len(data) // 2 :], GET % 2)
        return wire.requests

    refused: list[Request] = []
    taken = in_loop(main())
    assert [request.target for request in refused] == ([] if whole else ["/up"])
    assert [request.target for request in taken] == (["/up", "/2"] if whole else ["/2"])


def test_without_the_other_handler_a_body_over_the_limit_is_413() -> None:
    async def main() -> bytes:
        async with served(echo, max_body=10) as port:
            return await ask(port, b"POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)

    assert answers(in_loop(main()), 1)[0][0] == 413


# refusals


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT host:443 HTTP/1.1\r\nHost: host\r\n\r\n\x16\x03\x01",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf",
        b"GET / HTTP/1.1\r\nHos",
    ],
    ids=[
        "garbage",
        "bare-lf",
        "space",
        "two-lengths",
        "smuggled",
        "bad-chunk",
        "connect",
        "half-a-body",
        "half-a-head",
    ],
)
def test_what_is_no_request_is_400_after_the_answers_owed_and_reaches_no_handler(data: bytes) -> None:
    async def main() -> tuple[bytes, list[str]]:
        def handler(request: Request, reply: Reply) -> None:
            seen.append(request.target)
            reply.send(200)

        seen: list[str] = []
        async with served(handler) as port:
            return await ask(port, GET % 1 + data, eof=True), seen

    written, seen = in_loop(main())
    assert [status for status, *_ in answers(written, 2)] == [200, 400]
    assert seen == ["/1"]


# clients that leave


def test_a_client_that_leaves_while_an_answer_is_owed_is_noticed() -> None:
    async def main() -> tuple[bool, bool, bool]:
        asked: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        lost = asyncio.Event()

        def handler(request: Request, reply: Reply) -> None:
            reply.on_lost(lost.set)
            asked.set_result(reply)

        async with served(handler) as port:
            async with dialled(port) as (_, writer):
                writer.write(GET % 1)
                reply = await asked
                before = reply.hung_up()
            after = reply.hung_up()  # the kernel knows before the loop does
            await lost.wait()
            reply.send(200, (), b"to nobody")
            return before, after, reply.lost

    assert in_loop(main()) == (False, True, True)


def test_closing_the_server_drops_its_connections() -> None:
    async def main() -> bytes:
        asked = asyncio.Event()
        async with served(lambda request, reply: asked.set()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET % 1)
            await asked.wait()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    assert in_loop(main()) == b""


# against h11

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
        st.text("abcXYZ019/%?=&.-_~:@", max_size=30).map(lambda rest: "/" + rest),
        st.lists(st.tuples(TOKEN.map(lambda name: "x-" + name), VALUE), max_size=5),
        st.binary(max_size=60),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def serialised(requests) -> bytes:
    """The requests as h11 writes them, one connection, bodies by length or in two chunks."""
    client = h11.Connection(h11.CLIENT)
    out = b""
    for method, target, headers, body, chunked in requests:
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
        out += client.send(h11.Request(method=method, target=target, headers=[("Host", "x"), *headers, framing])) or b""
        for part in (body[: len(body) // 2], body[len(body) // 2 :]):
            out += client.send(h11.Data(data=part)) or b""
        out += client.send(h11.EndOfMessage()) or b""
        client.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        while not isinstance(client.next_event(), h11.EndOfMessage):
            pass
        client.start_next_cycle()
    return out


def as_h11_reads(data: bytes) -> list[tuple[str, str, list[tuple[str, str]], bytes]]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    found = []
    method, target, headers, body = "", "", [], b""
    while True:
        event = server.next_event()
        if isinstance(event, h11.Request):
            method, target, body = event.method.decode(), event.target.decode(), b""
            headers = [(name.decode(), value.decode()) for name, value in event.headers]
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            found.append((method, target, headers, body))
            server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
        else:
            return found


@settings(max_examples=150, deadline=None)
@given(requests=REQUESTS, cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_requests_are_read_as_h11_reads_them_wherever_the_reads_end(requests, cuts: list[int]) -> None:
    data = serialised(requests)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})

    async def main() -> list[tuple[str, str, list[tuple[str, str]], bytes]]:
        wire = Wire(lambda request, reply: reply.send(200))
        wire.feed(*(data[start:end] for start, end in itertools.pairwise(places)))
        assert wire.transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(requests)
        return [(r.method, r.target, list(r.headers), r.body) for r in wire.requests]

    assert in_loop(main()) == as_h11_reads(data)


SEEDS = [
    GET % 1,
    LAST,
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nContent-Type: application/json\r\n\r\nhello world",
    b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n",
    b"PUT /c HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"GET /d HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"GET /e HTTP/1.0\r\n\r\n",
]


def mutated(source: random.Random) -> bytes:
    data = bytearray(b"".join(source.choice(SEEDS) for _ in range(source.randint(1, 4))))
    for _ in range(source.randint(1, 6)):
        place = source.randrange(len(data) + 1)
        match source.randrange(5):
            case 0:
                data[place : place + 1] = bytes([source.randrange(256)])
            case 1:
                del data[place : place + source.randrange(1, 9)]
            case 2:
                data[place:place] = source.choice([b"\r\n", b"\0", b" ", b"\r\n\r\n", b"99999999999999999999", b"\xff"])
            case 3:
                data[place:place] = data[place : place + source.randrange(40)]
            case _:
                del data[place:]
    return bytes(data)


def test_ten_thousand_mutated_connections_never_raise_and_are_never_answered_twice() -> None:
    seed = random.randrange(1 << 32)
    source = random.Random(seed)

    async def main() -> None:
        for number in range(10_000):
            data = mutated(source)
            delayed = source.random() < 0.3
            wire = Wire(None if delayed else echo, max_body=8)
            cut = source.randrange(len(data) + 1)
            try:
                wire.feed(data[:cut], data[cut:])
                while delayed and any(not reply.sent for reply in wire.replies):
                    next(reply for reply in wire.replies if not reply.sent).send(200)
                wire.end()
                whole = wire.transport.written.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
                assert whole.count(b"HTTP/1.1 ") <= len(wire.requests) + data.count(b"HTTP") + 1
            except BaseException as error:
                error.add_note(f"seed {seed}, connection {number}: {data!r} cut at {cut}")
                raise

    in_loop(main())
