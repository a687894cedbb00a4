"""The way into a `linux` sandbox: from a process fresh out of clone to the program's first instruction.

`ENTER` is the whole of it, in order; docs/sandbox.md lists the same steps with the reason for each one's place. It runs
once a sandbox and is most of what creation costs, so: no text-mode files, no imports, no lists of what could be a call.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH110

from __future__ import annotations

import _socket
import os
import resource
import struct

from fnroll.sandbox import channel, rootfs, seccomp, steps, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fnroll.sandbox.steps import Entry, Step

NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)
PROCESSES = 1024
FILTER = seccomp.program(syscalls.MACHINE) if syscalls.supported() else b""

_SHOWN = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
_BLOCKS_PER_INODE = 64
"""Files that /tmp may hold for each MiB of its size: one for 16 KiB, as ext4 is made by default."""

_ACK_REQUEST, _CREATE, _NEW_LINK, _NEW_ADDRESS = 0x5, 0x600, 16, 20
_LOOPBACK_INDEX, _UP, _SCOPE_HOST = 1, 1, 254
_IFA_ADDRESS, _IFA_LOCAL = 1, 2


def task(entry: Entry) -> None:
    syscalls.bind(entry.job.task, f"{rootfs.ROOT}/var/task", _SHOWN)


def layers(entry: Entry) -> None:
    if entry.job.opt:
        syscalls.bind(entry.job.opt, f"{rootfs.ROOT}/opt", _SHOWN)


def scratch(entry: Entry) -> None:
    size = entry.job.tmp_mb
    syscalls.mount(
        "tmp",
        f"{rootfs.ROOT}/tmp",
        "tmpfs",
        syscalls.MS_NOSUID | syscalls.MS_NODEV,
        f"size={size}m,nr_inodes={size * _BLOCKS_PER_INODE},mode=1777",
    )


def processes(_: Entry) -> None:
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", f"{rootfs.ROOT}/proc", "proc", flags)


def resolver(entry: Entry) -> None:
    if not entry.job.own_network:
        for name in rootfs.HOST_NETWORK_FILES:
            if os.path.exists(f"/{name}"):
                syscalls.bind(f"/{name}", f"{rootfs.ROOT}/{name}", _SHOWN)


def root(_: Entry) -> None:
    os.chdir(rootfs.ROOT)
    syscalls.pivot_root_here()
    os.chdir("/")


def name(_: Entry) -> None:
    syscalls.sethostname(rootfs.HOST_NAME)


def network(entry: Entry) -> None:
    """Loopback up, the API's address on it, and the listener out to the host, in one socket each."""
    if not entry.job.own_network:
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
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
    listener.bind((rootfs.API_ADDRESS, rootfs.API_PORT))
    listener.listen(128)
    channel.send(entry.status, channel.line(("listening",)), (listener.fileno(),))
    listener.close()


def identity(entry: Entry) -> None:
    """The output pipe is given to the program's user first: else /dev/stdout could not be opened again."""
    if entry.privileged:
        os.fchown(entry.output, rootfs.UID, rootfs.GID)
    rootfs.become(entry.privileged)


def own_users(entry: Entry) -> None:
    """Counted apart, the process limit is Lambda's; shared by all sandboxes it would be a trap, so then none is set."""
    if entry.own_users:
        rootfs.alone()
        steps.lower(resource.RLIMIT_NPROC, PROCESSES, PROCESSES)


def capabilities(_: Entry) -> None:
    syscalls.drop_capabilities()


def system_calls(_: Entry) -> None:
    syscalls.install_filter(FILTER)


ENTER: tuple[Step, ...] = (
    ("early leash", steps.leash),
    ("task", task),
    ("layers", layers),
    ("scratch", scratch),
    ("processes", processes),
    ("resolver", resolver),
    ("root", root),
    ("host name", name),
    ("network", network),
    ("limits", steps.limits),
    ("streams", steps.streams),
    ("session", steps.session),
    ("identity", identity),
    ("own users", own_users),
    ("capabilities", capabilities),
    ("leash", steps.leash),
    ("no new privileges", steps.no_new_privileges),
    ("system calls", system_calls),
    ("descriptors", steps.descriptors),
    ("working directory", steps.working_directory),
    ("exec", steps.execute),
)


def namespaces(own_network: bool) -> int:
    """The flags to clone with."""
    return NAMESPACES | (syscalls.CLONE_NEWNET if own_network else 0)
