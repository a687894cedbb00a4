"""Where an event comes from: the command line, a file, or standard input."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from fnroll.cli.app import App
from fnroll.errors import UsageError


def read_event(app: App, text: str | None, file: str | None) -> bytes:
    """The event's bytes, unchanged: `text`, else `file` (`-`: stdin), else a piped stdin, else `{}`.

    Raises UsageError when both are given or the file cannot be read.
    """
    if text is not None and file is not None:
        raise UsageError("an event was given twice", hint="use either -e TEXT or --event FILE")
    if text is not None:
        return text.encode()
    if file is None and not _piped():
        return b"{}"
    if file is None or file == "-":
        return sys.stdin.buffer.read() or b"{}"
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the event file: {error.strerror}", where=file) from error


def _piped() -> bool:
    """Whether stdin is a pipe or a file: a terminal or the null device is nobody's event."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
