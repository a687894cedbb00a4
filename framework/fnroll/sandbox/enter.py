"""The way into a `linux` sandbox, from a process fresh out of clone to one that is locked in and starts programs.

`AHEAD` is taken by the sandbox's init before there is a job. What a job brings (code, layers, /tmp) is attached later
by the fork server, from outside (cells.py), so that the init can lock itself in ahead of time. docs/sandbox.md lists
the same steps with the reason for each one's place. They run once a sandbox and are most of what creation costs, so: no
text-mode files, no imports, no lists of what could be a call.
"""

# pathlib would double the fork server's start-up time.

from __future__ import annotations

import _socket
import os
import resource
import struct

from fnroll.sandbox import channel, rootfs, seccomp, steps, syscalls
from fnroll.sandbox.cgroups import PROCESSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fnroll.sandbox.cgroups import Lease
    from fnroll.sandbox.rootfs import Ground

    InsideStep = tuple[str, Callable[["Inside"], None]]

NAMESPACES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
FILTER = seccomp.program(syscalls.MACHINE) if syscalls.supported() else b""

_ACK_REQUEST, _CREATE, _NEW_LINK, _NEW_ADDRESS = 0x5, 0x600, 16, 20
_LOOPBACK_INDEX, _UP, _SCOPE_HOST = 1, 1, 254
_IFA_ADDRESS, _IFA_LOCAL = 1, 2


class Inside:
    """What the steps of `AHEAD` share. `feed` leads to the fork server; `born`: made in its group of version 2."""

    __slots__ = ("born", "feed", "ground", "lease", "listener", "mounts", "own_network")

    def __init__(
        self, feed: _socket.socket, ground: Ground, lease: Lease | None, own_network: bool, born: bool
    ) -> None:
        self.feed = feed
        self.ground = ground
        self.lease = lease
        self.own_network = own_network
        self.born = born
        self.listener: _socket.socket | None = None
        self.mounts = -1


def groups(inside: Inside) -> None:
    """First into the control groups, then into a namespace of them: so they are its root, and their path is hidden."""
    if inside.lease is not None:
        inside.lease.join(inside.born)
    syscalls.unshare(syscalls.CLONE_NEWCGROUP)


def processes(inside: Inside) -> None:
    """And by it, the way back in for whoever attaches what the job brings: none is left once this process is unseen."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    if inside.ground.privileged:
        syscalls.mount("proc", "/proc", "proc", flags)
    else:  # the host's is there, see rootfs.root
        syscalls.mount("proc", "/run", "proc", flags)
        syscalls.detach("/proc")
        syscalls.mount("/run", "/proc", None, syscalls.MS_MOVE)
    inside.mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def name(_: Inside) -> None:
    syscalls.sethostname(rootfs.HOST_NAME)


def network(inside: Inside) -> None:
    """Loopback up, the API's address on it, and the listener, in one socket each."""
    if not inside.own_network:
        return
    link = struct.pack("=BxHiII", 0, 0, _LOOPBACK_INDEX, _UP, _UP)
    packed = bytes(int(part) for part in rootfs.API_ADDRESS.split("."))
    address = struct.pack("=BBBBI", _socket.AF_INET, 32, 0, _SCOPE_HOST, _LOOPBACK_INDEX)
    address += b"".join(struct.pack("=HH4s", 8, kind, packed) for kind in (_IFA_LOCAL, _IFA_ADDRESS))
    wire = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)
    for kind, flags, body in ((_NEW_LINK, _ACK_REQUEST, link), (_NEW_ADDRESS, _ACK_REQUEST | _CREATE, address)):
        wire.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body)
        code = -int(struct.unpack_from("=i", wire.recv(4096), 16)[0])
        if code:
            raise OSError(code, os.strerror(code), "netlink")
    wire.close()
    inside.listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
    inside.listener.bind((rootfs.API_ADDRESS, rootfs.API_PORT))
    inside.listener.listen(1024)


def hand_over(inside: Inside) -> None:
    """To the fork server, which attaches what the job brings, and to the host. The kernel counts the descriptors that
    are under way of each user, and lets a sender have no more than it may have open: so before there is a limit, and
    before this is the user of functions, which may have used that up."""
    gifts = [inside.mounts] + ([inside.listener.fileno()] if inside.listener is not None else [])
    channel.send(inside.feed, channel.line(["handed"]), gifts)
    os.close(inside.mounts)
    if inside.listener is not None:
        inside.listener.close()


def identity(inside: Inside) -> None:
    rootfs.become(inside.ground.privileged)


def own_users(inside: Inside) -> None:
    """Without a group that counts processes, a user namespace does: counted apart, the limit is Lambda's; shared by
    all sandboxes it would be a trap, so then none is set."""
    if inside.ground.counted:
        return
    if inside.ground.own_users:
        rootfs.alone()
        steps.lower(resource.RLIMIT_NPROC, PROCESSES + 1, PROCESSES + 1)


def capabilities(_: Inside) -> None:
    syscalls.drop_capabilities()


def unseen(_: Inside) -> None:
    """No process of the function, which is the same user, may look into this one. exec ends that for programs."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def system_calls(_: Inside) -> None:
    syscalls.install_filter(FILTER)


AHEAD: tuple[InsideStep, ...] = (
    ("early leash", steps.leash),
    ("control groups", groups),
    ("processes", processes),
    ("host name", name),
    ("network", network),
    ("hand over", hand_over),
    ("limits", steps.limits),
    ("session", steps.session),
    ("identity", identity),
    ("own users", own_users),
    ("capabilities", capabilities),
    ("leash", steps.leash),
    ("unseen", unseen),
    ("no new privileges", steps.no_new_privileges),
    ("system calls", system_calls),
)


def namespaces(own_network: bool) -> int:
    """The flags to clone with."""
    return NAMESPACES | (syscalls.CLONE_NEWNET if own_network else 0)
