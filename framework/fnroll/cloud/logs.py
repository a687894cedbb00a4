"""Log lines on their way to CloudWatch Logs: kept until somebody asks for logs, and bounded meanwhile.

Lines come from the event loop; the thread that answers for CloudWatch Logs takes them all before it looks at the
request, so a reader misses none, and an invocation never waits for one.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Final

from fnroll.emulator.api import LogLine

MAX_KEPT: Final = 32 * 1024 * 1024
"""Characters of lines that wait for a reader; past it the oldest go."""

_EACH: Final = 200
"""What a line costs beside its text."""


class LogBuffer:
    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._lock = Lock()
        self._lines: deque[LogLine] = deque()
        self._size = 0

    def add(self, line: LogLine) -> None:
        with self._lock:
            self._lines.append(line)
            self._size += len(line.text) + _EACH
            while self._size > self._limit:
                self._size -= len(self._lines.popleft().text) + _EACH

    def take(self) -> list[LogLine]:
        """All lines since the last time, in order."""
        with self._lock:
            taken, self._lines, self._size = self._lines, deque(), 0
        return list(taken)
