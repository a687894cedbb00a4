"""The read-only root of every `linux` sandbox, built once in the fork server's own mount namespace.

`PREPARE` is the list of steps, in the order of docs/sandbox.md. It mounts over /sys: a directory that every Linux has
and no sandbox's code lies in, so nothing is created on the host and nothing is left there. All of it vanishes with the
fork server.

What a function sees of the machine is said here and nowhere else: /usr with its links, and an /etc made of the tables
below. Nothing of the host's accounts, names, keys or settings is among them.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH102, PTH103, PTH112, PTH113, PTH114, PTH115, PTH120, PTH208, PTH211

from __future__ import annotations

import os

from fnroll.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    PrepareStep = tuple[str, Callable[["Ground"], None]]

ROOT = "/sys"

UID, GID = 993, 990
"""Lambda's own sbx_user1051."""

API_ADDRESS, API_PORT = "169.254.100.1", 9001
"""Where Lambda serves the Runtime API since late 2024 (facts: environment variables)."""

HOST_NAME = "sandbox"

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Links are copied as links, directories are shown read-only; what the host lacks is left out."""

OURS = ("dev", "etc", "opt", "proc", "run", "sys", "tmp", "var")
"""Of another root, these are not shown: a sandbox has its own (of /var it has what lies beside /var/task)."""

CODE = ("var/task", "var/runtime", "var/lang")
DIRECTORIES = ("dev", "dev/shm", "etc", "opt", "proc", "run", "sys", "tmp", "var", *CODE)
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}

ETC_WRITTEN = {
    "passwd": f"root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:{UID}:{GID}::/home/sbx_user1051:/sbin/nologin\n",
    "group": f"root:x:0:\nsbx_user1051:x:{GID}:\n",
    "hosts": f"127.0.0.1 localhost\n::1 localhost\n{API_ADDRESS} sandbox.localdomain {HOST_NAME}\n",
    "resolv.conf": "",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}

ETC_COPIED = ("ld.so.cache", "ld.so.conf", "mime.types", "protocols", "services", "ssl/openssl.cnf")
"""Files: what the dynamic linker and libraries look for."""

ETC_SHOWN = (
    "alternatives",
    "crypto-policies",
    "fonts",
    "ld.so.conf.d",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "ssl/certs",
)
"""Directories shown read-only: targets of links in /usr/bin, certificates (never private keys), library settings."""

ETC_SHOWN_PREFIXES = ("java-", "python3")
"""Directories whose names carry a version, likewise: interpreters that a distribution configures there."""

_FILES_PER_MB = 64
"""Files that /tmp may hold for each MiB of its size: one for 16 KiB, as ext4 is made by default."""

HOST_NETWORK_FILES = ("etc/resolv.conf", "etc/hosts")
"""With network="host", the host's own are shown over ours."""


class Ground:
    """What the steps are told and find out.

    `root` is a directory, "empty" or "" (this machine's /usr). `privileged`: we act with the host's own capabilities;
    `counted`: a control group counts a sandbox's processes; `own_users`: else a user namespace can. `here` is the mount
    namespace that is left when all is done, whose root is the sandboxes'; `outside` the one that sees the host, and
    every /tmp which outlives its sandbox.
    """

    __slots__ = ("counted", "here", "outside", "own_users", "privileged", "root")

    def __init__(self, root: str = "", counted: bool = False) -> None:
        self.root = root
        self.counted = counted
        self.privileged = False
        self.own_users = False
        self.here = -1
        self.outside = -1


def own_mounts(ground: Ground) -> None:
    """A mount namespace of our own; where that takes a user namespace, one that maps the caller to `UID`.

    Inner id 993, not 0: capabilities come with the namespace whatever the id, and the program needs no second change.
    """
    syscalls.new_session_keyring()
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        ground.privileged = True
    except PermissionError:
        uid, gid = os.geteuid(), os.getegid()
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        map_ids(uid, gid)


def map_ids(uid: int, gid: int) -> None:
    """In a new user namespace: `UID` and `GID` are these ids of the namespace outside, and nobody else exists."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{UID} {uid} 1"), ("gid_map", f"{GID} {gid} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        except OSError as error:
            error.filename = f"/proc/self/{name}"
            raise
        finally:
            os.close(descriptor)


def receive_only(_: Ground) -> None:
    """Later mounts of the host still appear here (code may lie on one); ours never appear on the host."""
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)


def outside(ground: Ground) -> None:
    """A second mount namespace: it keeps the view of the host, from which code is shown, and holds every /tmp that
    outlives its sandbox. A sandbox's namespace begins as a copy of the first, which so stays small."""
    ground.here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("fn", ROOT, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "size=4m,mode=700")
    ground.outside = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(ground.here, syscalls.CLONE_NEWNS)


def empty_root(_: Ground) -> None:
    syscalls.mount("fn", ROOT, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "size=4m,mode=755")
    os.umask(0o022)
    for name in DIRECTORIES:
        os.mkdir(f"{ROOT}/{name}")


def system_directories(ground: Ground) -> None:
    """The machine's, the given directory's, or none."""
    if ground.root == "empty":
        return
    above = ground.root
    names = SYSTEM if not above else tuple(item for item in sorted(os.listdir(above)) if item not in OURS)
    for name in names:
        _show(f"{above}/{name}", f"{ROOT}/{name}")
    if above and os.path.isdir(f"{above}/var"):
        for name in os.listdir(f"{above}/var"):
            if name != "task":
                _show(f"{above}/var/{name}", f"{ROOT}/var/{name}")


def _show(source: str, target: str) -> None:
    """A link as a link, a directory or file read-only; what is not there, or anything else, is left out."""
    if os.path.islink(source):
        if not os.path.lexists(target):
            os.symlink(os.readlink(source), target)
    elif os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        syscalls.bind(source, target, syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV)
    elif os.path.isfile(source):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        syscalls.bind(source, target, syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV)


def etc(ground: Ground) -> None:
    for name, text in ETC_WRITTEN.items():
        _write(name, text.encode())
    if ground.root == "empty":
        return
    for name in ETC_COPIED:
        data = _read(f"{ground.root}/etc/{name}")
        if data is not None:
            _write(name, data)
    above = f"{ground.root}/etc"
    versioned = (name for name in _listed(above) if name.startswith(ETC_SHOWN_PREFIXES))
    for name in (*ETC_SHOWN, *versioned):
        if os.path.isdir(f"{above}/{name}"):
            target = f"{ROOT}/etc/{name}"
            os.makedirs(target, exist_ok=True)
            syscalls.bind(f"{above}/{name}", target, syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV)
    os.symlink("/proc/mounts", f"{ROOT}/etc/mtab")
    os.symlink("../usr/share/zoneinfo/UTC", f"{ROOT}/etc/localtime")
    os.symlink("../usr/lib/os-release", f"{ROOT}/etc/os-release")


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _write(name: str, data: bytes) -> None:
    path = f"{ROOT}/etc/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def devices(_: Ground) -> None:
    """The host's nodes, shown: making nodes takes the host's own capabilities."""
    for name in DEVICES:
        target = f"{ROOT}/dev/{name}"
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        syscalls.bind(f"/dev/{name}", target, syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NOEXEC)
    for name, link in DEVICE_LINKS.items():
        os.symlink(link, f"{ROOT}/dev/{name}")


def read_only(_: Ground) -> None:
    """Last, since all the steps before it write. The flags that were set must be said again."""
    flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount(None, ROOT, None, syscalls.MS_REMOUNT | syscalls.MS_BIND | flags)


def own_users(ground: Ground) -> None:
    """Try in a child whether a sandbox may have a user namespace of its own, which makes its process count its own."""
    pid, pidfd = syscalls.clone(0)
    if pid == 0:
        try:
            become(ground.privileged)
            alone()
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(pidfd)
    ground.own_users = os.waitpid(pid, 0)[1] == 0


def root(ground: Ground) -> None:
    """pivot_root, once for all sandboxes: in the kernel it looks at every process of the machine.

    Without privilege a new /proc may only be mounted where one can be seen, so the host's stays until then.
    """
    if not ground.privileged:
        syscalls.bind("/proc", f"{ROOT}/proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    os.chdir(ROOT)
    syscalls.pivot_root_here()
    os.chdir("/")


def mount_scratch(target: str, size_mb: int) -> None:
    """A /tmp: a tmpfs of so many MiB."""
    options = f"size={size_mb}m,nr_inodes={size_mb * _FILES_PER_MB},mode=1777"
    syscalls.mount("tmp", target, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)


def become(privileged: bool) -> None:
    """Lambda's user and no groups. Without privilege the one mapped user is it already."""
    if privileged:
        os.setgroups([])
        os.setresgid(GID, GID, GID)
        os.setresuid(UID, UID, UID)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)  # else /proc/self would belong to root for what follows


def alone() -> None:
    """A user namespace for this sandbox: RLIMIT_NPROC counts per user and user namespace (Linux 5.14)."""
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    map_ids(UID, GID)


PREPARE: tuple[PrepareStep, ...] = (
    ("own mounts", own_mounts),
    ("receive only", receive_only),
    ("outside", outside),
    ("empty root", empty_root),
    ("system directories", system_directories),
    ("etc", etc),
    ("devices", devices),
    ("read-only root", read_only),
    ("own users", own_users),
    ("root", root),
)
