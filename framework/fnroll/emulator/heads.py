"""Requests whose headers a connection has sent before: known again without a parser. Pure.

A runtime says the same two header blocks in turn for as long as it lives, and most clients say one. So what a block
meant is kept by its bytes, and a request that comes in one piece with a block known to the byte needs only its first
line and its length looked at. Everything else is the parser's (wire.py), who also says what is worth knowing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from fnroll.emulator.message import Headers, Request

MOST: Final = 4
"""Blocks that a connection keeps."""

LONGEST: Final = 4096
"""Bytes of one of them."""

_LINE: Final = re.compile(rb"(GET|POST|PUT|DELETE) (/[!-~]*) HTTP/1\.1\r\n")
_END: Final = b"\r\n\r\n"
_SPECIAL: Final = frozenset({"connection", "expect", "trailer", "transfer-encoding", "upgrade"})
"""Headers that say more of the message than its length."""


class _Known(NamedTuple):
    """What a block says; `length`: of the body."""

    headers: Headers
    fields: Mapping[str, str]
    length: int


class Heads:
    """Those of one connection."""

    __slots__ = ("_known", "_whole")

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._whole: dict[bytes, Request] = {}  # without a body, the same to the byte each time

    def find(self, data: bytes) -> Request | None:
        """The request that `data` is, no more and no less, if its headers are known."""
        whole = self._whole.get(data)
        if whole is not None:
            return whole
        line = _LINE.match(data)
        if line is None:
            return None
        begin = line.end()
        end = data.find(_END, begin)
        known = self._known.get(data[begin:end])
        if known is None or len(data) != end + 4 + known.length:
            return None
        return Request(line[1].decode(), line[2].decode(), known.headers, data[end + 4 :]).known(known.fields)

    def learn(self, data: bytes, request: Request, length: int) -> None:
        """`data` has been parsed as this request, whose body has `length` bytes, and its connection stays open."""
        line = _LINE.match(data)
        if line is None or not _SPECIAL.isdisjoint(request.fields):
            return
        end = data.find(_END, line.end())
        block = data[line.end() : end]
        if 0 < len(block) <= LONGEST and len(data) == end + 4 + length:
            if len(self._known) >= MOST:
                self._known.clear()
                self._whole.clear()
            if not length and len(self._whole) < MOST:
                self._whole[data] = request
            self._known[block] = _Known(tuple(request.headers), request.fields, length)
