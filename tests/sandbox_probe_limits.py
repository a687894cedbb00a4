"""The probe of a sandbox with name spaces of its own: what it sees, and what it can use up (sandbox_probe.py)."""

# ruff: noqa: PTH102, PTH108, PTH123, PTH208, PTH211
# ruff: noqa: SIM115

import array
import contextlib
import os
import signal
import socket

from sandbox_probe_tools import found, given, name_of, text, tmp


def sight():
    """What a sandbox of its own name spaces shows."""
    found["top"] = sorted(os.listdir("/"))
    found["accounts"] = [line.split(":")[0] for line in text("/etc/passwd").splitlines()]
    places = (line.split()[1] for line in text("/proc/mounts").splitlines())
    found["mounts"] = sorted(place for place in places if place.count("/") < 3)
    found["pids"] = [name for name in os.listdir("/proc") if name.isdigit()]
    found["init's command line"] = text("/proc/1/cmdline").strip("\0")
    found["groups"] = sorted(
        {line.split(":")[2].strip() for pid in ("1", "self") for line in open(f"/proc/{pid}/cgroup")}
    )
    for number in range(1, 65):
        with contextlib.suppress(OSError):
            os.kill(1, number)
    found["init's state"] = text("/proc/1/stat").rpartition(")")[2].split()[0]


def until_refused(step, most):
    """How often `step` works, and the error that ends it."""
    for count in range(most):
        try:
            step(count)
        except OSError as error:
            return name_of(error.errno), count
    return "no error", most


def filling():
    size = int(given["TMP_MB"])
    for name in os.listdir(tmp):
        os.unlink(f"{tmp}/{name}")
    with open(f"{tmp}/big", "wb", buffering=0) as file:
        code, count = until_refused(lambda _: file.write(bytes(1 << 20)), 64)
    found["fill /tmp"] = [code, count <= size]
    os.unlink(f"{tmp}/big")
    code, count = until_refused(lambda n: os.close(os.open(f"{tmp}/f{n}", os.O_CREAT | os.O_WRONLY)), 100_000)
    found["many files"] = [code, count < 1024]
    for n in range(1, count):
        os.unlink(f"{tmp}/f{n}")
    code, count = until_refused(lambda n: os.link(f"{tmp}/f0", f"{tmp}/l{n}"), 100_000)
    found["many hard links"] = [code, count < 1024]
    for n in range(count):
        os.unlink(f"{tmp}/l{n}")
    code, count = until_refused(lambda n: os.symlink("x" * 4000, f"{tmp}/s{n}"), 100_000)
    found["many links"] = [code, count < 1024]
    for n in range(count):
        os.unlink(f"{tmp}/s{n}")
    code, count = until_refused(lambda n: os.setxattr(f"{tmp}/f0", f"user.{n}", bytes(60_000)), 10_000)
    found["many attributes"] = [code in ("ENOSPC", "EOPNOTSUPP"), count * 60_000 <= size << 20]
    os.unlink(f"{tmp}/f0")

    def deeper(_):
        os.mkdir("d")
        os.chdir("d")

    os.chdir(tmp)
    code, count = until_refused(deeper, 100_000)
    found["many directories"] = [code, count < 1024]


def exhaustion():
    """Last: what cannot be had again is used up here. Descriptors first, since a child needs none."""
    kept = []
    code, count = until_refused(lambda _: kept.append(os.open("/dev/null", os.O_RDONLY)), 3000)
    found["many descriptors"] = [code, count < 1024]
    for descriptor in kept:
        os.close(descriptor)
    one, _ = socket.socketpair()
    one.setblocking(False)
    sent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 250))]
    code, count = until_refused(lambda _: one.sendmsg([b"x"], sent), 3000)
    found["descriptors under way"] = [code in ("EAGAIN", "ETOOMANYREFS"), count * 250 < 4096]

    def fork(_):
        if os.fork() == 0:
            signal.pause()

    found["fork bomb"] = list(until_refused(fork, 3000))
