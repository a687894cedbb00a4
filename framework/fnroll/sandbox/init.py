"""The first process of a `linux` sandbox: prepares it, starts its programs, reaps its orphans.

It exists because the first process of a pid namespace is special: the kernel drops signals that it has no handler
for, and everything ends with it. Were it the function, `abort()` would not abort, and nobody would reap orphans.

It is forked from the fork server ahead of time, makes everything that no job changes and locks itself in (`AHEAD`);
then it waits. Every program inherits the lock, so a start is no more than posix_spawn, which shares the memory of its
caller until exec and so costs a tenth of a fork. It holds no capability, one socket to the host, and no way to be
looked into: it is not dumpable.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH208

from __future__ import annotations

import _socket
import os
import select

from fnroll.sandbox import channel, enter, steps, syscalls, tree
from fnroll.sandbox.programs import FIRST, Programs
from fnroll.sandbox.steps import NotStarted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from fnroll.sandbox.enter import Inside


def main(inside: Inside, null: int) -> NoReturn:
    """The job will come by `inside.feed`. Ends with the life socket, or with the fork server."""
    try:
        _live(inside, inside.feed, null)
    finally:
        os._exit(0)


def _live(inside: Inside, feed: _socket.socket, null: int) -> None:
    refused = _prepare(inside)
    if refused is not None:
        channel.say(feed, "failed", *refused)
        return
    channel.say(feed, "prepared")
    message = channel.receive_message(feed)
    if message is None:
        return
    (program,), (life_fd, output) = message
    life = _socket.socket(fileno=life_fd)
    feed.close()
    ended = syscalls.children_signal()
    programs = Programs(life, lambda program, output: _spawn(program, output, null))
    if program:
        programs.start(FIRST, program, output)
    else:
        os.close(output)
        channel.say(life, "ready")
    _serve(programs, life, ended)


def _prepare(inside: Inside) -> tuple[object, ...] | None:
    """Take the steps; what failed, in words."""
    name = ""
    try:
        for name, step in enter.AHEAD:  # noqa: B007 -- the name is for the error
            step(inside)
    except Exception as error:  # whatever it is, the host has to hear of it
        return steps.described(name, error)
    return None


def _spawn(program: list[Any], output: int, null: int) -> int:
    """Streams, session and signals, exec; before them the directory, which is ours to change: nobody else uses it."""
    argv, directory, environment = program
    try:
        os.chdir(directory)
    except OSError as error:
        raise NotStarted(steps.described("working directory", error)) from None
    streams = [(os.POSIX_SPAWN_DUP2, source, target) for target, source in enumerate((null, output, output))]
    try:
        return os.posix_spawn(argv[0], argv, environment, file_actions=streams, setsid=True, setsigmask=())
    except OSError as error:
        raise NotStarted(steps.described("exec", error)) from None


def _serve(programs: Programs, life: _socket.socket, ended: int) -> None:
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
        _dial(life, command[1])
    elif command[0] == "freeze":
        _freeze()
    elif command[0] == "thaw":
        _signal_all(syscalls.SIGCONT)


def _dial(life: _socket.socket, number: int) -> None:
    """A socket belongs to the network namespace that it was made in, whoever connects it. It cannot be sent if
    functions have too many descriptors under way (enter.hand_over)."""
    try:
        dialled = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
        channel.send(life, channel.line(["dialled", number]), [dialled.fileno()])
        dialled.close()
    except OSError as error:
        channel.say(life, "undialled", number, error.errno or 0)


def _freeze() -> None:
    """Where there is no freezer. All but us at one blow; and again until nothing stirs, since one may have been about
    to wake another."""
    for _ in range(tree.ROUNDS):
        _signal_all(syscalls.SIGSTOP)
        if not tree.awake([int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]):
            return
        select.select([], [], [], tree.ROUND)


def _signal_all(number: int) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass
