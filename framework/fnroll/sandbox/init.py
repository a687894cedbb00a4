"""The first process of a `linux` sandbox: prepares it, starts its programs, reaps its orphans.

It exists because the first process of a pid namespace is special: the kernel drops signals that it has no handler
for, and everything ends with it. Were it the function, `abort()` would not abort, and nobody would reap orphans.

It is forked from the fork server ahead of time and makes everything that no job changes (`AHEAD`); then it waits. With
the job it makes the rest (`ENTER`) and locks itself in, so every program inherits the lock and a start is little more
than fork and exec (`PROGRAM`). It holds no capability, one socket to the host, and no way to be looked into: it is not
dumpable.
"""

from __future__ import annotations

import _socket
import os
import select

from fnroll.sandbox import channel, enter, steps, syscalls
from fnroll.sandbox.programs import FIRST, Programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from fnroll.sandbox.enter import Inside


def main(inside: Inside, feed: int, null: int) -> NoReturn:
    """`feed` is the socket that the job will come by. Ends with the life socket, or with the fork server."""
    try:
        _live(inside, _socket.socket(fileno=feed), null)
    finally:
        os._exit(0)


def _live(inside: Inside, feed: _socket.socket, null: int) -> None:
    refused = _walk(enter.AHEAD, inside)
    message = channel.receive_message(feed)
    if message is None:
        return
    values, descriptors = message
    life = _socket.socket(fileno=descriptors[0])
    feed.close()
    _, inside.job, program = values[0], channel.unpacked(values[1]), values[2]
    inside.scratch = descriptors[2] if inside.job.scratch else -1
    refused = refused or _walk(enter.ENTER, inside)
    if refused is not None:
        channel.say(life, "failed", FIRST, *refused)
        return
    if inside.listener is not None:
        channel.say(life, "listening", descriptors=(inside.listener.fileno(),))
        inside.listener.close()
    programs = Programs(life, null, syscalls.fork, enter.PROGRAM)
    if program:
        programs.start(FIRST, program, descriptors[1])
    else:
        os.close(descriptors[1])
        channel.say(life, "ready")
    _serve(programs, life)


def _walk(way: tuple[tuple[str, Any], ...], inside: Inside) -> tuple[object, ...] | None:
    """Take the steps; what failed, in words for the life socket."""
    name = way[0][0]
    try:
        for name, step in way:  # noqa: B007 -- the name is for the error
            step(inside)
    except Exception as error:  # whatever it is, the host has to hear of it
        return steps.described(name, error)
    return None


def _serve(programs: Programs, life: _socket.socket) -> None:
    ended = syscalls.children_signal()
    programs.reap()  # who ended before the signal was blocked
    waiting = select.poll()
    for descriptor in (life.fileno(), ended):
        waiting.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in waiting.poll():
            if descriptor == ended:
                os.read(ended, 4096)
                programs.reap()
                continue
            try:
                message = channel.receive_message(life)
            except OSError:
                message = None
            if message is None:
                return
            _obey(programs, life, *message)


def _obey(programs: Programs, life: _socket.socket, command: list[Any], descriptors: list[int]) -> None:
    if command[0] == "start":
        programs.start(command[1], command[2], descriptors[0])
    elif command[0] == "signal":
        programs.signal(command[1], command[2])
    elif command[0] == "dial":
        # A socket belongs to the network namespace that it was made in, whoever connects it.
        dialled = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
        channel.say(life, "dialled", command[1], descriptors=(dialled.fileno(),))
        dialled.close()
