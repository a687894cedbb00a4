"""A Runtime API to run a bootstrap against: raw sockets, so that a test may answer in any way HTTP allows.

One `FakeApi` serves one process. Events are handed out in order; when none is left, GET next stays unanswered, as
Lambda leaves it, and the test is told. Whatever is posted is kept.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from types import TracebackType

import pytest

from fnroll import places
from fnroll.emulator import managed
from fnroll.layers import list_runtimes

LIMIT = 30.0
"""Seconds after which a process that neither asks nor ends is given up."""


MANAGED = {"python": "python3.13", "node": "nodejs22.x"}


def runtime_names() -> list[str]:
    """Every runtime that comes with fn and has handlers to be tested with."""
    root = places.share_dir("runtimes")
    return sorted(path.name for path in root.iterdir() if (path / "conformance").is_dir() and path.name != "native")


def compiled(source: Path, bootstrap: Path) -> None:
    """Build a C program on the native template's header, static. Skips the test where that cannot be."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc)")
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-I", str(places.share_dir("templates") / "native")]
    done = subprocess.run([compiler, *options, "-o", bootstrap, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def missing_for(name: str) -> str | None:
    """Why this machine cannot run a runtime that is shipped, if it cannot."""
    if name == "native":
        return None if shutil.which("cc") and shutil.which("make") else "no C compiler (cc), or no make"
    name = name.removesuffix("-wsgi")
    if name in MANAGED:
        found = managed.find(MANAGED[name])
        return None if found is not None and found.interpreter is not None else f"no {name} on this machine"
    runtime = next(one for one in list_runtimes(Path("/nonexistent")) if one.name == name)
    if runtime.command is not None and shutil.which(runtime.command, path="/usr/bin:/bin") is None:
        return f"no {runtime.command} in /usr/bin"
    return None


@dataclass(frozen=True)
class Event:
    """One invocation, and how GET next is answered with it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    close: bool = False
    hang_up: bool = False
    """Answer fully, without Connection: close, and then close all the same."""
    signal_through: Path | None = None
    """A named pipe: before answering, send SIGUSR1 to the process (its last answer is its pid) while it sleeps in its
    read. Its hook must open and close the pipe."""
    status: int = 202
    """What the POST that answers it is answered with."""


@dataclass(frozen=True)
class Posted:
    """One POST: the path after /2018-06-01/runtime/, headers and trailers with lower-case names, the connection's
    number."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    trailers: dict[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """What a process did: its posts, its exit status (None: it was waiting for more), and its log."""

    posts: list[Posted]
    status: int | None
    log: str
    connections: int


class FakeApi:
    """Serves `events` to whoever connects, on a port of its own."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.posts: list[Posted] = []
        self.idle = threading.Event()
        self.connections = 0
        self.problems: list[str] = []
        self._served = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> FakeApi:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # shutdown wakes a thread that waits in accept or recv; close alone would not.
        for sock in (*self._open, self._listener):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self._thread.join(LIMIT)

    def _accept(self) -> None:
        # One connection after the other: a runtime has no business with two at a time.
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(connection)
            self.connections += 1
            with connection, connection.makefile("rb") as reader:
                try:
                    while self._one(connection, reader):
                        pass
                except (OSError, ValueError):
                    pass

    def _one(self, connection: socket.socket, reader: BufferedReader) -> bool:
        first = reader.readline()
        if not first:
            return False
        method, path, version = first.decode().split()
        assert version == "HTTP/1.1"
        headers, trailers = _headers(reader), {}
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(_chunks(reader))
            trailers = _headers(reader)
        else:
            body = reader.read(int(headers.get("content-length", "0")))
        if headers.get("host") != self.address:
            self.problems.append(f"Host: {headers.get('host')}")
        path = path.removeprefix("/2018-06-01/runtime/")
        if method == "GET":
            return self._next(connection, path)
        self.posts.append(Posted(path, headers, body, self.connections, trailers))
        status = 202 if path == "init/error" else self.events[self._served - 1].status
        reply = b'{"status":"OK"}'
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(reply), reply))
        return True

    def _next(self, connection: socket.socket, path: str) -> bool:
        assert path == "invocation/next"
        if self._served == len(self.events):
            self.idle.set()
            connection.recv(1)  # until somebody hangs up
            return False
        event = self.events[self._served]
        self._served += 1
        if event.signal_through is not None:
            pid = int(self.posts[-1].body)
            # Perl runs the hook of a signal that comes just before the read only after it: wait until it sleeps there.
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
                os.sched_yield()
            os.kill(pid, signal.SIGUSR1)
            event.signal_through.read_bytes()
        fields = {
            "Lambda-Runtime-Aws-Request-Id": f"id-{self._served}",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 3000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
            "Content-Type": "application/json",
            **event.headers,
        }
        if event.close:
            fields["Connection"] = "close"
        head = "HTTP/1.1 200 OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        if event.chunked:
            pieces = [event.body[at : at + 3] for at in range(0, len(event.body), 3)]
            chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks[:5])
            connection.sendall(chunks[5:] + b"0\r\nTrailer: x\r\n\r\n")
        else:
            connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(event.body), event.body))
        return not (event.close or event.hang_up)


def _chunks(reader: BufferedReader) -> Iterator[bytes]:
    while size := int(reader.readline(), 16):
        yield reader.read(size)
        reader.readline()


def _headers(reader: BufferedReader) -> dict[str, str]:
    found: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        found[name.lower()] = value.strip()
    return found


def run_bootstrap(
    bootstrap: Path,
    task: Path,
    events: list[Event],
    *,
    handler: str | None = "handler.handle",
    env: Mapping[str, str] | None = None,
    api: str | None = None,
    arguments: Sequence[str] = (),
) -> Run:
    """Start `bootstrap` against a fake API, until it waits for more events than there are, or ends."""
    with FakeApi(events) as fake:
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_RUNTIME_API": fake.address if api is None else api,
            **({} if handler is None else {"_HANDLER": handler}),
            **(env or {}),
        }
        process = subprocess.Popen(
            [str(bootstrap), *arguments],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ended = threading.Thread(target=_tell_when_ended, args=(process.pid, fake.idle), daemon=True)
        ended.start()
        waiting = fake.idle.wait(LIMIT)
        # Whoever waits in GET next is killed, as Lambda does; what it printed must have left it by then.
        status = process.poll()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        output, _ = process.communicate(timeout=LIMIT)
        ended.join(LIMIT)
        assert waiting, f"the bootstrap neither asked nor ended: {output!r}"
        assert fake.problems == []
        return Run(fake.posts, status, output.decode(), fake.connections)


def _tell_when_ended(pid: int, told: threading.Event) -> None:
    """Wait without reaping: the Popen object does that."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        pass
    told.set()
