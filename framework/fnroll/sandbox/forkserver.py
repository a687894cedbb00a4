"""The fork server: a small, single-threaded process that makes sandboxes for a large one.

Forking is cheap in proportion to the process, and a namespace's first process must not share anything with an event
loop; so the host starts this once and sends it jobs (channel.py). It also waits for what it made: a sandbox ends when
the host closes the sandbox's life socket, or when the host is gone.

`main` serves every tier: with namespaces through `Server` below, without through supervise.py.
"""

# pathlib would double the start-up time.
# ruff: noqa: PTH102, PTH106

from __future__ import annotations

import _socket
import gc
import os
import resource
import select
import sys

from fnroll.sandbox import channel, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fnroll.sandbox.cgroups import Base, Lease
    from fnroll.sandbox.rootfs import Ground

_SPARES = 8
"""The most sandboxes that are kept ready ahead of their jobs; each is two sockets and some 600 KiB."""


def main(arguments: list[str]) -> None:
    """`arguments`: tier, the control socket's descriptor, the host's pid, the root (a directory, "empty" or "")."""
    tier, descriptor, host, root = arguments[0], int(arguments[1]), int(arguments[2]), arguments[3]
    control = _socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))
    except (OSError, ValueError):
        pass  # macOS refuses "infinity"; then the soft limit stays
    if tier != "linux":
        from fnroll.sandbox import supervise

        way_in = supervise.way_in(tier)
        _ready(control, null)
        supervise.serve(control, null, host, way_in)
        return
    base = _groups()
    _rename()
    ground = _prepare(control, root, "pids" in base.directories)
    if ground is not None:
        _ready(control, null, int(ground.own_users), *_described(base))
        _Server(control, null, ground, base, host).serve()
    base.close()


def _ready(control: _socket.socket, null: int, *facts: object) -> None:
    """From here on the error output, so far the host's ear for a failing start, is silence."""
    gc.collect()
    gc.freeze()
    gc.disable()
    channel.say(control, "ready", *facts)
    os.dup2(null, 2)


def _rename() -> None:
    from fnroll.sandbox import syscalls

    syscalls.rename("fn-sandbox")


def _groups() -> Base:
    """Before the ground is laid, which hides /sys."""
    from fnroll.sandbox import cgroups

    try:
        mounts, own = ((cgroups.read_all(f"/proc/self/{name}")) for name in ("mountinfo", "cgroup"))
        places = cgroups.find(mounts.decode("utf-8", "replace"), own.decode("utf-8", "replace"))
    except (OSError, ValueError):
        places = {}
    return cgroups.Base(cgroups.name_of(os.getpid()), places)


def _described(base: Base) -> list[str]:
    """Each controller as one word: `name=version:path`, or `name!why not`."""
    found = [f"{name}={version}:{path}" for name, (version, path) in base.directories.items()]
    return found + [f"{name}!{reason}" for name, reason in base.refused.items()]


def _prepare(control: _socket.socket, root: str, counted: bool) -> Ground | None:
    from fnroll.sandbox import rootfs, syscalls

    if not syscalls.supported():
        channel.say(control, "failed", "machine", 0, f"no system call table for {syscalls.MACHINE}", "")
        return None
    ground = rootfs.Ground(root, counted)
    for name, step in rootfs.PREPARE:
        try:
            step(ground)
        except Exception as error:  # each is said to the host, which falls back or tells the user
            channel.say(control, "failed", *steps.described(name, error))
            return None
    return ground


class _Cell:
    """One sandbox, from its making to its end. It has no life socket while it waits for a job.

    `event` tells that the memory limit was reached (-1: there is none).
    """

    __slots__ = ("event", "feed", "lease", "life", "own_network", "pid", "pidfd")

    def __init__(self, pid: int, pidfd: int, feed: _socket.socket, lease: Lease | None, own_network: bool) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.feed = feed
        self.lease = lease
        self.own_network = own_network
        self.life: _socket.socket | None = None
        self.event = -1


class _Server:
    """Waits on the control socket, the host's pidfd, and a pidfd, a life socket and a memory event for every sandbox.

    Pidfds instead of SIGCHLD: freezing a sandbox must not wake this process, and stop signals would.
    """

    def __init__(self, control: _socket.socket, null: int, ground: Ground, base: Base, host: int) -> None:
        from fnroll.sandbox import enter, init, rootfs, syscalls

        self._enter, self._init, self._rootfs, self._syscalls = enter, init, rootfs, syscalls
        self._control = control
        self._null = null
        self._ground = ground
        self._base = base
        self._host = os.pidfd_open(host)
        self._poll = select.epoll()
        self._by_descriptor: dict[int, _Cell] = {}
        self._spare: list[_Cell] = []
        self._wanted = 1
        self._number = 0
        self._scratches: set[int] = set()
        self._busy_groups: list[Lease] = []
        self._here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self) -> None:
        control = self._control.fileno()
        for descriptor in (control, self._host):
            self._poll.register(descriptor, select.EPOLLIN)
        while True:
            idle = len(self._spare) >= self._wanted
            ready = self._poll.poll(None if idle and not self._busy_groups else 0.01 if idle else 0)
            if not ready and not idle:
                self._grow()
            for descriptor, _ in ready:
                if descriptor == self._host:
                    return self._end()
                if descriptor == control:
                    message = channel.receive_message(self._control)
                    if message is None:
                        return self._end()
                    self._obey(*message)
                    continue
                cell = self._by_descriptor.get(descriptor)
                if cell is None:
                    continue  # another descriptor of it was served in this same round
                if descriptor == cell.pidfd:
                    self._reap(cell)
                elif descriptor == cell.event:
                    self._at_limit(cell)
                else:
                    self._kill(cell)
            self._busy_groups = [lease for lease in self._busy_groups if not lease.remove()]

    def _obey(self, command: list[Any], descriptors: list[int]) -> None:
        if command[0] == "sandbox":
            self._create(command, descriptors)
        elif command[0] == "scratch":
            self._scratch(command[1], command[2])
        elif command[0] == "drop":
            self._drop(command[1])

    # sandboxes

    def _grow(self) -> None:
        """One spare more; where it cannot be made, the job that needs it will say why."""
        try:
            self._spare.append(self._make(own_network=True))
        except OSError:
            self._wanted = 0

    def _make(self, own_network: bool) -> _Cell:
        """A sandbox that waits for its job. Raises OSError."""
        self._number += 1
        lease = self._base.make(self._number) if self._base.directories else None
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            pid, pidfd = self._syscalls.clone(self._enter.namespaces(own_network))
        except OSError:
            ours.close()
            theirs.close()
            if lease is not None:
                lease.remove()
            raise
        if pid == 0:
            self._enter_cell(theirs, lease, own_network)
        theirs.close()
        cell = _Cell(pid, pidfd, ours, lease, own_network)
        self._watch(cell, pidfd, select.EPOLLIN)
        return cell

    def _enter_cell(self, feed: _socket.socket, lease: Lease | None, own_network: bool) -> None:
        """In the child: nothing of this server's stays open but what the way in needs."""
        needed = (feed.fileno(), self._null, *(self._base.handles() if lease is not None else ()))
        self._syscalls.close_all_but(needed)
        self._init.main(self._enter.Inside(self._ground, lease, own_network), feed.detach(), self._null)

    def _create(self, command: list[Any], descriptors: list[int]) -> None:
        """Give a job to a sandbox. `descriptors`: its life socket and its first program's output pipe."""
        life = _socket.socket(fileno=os.dup(descriptors[0]))
        job = channel.unpacked(command[1])
        try:
            cell = self._take(own_network=job.network != "host")
        except OSError as error:
            channel.say(life, "failed", 0, *steps.described("clone", error))
            life.close()
            self._close(descriptors)
            return
        cell.life = life
        self._watch(cell, life.fileno(), select.EPOLLRDHUP)
        number = cell.lease.number if cell.lease is not None else 0
        channel.say(life, "pid", cell.pid, number, descriptors=(cell.pidfd,))
        try:
            self._limit(cell, job)
            if job.scratch:
                descriptors.append(self._copy(job.scratch))
            channel.send(cell.feed, channel.encode(command), descriptors)
        except OSError as error:
            channel.say(life, "failed", 0, *steps.described("limits", error))
            self._kill(cell)
        cell.feed.close()
        self._close(descriptors)

    def _limit(self, cell: _Cell, job: channel.Job) -> None:
        if job.memory_mb and cell.lease is not None:
            cell.event = cell.lease.limit(job.memory_mb, job.tmp_mb, self._used(job.scratch))
            if cell.event >= 0:
                self._watch(cell, cell.event, select.EPOLLIN | select.EPOLLPRI)

    def _take(self, own_network: bool) -> _Cell:
        if not own_network:
            return self._make(own_network=False)
        if self._spare:
            return self._spare.pop(0)
        self._wanted = min(max(1, self._wanted * 2), _SPARES)
        return self._make(own_network=True)

    def _close(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    def _watch(self, cell: _Cell, descriptor: int, events: int) -> None:
        self._by_descriptor[descriptor] = cell
        self._poll.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        if self._by_descriptor.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _kill(self, cell: _Cell) -> None:
        """The host closed its end. The kernel takes every process of the namespace along with its first."""
        if cell.life is not None:
            self._forget(cell.life.fileno())
        os.kill(cell.pid, self._syscalls.SIGKILL)
        if cell.lease is not None:
            cell.lease.thaw()

    def _at_limit(self, cell: _Cell) -> None:
        """Say it before the kill, so that the host knows why the program ends."""
        assert cell.lease is not None
        assert cell.life is not None
        try:
            cell.lease.heard(cell.event)
            if cell.lease.at_limit(self._filled(f"/proc/{cell.pid}/root/tmp")):
                channel.say(cell.life, "oom")
                cell.lease.kill_largest()
        except OSError:
            pass  # it ended in this moment

    def _reap(self, cell: _Cell) -> None:
        os.waitpid(cell.pid, 0)
        for descriptor in (cell.pidfd, cell.event):
            self._forget(descriptor)
            if descriptor >= 0:
                os.close(descriptor)
        if cell.lease is not None and not cell.lease.remove():
            self._busy_groups.append(cell.lease)
        if cell.life is None:
            self._spare.remove(cell)
            cell.feed.close()
            return
        self._forget(cell.life.fileno())
        channel.say(cell.life, "gone")
        cell.life.close()

    def _end(self) -> None:
        cells = set(self._by_descriptor.values())
        for cell in cells:
            self._kill(cell)
        for cell in cells:
            os.waitpid(cell.pid, 0)
            if cell.lease is not None:
                self._busy_groups.append(cell.lease)
        for _ in range(200):
            self._busy_groups = [lease for lease in self._busy_groups if not lease.remove()]
            if not self._busy_groups:
                return
            select.select([], [], [], 0.005)

    # every /tmp that outlives its sandbox

    def _scratch(self, key: int, size_mb: int) -> None:
        place = f"{self._rootfs.ROOT}/{key}"
        with _Within(self, self._ground.scratches):
            os.mkdir(place, 0o755)
            self._rootfs.mount_scratch(place, size_mb)
        self._scratches.add(key)

    def _copy(self, key: int) -> int:
        with _Within(self, self._ground.scratches):
            return self._syscalls.copy_of_mount(f"{self._rootfs.ROOT}/{key}")

    def _used(self, key: int) -> int:
        if not key:
            return 0
        with _Within(self, self._ground.scratches):
            return self._filled(f"{self._rootfs.ROOT}/{key}")

    def _filled(self, path: str) -> int:
        """Bytes that lie in the file system at `path`."""
        found = os.statvfs(path)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _drop(self, key: int) -> None:
        place = f"{self._rootfs.ROOT}/{key}"
        if key in self._scratches:
            self._scratches.discard(key)
            with _Within(self, self._ground.scratches):
                self._syscalls.detach(place)
                os.rmdir(place)


class _Within:
    """For the time of a `with`, in another mount namespace."""

    def __init__(self, server: _Server, namespace: int) -> None:
        self._server = server
        self._namespace = namespace

    def __enter__(self) -> None:
        self._server._syscalls.setns(self._namespace, self._server._syscalls.CLONE_NEWNS)

    def __exit__(self, *_: object) -> None:
        self._server._syscalls.setns(self._server._here, self._server._syscalls.CLONE_NEWNS)


if __name__ == "__main__":
    main(sys.argv[1:])
