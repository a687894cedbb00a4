"""Runs inside a sandbox and tries to get out of it: what it met, as one line of JSON, name -> finding.

A finding is the name of an errno, "done" where an attempt went through, or a value. Knows nothing of fnroll; the
standard library alone. sandbox_escape.py sets the traps and starts it; the environment says where they are. Here: files
and processes; the system's calls and the network are in sandbox_probe_calls.py, what can be used up in _limits.py.
"""

# ruff: noqa: PTH100, PTH101, PTH104, PTH106, PTH108, PTH113, PTH116, PTH118, PTH120, PTH123, PTH208
# ruff: noqa: B023, PLW1510, SIM115

import contextlib
import fcntl
import json
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sandbox_probe_calls import calls, neighbour, network, shared_memory
from sandbox_probe_limits import exhaustion, filling, sight
from sandbox_probe_tools import (
    attempt,
    checked,
    ctypes,
    found,
    given,
    libc,
    linux,
    opens,
    opt,
    read,
    secret,
    task,
    text,
    tmp,
    write,
)


def files():
    system = ("/", "/usr", "/usr/bin", "/etc", "/dev", "/dev/shm", "/run", "/sys", "/var", "/proc", "/proc/self")
    places = {"task": task, "layers": opt} | {path: path for path in system}
    for name, path in places.items():
        attempt(f"write in {name}", lambda: write(f"{path}/x"))
    code = f"{task}/code"
    attempt("change code", lambda: write(code))
    attempt("append to code", lambda: write(code, flags=os.O_WRONLY | os.O_APPEND))
    attempt("truncate code", lambda: os.truncate(code, 0))
    attempt("truncate code by reading", lambda: os.close(os.open(code, os.O_RDONLY | os.O_TRUNC)))
    attempt("chmod code", lambda: os.chmod(code, 0o777))
    attempt("touch code", lambda: os.utime(code, (0, 0)))
    attempt("attribute of code", lambda: os.setxattr(code, "user.x", b"x"))
    attempt("unlink code", lambda: os.unlink(code))
    attempt("move code", lambda: os.rename(code, f"{tmp}/code"))
    attempt("link code", lambda: os.link(code, f"{tmp}/code"))
    attempt("chmod /dev/null", lambda: os.chmod("/dev/null", 0o600))
    attempt("write /tmp", lambda: write(f"{tmp}/x"))
    attempt("write own program", lambda: write("/proc/self/exe", flags=os.O_WRONLY))
    attempt("mknod", lambda: os.mknod(f"{tmp}/disk", 0o60666, os.makedev(254, 0)))
    for name, path in {
        "": secret,
        " by link": f"{task}/link",
        " by ..": f"{task}/../../../../../.." + secret,
        " by own root": "/proc/self/root/../../.." + secret,
        " by pid 1": "/proc/1/root" + secret,
        " by parent": f"/proc/{os.getppid()}/root" + secret,
    }.items():
        attempt("read secret" + name, lambda: read(path))
    attempt("stat secret", lambda: os.stat(secret) and None)
    for path in (
        "/root", "/home", "/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/etc/machine-id", "/var/lib", "/var/log",
        "/var/run", "/sys/kernel", "/sys/fs/cgroup", "/boot", "/mnt", "/srv", "/dev/mem", "/dev/kmsg", "/dev/kvm",
        "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/console", "/dev/net/tun", "/dev/vda", "/dev/fuse",
        "/proc/kcore", "/proc/kmsg", "/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/auxv", "/proc/1/io",
        "/proc/1/fd", "/proc/1/map_files", "/proc/1/root/", "/proc/1/cwd/", "/proc/1/exe", "/proc/1/ns/mnt",
        "/proc/1/task/1/mem", "/proc/1/pagemap",
    ):  # fmt: skip
        attempt(f"read {path}", lambda: read(path))
    for name in ("mem", "environ", "maps", "fd", "cwd/", "root/", "ns/net"):
        attempt(f"parent's {name}", lambda: read(f"/proc/{os.getppid()}/{name}"))
    for name, pid in (("pid 1's", 1), ("parent's", os.getppid()), ("host's", given["HOST_PID"])):
        found[f"opened of {name} descriptors"] = opened_of(pid)
    if linux:
        attempt("move /tmp", lambda: os.rename("/tmp", "/tmp2"))
        attempt("remove /tmp", lambda: os.rmdir("/tmp"))


def opened_of(pid):
    """Another process's descriptors that can be had by /proc. To see their numbers is another matter."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
    return [name for name in names if opens(f"/proc/{pid}/fd/{name}", os.O_RDONLY | os.O_NONBLOCK)]


def memory_file():
    """Through /proc/self/mem, which writes where the page tables say no."""
    with open(f"{task}/code", "rb") as file:
        for name, flags in (("shared", mmap.MAP_SHARED), ("private", mmap.MAP_PRIVATE)):
            area = mmap.mmap(file.fileno(), 4, flags, mmap.PROT_READ)
            # Python gives no address of a read-only map: it is the mapping of `code` in our own table.
            lines = [line for line in text("/proc/self/maps").splitlines() if line.endswith("/code")]
            at = int(lines[0].split("-")[0], 16)

            def through(at=at):
                descriptor = os.open("/proc/self/mem", os.O_RDWR)
                try:
                    os.pwrite(descriptor, b"evil", at)
                finally:
                    os.close(descriptor)

            attempt(f"own memory: {name} code", through)
            area.close()
    found["code afterwards"] = text(f"{task}/code")


def descriptors():
    found["descriptors"] = sorted(os.listdir("/proc/self/fd"))[:-1]
    for number in (0, 1, 2):
        kind = os.fstat(number).st_mode >> 12
        found[f"descriptor {number}"] = {2: "device", 1: "pipe"}.get(kind, str(kind))
    attempt("reopen stdin", lambda: os.close(os.open("/dev/fd/0", os.O_RDWR)))
    found["reopened stdin is"] = os.stat("/dev/fd/0").st_rdev == os.makedev(1, 3)
    attempt("type into stdin", lambda: fcntl.ioctl(0, 0x5412, b"x") and None)
    attempt("type into stdout", lambda: fcntl.ioctl(1, 0x5412, b"x") and None)


def processes():
    attempt("signal another", lambda: os.kill(int(given["HOST_PID"]), 0))
    attempt("signal all", lambda: os.kill(-1, 0))

    def by_pidfd():
        signal.pidfd_send_signal(os.pidfd_open(int(given["HOST_PID"])), 0)

    attempt("signal another by pidfd", by_pidfd)
    attempt("limit of another", lambda: resource.prlimit(int(given["HOST_PID"]), resource.RLIMIT_NOFILE) and None)
    attempt("priority of another", lambda: os.setpriority(os.PRIO_PROCESS, int(given["HOST_PID"]), 19))
    if not linux:  # there it means the sandbox's own
        attempt("priority of all", lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19))
    attempt("affinity of another", lambda: os.sched_setaffinity(int(given["HOST_PID"]), {0}))
    attempt("setuid 0", lambda: os.setuid(0))
    attempt("setgroups", lambda: os.setgroups([0]))
    attempt("nice", lambda: os.nice(-5) and None)
    attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
    attempt("lock memory", lambda: checked(libc.mlock(ctypes.create_string_buffer(1 << 20), 1 << 20)))
    for name, limit in (("files", resource.RLIMIT_NOFILE), ("memory", resource.RLIMIT_MEMLOCK)):
        try:
            resource.setrlimit(limit, (1 << 20, 1 << 20))
        except ValueError:
            found[f"raise limit of {name}"] = "refused"
    found["ids"] = [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()]
    status = dict(line.split(":\t") for line in text("/proc/self/status").splitlines() if ":\t" in line)
    for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        found[key] = int(status[key], 16)
    found["NoNewPrivs"], found["Seccomp"] = status["NoNewPrivs"], status["Seccomp"]
    found["session"] = [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()]
    with open("/proc/self/environ", "rb") as file:
        found["environment"] = sorted(item.split(b"=")[0].decode() for item in file.read().split(b"\0") if item)
    done = subprocess.run([f"{task}/setuid-id", "-u"], capture_output=True, text=True)
    found["setuid program"] = done.stdout.strip() == str(os.getuid())
    shutil.copy(f"{task}/setuid-id", f"{tmp}/own-setuid")
    attempt("make a setuid program", lambda: os.chmod(f"{tmp}/own-setuid", 0o6755))
    done = subprocess.run([f"{tmp}/own-setuid", "-u"], capture_output=True, text=True)
    found["own setuid program"] = done.stdout.strip() == str(os.getuid())
    os.unlink(f"{tmp}/own-setuid")


def settings():
    for path, data in (
        ("/proc/sysrq-trigger", b"h"),
        ("/proc/self/oom_score_adj", b"-1"),
        ("/proc/self/uid_map", b"0 993 1"),
        ("/proc/1/oom_score_adj", b"0"),
        ("/proc/1/mem", b"x"),
        ("/proc/1/clear_refs", b"1"),
        ("/proc/1/timerslack_ns", b"1"),
    ):
        attempt(f"write {path}", lambda: write(path, data, os.O_WRONLY))
    writable = []
    for top in ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/acpi", "/proc/fs", "/proc/driver"):
        for folder, _, names in os.walk(top):
            for name in names:
                with contextlib.suppress(OSError):  # what is there already, so that a hole does no harm
                    descriptor = os.open(os.path.join(folder, name), os.O_RDWR)
                    os.write(descriptor, os.read(descriptor, 4096))
                    writable.append(os.path.join(folder, name))
    found["writable settings"] = writable
    found["writable in /proc"] = [
        n for n in os.listdir("/proc") if os.path.isfile(f"/proc/{n}") and opens(f"/proc/{n}")
    ]
    found["kernel addresses"] = False
    with contextlib.suppress(OSError):
        found["kernel addresses"] = any(line.split()[0].strip("0") for line in open("/proc/kallsyms"))


def main():
    sections = [files, memory_file, descriptors, processes, settings, calls, shared_memory, network, neighbour]
    sections += [sight, filling, exhaustion] if linux else []
    for section in sections:
        section()
    print(json.dumps(found), flush=True)
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
