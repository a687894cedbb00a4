"""The server of the `linux` tier: sandboxes from their making, ahead of their jobs, to their end.

A cell is one sandbox. Its init (init.py) makes everything that no job changes, hands over its mounts and its listener
on the way (`handed`) and says `prepared`; then the cell waits. A job takes a cell: its limits are set, code, layers and
/tmp are attached from outside, and the init gets the program. Where no cell waits the job does, until one is prepared.
"""

# pathlib would double the fork server's start-up time.

from __future__ import annotations

import _socket
import os
import select

from fnroll.sandbox import channel, enter, init, outbound, rootfs, steps, syscalls
from fnroll.sandbox.outside import Outside, Within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fnroll.sandbox.cgroups import Base, Lease
    from fnroll.sandbox.rootfs import Ground

SPARES = 8
"""The most cells that are kept ready ahead of their jobs; each is three descriptors here and some 600 KiB."""

_MAKING = 4
"""The most cells that are being made at a time: more would only wait for each other's CPU."""


class Cell:
    """`listener` is the Runtime API's, `mounts` the mount namespace, both as descriptors. -1: there is none (yet).
    `way` leads out of its network."""

    __slots__ = ("feed", "lease", "life", "listener", "mounts", "own_network", "pid", "pidfd", "way")

    def __init__(self, pid: int, pidfd: int, feed: _socket.socket, lease: Lease | None, own_network: bool) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.feed = feed
        self.lease = lease
        self.own_network = own_network
        self.life: _socket.socket | None = None
        self.listener = -1
        self.mounts = -1
        self.way: outbound.Way | None = None


class Server:
    """Waits on the control socket, the host's pidfd, and the pidfd and feed or life socket of every cell.

    Pidfds instead of SIGCHLD: freezing a sandbox must not wake this process, and stop signals would.
    """

    def __init__(self, control: _socket.socket, null: int, ground: Ground, base: Base, host: int) -> None:
        self._control = control
        self._null = null
        self._ground = ground
        self._base = base
        self._host = os.pidfd_open(host)
        self._poll = select.epoll()
        self._cells: dict[int, Cell] = {}
        self._making: set[Cell] = set()
        self._spare: dict[bool, list[Cell]] = {True: [], False: []}
        self._pending: dict[bool, list[tuple[list[Any], list[int]]]] = {True: [], False: []}
        self._wanted = 1
        self._number = 0
        self._outside = Outside(ground)
        self._busy_groups: list[Lease] = []
        self._forgotten: set[int] = set()

    def serve(self) -> None:
        control = self._control.fileno()
        for descriptor in (control, self._host):
            self._poll.register(descriptor, select.EPOLLIN)
        while True:
            short = len(self._spare[True]) + len(self._making) < self._wanted and len(self._making) < _MAKING
            ready = self._poll.poll(0 if short else 0.01 if self._busy_groups else None)
            if not ready and short:
                self._grow()
            self._forgotten.clear()
            for descriptor, _ in ready:
                if descriptor in self._forgotten:
                    continue  # closed in this round: its number may be a new cell's by now, which the event is not for
                if descriptor == self._host:
                    return self._end()
                if descriptor == control:
                    message = channel.receive_message(self._control)
                    if message is None:
                        return self._end()
                    self._obey(*message)
                elif descriptor in self._cells:  # else another descriptor of it was served in this same round
                    self._heard(self._cells[descriptor], descriptor)
            self._busy_groups = [lease for lease in self._busy_groups if not lease.remove()]

    def _obey(self, command: list[Any], descriptors: list[int]) -> None:
        if command[0] == "sandbox":
            own_network = channel.unpacked(command[1]).network != "host"
            self._pending[own_network].append((command, descriptors))
            self._give(own_network)
        elif command[0] == "scratch":
            self._outside.make(command[1], command[2])
        elif command[0] == "drop":
            self._outside.drop(command[1])

    def _heard(self, cell: Cell, descriptor: int) -> None:
        if descriptor == cell.pidfd:
            self._reap(cell)
        elif cell.life is None:
            self._prepared(cell)
        else:
            self._kill(cell)

    # making cells

    def _grow(self) -> None:
        """One spare more; where it cannot be made, the job that needs it will say why."""
        try:
            self._make(own_network=True)
        except OSError:
            self._wanted = 0

    def _make(self, own_network: bool) -> None:
        """A cell in the making. Raises OSError."""
        self._number += 1
        lease = self._base.make(self._number) if self._base.directories else None
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            pid, pidfd, born = self._clone(enter.namespaces(own_network), lease)
        except OSError:
            ours.close()
            theirs.close()
            if lease is not None:
                lease.remove()
            raise
        if pid == 0:
            self._become(enter.Inside(theirs, self._ground, lease, own_network, born))
        theirs.close()
        cell = Cell(pid, pidfd, ours, lease, own_network)
        self._making.add(cell)
        self._watch(cell, pidfd, select.EPOLLIN)
        self._watch(cell, ours.fileno(), select.EPOLLIN)

    def _clone(self, flags: int, lease: Lease | None) -> tuple[int, int, bool]:
        group = lease.directory() if lease is not None else -1
        if group >= 0:
            try:
                return *syscalls.clone_into(flags, group), True
            except OSError:
                pass  # a kernel or container without it: the child moves itself
            finally:
                os.close(group)
        return *syscalls.clone(flags), False

    def _become(self, inside: enter.Inside) -> None:
        """In the child: nothing of this server's stays open but what the way in needs."""
        groups = [handle for _, _, handle in self._base.opened()]
        syscalls.close_all_but((inside.feed.fileno(), self._null, *groups))
        init.main(inside, self._null)

    def _prepared(self, cell: Cell) -> None:
        data, descriptors = channel.receive(cell.feed, 4096)
        lines, _ = channel.split(data)
        if descriptors:
            cell.mounts, cell.listener = (*descriptors, -1)[:2]
        if lines and lines[-1][0] == "handed":
            return
        self._making.discard(cell)
        if not lines or lines[0][0] == "failed":
            self._fail(cell, lines[0][1:] if lines else ["enter", "0", "the sandbox died on its way in", ""])
            return
        self._spare[cell.own_network].append(cell)
        self._give(cell.own_network)

    def _fail(self, cell: Cell, words: list[str]) -> None:
        """It takes the job along that it was made for; without one, nobody has to know: the next job will."""
        self._forget(cell.feed.fileno())
        self._wanted = 0
        if self._pending[cell.own_network]:
            self._refuse(self._pending[cell.own_network].pop(0), words)

    def _refuse(self, pending: tuple[list[Any], list[int]], words: list[Any] | tuple[object, ...]) -> None:
        life = _socket.socket(fileno=pending[1][0])
        channel.say(life, "failed", 0, *words)
        channel.say(life, "gone")
        life.close()
        os.close(pending[1][1])

    # giving jobs

    def _give(self, own_network: bool) -> None:
        """To each job that waits, a cell: one that is ready, else one that is being made for it."""
        pending, spare = self._pending[own_network], self._spare[own_network]
        while pending and spare:
            self._create(spare.pop(0), *pending.pop(0))
        if pending and own_network:
            self._wanted = min(max(1, self._wanted * 2), SPARES)
        coming = sum(cell.own_network == own_network for cell in self._making)
        while coming < len(pending) and len(self._making) < _MAKING:
            try:
                self._make(own_network)
            except OSError as error:
                self._refuse(pending.pop(0), steps.described("clone", error))
            else:
                coming += 1

    def _create(self, cell: Cell, command: list[Any], descriptors: list[int]) -> None:
        """`descriptors`: the life socket and the first program's output pipe."""
        job = channel.unpacked(command[1])
        life = cell.life = _socket.socket(fileno=os.dup(descriptors[0]))
        self._forget(cell.feed.fileno())
        self._watch(cell, life.fileno(), select.EPOLLRDHUP)
        number = cell.lease.number if cell.lease is not None else 0
        channel.say(life, "pid", cell.pid, number, descriptors=(cell.pidfd,))
        if cell.listener >= 0:
            channel.say(life, "listening", descriptors=(cell.listener,))
        name = ""
        try:
            for name, step in JOB:  # noqa: B007 -- the name is for the error
                step(self, cell, job)
            channel.send(cell.feed, channel.encode([command[2]]), descriptors)
        except OSError as error:
            channel.say(life, "failed", 0, *steps.described(name, error))
            self._kill(cell)
        cell.feed.close()
        for descriptor in (*descriptors, cell.mounts, cell.listener):
            if descriptor >= 0:
                os.close(descriptor)
        cell.mounts = cell.listener = -1

    def _limit(self, cell: Cell, job: channel.Job) -> None:
        if job.memory_mb and cell.lease is not None:
            cell.lease.limit(job.memory_mb, job.tmp_mb)

    def _task(self, cell: Cell, job: channel.Job) -> None:
        self._attach(cell, self._outside.shown(job.task), "/var/task")

    def _layers(self, cell: Cell, job: channel.Job) -> None:
        if job.opt:
            self._attach(cell, self._outside.shown(job.opt), "/opt")

    def _runtime(self, cell: Cell, job: channel.Job) -> None:
        """A managed runtime's client and interpreter."""
        for path, target in ((job.runtime, "/var/runtime"), (job.lang, "/var/lang")):
            if path:
                self._attach(cell, self._outside.shown(path), target)

    def _outbound(self, cell: Cell, job: channel.Job) -> None:
        if job.network == "nat":
            network = outbound.namespace_of(cell.listener)
            try:
                cell.way = outbound.open_way(job.way, network, self._outside)
            finally:
                os.close(network)

    def _resolver(self, cell: Cell, job: channel.Job) -> None:
        """The host's, with the host's network, or that of the way out; over ours."""
        if job.network == "nat":
            self._attach(cell, self._outside.written("resolv.conf", outbound.RESOLV_CONF), "/etc/resolv.conf")
        for path in rootfs.HOST_NETWORK_FILES if job.network == "host" else ():
            try:
                copy = self._outside.shown(f"/{path}")
            except FileNotFoundError:
                continue
            self._attach(cell, copy, f"/{path}")

    def _scratch(self, cell: Cell, job: channel.Job) -> None:
        if job.scratch:
            self._attach(cell, self._outside.copy(job.scratch), "/tmp")
        else:
            with Within(cell.mounts, self._ground.here):
                rootfs.mount_scratch("/tmp", job.tmp_mb)

    def _attach(self, cell: Cell, copy: int, target: str) -> None:
        try:
            with Within(cell.mounts, self._ground.here):
                syscalls.attach(copy, target)
        finally:
            os.close(copy)

    # ending

    def _watch(self, cell: Cell, descriptor: int, events: int) -> None:
        self._cells[descriptor] = cell
        self._poll.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        if self._cells.pop(descriptor, None):
            self._forgotten.add(descriptor)
            self._poll.unregister(descriptor)

    def _kill(self, cell: Cell) -> None:
        """The host closed its end. The kernel takes every process of the namespace along with its first."""
        if cell.life is not None:
            self._forget(cell.life.fileno())
        os.kill(cell.pid, syscalls.SIGKILL)
        if cell.lease is not None:
            cell.lease.thaw()

    def _reap(self, cell: Cell) -> None:
        os.waitpid(cell.pid, 0)
        for descriptor in (cell.pidfd, cell.listener, cell.mounts):
            self._forget(descriptor)
            if descriptor >= 0:
                os.close(descriptor)
        if cell.lease is not None and not cell.lease.remove():
            self._busy_groups.append(cell.lease)
        if cell.way is not None:
            cell.way.close()
        if cell.life is not None:
            self._forget(cell.life.fileno())
            channel.say(cell.life, "gone")
            cell.life.close()
            return
        while cell in self._making:
            self._prepared(cell)
        self._forget(cell.feed.fileno())
        cell.feed.close()
        if cell in self._spare[cell.own_network]:
            self._spare[cell.own_network].remove(cell)

    def _end(self) -> None:
        cells = set(self._cells.values())
        for cell in cells:
            self._kill(cell)
        for cell in cells:
            os.waitpid(cell.pid, 0)
            if cell.lease is not None:
                self._busy_groups.append(cell.lease)
        for _ in range(200):  # a second: then the next start will find and remove them
            self._busy_groups = [lease for lease in self._busy_groups if not lease.remove()]
            if not self._busy_groups:
                return
            select.select([], [], [], 0.005)


JOB: tuple[tuple[str, Callable[[Server, Cell, channel.Job], None]], ...] = (
    ("memory", Server._limit),
    ("task", Server._task),
    ("layers", Server._layers),
    ("runtime", Server._runtime),
    ("outbound", Server._outbound),
    ("resolver", Server._resolver),
    ("scratch", Server._scratch),
)
