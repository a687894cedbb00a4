"""The Linux system calls that Python has no function for: ctypes over libc, numbers per machine, errors as OSError.

Only thin wrappers and kernel constants live here. This module is imported by the fork server, whose start-up time and
memory every sandbox pays for, so nothing in the fork server's modules imports `typing`, `enum` (hence not `signal` or
`socket`), `json` or `dataclasses`: that is 13 ms of 29 and a quarter of its memory.

Numbers: the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (arm64).
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MACHINE = os.uname().machine

_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {
        "capset": 126, "clone": 56, "clone3": 435, "close_range": 436, "keyctl": 250, "mount_setattr": 442,
        "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "move_mount": 429, "open_tree": 428, "pivot_root": 155, "seccomp": 317, "setns": 308, "signalfd4": 289,
        "unshare": 272,
    },
    "aarch64": {
        "capset": 91, "clone": 220, "clone3": 435, "close_range": 436, "keyctl": 219, "mount_setattr": 442,
        "landlock_add_rule": 445, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
        "move_mount": 429, "open_tree": 428, "pivot_root": 41, "seccomp": 277, "setns": 268, "signalfd4": 74,
        "unshare": 97,
    },
}  # fmt: skip

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000
_CLONE_PIDFD = 0x1000
_CLONE_INTO_CGROUP = 0x2_0000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE, MS_SLAVE = 0x1000, 0x2000, 0x4000, 0x4_0000, 0x8_0000
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE, _AT_EMPTY_PATH = -100, 0x8000, 0x1000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC, _MOVE_MOUNT_F_EMPTY_PATH = 1, 0o2000000, 4
_SFD_NONBLOCK_CLOEXEC = 0o2004000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_PR_CAP_AMBIENT, _RAISE = 47, 2
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SECCOMP_SET_MODE_FILTER = 1
_CLOSE_RANGE_CLOEXEC = 4
_CAPABILITY_VERSION_3 = 0x2008_0522
_SIG_SETMASK = 2
_LANDLOCK_VERSION, _LANDLOCK_PATH_BENEATH, _LANDLOCK_NET_PORT = 1, 1, 2

SIGINT, SIGKILL, SIGPIPE, SIGCHLD, SIGCONT, SIGSTOP, SIGXFSZ = 2, 9, 13, 17, 18, 19, 25

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
_libc.signal.restype = ctypes.c_void_p


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def supported() -> bool:
    """Whether this machine's system call numbers are known here."""
    return MACHINE in _NUMBERS


def _call(name: str, *arguments: int | bytes | object) -> int:
    number = _NUMBERS[MACHINE][name]
    wrapped = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    result = int(_syscall(ctypes.c_long(number), *wrapped))
    if result < 0:
        _raise(name)
    return result


def _raise(what: str) -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), what)


def _path(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def clone(flags: int) -> tuple[int, int]:
    """fork with new namespaces: (0, -1) in the child, (pid, pidfd) in the caller.

    None of Python's at-fork hooks run: only for a process with one thread, and a child with one.
    """
    pidfd = ctypes.c_int(-1)
    pid = _call("clone", flags | _CLONE_PIDFD | SIGCHLD, 0, ctypes.byref(pidfd), 0, 0)
    return (pid, pidfd.value) if pid else (0, -1)


def clone_into(flags: int, group: int) -> tuple[int, int]:
    """As `clone`, the child born in the control group (version 2) of this directory descriptor: moving it there later
    takes a lock that waits for every CPU. Raises OSError, ENOSYS too (Linux before 5.7, and most containers)."""
    pidfd = ctypes.c_int(-1)
    arguments = (ctypes.c_uint64 * 11)(
        flags | _CLONE_PIDFD | _CLONE_INTO_CGROUP, ctypes.addressof(pidfd), 0, 0, SIGCHLD, 0, 0, 0, 0, 0, group
    )
    pid = _call("clone3", ctypes.byref(arguments), ctypes.sizeof(arguments))
    return (pid, pidfd.value) if pid else (0, -1)


def unshare(flags: int) -> None:
    _call("unshare", flags)


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    done = _libc.mount(_path(source), _path(target), _path(kind), ctypes.c_ulong(flags), _path(data))
    if done != 0:
        _raise(f"mount {target}")


def set_mount(target: str, flags: int) -> None:
    """Add MS_RDONLY, MS_NOSUID, MS_NODEV or MS_NOEXEC to a mount and all beneath it, and make them private.

    mount_setattr (Linux 5.12) is the one call that reaches sub-mounts too and leaves locked flags as they are.
    """
    attributes = _MountAttr(flags, 0, MS_PRIVATE, 0)
    _call("mount_setattr", _AT_FDCWD, _path(target), _AT_RECURSIVE, ctypes.byref(attributes), ctypes.sizeof(attributes))


def bind(source: str, target: str, flags: int) -> None:
    """Show `source` (with its sub-mounts) at `target`, private, with `flags` added."""
    mount(source, target, None, MS_BIND | MS_REC)
    set_mount(target, flags)


def pivot_root_here() -> None:
    """Make the working directory the root and detach the old one, which is stacked under it for an instant."""
    _call("pivot_root", b".", b".")
    if _libc.umount2(b".", _MNT_DETACH) != 0:
        _raise("umount2 of the old root")


def sethostname(name: str) -> None:
    encoded = name.encode()
    if _libc.sethostname(encoded, len(encoded)) != 0:
        _raise("sethostname")


def prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        _raise("prctl")


def default_signals() -> None:
    """Undo what Python ignores (SIGPIPE, SIGXFSZ) and what our starter did (a script's background job has SIGINT and
    SIGQUIT ignored), and unblock everything: all of it would survive exec."""
    for number in range(1, 32):
        _libc.signal(number, None)  # refused for SIGKILL and SIGSTOP, which nobody ignores
    _libc.sigprocmask(_SIG_SETMASK, bytes(128), None)


def children_signal() -> int:
    """A descriptor that becomes readable when a child has ended; SIGCHLD is blocked for it. SIGINT gets its default
    back, which the kernel never delivers to the first process of a pid namespace."""
    _libc.signal(SIGINT, None)
    mask = (1 << (SIGCHLD - 1)).to_bytes(128, "little")
    _libc.sigprocmask(_SIG_SETMASK, mask, None)
    return _call("signalfd4", -1, mask, 8, _SFD_NONBLOCK_CLOEXEC)


def setns(descriptor: int, kind: int) -> None:
    """Enter a namespace. A mount namespace also takes the root and working directory along."""
    _call("setns", descriptor, kind)


def detach(target: str) -> None:
    """Unmount, at once for whoever looks from here; it vanishes when nobody uses it any more."""
    if _libc.umount2(_path(target), _MNT_DETACH) != 0:
        _raise(f"umount2 {target}")


def copy_of_mount(path: str) -> int:
    """A descriptor of a detached copy of what is at `path`, mounts beneath it too: same contents, attached nowhere."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    return _call("open_tree", _AT_FDCWD, _path(path), flags)


def set_copy(descriptor: int, flags: int) -> None:
    """As `set_mount`, for a detached copy."""
    attributes = _MountAttr(flags, 0, MS_PRIVATE, 0)
    size = ctypes.sizeof(attributes)
    _call("mount_setattr", descriptor, b"", _AT_RECURSIVE | _AT_EMPTY_PATH, ctypes.byref(attributes), size)


def attach(descriptor: int, target: str) -> None:
    """Attach a detached mount at `target`."""
    _call("move_mount", descriptor, b"", _AT_FDCWD, _path(target), _MOVE_MOUNT_F_EMPTY_PATH)


def rename(title: str) -> None:
    """Write over our command line, which names the host's directories and is shown inside by every init's /proc."""
    descriptor = os.open("/proc/self/stat", os.O_RDONLY | os.O_CLOEXEC)
    fields = os.read(descriptor, 4096).rpartition(b")")[2].split()
    os.close(descriptor)
    start, end = int(fields[45]), int(fields[46])
    if end - start > len(title):
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, title.encode(), len(title))


def drop_capabilities() -> None:
    """Empty the effective, permitted and inheritable sets."""
    header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
    _call("capset", header, bytes(24))


def keep_capabilities(*kept: int) -> None:
    """These and no others, also through exec, whoever the user is."""
    mask = sum(1 << number for number in kept)
    header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
    _call("capset", header, struct.pack("=6I", mask, mask, mask, 0, 0, 0))
    zero = ctypes.c_ulong(0)
    for number in kept:
        if _libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_RAISE), ctypes.c_ulong(number), zero, zero) != 0:
            _raise("prctl")


def install_filter(program: bytes) -> None:
    """Install a seccomp filter (`fnroll.sandbox.seccomp.program`) on this process and all it will start."""
    code = ctypes.create_string_buffer(program, len(program))
    pointer = ctypes.addressof(code).to_bytes(8, "little")
    _call("seccomp", _SECCOMP_SET_MODE_FILTER, 0, (len(program) // 8).to_bytes(8, "little") + pointer)


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor from 3 on, except these."""
    first = 3
    for descriptor in sorted(kept):
        if descriptor > first:
            _call("close_range", first, descriptor - 1, 0)
        first = max(first, descriptor + 1)
    _call("close_range", first, 0xFFFF_FFFF, 0)


def close_on_exec_from(first: int) -> None:
    _call("close_range", first, 0xFFFF_FFFF, _CLOSE_RANGE_CLOEXEC)


def new_session_keyring() -> None:
    """Leave the user's session keyring. Best effort: where keyctl is refused, keys cannot be read either."""
    try:
        _call("keyctl", _KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
    except OSError:
        pass


def landlock_abi() -> int:
    """What this kernel's Landlock can do, as a number from 1. Raises OSError: ENOSYS where it is not built in,
    EOPNOTSUPP where it is not switched on."""
    return _call("landlock_create_ruleset", None, 0, _LANDLOCK_VERSION)


def landlock_ruleset(handled: Sequence[int]) -> int:
    """A descriptor of a ruleset that refuses `handled` (rights on files; from ABI 4 on ports; from 6 scopes), closed on
    exec."""
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    return _call("landlock_create_ruleset", attributes, len(attributes), 0)


def landlock_allow_beneath(ruleset: int, directory: int, rights: int) -> None:
    """Except on this directory or file, given by a descriptor, and all beneath it."""
    _call("landlock_add_rule", ruleset, _LANDLOCK_PATH_BENEATH, struct.pack("=Qi", rights, directory), 0)


def landlock_allow_port(ruleset: int, port: int, rights: int) -> None:
    _call("landlock_add_rule", ruleset, _LANDLOCK_NET_PORT, struct.pack("=QQ", rights, port), 0)


def landlock_restrict(ruleset: int) -> None:
    """From here on, for this process and all it will start. It must have given up new privileges."""
    _call("landlock_restrict_self", ruleset, 0)
