"""The way into a `landlock` sandbox: a process of the host's, shut off by rules that it cannot lift again.

Where there are no namespaces, nothing can be hidden or renamed; but a process may give up rights. Landlock shuts the
files and the TCP ports, a stricter system call filter what Landlock does not see (seccomp.py), and root becomes
Lambda's user. What is left open is named in missing.py. Tables first; the steps are in supervise.py's order.

Rights by version of the kernel's Landlock: its include/uapi/linux/landlock.h. Imported by the fork server: see
syscalls.py for what such a module may import.
"""

# pathlib would double the fork server's start-up time.
# ruff: noqa: PTH208

from __future__ import annotations

import errno
import os
import stat

from fnroll.sandbox import rootfs, seccomp, steps, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fnroll.sandbox.channel import Job
    from fnroll.sandbox.steps import Entry

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_FIRST_RIGHTS = (1 << 13) - 1
_LATER_RIGHTS = ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_CONNECT_TCP = 1 << 1
_SCOPES = 1 | 1 << 1  # abstract unix sockets, signals

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
USE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV

ETC = ("hosts", "nsswitch.conf")
"""Of the host's own files in /etc, beside the tables of rootfs.py: no accounts, no settings."""

ETC_OF_NETWORK = ("resolv.conf", "gai.conf")


class Prepared:
    """What the fork server found out: the version of Landlock, whether a program can be Lambda's user, and a filter
    for each kind of network (network="host" or not)."""

    __slots__ = ("abi", "filters", "own_user")

    def __init__(self, abi: int, own_user: bool, filters: dict[bool, bytes]) -> None:
        self.abi = abi
        self.own_user = own_user
        self.filters = filters


_prepared: Prepared
"""Set once, by the fork server, before it forks."""


def handled(abi: int) -> int:
    """Every right on files that this version knows: what is not allowed by a rule is refused."""
    return _FIRST_RIGHTS | sum(right for since, right in _LATER_RIGHTS if since <= abi)


def refused(abi: int, network: str) -> tuple[int, ...]:
    """What is shut: files; ports but for network "host", from version 4; signals and abstract sockets, from 6."""
    files = (handled(abi),)
    ports = (_CONNECT_TCP if network != "host" else 0,) if abi >= 4 else ()
    return (*files, *ports, *((_SCOPES,) if abi >= 6 else ()))


def shown(job: Job, etc: list[str]) -> Iterator[tuple[str, int, bool]]:
    """(path, rights, whether it must be there) of all that a program may open; `etc` is what /etc holds."""
    for name in rootfs.SYSTEM:
        yield f"/{name}", RUN, False
    names = (*ETC, *rootfs.ETC_COPIED, *rootfs.ETC_SHOWN, *(ETC_OF_NETWORK if job.network == "host" else ()))
    for name in (*names, *(name for name in etc if name.startswith(rootfs.ETC_SHOWN_PREFIXES))):
        yield f"/etc/{name}", READ, False
    yield "/proc", READ, False
    for name in rootfs.DEVICES:
        yield f"/dev/{name}", USE, False
    for path in job.shown():
        yield path, RUN, True
    yield job.writable, ~(MAKE_CHAR | MAKE_BLOCK), True


def allowed(rights: int, abi: int, directory: bool) -> int:
    """The rights that a rule may name: those that are handled, and on a file those that a file has."""
    return rights & handled(abi) & (-1 if directory else _OF_FILES)


# in the fork server


def prepare() -> tuple[int, int]:
    """The version, and 1 where a program can be Lambda's user. Raises OSError where Landlock cannot be had."""
    global _prepared
    syscalls.new_session_keyring()
    abi = syscalls.landlock_abi()
    filters = {anywhere: seccomp.shared_program(syscalls.MACHINE, abi, anywhere) for anywhere in (True, False)}
    _prepared = Prepared(abi, _can_become(), filters)
    return _prepared.abi, int(_prepared.own_user)


def _can_become() -> bool:
    """Root of a container may have no other user; only trying tells."""
    if os.geteuid() != 0:
        return False
    pid = os.fork()
    if pid == 0:
        try:
            rootfs.become(True)
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


# steps


def identity(_: Entry) -> None:
    if _prepared.own_user:
        rootfs.become(True)


def capabilities(_: Entry) -> None:
    syscalls.drop_capabilities()


def reach(entry: Entry) -> None:
    """Namespaces show code wherever it lies; here its directory and all above it must let the program's user in."""
    for path in (*entry.job.shown(), entry.job.writable):
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except PermissionError:
            text = f"user {os.geteuid()} may not enter it: chmod a+rx, on the directories above it too"
            raise OSError(errno.EACCES, text, path) from None


def files_and_ports(entry: Entry) -> None:
    """A rule is about what lies at a path now, not about the path."""
    job, abi = entry.job, _prepared.abi
    ruleset = syscalls.landlock_ruleset(refused(abi, job.network))
    for path, rights, needed in shown(job, os.listdir("/etc")):
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            if needed:
                raise
            continue
        directory = stat.S_ISDIR(os.fstat(place).st_mode)
        syscalls.landlock_allow_beneath(ruleset, place, allowed(rights, abi, directory))
        os.close(place)
    if job.network != "host" and abi >= 4:
        syscalls.landlock_allow_port(ruleset, job.port, _CONNECT_TCP)
    syscalls.landlock_restrict(ruleset)
    os.close(ruleset)


def system_calls(entry: Entry) -> None:
    syscalls.install_filter(_prepared.filters[entry.job.network == "host"])


STEPS: tuple[steps.Step, ...] = (
    ("early leash", steps.leash),
    ("limits", steps.limits),
    ("streams", steps.streams),
    ("session", steps.session),
    ("identity", identity),
    ("capabilities", capabilities),
    ("leash", steps.leash),
    ("reach", reach),
    ("no new privileges", steps.no_new_privileges),
    ("files and ports", files_and_ports),
    ("descriptors", steps.descriptors),
    ("working directory", steps.working_directory),
    ("system calls", system_calls),
    ("exec", steps.execute),
)
