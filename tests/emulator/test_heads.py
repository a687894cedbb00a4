"""Headers that a connection knows again mean what the parser said, and what only looks like them is the parser's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator_wire_support import Wire
from fnroll.emulator.heads import LONGEST, MOST, Heads
from fnroll.emulator.message import Request

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
SPECIAL = {"connection", "content-length", "expect", "trailer", "transfer-encoding", "upgrade"}


def sent(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def seen(request: Request) -> tuple[str, str, list[tuple[str, str]], bytes]:
    return request.method, request.target, list(request.headers), request.body


def answering() -> Wire:
    return Wire(lambda request, reply: reply.send(200, (), request.body))


@given(
    st.lists(st.tuples(TOKEN, VALUE).filter(lambda each: each[0].lower() not in SPECIAL), min_size=1, max_size=6),
    st.lists(
        st.tuples(st.sampled_from(["GET", "POST", "PUT", "DELETE"]), st.sampled_from(["/", "/a?b=%20", "/x/y"])),
        min_size=2,
        max_size=4,
    ),
    st.binary(max_size=30),
)
def test_what_is_known_again_is_what_the_parser_finds(
    headers: list[tuple[str, str]], asked: list[tuple[str, str]], body: bytes
) -> None:
    known = answering()
    for method, target in asked:
        data = sent(method, target, headers, body)
        known.feed(data)
        fresh = answering()
        fresh.feed(data)
        assert seen(known.requests[-1]) == seen(fresh.requests[0])
        assert known.requests[-1].fields == fresh.requests[0].fields
    assert len(known.requests) == len(asked)


BLOCK = [("Host", "x"), ("A", "1"), ("a", "2")]


def heads(*data: bytes) -> Heads:
    """As a connection that has had these."""
    found = Heads()
    for each in data:
        wire = answering()
        wire.feed(each)
        found.learn(each, wire.requests[0], len(wire.requests[0].body))
    return found


def test_the_first_of_two_values_counts() -> None:
    request = heads(sent("POST", "/", BLOCK, b"one")).find(sent("PUT", "/b", BLOCK, b"two"))
    assert request is not None
    assert (request.method, request.target, request.body, request.header("a")) == ("PUT", "/b", b"two", "1")


@pytest.mark.parametrize(
    "data",
    [
        sent("POST", "/", BLOCK, b"four"),
        sent("POST", "/", BLOCK, b"two") + b"G",
        sent("POST", "/", BLOCK, b"two")[:-1],
        sent("POST", "/ x", BLOCK, b"two"),
        sent("POST", "http://host/", BLOCK, b"two"),
        sent("OPTIONS", "/", BLOCK, b"two"),
        sent("POST", "/", BLOCK[:-1], b"two"),
        sent("POST", "/", BLOCK, b"two").replace(b"HTTP/1.1", b"HTTP/1.0"),
        sent("POST", "/", BLOCK, b"two").replace(b"\r\nA", b"\nA"),
        b"",
    ],
    ids=[
        "another-length", "more", "less", "a-space", "a-proxys", "another-method", "other-headers", "1.0", "bare-lf",
        "nothing",
    ],
)  # fmt: skip
def test_anything_else_is_the_parsers(data: bytes) -> None:
    assert heads(sent("POST", "/", BLOCK, b"one")).find(data) is None


@pytest.mark.parametrize("name", sorted(SPECIAL - {"content-length"}))
def test_headers_that_say_more_of_the_message_are_not_learnt(name: str) -> None:
    data = sent("GET", "/", [*BLOCK, (name, "x")], b"")
    found = Heads()
    found.learn(data, Request("GET", "/", [("host", "x"), (name, "x")], b""), 0)
    assert found.find(data) is None


def test_a_long_block_and_two_requests_at_once_are_not_learnt() -> None:
    long = sent("GET", "/", [("A", "x" * LONGEST)], b"")
    assert heads(long).find(long) is None
    found = Heads()
    two = sent("GET", "/", BLOCK, b"") * 2
    found.learn(two, Request("GET", "/", [("host", "x")], b""), 0)
    assert found.find(two[: len(two) // 2]) is None


def test_few_are_kept() -> None:
    every = [sent("GET", "/", [("A", str(number))], b"") for number in range(MOST + 1)]
    found = heads(*every)
    assert [each for each in every if found.find(each) is not None] == every[-1:]
