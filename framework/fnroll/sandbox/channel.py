"""What passes between a host, its fork server and the sandboxes' inits: messages down, lines of words up.

A message is a list of plain values, length-prefixed, with its descriptors. Up come lines of tab-separated words; a
line that carries descriptors is one message. The sockets are:

- control, one a host: down `sandbox` (a `Job`, with the life socket and the output pipe), `scratch` and `drop`. The
  server's first line is `ready` or `failed`. Its end means: kill everything and exit.
- life, one a sandbox. Down, to its init: `start`, `signal`, `dial`, and where there is no freezer `freeze` and `thaw`.
  Up, from the fork server: `pid`, `oom`, and `gone` (all is released); from the init: `listening`, then `failed` or
  `ready`, and for each program `started` or `failed`, and `exit`. When the host's end closes, the sandbox is killed;
  that is what makes the host's death everybody's.

marshal is used because both ends are the same interpreter and it costs no import. `_socket` instead of `socket`: see
syscalls.py. All sockets are streams, since macOS has no sequenced packets.
"""

from __future__ import annotations

import _socket
import array
import marshal
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_LENGTH = struct.Struct("!I")
_MAX_DESCRIPTORS = 4
_RECEIVE_FLAGS: int = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
_SEND_FLAGS: int = getattr(_socket, "MSG_NOSIGNAL", 0)


class Job:
    """One sandbox to make, as plain values.

    `task`, `opt`, `runtime` and `lang` are host paths ("" for none). `tmp` is the directory to delete afterwards in the
    tiers without namespaces, `writable` what the program has there for /tmp, `port` the Runtime API's on 127.0.0.1 (0:
    it has an address of its own). `way`: for network "nat", the program that leads out (outbound.py). `scratch` is the
    key of a /tmp that outlives the sandbox (0: none); `memory_mb` 0: no limits.
    """

    __slots__ = (
        "lang",
        "memory_mb",
        "network",
        "opt",
        "port",
        "runtime",
        "scratch",
        "task",
        "tmp",
        "tmp_mb",
        "way",
        "writable",
    )

    def __init__(
        self,
        task: str,
        opt: str,
        network: str,
        tmp: str,
        tmp_mb: int,
        scratch: int = 0,
        memory_mb: int = 0,
        writable: str = "",
        port: int = 0,
        runtime: str = "",
        lang: str = "",
        way: str = "",
    ) -> None:
        self.task = task
        self.opt = opt
        self.network = network
        self.tmp = tmp
        self.tmp_mb = tmp_mb
        self.scratch = scratch
        self.memory_mb = memory_mb
        self.writable = writable
        self.port = port
        self.runtime = runtime
        self.lang = lang
        self.way = way

    def shown(self) -> tuple[str, ...]:
        """The host's directories among them."""
        return tuple(path for path in (self.task, self.opt, self.runtime, self.lang) if path)


_IN_ORDER = (
    *("task", "opt", "network", "tmp", "tmp_mb", "scratch", "memory_mb"),
    *("writable", "port", "runtime", "lang", "way"),
)


def packed(job: Job) -> list[object]:
    return [getattr(job, name) for name in _IN_ORDER]


def unpacked(values: list[Any]) -> Job:
    return Job(*values)


def send(sock: _socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> None:
    """All of `data`, with `descriptors` on its first byte. Raises OSError if the other end is gone."""
    extra = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sent = sock.sendmsg([data], extra, _SEND_FLAGS)
    if sent < len(data):
        sock.sendall(data[sent:])


def receive(sock: _socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Up to `size` bytes (none at the end) and the descriptors that came with them, closed on exec."""
    data, extra, _, _ = sock.recvmsg(size, _socket.CMSG_SPACE(4 * _MAX_DESCRIPTORS), _RECEIVE_FLAGS)
    descriptors: list[int] = []
    for level, kind, payload in extra:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors += array.array("i", payload[: len(payload) // 4 * 4])
    if not _RECEIVE_FLAGS:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
    return data, descriptors


def encode(values: Sequence[object]) -> bytes:
    """A message: marshalled, with its length before it."""
    data = marshal.dumps(list(values))
    return _LENGTH.pack(len(data)) + data


def receive_message(sock: _socket.socket) -> tuple[list[Any], list[int]] | None:
    """The next message and its descriptors, or None when the other end has gone. Blocks."""
    head, descriptors = receive(sock, _LENGTH.size)
    while head and len(head) < _LENGTH.size:
        more = sock.recv(_LENGTH.size - len(head))
        if not more:
            return None
        head += more
    if not head:
        return None
    data, size = b"", _LENGTH.unpack(head)[0]
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            return None
        data += more
    return marshal.loads(data), descriptors


def line(words: Iterable[object]) -> bytes:
    """Words as one line; tabs and line breaks within a word become spaces."""
    return "\t".join(" ".join(str(word).split()) for word in words).encode("utf-8", "replace") + b"\n"


def split(data: bytes) -> tuple[list[list[str]], bytes]:
    """The whole lines in `data` as lists of words, and the unfinished rest."""
    *whole, rest = data.split(b"\n")
    return [text.decode("utf-8", "replace").split("\t") for text in whole], rest


def say(sock: _socket.socket, *words: object, descriptors: Sequence[int] = ()) -> None:
    """Send one line; a listener who has gone is no error, since his end tells him all he will ever know."""
    try:
        send(sock, line(words), descriptors)
    except OSError:
        pass
