"""The `process` tier: a supervisor process for each sandbox, and the server that forks them.

Where there are no namespaces, a process tree has no edge of its own. The supervisor is that edge: it starts the
program, obeys the host over the life socket, and does not go before everything it started has gone. On Linux it is a
sub-reaper, so that a daemon which leaves its parent and its session still becomes the supervisor's child and is found;
elsewhere only the program's process group can be found (`missing` says so).

Commands on the life socket are single bytes; its end means kill.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH101, PTH106, PTH108

from __future__ import annotations

import _socket
import os
import select
import signal
import sys

from fnroll.sandbox import channel, steps, tree

if sys.platform == "linux":
    from fnroll.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from fnroll.sandbox.steps import Step

_LINUX = sys.platform == "linux"

TERMINATE, FREEZE, THAW = b"t", b"f", b"c"

ENTER: tuple[Step, ...] = (
    ("leash", steps.leash),
    ("limits", steps.limits),
    ("streams", steps.streams),
    ("session", steps.session),
    ("no new privileges", steps.no_new_privileges),
    ("descriptors", steps.descriptors),
    ("working directory", steps.working_directory),
    ("exec", steps.execute),
)


def serve(control: _socket.socket, null: int, host: int) -> None:
    """Fork one supervisor for each job until the host has gone; each then learns of that by its own life socket.

    On Linux they watch the host's pidfd too: a fork of the host that never execs would hold the socket open.
    """
    host_pidfd = os.pidfd_open(host) if sys.platform == "linux" else -1
    watched = [control.fileno(), *([host_pidfd] if host_pidfd >= 0 else [])]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors report to the host, nobody waits for them here
    while host_pidfd not in select.select(watched, [], [])[0]:
        message = channel.receive_job(control)
        if message is None:
            return
        job, descriptors = message
        output, status, life = descriptors
        try:
            pid = os.fork()
        except OSError as error:
            refused = _socket.socket(fileno=os.dup(status))
            steps.said(refused, "fork", error)
            refused.close()
            pid = -1
        if pid == 0:
            control.close()
            _supervise(job, output, status, life, null, host_pidfd)
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(job: channel.Job, output: int, status_fd: int, life_fd: int, null: int, host_pidfd: int) -> NoReturn:
    try:
        _Supervisor(job, _socket.socket(fileno=life_fd), host_pidfd).run(output, _socket.socket(fileno=status_fd), null)
    finally:
        os._exit(0)


class _Supervisor:
    def __init__(self, job: channel.Job, life: _socket.socket, host_pidfd: int) -> None:
        self._job = job
        self._life = life
        self._host = [host_pidfd] if host_pidfd >= 0 else []
        self._program = 0
        self._ended: tuple[int, int] | None = None
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        if sys.platform == "linux":
            syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)

    def run(self, output: int, status: _socket.socket, null: int) -> None:
        self._program = os.fork()
        if self._program == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            steps.walk(ENTER, steps.Entry(self._job, output, status, null))
        status.close()
        os.close(output)
        channel.say(self._life, "pid", self._program, os.getpid())
        self._watch()
        self._kill_all()
        raw, peak = self._ended or (signal.SIGKILL, 0)
        channel.say(self._life, "exit", raw, peak)
        if self._job.tmp:
            remove(self._job.tmp)
        channel.say(self._life, "gone")

    def _watch(self) -> None:
        """Until the program has ended or the host wants it gone."""
        while self._ended is None:
            life = self._life.fileno()
            ready, _, _ = select.select([life, self._wake, *self._host], [], [])
            if self._host and self._host[0] in ready:
                return
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if life in ready and not self._obey():
                return

    def _obey(self) -> bool:
        try:
            command = self._life.recv(1)
        except OSError:
            return False
        if command == TERMINATE and self._ended is None:
            os.kill(self._program, signal.SIGTERM)
        elif command == FREEZE:
            self._stop()
        elif command == THAW:
            self._signal(self._tree(), signal.SIGCONT)
        return bool(command)

    def _reap(self) -> None:
        """Take in every child that has ended: the program, and orphans that have come to us."""
        try:
            while True:
                pid, raw, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._program:
                    scale = 1 if sys.platform == "darwin" else 1024
                    self._ended = raw, usage.ru_maxrss * scale
        except ChildProcessError:
            return

    def _kill_all(self) -> None:
        """Stop first, so that nothing forks away from under the walk; again until nothing is left."""
        while True:
            self._stop()
            self._signal(self._tree(), signal.SIGKILL)
            self._reap()
            if self._ended is not None and not self._tree():
                return
            select.select([self._wake], [], [], 0.05)
            try:
                os.read(self._wake, 4096)
            except BlockingIOError:
                pass

    def _stop(self) -> None:
        """SIGSTOP the tree from the top; a stopped process starts no more, so this ends."""
        seen: set[int] = set()
        while fresh := [pid for pid in self._tree() if pid not in seen]:
            self._signal(fresh, signal.SIGSTOP)
            seen.update(fresh)

    def _tree(self) -> list[int]:
        """Who lives in the sandbox; a negative number is a process group, all that other systems let us find."""
        if _LINUX:
            return tree.descendants(os.getpid())
        try:
            os.killpg(self._program, 0)
        except OSError:
            return []
        return [-self._program]

    def _signal(self, pids: list[int], number: int) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                pass


def remove(directory: str) -> None:
    """Delete a tree, directories that its owner made unreadable included; links are deleted, never followed.

    shutil.rmtree stops at the former, and importing it here would cost 5 ms a sandbox.
    """
    try:
        os.chmod(directory, 0o700)
        for item in os.scandir(directory):
            if item.is_dir(follow_symlinks=False):
                remove(item.path)
            else:
                os.unlink(item.path)
        os.rmdir(directory)
    except OSError:
        pass
