"""Ways out of a sandbox, each tried from inside and each shut: what the probe met, judged."""

from __future__ import annotations

import functools
import os
import platform

import pytest

import sandbox_support
from fnroll.sandbox import seccomp

SITES = [(tier, who) for tier in ("linux", "landlock") for who in sandbox_support.WHO]
X86 = platform.machine() == "x86_64"

READ_ONLY = {"EROFS"}
ABSENT = {"ENOENT"}
DENIED = {"EPERM", "EACCES"}
NOWHERE = DENIED | ABSENT
CLOSED = {"ECONNREFUSED"}
NO_FAMILY = {"EAFNOSUPPORT"}
UNSEEN = {"ESRCH"}
PASSED = {"done"}
EPERM = {"EPERM"}

Judged = dict[str, tuple[set[str] | None, set[str] | None]]


def all_of(names: str, linux: set[str] | None, landlock: set[str] | None, form: str = "{}") -> Judged:
    """The same verdict on many, in each tier; None: not tried there."""
    return {form.format(name): (linux, landlock) for name in names.split()}


REFUSED: Judged = {
    **all_of("task layers / /usr /usr/bin /etc /dev /dev/shm /run /sys /var", READ_ONLY, NOWHERE, "write in {}"),
    **all_of("/proc /proc/self", NOWHERE, NOWHERE, "write in {}"),
    **all_of("change chmod touch unlink truncate", READ_ONLY | DENIED, DENIED, "{} code"),
    "append to code": (READ_ONLY | DENIED, DENIED),
    "truncate code by reading": (READ_ONLY, DENIED),
    "attribute of code": (READ_ONLY, DENIED),
    "move code": ({"EXDEV"}, DENIED | {"EXDEV"}),
    "link code": ({"EXDEV"}, DENIED | {"EXDEV"}),
    "chmod /dev/null": (READ_ONLY, DENIED),
    "write own program": (READ_ONLY | DENIED | {"ETXTBSY"}, DENIED | {"ETXTBSY"}),
    "mknod": (DENIED, DENIED),
    "read secret": (ABSENT, DENIED),
    "read secret by link": (ABSENT, DENIED),
    "read secret by ..": (ABSENT, DENIED),
    "read secret by own root": (ABSENT, DENIED),
    "read secret by pid 1": (DENIED, DENIED),
    "read secret by parent": (DENIED, DENIED),
    "stat secret": (ABSENT, PASSED),  # names are not shut
    **all_of(
        "/root /home /etc/shadow /etc/ssh /etc/ssl/private /etc/machine-id /var/lib /var/log /var/run /sys/kernel "
        "/sys/fs/cgroup /boot /mnt /srv /dev/mem /dev/kmsg /dev/kvm /dev/tty /dev/ptmx /dev/pts /dev/console "
        "/dev/net/tun /dev/vda /dev/fuse",
        ABSENT, NOWHERE, "read {}",
    ),
    **all_of("/proc/kcore /proc/kmsg", NOWHERE, NOWHERE, "read {}"),
    **all_of(
        "mem environ maps auxv io fd map_files root/ cwd/ exe ns/mnt task/1/mem pagemap", DENIED, DENIED,
        "read /proc/1/{}",
    ),
    **all_of("mem environ maps cwd/ root/ ns/net", DENIED, DENIED, "parent's {}"),
    "parent's fd": (DENIED, DENIED | PASSED),  # the caller may see the numbers
    "move /tmp": (READ_ONLY | {"EBUSY"}, None),
    "remove /tmp": (READ_ONLY | {"EBUSY"}, None),
    "own memory: shared code": ({"EIO"}, DENIED),
    "own memory: private code": (PASSED | {"EIO"}, DENIED),  # a copy
    "type into stdin": ({"ENOTTY"}, {"ENOTTY"}),
    "type into stdout": ({"ENOTTY"}, {"ENOTTY"}),
    "signal another": (UNSEEN, DENIED),
    "signal another by pidfd": (UNSEEN, DENIED),
    "signal all": (UNSEEN, PASSED),  # which kill says though it may signal none of them; see sandbox_attacks.py
    **all_of("limit priority affinity", UNSEEN, DENIED, "{} of another"),
    "priority of all": (None, DENIED),
    "setuid 0": (DENIED | {"EINVAL"}, DENIED),
    "lock memory": ({"ENOMEM"}, {"ENOMEM"}),
    **all_of("setgroups nice", DENIED, DENIED),
    "real time": (DENIED, DENIED),
    "write /proc/sysrq-trigger": (NOWHERE, NOWHERE),
    **all_of("/proc/self/oom_score_adj /proc/self/uid_map", DENIED, DENIED, "write {}"),
    **all_of("oom_score_adj mem clear_refs timerslack_ns", DENIED, DENIED, "write /proc/1/{}"),
    "call clone3": ({"ENOSYS"}, {"ENOSYS"}),
    **all_of("user mnt pid net ipc uts cgroup", EPERM, EPERM, "call unshare {}"),
    **all_of("user mnt pid net ipc uts cgroup", EPERM, EPERM, "call clone {}"),
    "call setns into pid 1": (EPERM, EPERM),
    "call ptrace attach to pid 1": (EPERM, EPERM),
    "call process_vm_readv of pid 1": (EPERM, EPERM),
    "call perf_event_open of all": (EPERM, EPERM),
    **all_of(" ".join(name for name, pair in seccomp.DENIED.items() if pair[not X86]), EPERM, EPERM, "call {}"),
    "call shmget of the neighbour": (ABSENT, EPERM),
    "call mq_open of the neighbour": (ABSENT | {"ENOSYS"}, EPERM),
    "make shared memory": (PASSED, EPERM),
    "raw socket": (DENIED, DENIED),
    **all_of("packet alg", NO_FAMILY, NO_FAMILY, "{} socket"),
    "vsock": (NO_FAMILY, NO_FAMILY),
    "host port": (CLOSED, DENIED),
    "host port at the API's address": (CLOSED, DENIED),
    "host port by fast open": (CLOSED | {"ENOTSUP"}, {"ENOTSUP"}),
    "host port by mptcp": (CLOSED | {"EPROTONOSUPPORT"}, {"EPROTONOSUPPORT"}),
    "host port by udp": (PASSED, DENIED),  # sent into the sandbox's own network
    "host's unix socket": (ABSENT, NO_FAMILY),
    "host's unix socket by a pair": (ABSENT, DENIED),
    "host's abstract socket": (CLOSED, NO_FAMILY),
    "metadata": ({"ENETUNREACH"}, DENIED),
    "outside": ({"ENETUNREACH"}, DENIED),
    "netlink change": (DENIED, DENIED),
    **all_of("mem environ maps cwd/ root/", ABSENT, DENIED, "neighbour's {}"),
    "neighbour's fd": (ABSENT, DENIED | PASSED),
    "signal neighbour": (UNSEEN, DENIED),
    "neighbour's code": (ABSENT, DENIED),
    "neighbour's /tmp": (ABSENT, DENIED),
    "write neighbour's /tmp": (ABSENT, DENIED),
    "neighbour's PEER_API": (None, DENIED),
    "neighbour's PEER_PORT": (CLOSED, DENIED),
    "neighbour's abstract socket": (CLOSED, NO_FAMILY),
}  # fmt: skip

OF_THE_CALLER = {"chmod code", "touch code", "attribute of code"}
"""What Landlock does not shut; see missing.py."""

FOUND: dict[str, object] = {
    "write /tmp": "done",
    "code afterwards": "code",
    "neighbour's file": True,
    "opened of pid 1's descriptors": [],
    "opened of parent's descriptors": [],
    "opened of host's descriptors": [],
    "descriptors": ["0", "1", "2"],
    "descriptor 0": "device",
    "descriptor 1": "pipe",
    "descriptor 2": "pipe",
    "reopen stdin": "done",
    "reopened stdin is": True,
    "raise limit of files": "refused",
    "raise limit of memory": "refused",
    "CapInh": 0,
    "CapPrm": 0,
    "CapEff": 0,
    "CapAmb": 0,
    "NoNewPrivs": "1",
    "Seccomp": "2",
    "session": [True, True],
    "setuid program": True,
    "make a setuid program": "done",
    "own setuid program": True,
    "writable settings": [],
    "writable in /proc": [],
    "kernel addresses": False,
    "arrived at the host": [],
    "neighbour of the bomb": "fine\n",
}

FOUND_OF_NAMESPACES: dict[str, object] = {
    "top": ["bin", "dev", "etc", "lib", "opt", "proc", "run", "sbin", "sys", "tmp", "usr", "var"],
    "accounts": ["root", "sbx_user1051"],
    "mounts": [
        "/",
        "/dev/full",
        "/dev/null",
        "/dev/random",
        "/dev/urandom",
        "/dev/zero",
        "/opt",
        "/proc",
        "/tmp",
        "/usr",
        "/var/task",
    ],
    "pids": ["1", "2"],
    "init's command line": "fn-sandbox",
    "groups": ["/"],
    "host name": "sandbox",
    "interfaces": ["lo"],
    "fill /tmp": ["ENOSPC", True],
    "many files": ["ENOSPC", True],
    "many hard links": ["ENOSPC", True],
    "many links": ["ENOSPC", True],
    "many attributes": [True, True],
    "many directories": ["ENOSPC", True],
    "many descriptors": ["EMFILE", True],
    "descriptors under way": [True, True],
    "fork bomb": ["EAGAIN", 1023],
}

OF_X86 = {"x32 call": {-31}, "int 0x80": {-31, -11}}  # SIGSYS; SIGSEGV where the kernel has no such door

OTHERWISE = {"host name", "interfaces", "ids", "environment", "init's state"}
"""What is judged by tests of their own, or belongs to the host."""


@functools.cache
def met(tier: str, who: str) -> dict[str, object]:
    if reason := sandbox_support.why_not(tier, who):
        pytest.skip(reason)
    return sandbox_support.escape(tier, who)


def verdict(tier: str, name: str) -> set[str]:
    """What an attempt may meet; nothing if it is not made there."""
    return REFUSED[name][tier == "landlock"] or set()


@pytest.mark.parametrize(("tier", "who"), SITES)
@pytest.mark.parametrize("name", REFUSED)
def test_refused(tier: str, who: str, name: str) -> None:
    allowed = verdict(tier, name)
    if not allowed:
        assert name not in met(tier, who)
    elif (tier, who) == ("landlock", "user") and name in OF_THE_CALLER:
        assert met(tier, who)[name] == "done"
    else:
        assert met(tier, who)[name] in allowed


@pytest.mark.parametrize(("tier", "who"), SITES)
@pytest.mark.parametrize("name", FOUND)
def test_found(tier: str, who: str, name: str) -> None:
    assert met(tier, who)[name] == FOUND[name]


@pytest.mark.parametrize("who", sandbox_support.WHO)
@pytest.mark.parametrize("name", FOUND_OF_NAMESPACES)
def test_found_in_name_spaces(who: str, name: str) -> None:
    found = met("linux", who)[name]
    if name == "top":  # hosts differ in their lib32, lib64 and libx32
        assert isinstance(found, list)
        found = [entry for entry in found if entry not in ("lib32", "lib64", "libx32")]
    if name == "mounts":  # hosts differ in what they have below /etc and in unmerged system directories
        assert isinstance(found, list)
        found = [path for path in found if not path.startswith(("/etc/", "/bin", "/sbin", "/lib", "/usr/"))]
    assert found == FOUND_OF_NAMESPACES[name]


@pytest.mark.parametrize(("tier", "who"), SITES)
def test_who_it_is(tier: str, who: str) -> None:
    caller = (sandbox_support.USER,) * 2 if os.geteuid() == 0 else (os.getuid(), os.getgid())
    user = caller if (tier, who) == ("landlock", "user") else (993, 990)
    uid, euid, gid, egid, groups = met(tier, who)["ids"]  # type: ignore[misc]
    assert ((uid, gid), (euid, egid)) == (user, user)
    assert groups == [] or who == "user"


@pytest.mark.parametrize(("tier", "who"), SITES)
def test_its_environment_is_what_it_was_given(tier: str, who: str) -> None:
    names = (
        "ABSTRACT API DATAGRAM_PATH HOST_PID HOST_PORT KEY OPT PEER_API PEER_NAME PEER_PID PEER_PORT PEER_TASK "
        "PEER_TMP SECRET TASK TIER TMP TMP_MB UDP_PORT UNIX_PATH"
    )
    assert met(tier, who)["environment"] == names.split()


@pytest.mark.parametrize("who", sandbox_support.WHO)
def test_no_signal_from_inside_stops_the_init(who: str) -> None:
    assert met("linux", who)["init's state"] in ("R", "S")


@pytest.mark.parametrize(("tier", "who"), SITES)
def test_every_finding_is_judged(tier: str, who: str) -> None:
    known = {*FOUND, *OTHERWISE, *OF_X86, *(FOUND_OF_NAMESPACES if tier == "linux" else ())}
    tried = {name for name in REFUSED if verdict(tier, name)}
    assert set(met(tier, who)) - known == tried


@pytest.mark.parametrize(("tier", "who"), SITES)
@pytest.mark.parametrize("name", OF_X86)
@pytest.mark.skipif(not X86, reason="x86_64 alone has calls of other machines")
def test_foreign_calls_kill(tier: str, who: str, name: str) -> None:
    assert met(tier, who)[name] in OF_X86[name]
