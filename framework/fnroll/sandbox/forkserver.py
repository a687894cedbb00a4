"""The fork server: a small, single-threaded process that makes sandboxes for a large one.

Forking is cheap in proportion to the process, and a namespace's first process must not share anything with an event
loop; so the host starts this once and sends it jobs (channel.py). It also waits for what it made: a sandbox ends when
its program ends, when the host closes the sandbox's life socket, or when the host is gone.

`main` serves the `linux` tier; the `process` tier's is in supervise.py and shares only the start.
"""

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
    from fnroll.sandbox.rootfs import Ground


def main(arguments: list[str]) -> None:
    """`arguments`: tier, the control socket's descriptor, the host's pid."""
    tier, descriptor, host = arguments[0], int(arguments[1]), int(arguments[2])
    control = _socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))
    except (OSError, ValueError):
        pass  # macOS refuses "infinity"; then the soft limit stays
    if tier == "process":
        from fnroll.sandbox import supervise

        _ready(control, null)
        supervise.serve(control, null, host)
    else:
        ground = _prepare(control)
        if ground is not None:
            _ready(control, null, int(ground.own_users))
            _Server(control, null, ground, host).serve()


def _ready(control: _socket.socket, null: int, *facts: int) -> None:
    """From here on the error output, so far the host's ear for a failing start, is silence."""
    gc.collect()
    gc.freeze()
    gc.disable()
    channel.say(control, "ready", *facts)
    os.dup2(null, 2)


def _prepare(control: _socket.socket) -> Ground | None:
    from fnroll.sandbox import rootfs, syscalls

    if not syscalls.supported():
        channel.say(control, "failed", "machine", 0, f"no system call table for {syscalls.MACHINE}", "")
        return None
    ground = rootfs.Ground()
    for name, step in rootfs.PREPARE:
        try:
            step(ground)
        except Exception as error:  # each is said to the host, which falls back or tells the user
            steps.said(control, name, error)
            return None
    return ground


class _Child:
    """One sandbox's first process, seen from here."""

    __slots__ = ("life", "pid", "pidfd")

    def __init__(self, pid: int, pidfd: int, life: _socket.socket) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.life = life


class _Server:
    """Waits on the control socket, the host's pidfd, and a pidfd and a life socket for every child.

    Pidfds instead of SIGCHLD: freezing a sandbox must not wake this process, and stop signals would.
    """

    def __init__(self, control: _socket.socket, null: int, ground: Ground, host: int) -> None:
        from fnroll.sandbox import enter, syscalls

        self._enter, self._syscalls = enter, syscalls
        self._control = control
        self._null = null
        self._ground = ground
        self._host = os.pidfd_open(host)
        self._poll = select.epoll()
        self._by_descriptor: dict[int, _Child] = {}

    def serve(self) -> None:
        control = self._control.fileno()
        for descriptor in (control, self._host):
            self._poll.register(descriptor, select.EPOLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._host:
                    return self._end()
                if descriptor == control:
                    message = channel.receive_job(self._control)
                    if message is None:
                        return self._end()
                    self._create(*message)
                    continue
                child = self._by_descriptor.get(descriptor)
                if child is None:
                    continue  # its other descriptor was served in this same round
                if descriptor == child.pidfd:
                    self._reap(child)
                else:
                    self._kill(child)

    def _create(self, job: channel.Job, descriptors: list[int]) -> None:
        output, status_fd, life_fd = descriptors
        status, life = _socket.socket(fileno=status_fd), _socket.socket(fileno=life_fd)
        try:
            pid, pidfd = self._syscalls.clone(self._enter.namespaces(job.own_network))
        except OSError as error:
            steps.said(status, "clone", error)
            pid, pidfd = -1, -1
        if pid == 0:
            entry = steps.Entry(job, output, status, self._null, self._ground.privileged, self._ground.own_users)
            steps.walk(self._enter.ENTER, entry)
        status.close()
        os.close(output)
        if pid < 0:
            life.close()
            return
        child = _Child(pid, pidfd, life)
        channel.say(life, "pid", pid, descriptors=(pidfd,))
        for descriptor in (pidfd, life_fd):
            self._by_descriptor[descriptor] = child
            self._poll.register(descriptor, select.EPOLLIN)

    def _kill(self, child: _Child) -> None:
        """The host closed its end. The kernel takes every process of the namespace along with its first."""
        self._poll.unregister(child.life.fileno())
        del self._by_descriptor[child.life.fileno()]
        os.kill(child.pid, self._syscalls.SIGKILL)

    def _reap(self, child: _Child) -> None:
        _, raw, usage = os.wait4(child.pid, 0)
        channel.say(child.life, "exit", raw, usage.ru_maxrss * 1024)
        channel.say(child.life, "gone")
        for descriptor in (child.pidfd, child.life.fileno()):
            if self._by_descriptor.pop(descriptor, None):
                self._poll.unregister(descriptor)
        os.close(child.pidfd)
        child.life.close()

    def _end(self) -> None:
        children = {child.pid for child in self._by_descriptor.values()}
        for pid in children:
            os.kill(pid, self._syscalls.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
