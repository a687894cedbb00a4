"""What passes between a host and its fork server, and nothing else: jobs down, lines of words up.

Down the control socket goes a `Job`, length-prefixed, with its descriptors. Up come lines of tab-separated words; a
line that carries descriptors is one message. The sockets are:

- control, one a host: jobs; the server's first line is `ready` or `failed`. Its end means: kill everything and exit.
- status, one a sandbox, held by the process on its way in: `listening` (with the listener), then `exec` or `failed`.
  It closes on exec, so its end after `exec` says that the program runs.
- life, one a sandbox, held by whoever waits for the program: `pid`, then `exit`, then `gone` (all is released). When
  the host's end closes, the sandbox is killed; that is what makes the host's death everybody's.

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
    from collections.abc import Iterable, Mapping, Sequence

_LENGTH = struct.Struct("!I")
_MAX_DESCRIPTORS = 4
_RECEIVE_FLAGS: int = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
_SEND_FLAGS: int = getattr(_socket, "MSG_NOSIGNAL", 0)


class Job:
    """One sandbox to make, as plain values.

    `task` and `opt` are host paths ("" for none). `tmp` is the directory to delete afterwards in the process tier and
    "" in the linux tier; `own_network` and `tmp_mb` speak to the linux tier alone.
    """

    __slots__ = ("argv", "cwd", "env", "opt", "own_network", "task", "tmp", "tmp_mb")

    def __init__(
        self,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        opt: str,
        own_network: bool,
        task: str,
        tmp: str,
        tmp_mb: int,
    ) -> None:
        self.argv = list(argv)
        self.cwd = cwd
        self.env = dict(env)
        self.opt = opt
        self.own_network = own_network
        self.task = task
        self.tmp = tmp
        self.tmp_mb = tmp_mb


def encode_job(job: Job) -> bytes:
    return marshal.dumps([getattr(job, name) for name in Job.__slots__])


def decode_job(data: bytes) -> Job:
    return Job(*marshal.loads(data))


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


def send_job(sock: _socket.socket, job: Job, descriptors: Sequence[int]) -> None:
    data = encode_job(job)
    send(sock, _LENGTH.pack(len(data)) + data, descriptors)


def receive_job(sock: _socket.socket) -> tuple[Job, list[int]] | None:
    """The next job and its descriptors, or None when the host has gone. Blocks."""
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
    return decode_job(data), descriptors


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
