"""The tiers without namespaces: a supervisor process for each sandbox, and the server that forks them.

Where there are no namespaces, a process tree has no edge of its own. The supervisor is that edge: it starts the
programs, obeys the host over the life socket, and does not go before everything it started has gone. On Linux it is a
sub-reaper, so that a daemon which leaves its parent and its session still becomes the supervisor's child and is found;
elsewhere only the programs' process groups can be found (`missing` says so).
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108, PTH114

from __future__ import annotations

import _socket
import os
import select
import signal
import sys

from fnroll.sandbox import channel, steps, tree
from fnroll.sandbox.programs import FIRST, Programs

if sys.platform == "linux":
    from fnroll.sandbox import landlock, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from fnroll.sandbox.steps import Step

_LINUX = sys.platform == "linux"

_GRACE = 0.05
"""Seconds until what was killed is looked for again, if nobody's end is heard of before."""

PROCESS: tuple[Step, ...] = (
    ("leash", steps.leash),
    ("limits", steps.limits),
    ("streams", steps.streams),
    ("session", steps.session),
    ("no new privileges", steps.no_new_privileges),
    ("descriptors", steps.descriptors),
    ("working directory", steps.working_directory),
    ("exec", steps.execute),
)


def prepare(tier: str) -> tuple[object, ...]:
    """What the fork server of this tier finds out first, for the host to know. Raises OSError where there is no such
    tier."""
    return landlock.prepare() if tier == "landlock" else ()


def way_in(tier: str) -> tuple[Step, ...]:
    """The steps of a program of this tier."""
    return landlock.STEPS if tier == "landlock" else PROCESS


def serve(control: _socket.socket, null: int, host: int, way: tuple[Step, ...]) -> None:
    """Fork one supervisor for each job until the host has gone; each then learns of that by its own life socket.

    On Linux they watch the host's pidfd too: a fork of the host that never execs would hold the socket open.
    """
    host_pidfd = os.pidfd_open(host) if sys.platform == "linux" else -1
    watched = [control.fileno(), *([host_pidfd] if host_pidfd >= 0 else [])]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors report to the host, nobody waits for them here
    while host_pidfd not in select.select(watched, [], [])[0]:
        message = channel.receive_message(control)
        if message is None:
            return
        (_, job, program), (life, output) = message
        try:
            pid = os.fork()
        except OSError as error:
            refused = _socket.socket(fileno=os.dup(life))
            channel.say(refused, "failed", FIRST, *steps.described("fork", error))
            channel.say(refused, "gone")
            refused.close()
            pid = -1
        if pid == 0:
            control.close()
            _supervise(channel.unpacked(job), program, output, life, null, host_pidfd, way)
        for descriptor in (life, output):
            os.close(descriptor)


def _supervise(
    job: channel.Job, program: list[Any], output: int, life: int, null: int, host_pidfd: int, way: tuple[Step, ...]
) -> NoReturn:
    try:
        _Supervisor(job, _socket.socket(fileno=life), null, host_pidfd, way).run(program, output)
    finally:
        os._exit(0)


class _Supervisor:
    def __init__(
        self, job: channel.Job, life: _socket.socket, null: int, host_pidfd: int, way: tuple[Step, ...]
    ) -> None:
        self._job = job
        self._life = life
        self._host = [host_pidfd] if host_pidfd >= 0 else []
        self._groups: list[int] = []
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        if sys.platform == "linux":
            syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        self._programs = Programs(life, steps.launcher(way, self._fork, null, job))

    def _fork(self) -> int:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        elif not _LINUX:
            self._groups.append(pid)
        return pid

    def run(self, program: list[Any], output: int) -> None:
        channel.say(self._life, "pid", os.getpid(), 0)
        if program:
            self._programs.start(FIRST, program, output)
        else:
            os.close(output)
            channel.say(self._life, "ready")
        self._watch()
        self._kill_all()
        if self._job.tmp:
            remove(self._job.tmp)
        channel.say(self._life, "gone")

    def _watch(self) -> None:
        """Until the host wants it gone, or has gone."""
        life = self._life.fileno()
        while True:
            ready, _, _ = select.select([life, self._wake, *self._host], [], [])
            if self._host and self._host[0] in ready:
                return
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._programs.reap()
            if life in ready and not self._obey():
                return

    def _obey(self) -> bool:
        try:
            message = channel.receive_message(self._life)
        except OSError:
            return False
        if message is None:
            return False
        command, descriptors = message
        if command[0] == "start":
            self._programs.start(command[1], command[2], descriptors[0])
        elif command[0] == "signal":
            self._programs.signal(command[1], command[2])
        elif command[0] == "freeze":
            self._freeze()
        elif command[0] == "thaw":
            self._signal(self._tree()[::-1], signal.SIGCONT)
        return True

    def _kill_all(self) -> None:
        """Again until nothing is left: a process that forks may slip by a walk, hardly by a signal to its group."""
        while pids := self._tree():
            self._signal_groups(pids, signal.SIGKILL)
            self._programs.reap()
            select.select([self._wake], [], [], _GRACE)
            try:
                os.read(self._wake, 4096)
            except BlockingIOError:
                pass
            self._programs.reap()

    def _freeze(self) -> None:
        """Again until two looks find that all stand still: those that still run may have woken others, or have been
        replaced by a child. A group once seen is stopped again even when a look finds nobody: a family that passes its
        life from child to child may slip by every look, never by a signal to its group."""
        quiet, groups = 0, set[int]()
        for _ in range(tree.ROUNDS):
            pids = self._tree()
            groups |= _groups(pids)
            self._signal([*(-group for group in groups), *pids], signal.SIGSTOP)
            self._programs.reap()
            seen = self._tree()
            groups |= _groups(seen)
            lost = not seen and any(_has_group(group) for group in groups)
            quiet = 0 if lost or tree.awake(seen) else quiet + 1
            if quiet == 2:
                return
            select.select([], [], [], tree.ROUND)

    def _signal_groups(self, pids: list[int], number: int) -> None:
        """To these and to their process groups, which a signal reaches at one blow."""
        self._signal([*(-group for group in _groups(pids)), *pids], number)

    def _tree(self) -> list[int]:
        """Who lives in the sandbox; a negative number is a process group, all that other systems let us find."""
        if _LINUX:
            return tree.descendants(os.getpid())
        return [-pid for pid in self._groups if _has_group(pid)]

    def _signal(self, pids: list[int], number: int) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                pass


def _groups(pids: list[int]) -> set[int]:
    """The process groups of these, but not ours."""
    found = set()
    for pid in pids:
        try:
            found.add(os.getpgid(pid))
        except OSError:
            pass
    return found - {os.getpgrp()}


def _has_group(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except OSError:
        return False
    return True


def remove(directory: str) -> None:
    """Delete a tree, directories that its owner made unreadable included; links are deleted, never followed.

    A directory within a directory is moved to the top before it is emptied, so however deep the tree is, no path grows
    too long and nothing recurses: shutil.rmtree gives up there, and importing it would cost 5 ms a sandbox. Nothing
    may run any more that could change the tree.
    """
    unknown = f"{directory}/{os.urandom(8).hex()}"
    waiting, moved = [directory], 0
    while waiting:
        here = waiting.pop()
        if os.path.islink(here):
            continue
        for item in _entries(here):
            try:
                if not item.is_dir(follow_symlinks=False):
                    os.unlink(item.path)
                elif here == directory:
                    waiting.append(item.path)
                else:
                    moved += 1
                    os.chmod(item.path, 0o700)  # a move changes what its ".." is
                    os.rename(item.path, f"{unknown}{moved}")
                    waiting.append(f"{unknown}{moved}")
            except OSError:
                pass  # what cannot be deleted stays, the rest goes
        if here != directory:
            _remove_empty(here)
    _remove_empty(directory)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        os.chmod(directory, 0o700)
        return list(os.scandir(directory))
    except OSError:
        return []


def _remove_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass
