"""Log lines on their way to CloudWatch Logs: kept until somebody asks for logs, and bounded meanwhile.

Lines come from the event loop; the thread that answers for CloudWatch Logs takes them all before it looks at the
request, so a reader misses none, and an invocation never waits for one. What waits is compressed, some hundred lines
at a time and on a thread of its own: logs shrink to less than a fifth.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from fnroll.emulator.api import LogLine

MAX_KEPT: Final = 2 << 20
"""Bytes of compressed lines that wait for a reader, about a hundred thousand; past it the oldest go."""

BATCH: Final = 64 << 10
"""Characters of lines that are compressed together."""

MAX_UNPACKED: Final = 16
"""Batches that wait to be compressed; with more than that, whoever adds a line compresses one."""

_EACH: Final = 200
"""What a line costs beside its text."""

_LEVEL: Final = 1


class LogBuffer:
    """`limit` in bytes, `batch` in characters. Any thread may call it."""

    def __init__(self, limit: int = MAX_KEPT, batch: int = BATCH) -> None:
        self._limit = limit
        self._batch = batch
        self._lock = Lock()
        """Around what follows."""
        self._lines: list[LogLine] = []
        self._size = 0
        self._unpacked: deque[list[LogLine]] = deque()
        self._packed: deque[bytes] = deque()
        self._bytes = 0
        self._order = Lock()
        """Held by who moves batches, so that they keep their order; taken before the other."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="fn-logs")

    def add(self, line: LogLine) -> None:
        with self._lock:
            self._lines.append(line)
            self._size += len(line.text) + _EACH
            if self._size < self._batch:
                return
            self._unpacked.append(self._lines)
            self._lines, self._size = [], 0
            late = len(self._unpacked) > MAX_UNPACKED
        if late:
            self._pack_one()
        else:
            self._worker.submit(self._pack_one)

    @property
    def empty(self) -> bool:
        return not (self._lines or self._unpacked or self._packed)

    def take(self) -> Iterator[LogLine]:
        """All lines since the last time, in order, unpacked as they are asked for."""
        with self._order, self._lock:
            packed, unpacked, lines = self._packed, self._unpacked, self._lines
            self._packed, self._unpacked, self._lines = deque(), deque(), []
            self._size = self._bytes = 0
        return _each(packed, [*unpacked, lines])

    def close(self) -> None:
        """No line comes any more. Idempotent."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _pack_one(self) -> None:
        with self._order:
            with self._lock:
                if not self._unpacked:
                    return  # they were taken meanwhile
                lines = self._unpacked[0]
            data = _pack(lines)
            with self._lock:
                self._unpacked.popleft()
                self._packed.append(data)
                self._bytes += len(data)
                while self._bytes > self._limit:
                    self._bytes -= len(self._packed.popleft())


def _each(packed: deque[bytes], batches: list[list[LogLine]]) -> Iterator[LogLine]:
    while packed:
        yield from _unpack(packed.popleft())
    for lines in batches:
        yield from lines


def _pack(lines: list[LogLine]) -> bytes:
    return zlib.compress(json.dumps(lines, separators=(",", ":")).encode(), _LEVEL)


def _unpack(data: bytes) -> Iterator[LogLine]:
    for fields in json.loads(zlib.decompress(data)):
        yield LogLine(*fields)
