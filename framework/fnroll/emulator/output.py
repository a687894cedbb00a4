"""What the function prints, from pipe to log lines, and the log of the invocation that runs.

`LineSplitter` is pure; `Output` reads the pipe by callback; `Journal` stamps lines and hands them on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from collections import deque
from collections.abc import Callable
from typing import Any

from fnroll.emulator.api import FunctionConfig, LogLine, LogSink
from fnroll.emulator.events import Event, as_line, at_least

MAX_LINE = 256 * 1024
"""Bytes of one CloudWatch event; a longer line is cut into several."""

MAX_LOG = 16 * 1024 * 1024
"""Characters of one invocation's log that are kept; older lines give way (the sink has had them)."""

Tap = Callable[[str, Any], None]
"""Gets the type of each event and its record: for printed lines `function` or `extension`, and the line and its end."""

_READ = 64 * 1024
_PIPE = 1024 * 1024
"""The most that a pipe holds on Linux without privileges: what was printed before now is within so many bytes."""


class LineSplitter:
    """Bytes in any pieces to whole lines without their line ends. `\\r` stays: runtimes keep traces in one event so."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [piece for line in lines for piece in self._cut(line)]
        if len(self._rest) >= self._limit:
            whole = len(self._rest) - len(self._rest) % self._limit
            found += self._cut(self._rest[:whole])
            self._rest = self._rest[whole:]
        return found

    def flush(self) -> list[str]:
        """The last line, if it has no end yet."""
        rest, self._rest = self._rest, b""
        return list(self._cut(rest)) if rest else []

    def _cut(self, line: bytes) -> list[str]:
        pieces = [line[start : start + self._limit] for start in range(0, len(line), self._limit)] or [b""]
        return [piece.decode("utf-8", "replace") for piece in pieces]


class Output:
    """Reads a non-blocking pipe as long as the event loop runs; `drain` reads what is in it now."""

    def __init__(self, descriptor: int, emit: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._emit = emit
        self._lines = LineSplitter()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        self._read()

    def _read(self) -> int:
        """Bytes read; 0 if there are none now."""
        if self._descriptor < 0:
            return 0
        try:
            data = os.read(self._descriptor, _READ)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            data = b""
        if not data:
            self.close()
            return 0
        for line in self._lines.feed(data):
            self._emit(line)
        return len(data)

    def drain(self) -> None:
        """Emit everything printed before now, an unfinished last line too. Never waits, and ends however much comes."""
        left = _PIPE if self._descriptor >= 0 and waiting(self._descriptor) else 0
        while left > 0 and (count := self._read()):
            left -= count
        self._flush()

    def _flush(self) -> None:
        for line in self._lines.flush():
            self._emit(line)

    def close(self) -> None:
        """Stop reading. The descriptor is the sandbox's to close. Idempotent."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = -1
            self._flush()


def waiting(descriptor: int) -> int:
    """Bytes that can be read now. Asking costs less than an attempt that fails."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, _FOUR), sys.byteorder)


_FOUR = bytes(4)


class Journal:
    """One log stream: every line goes to the sink at once, and to the log of the invocation that is under way.

    Platform events (events.py) become lines in the format that the function's logging configuration asks for, and go
    to `tap`, if there is one (the telemetry of extensions). A sink that raises is reported to the event loop's
    exception handler.
    """

    def __init__(self, config: FunctionConfig, stream: str, sink: LogSink | None, clock: Callable[[], float]) -> None:
        self._config = config
        self.stream = stream
        self._sink = sink
        self._clock = clock
        self._json = config.log_format == "JSON"
        self._group = config.log_group or f"/aws/lambda/{config.name}"
        self._request_id: str | None = None
        self._kept: deque[str] = deque()
        self._size = 0
        self._answered = False
        self.tap: Tap | None = None

    @property
    def plain(self) -> bool:
        """Whether of a platform event only its line in the text format is wanted."""
        return self.tap is None and not self._json

    def begin(self, request_id: str) -> None:
        """Lines from now on belong to this request. Lines kept so far (of an init) stay: it paid for them."""
        self._request_id = request_id
        self._answered = False

    def tell(self, event: Event, *, keep: bool = True, tapped: bool = True) -> None:
        """A platform event. `keep` false: for the stream only, not for an invocation's log; `tapped` false: a line
        alone, of what telemetry is told later."""
        if self._json:
            if at_least(event.level, self._config.system_log_level):
                self.write(as_line(event, self._clock()), keep=keep)
        elif event.text is not None:
            self.write(event.text, keep=keep)
        if tapped and self.tap is not None:
            self.tap(event.type, event.record())

    def printed(self, text: str, source: str = "function") -> None:
        """A line of the function's, or of an extension's. After the answer it goes to the stream alone."""
        self.write(text, keep=not self._answered)
        if self.tap is not None:
            self.tap(source, f"{text}\n")

    def write(self, *texts: str, keep: bool = True) -> None:
        """Lines of this moment."""
        if keep:
            for text in texts:
                self._kept.append(text)
                self._size += len(text) + 1
            while self._size > MAX_LOG:
                self._size -= len(self._kept.popleft()) + 1
        if self._sink is not None:
            now, config, stream, request_id = int(self._clock() * 1000), self._config, self.stream, self._request_id
            name, version, arn, group = config.name, config.version, config.arn, self._group
            try:
                for text in texts:
                    self._sink(LogLine(name, version, stream, request_id, now, text, arn, group))
            except Exception as error:  # the caller's fault, which must not cost an invocation its outcome
                context = {"message": "a log sink failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def take(self) -> bytes:
        """The log of the invocation that has ended, each line with its end. What comes until the next begins is in no
        invocation's log, unless it is of an init (`reopen`)."""
        text = "\n".join(self._kept)
        self._kept.clear()
        self._size = 0
        self._answered = True
        return f"{text}\n".encode("utf-8", "replace") if text else b""

    def beside(self, request_id: str) -> Journal:
        """One of an invocation's own on the same stream, for an environment in which others run too."""
        journal = Journal(self._config, self.stream, self._sink, self._clock)
        journal.tap = self.tap
        journal.begin(request_id)
        return journal

    def reopen(self) -> None:
        """An init begins: what it prints is in the log of the invocation that pays for it."""
        self._answered = False
