"""Where events come from: the command line, files, streams of JSON lines, or standard input.

`read_events` is for `fn run`, which takes any number of each kind; the pieces below it serve `fn invoke` too. Events
stay in the order in which they stand on the command line. Bytes are handed on as they are.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from fnroll.errors import UsageError

MAX_EVENT = 6 * 1024 * 1024
"""Bytes that Lambda takes as a synchronous event (facts 2.10)."""

_ORDER = "fnroll.order"


class InOrder(click.Command):
    """A command that remembers in which order its options were written: click hands on each kind by itself."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_ORDER] = [str(param.name) for param in order]
        return super().parse_args(ctx, args)


def in_order(ctx: click.Context, given: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """(option, value) for each value in `given` (option -> its values), as they were written."""
    values = {name: iter(found) for name, found in given.items()}
    return [(name, next(values[name])) for name in ctx.meta[_ORDER] if name in values]


def read_events(sources: Iterable[tuple[str, str]]) -> list[bytes]:
    """The events of `sources`: ("text", JSON), ("file", FILE) or ("stream", FILE of JSON lines), `-` being stdin.

    Without sources, what is piped in; else `{}`. An empty event is `{}`, an empty line of a stream none. Raises
    UsageError with file, line and column for what Lambda would refuse: no JSON, or more than 6 MiB.
    """
    sources = list(sources) or ([("file", "-")] if piped() else [("text", "{}")])
    if sum(kind != "text" and value == "-" for kind, value in sources) > 1:
        raise UsageError("standard input can be read only once")
    return [event for kind, value in sources for event in _events(kind, value)]


def _events(kind: str, value: str) -> Iterator[bytes]:
    name = "standard input" if value == "-" else value
    if kind == "text":
        yield checked(value.encode(), "-e", hint="a text is written in quotes: -e '\"text\"'")
    elif kind == "file":
        yield checked(read_bytes(value), name)
    else:
        for number, line in enumerate(read_bytes(value).split(b"\n"), 1):
            if line.strip():
                yield checked(line, name, number)


def checked(event: bytes, name: str, line: int = 1, hint: str | None = None) -> bytes:
    """The event, `{}` if it is empty. `line` is where it begins in the file `name`."""
    import json

    if len(event) > MAX_EVENT:
        raise UsageError(f"the event has {len(event):,} bytes; Lambda takes {MAX_EVENT:,}", where=f"{name}:{line}")
    if not event.strip():
        return b"{}"
    try:
        json.loads(event.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise UsageError(f"the event is not UTF-8: byte {error.start}", where=f"{name}:{line}") from error
    except json.JSONDecodeError as error:
        place = f"{name}:{line + error.lineno - 1}:{error.colno}"
        raise UsageError(f"the event is not JSON: {error.msg}", where=place, hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the event is not JSON: {error}", where=f"{name}:{line}", hint=hint) from error
    return event


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def read_bytes(file: str) -> bytes:
    """What is in `file` (`-`: stdin). Raises UsageError if it cannot be read."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the event file: {error.strerror}", where=file) from error


def piped() -> bool:
    """Whether stdin is a pipe or a file: a terminal or the null device is nobody's event."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
