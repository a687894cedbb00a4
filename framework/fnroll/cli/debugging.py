"""`--debug-port` of `fn run` and `fn dev`: what a debugger needs of each language, and the one bridge that Perl needs.

Every function gets FN_DEBUG_PORT, the machine's network and no limit of time. Node listens by itself when NODE_OPTIONS
says so; under `fn dev` (dev_debug.py), where an environment serves on while no debugger is attached, it does not wait.
Python has no such switch: the function has to call its debugger, with debugpy or with the two lines of standard library
printed here. Perl's debugger does not listen, it calls; so `Bridge` takes its call at once and joins it to whoever
connects to the debug port.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.layers import Parts

HOST = "127.0.0.1"
A_DAY = 86_400
"""Seconds: the time that a function under a debugger has, to start and to answer."""

PYTHON = (
    "import os, pdb, socket\n"
    'talk = socket.create_server(("127.0.0.1", int(os.environ["FN_DEBUG_PORT"]))).accept()[0].makefile\n'
    'pdb.Pdb(stdin=talk("r"), stdout=talk("w")).set_trace()\n'
)
"""What stops a Python function where it stands, and waits there for a terminal."""

_LANGUAGES = ("perl", "python", "node")
_WORD = re.compile(rb"\b(perl|python|node)")


@dataclass(frozen=True, slots=True)
class Help:
    """How one language is debugged. `variables`: name -> (what is put before the user's own value, `{port}` filled
    in); `bridged`: `{port}` is then of the bridge; `advice`: lines for the user, `{port}` being the debug port."""

    variables: Mapping[str, str]
    advice: tuple[str, ...]
    bridged: bool = False


_HELP = {
    "perl": Help(
        {"PERL5OPT": "-d", "PERLDB_OPTS": "RemotePort=127.0.0.1:{port}"},
        (
            "perl waits at its first line for a terminal: nc 127.0.0.1 {port}, and there c to let it run;",
            "it stops where the handler says $DB::single = 1; (breakpoints by name take only what is loaded already)",
        ),
        bridged=True,
    ),
    "node": Help(
        {"NODE_OPTIONS": "--inspect-brk=127.0.0.1:{port}"},
        ("node stops at its first line: node inspect 127.0.0.1:{port}, chrome://inspect, or your editor's attach",),
    ),
    "python": Help(
        {},
        (
            "python has to be told where to stop. With debugpy in the package, and your editor's attach to {port}:",
            '    import debugpy, os; debugpy.listen(int(os.environ["FN_DEBUG_PORT"])); debugpy.wait_for_client()',
            "or with nothing but python, and nc 127.0.0.1 {port}:",
            *(f"    {line}" for line in PYTHON.splitlines()),
        ),
    ),
}
_SERVING = {
    "node": Help(
        {"NODE_OPTIONS": "--inspect=127.0.0.1:{port}"},
        ("node inspect 127.0.0.1:{port}, chrome://inspect, or your editor's attach; /var/task is the project",),
    ),
    "perl": _HELP["perl"],
}
DEBUGPY = Help({}, ("debugpy listens at 127.0.0.1:{port} for your editor's attach; /var/task is the project",))
"""Python where debugpy is at hand: then dev_debug.py lets it listen."""

_OTHERS = Help({}, ("the function finds the port in FN_DEBUG_PORT: let its debugger listen at 127.0.0.1:{port}",))


def language(runtime: str | None, custom: Sequence[str], bootstrap: bytes) -> str | None:
    """What the function is written in: by its `Runtime`, its custom runtimes' interpreters, or its bootstrap's head."""
    for name in (runtime or "", *custom):
        for known in _LANGUAGES:
            if name.startswith(known):
                return known
    if not bootstrap.startswith(b"#!"):
        return None
    found = _WORD.search(bootstrap)
    return found[1].decode() if found else None


def language_of(parts: Parts, task: Path, opt: Path | None) -> str | None:
    custom = [layer.runtime.command or layer.runtime.name for layer in parts.built_layers if layer.runtime is not None]
    head = b""
    for directory in (task, opt):
        if directory is not None and (directory / "bootstrap").is_file():
            with (directory / "bootstrap").open("rb") as file:
                head = file.read(2048)
            break
    return language(parts.definition.runtime, custom, head)


def helped(name: str | None) -> Help:
    return _HELP.get(name or "", _OTHERS)


def helped_serving(name: str | None) -> Help:
    """As `helped`, for a function that is to serve with and without a debugger."""
    return _SERVING.get(name or "", helped(name))


def variables(given: Mapping[str, str], help: Help, port: int, inner: int) -> dict[str, str]:
    """The function's variables with what its debugger needs; what the user gave stays in force behind it."""
    added = {name: text.format(port=inner) for name, text in help.variables.items()}
    joined = {name: f"{text} {given[name]}" if given.get(name) else text for name, text in added.items()}
    return {**given, **joined, "FN_DEBUG_PORT": str(port)}


def check_free(port: int) -> None:
    """Raises UsageError if something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"port {port} cannot be used for a debugger: {error.strerror}") from error


class Bridge:
    """Joins each call of a debugger, in turn, to the next terminal that connects to the debug port."""

    def __init__(self, connected: Callable[[], None]) -> None:
        self._connected = connected
        self._calls: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.inner = 0
        """The port that the debugger calls."""

    async def open(self, port: int) -> None:
        self._servers.append(await asyncio.start_server(self._called, HOST, 0))
        self.inner = self._servers[0].sockets[0].getsockname()[1]
        self._servers.append(await asyncio.start_server(self._join, HOST, port))

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls.put_nowait((reader, writer))

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One terminal, until either side hangs up; it waits for a debugger to call if none has."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            theirs, to_them = await self._calls.get()
            self._connected()
            directions = {asyncio.ensure_future(_pump(*pair)) for pair in ((reader, to_them), (theirs, writer))}
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in directions:
                direction.cancel()
            to_them.close()
        except asyncio.CancelledError:
            pass  # of close()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        while not self._calls.empty():
            self._calls.get_nowait()[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
