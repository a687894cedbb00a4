"""Steps: the shape of every way in, and the steps that the tiers share.

A way in is a tuple of (name, function). A program's ends in exec: `walk` runs it in a fresh child and tells by a pipe
which step failed, with errno. The names are what users read in errors and in docs/sandbox.md, in the same order.
"""

from __future__ import annotations

import os
import resource
import sys

from fnroll.sandbox import channel

if sys.platform == "linux":
    from fnroll.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Step = tuple[str, Callable[["Entry"], None]]

LIMITS: tuple[tuple[int, int, int | None], ...] = (
    (resource.RLIMIT_NOFILE, 1024, 1024),
    (resource.RLIMIT_CORE, 0, 0),
    (resource.RLIMIT_MEMLOCK, 64 * 1024, 64 * 1024),
    (resource.RLIMIT_STACK, 8 * 1024 * 1024, None),
)
"""(limit, soft, hard), as inside Lambda; hard None keeps the machine's. Never raised above what the machine allows."""

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Of ru_maxrss, in bytes."""

_SETUP_FAILED = 120


class Entry:
    """What the steps of one program share: argv, directory, environment, its descriptors, and its sandbox's job.

    `tell` is the pipe that a failed step is told on; exec closes it.
    """

    __slots__ = ("argv", "cwd", "env", "job", "null", "output", "tell")

    def __init__(self, program: list[Any], output: int, tell: int, null: int, job: channel.Job) -> None:
        self.argv, self.cwd, self.env = program
        self.output = output
        self.tell = tell
        self.null = null
        self.job = job


def launcher(
    way_in: tuple[Step, ...], fork: Callable[[], int], null: int, job: channel.Job
) -> Callable[[list[Any], int], int]:
    """What starts programs by a fork that takes the steps of `way_in`, the last of which is exec."""

    def launch(program: list[Any], output: int) -> int:
        told, tell = os.pipe()
        try:
            pid = fork()
        except OSError as error:
            os.close(told)
            os.close(tell)
            raise NotStarted(described("fork", error)) from None
        if pid == 0:
            _walk(way_in, Entry(program, output, tell, null, job))
        os.close(tell)
        failure = b""
        while data := os.read(told, 4096):
            failure += data
        os.close(told)
        if failure:
            os.waitpid(pid, 0)
            raise NotStarted(tuple(failure.decode("utf-8", "replace").rstrip("\n").split("\t")))
        return pid

    return launch


def _walk(steps: tuple[Step, ...], entry: Entry) -> NoReturn:
    """Take the steps; the last one does not return. A failure is told, and this process ends."""
    name = steps[0][0]
    try:
        for name, step in steps:  # noqa: B007 -- the name is for the error
            step(entry)
    except BaseException as error:  # whatever it is, it must not unwind into the parent's loop
        os.write(entry.tell, channel.line(described(name, error)))
    finally:
        os._exit(_SETUP_FAILED)


class NotStarted(Exception):
    """A step of a program's start failed; `words` describe it (`described`)."""

    def __init__(self, words: tuple[object, ...]) -> None:
        super().__init__(words)
        self.words = words


def described(name: str, error: BaseException) -> tuple[object, ...]:
    """The words of a failed step: its name, errno, text, and what it was about."""
    if isinstance(error, OSError):
        return name, error.errno or 0, error.strerror or error, error.filename or ""
    return name, 0, f"{type(error).__name__}: {error}", ""


def limits(_: object) -> None:
    for which, soft, hard in LIMITS:
        lower(which, soft, hard)


def lower(which: int, soft: int, hard: int | None) -> None:
    allowed = resource.getrlimit(which)[1]
    new_hard = allowed if hard is None else _least(hard, allowed)
    resource.setrlimit(which, (_least(soft, new_hard), new_hard))


def _least(wanted: int, allowed: int) -> int:
    return wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)


def streams(entry: Entry) -> None:
    os.dup2(entry.null, 0)
    os.dup2(entry.output, 1)
    os.dup2(entry.output, 2)


def session(_: object) -> None:
    """No controlling terminal, a process group of its own, default signals and umask."""
    os.setsid()
    os.umask(0o022)
    if sys.platform == "linux":
        syscalls.default_signals()
    else:
        import signal

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def leash(_: object) -> None:
    """Die when the process that started this one dies."""
    if sys.platform == "linux":
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)


def no_new_privileges(_: object) -> None:
    if sys.platform == "linux":
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def descriptors(entry: Entry) -> None:
    """Nothing but 0, 1 and 2 survives exec, whatever was open and however it was marked."""
    if sys.platform == "linux":
        try:
            syscalls.close_on_exec_from(3)
            return
        except OSError:
            pass  # Linux before 5.11, or a filter around us: close them one by one
    kept = entry.tell
    os.closerange(3, kept)
    os.closerange(kept + 1, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def working_directory(entry: Entry) -> None:
    os.chdir(entry.cwd)


def execute(entry: Entry) -> None:
    """Become the program. The pipe closes with it, which is how its parent learns that it runs."""
    os.execve(entry.argv[0], entry.argv, entry.env)
