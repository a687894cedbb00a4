"""What a debugger needs of each language, by table."""

from __future__ import annotations

import socket

import pytest

from fnroll.cli.debugging import check_free, helped, language, variables
from fnroll.errors import UsageError


@pytest.mark.parametrize(
    ("runtime", "custom", "bootstrap", "expected"),
    [
        ("provided.al2023", ["perl"], b"#!/bin/sh\nexec other", "perl"),
        ("nodejs22.x", [], b"", "node"),
        ("python3.13", [], b"", "python"),
        ("provided.al2023", [], b"#!/usr/bin/env python3\n", "python"),
        (None, [], b"#!/usr/bin/perl -w\nuse node;\n", "perl"),
        (None, [], b"#!/bin/sh\ncd /var/task\nexec node index.js\n", "node"),
        (None, [], b"\x7fELF perl", None),
        (None, [], b"#!/bin/sh\nexec ./mine\n", None),
        ("java21", [], b"", None),
    ],
)
def test_what_a_function_is_written_in(
    runtime: str | None, custom: list[str], bootstrap: bytes, expected: str | None
) -> None:
    assert language(runtime, custom, bootstrap) == expected


def test_node_listens_by_itself_and_what_the_user_set_stays() -> None:
    found = variables({"NODE_OPTIONS": "--trace-warnings", "A": "b"}, helped("node"), 9229, 9229)
    assert found == {
        "NODE_OPTIONS": "--inspect-brk=127.0.0.1:9229 --trace-warnings",
        "A": "b",
        "FN_DEBUG_PORT": "9229",
    }


def test_perl_calls_the_bridge() -> None:
    found = variables({}, helped("perl"), 9229, 40001)
    assert found == {"PERL5OPT": "-d", "PERLDB_OPTS": "RemotePort=127.0.0.1:40001", "FN_DEBUG_PORT": "9229"}


def test_others_get_the_port() -> None:
    assert variables({}, helped(None), 9229, 9229) == {"FN_DEBUG_PORT": "9229"}
    assert any("FN_DEBUG_PORT" in line for line in helped(None).advice)


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(UsageError, match="cannot be used for a debugger"):
            check_free(server.getsockname()[1])
