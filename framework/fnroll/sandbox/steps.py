"""Steps: the shape of both tiers' way in, and the steps they share.

A way in is a tuple of (name, function) that ends in exec. `walk` runs it in a fresh child and says on the status socket
which step failed, with errno; the names are what users read in errors and in docs/sandbox.md, in the same order.
"""

from __future__ import annotations

import _socket
import os
import resource
import sys

from fnroll.sandbox import channel

if sys.platform == "linux":
    from fnroll.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Step = tuple[str, Callable[["Entry"], None]]

LIMITS: tuple[tuple[int, int, int | None], ...] = (
    (resource.RLIMIT_NOFILE, 1024, 1024),
    (resource.RLIMIT_CORE, 0, 0),
    (resource.RLIMIT_MEMLOCK, 64 * 1024, 64 * 1024),
    (resource.RLIMIT_STACK, 8 * 1024 * 1024, None),
)
"""(limit, soft, hard), as inside Lambda; hard None keeps the machine's. Never raised above what the machine allows."""

_SETUP_FAILED = 120


class Entry:
    """What the steps of one sandbox share: the job, its descriptors, and how the fork server may act."""

    __slots__ = ("job", "null", "output", "own_users", "privileged", "status")

    def __init__(
        self,
        job: channel.Job,
        output: int,
        status: _socket.socket,
        null: int,
        privileged: bool = False,
        own_users: bool = False,
    ) -> None:
        self.job = job
        self.output = output
        self.status = status
        self.null = null
        self.privileged = privileged
        self.own_users = own_users


def walk(steps: tuple[Step, ...], entry: Entry) -> NoReturn:
    """Run the steps; the last one does not return. A failure is said on the status socket, and this process ends."""
    name = steps[0][0]
    try:
        for name, step in steps:  # noqa: B007 -- the name is for the error
            step(entry)
    except BaseException as error:  # whatever it is, it must not unwind into the fork server's loop
        said(entry.status, name, error)
    finally:
        os._exit(_SETUP_FAILED)


def said(sock: _socket.socket, name: str, error: BaseException) -> None:
    """Say that the step `name` failed with `error`."""
    if isinstance(error, OSError):
        channel.say(sock, "failed", name, error.errno or 0, error.strerror or error, error.filename or "")
    else:
        channel.say(sock, "failed", name, 0, f"{type(error).__name__}: {error}", "")


def limits(_: Entry) -> None:
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


def session(_: Entry) -> None:
    """No controlling terminal, a process group of its own, default signals and umask."""
    os.setsid()
    os.umask(0o022)
    if sys.platform == "linux":
        syscalls.default_signals()
    else:
        import signal

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def leash(_: Entry) -> None:
    """Die when the process that started this one dies."""
    if sys.platform == "linux":
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)


def no_new_privileges(_: Entry) -> None:
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
    kept = entry.status.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def working_directory(entry: Entry) -> None:
    os.chdir(entry.job.cwd)


def execute(entry: Entry) -> None:
    """Become the program. The status socket closes with it, which is how the host learns that it runs."""
    channel.say(entry.status, "exec")
    os.execve(entry.job.argv[0], entry.job.argv, entry.job.env)
