"""`network="nat"`: a sandbox's own network, and a way from it to the world through slirp4netns.

slirp4netns speaks TCP and UDP for the sandbox from the host's network, as a process of the caller's; it takes neither
privilege nor a bridge. The host's loopback stays out of reach. It is a child of the fork server, started before the
function is, so that the network is whole when the function looks; it ends with the sandbox, by a pipe that the fork
server holds the other end of.

Nothing of it lives in the sandbox: it gets the network namespace as a descriptor and puts a device there.
"""

# pathlib would double the fork server's start-up time.

from __future__ import annotations

import errno
import fcntl
import os
import select

from fnroll.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from fnroll.sandbox.outside import Outside

PROGRAM = "slirp4netns"
RESOLV_CONF = "nameserver 10.0.2.3\n"
"""slirp's own resolver, which asks the host's."""

DEVICE = "tap0"
_MTU = 65520
_PATIENCE = 5.0
"""Seconds until slirp4netns must be ready; it takes 3 to 8 ms."""

_NETWORK, _READY, _LEASH = 3, 4, 5
_SIOCGSKNS = 0x894C


def namespace_of(sock: int) -> int:
    """The network namespace that a socket was made in, as a descriptor. Raises OSError (Linux before 4.9)."""
    return int(fcntl.ioctl(sock, _SIOCGSKNS))


class Way:
    """A running slirp4netns. `close()` ends it; so does the end of the process that made it."""

    __slots__ = ("_leash", "_pid")

    def __init__(self, pid: int, leash: int) -> None:
        self._pid = pid
        self._leash = leash

    def close(self) -> None:
        """Hang up and wait for its end, which is a matter of microseconds once it is killed."""
        os.close(self._leash)
        os.kill(self._pid, syscalls.SIGKILL)
        os.waitpid(self._pid, 0)


def open_way(program: str, network: int, outside: Outside) -> Way:
    """From the network namespace `network` to the world, up when this returns. `program` is a path of the host.

    Raises OSError: whatever stopped it, ETIMEDOUT if it was not ready in time, EIO with its exit status if it ended."""
    ready, tell = os.pipe()
    held, leash = os.pipe()
    try:
        with outside.within():
            pid = os.fork()
            if pid == 0:
                _become(program, network, tell, held)
    finally:
        os.close(tell)
        os.close(held)
    way = Way(pid, leash)
    waiting = select.poll()
    waiting.register(ready, select.POLLIN)
    answered = bool(waiting.poll(_PATIENCE * 1000))
    up = answered and os.read(ready, 1) == b"1"
    os.close(ready)
    if up:
        return way
    if not answered:
        way.close()
        raise OSError(errno.ETIMEDOUT, f"{PROGRAM} was not ready in {_PATIENCE:g} s", program)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(leash)
    raise OSError(errno.EIO, f"{PROGRAM} ended with status {status}", program)


def _become(program: str, network: int, tell: int, held: int) -> NoReturn:
    """In the child: its three descriptors at their places, no other, and the capabilities it needs in our namespaces
    (a user namespace's first user is not root there: exec would drop them)."""
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
        # Beyond the places first, so that none is overwritten before it is copied.
        copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _LEASH + 1) for descriptor in (network, tell, held)]
        for source, target in zip(copies, (_NETWORK, _READY, _LEASH), strict=True):
            os.dup2(source, target)
        syscalls.close_all_but((_NETWORK, _READY, _LEASH))
        syscalls.keep_capabilities(syscalls.CAP_NET_ADMIN, syscalls.CAP_SYS_ADMIN)
        words = [f"--mtu={_MTU}", "--configure", "--disable-host-loopback", "--netns-type=path"]
        words += [f"--ready-fd={_READY}", f"--exit-fd={_LEASH}", f"/proc/self/fd/{_NETWORK}", DEVICE]
        os.execv(program, [PROGRAM, *words])
    finally:
        os._exit(127)
