"""Ways out of the linux sandbox, each tried from inside and each shut."""

from __future__ import annotations

import functools
import platform

import pytest

import sandbox_support
from sandbox_escape import TMP_MB

READ_ONLY = {"EROFS"}
ABSENT = {"ENOENT"}
DENIED = {"EPERM", "EACCES"}

REFUSED: dict[str, set[str]] = {
    **{
        f"write {path}": READ_ONLY
        for path in ("/var/task/x", "/opt/x", "/usr/x", "/usr/bin/x", "/etc/x", "/x", "/dev/x", "/dev/shm/x", "/run/x",
                     "/sys/x", "/var/x")
    },
    "write /proc/x": ABSENT | DENIED,
    "change /var/task/code": READ_ONLY | DENIED,
    "chmod /var/task/code": READ_ONLY,
    "unlink /var/task/code": READ_ONLY,
    "chmod /dev/null": READ_ONLY,
    "read secret": ABSENT,
    "read secret by link": ABSENT,
    "read secret by ..": ABSENT,
    "read secret by pid 1": DENIED,
    **{
        f"read {path}": ABSENT
        for path in ("/root", "/home", "/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/var/lib", "/sys/kernel",
                     "/boot", "/mnt", "/srv", "/etc/machine-id")
    },
    "signal another": {"ESRCH"},
    "signal all": {"ESRCH"},
    "setuid 0": DENIED | {"EINVAL"},
    "setgroups": DENIED,
    "mknod": DENIED,
    "nice": DENIED,
    "write /proc/sysrq-trigger": ABSENT | DENIED,
    "write /proc/self/oom_score_adj": DENIED,
    "write /proc/self/uid_map": DENIED,
    "raw socket": DENIED,
    "packet socket": {"EAFNOSUPPORT"},
    "vsock": {"EAFNOSUPPORT"},
    "alg socket": {"EAFNOSUPPORT"},
    "host port at 127.0.0.1": {"ECONNREFUSED"},
    "host port at 169.254.100.1": {"ECONNREFUSED"},
    "metadata": {"ENETUNREACH"},
    "outside": {"ENETUNREACH"},
    "abstract socket": {"ECONNREFUSED"},
    "netlink change": DENIED,
    "call clone3": {"ENOSYS"},
    **{
        f"call {name}": {"EPERM"}
        for name in (
            *(f"{call} {kind}" for call in ("unshare", "clone")
              for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")),
            "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "mount_setattr",
            "open_by_handle_at", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "bpf",
            "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl", "add_key", "request_key", "kexec_load",
            "init_module", "finit_module", "quotactl", "settimeofday", "clock_settime", "sethostname", "reboot",
            "syslog", "swapon", "acct",
        )
    },
}  # fmt: skip

FOUND: dict[str, object] = {
    "write /tmp": "done",
    "top": ["bin", "dev", "etc", "lib", "opt", "proc", "run", "sbin", "sys", "tmp", "usr", "var"],
    "accounts": ["root", "sbx_user1051"],
    "mounts": [
        "/",
        "/dev/full",
        "/dev/null",
        "/dev/random",
        "/dev/urandom",
        "/dev/zero",
        "/proc",
        "/tmp",
        "/usr",
        "/var/task",
    ],
    "pids": ["1", "2"],
    "ids": [993, 993, 990, 990, []],
    "CapInh": 0,
    "CapPrm": 0,
    "CapEff": 0,
    "CapAmb": 0,
    "NoNewPrivs": "1",
    "Seccomp": "2",
    "descriptors": ["0", "1", "2"],
    "host name": "sandbox",
    "interfaces": ["lo"],
    "session": [True, True],
    "setuid program": "993",
    "writable settings": [],
    "fill /tmp": ["ENOSPC", TMP_MB],
    "many files": ["ENOSPC", True],
    "fork bomb": ["EAGAIN", 1023],
    "neighbour of the bomb": "fine\n",
}


@functools.cache
def met(who: str) -> dict[str, object]:
    if reason := sandbox_support.why_not("linux", who):
        pytest.skip(reason)
    return sandbox_support.escape(who)


@pytest.mark.parametrize("who", sandbox_support.WHO)
@pytest.mark.parametrize("name", REFUSED)
def test_refused(who: str, name: str) -> None:
    assert met(who)[name] in REFUSED[name]


@pytest.mark.parametrize("who", sandbox_support.WHO)
@pytest.mark.parametrize("name", FOUND)
def test_found(who: str, name: str) -> None:
    found = met(who)[name]
    if name == "top":  # hosts differ in their lib32, lib64 and libx32
        assert isinstance(found, list)
        found = [entry for entry in found if entry not in ("lib32", "lib64", "libx32")]
    if name == "mounts":  # hosts differ in what they have below /etc and in unmerged system directories
        assert isinstance(found, list)
        found = [path for path in found if not path.startswith(("/etc/", "/bin", "/sbin", "/lib", "/usr/"))]
    assert found == FOUND[name]


@pytest.mark.parametrize("who", sandbox_support.WHO)
def test_every_finding_is_judged(who: str) -> None:
    assert set(met(who)) - {"x32 call"} == {*REFUSED, *FOUND}


@pytest.mark.parametrize("who", sandbox_support.WHO)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 exists on x86_64 alone")
def test_foreign_calls_kill(who: str) -> None:
    assert met(who)["x32 call"] == -31  # SIGSYS
