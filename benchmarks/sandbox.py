"""What a sandbox costs: from asking for it to the program's first instruction, beside a plain fork and exec.

    python benchmarks/sandbox.py [RUNS]

The program is a hand-assembled ELF file of about 200 bytes that writes CLOCK_MONOTONIC and ends, so nothing of a libc
is in the figures. Each row is a run of its own; ratios are to the median of posix_spawn, the floor, in the same run.
Peers (bubblewrap, unshare, runc) are measured where they are installed. "Ready" finds a sandbox that was prepared
ahead, as a function that is invoked now and then does; "back to back" asks again at once, so that preparing is in it.
Then: how many a second, the memory of an idle one, and each step by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "framework"))

from fnroll.errors import SandboxError
from fnroll.sandbox import open_host
from fnroll.sandbox.api import Layout, Network, Program, SandboxSpec, Tier

_CODE = {
    # clock_gettime(CLOCK_MONOTONIC, sp); write(1, sp, 16); exit_group(0)
    "x86_64": (
        62,
        bytes.fromhex("4883ec10b8e4000000bf010000004889e60f05b801000000bf010000004889e6ba100000000f05b8e700000031ff0f05"),
    ),
    "aarch64": (
        183,
        struct.pack(
            "<13I", 0xD10043FF, 0xD2800E28, 0xD2800020, 0x910003E1, 0xD4000001, 0xD2800808, 0xD2800020, 0x910003E1,
            0xD2800202, 0xD4000001, 0xD2800BC8, 0xD2800000, 0xD4000001,
        ),
    ),
}  # fmt: skip

Row = tuple[list[float], list[float]]


def elf(machine: str) -> bytes:
    """A static program of one segment."""
    number, code = _CODE[machine]
    base, start = 0x400000, 64 + 56
    size = start + len(code)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, number, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


def _clock(data: bytes) -> int:
    seconds, nanoseconds = struct.unpack("qq", data)
    return int(seconds * 10**9 + nanoseconds)


def spawned(argv: list[str], runs: int) -> Row:
    """posix_spawn of `argv`, which ends in the probe: (to first instruction, to reaped) in ms."""
    first, whole = [], []
    for _ in range(runs):
        read, write = os.pipe()
        start = time.monotonic_ns()
        pid = os.posix_spawn(argv[0], argv, {}, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
        os.close(write)
        data = os.read(read, 16)
        os.waitpid(pid, 0)
        whole.append((time.monotonic_ns() - start) / 1e6)
        os.close(read)
        first.append((_clock(data) - start) / 1e6)
    return first, whole


async def sandboxed(tier: Tier, task: Path, network: Network, pause: float, runs: int) -> tuple[Row, float]:
    """As `spawned`, through a host that is up, with a pause after each; and how long the host took to open."""
    start = time.monotonic_ns()
    host = await open_host(tier)
    opening = (time.monotonic_ns() - start) / 1e6
    first, whole = [], []

    def program(layout: Layout) -> Program:
        return Program((f"{layout.task}/probe",), {}, layout.task)

    try:
        for _ in range(runs):
            start = time.monotonic_ns()
            sandbox = await host.create(SandboxSpec(program, task, network=network))
            await sandbox.wait()
            data = os.read(sandbox.output, 16)
            await sandbox.close()
            whole.append((time.monotonic_ns() - start) / 1e6)
            first.append((_clock(data) - start) / 1e6)
            await asyncio.sleep(pause)
    finally:
        await host.close()
    return (first, whole), opening


async def rate(task: Path, seconds: float, workers: int) -> float:
    """Sandboxes created, run and closed in a second, by so many who ask at a time."""
    host = await open_host("linux")
    end, done = time.monotonic() + seconds, 0

    async def work() -> None:
        nonlocal done
        while time.monotonic() < end:
            sandbox = await host.create(SandboxSpec(lambda _: Program(("/var/task/probe",), {}, "/"), task))
            await sandbox.close()
            done += 1

    try:
        await asyncio.gather(*(work() for _ in range(workers)))
    finally:
        await host.close()
    return done / seconds


async def idle_memory(task: Path, count: int) -> tuple[float, float]:
    """KiB for each of `count` idle sandboxes whose program sleeps: the kernel's slab and page tables, and the rest."""
    host = await open_host("linux")

    def sleeper(_: Layout) -> Program:
        return Program(("/bin/sleep", "1000"), {}, "/")

    try:
        await asyncio.gather(*(host.create(SandboxSpec(sleeper, task)) for _ in range(20)))
        before = _meminfo()
        plain = [subprocess.Popen(["/bin/sleep", "1000"]) for _ in range(count)]
        between = _meminfo()
        await asyncio.gather(*(host.create(SandboxSpec(sleeper, task)) for _ in range(count)))
        after = _meminfo()
        for process in plain:
            process.kill()
            process.wait()
    finally:
        await host.close()
    spent = [(b - 2 * m + a) / count for a, m, b in zip(before, between, after, strict=True)]
    return spent[0], -spent[1] - spent[0]


def _meminfo() -> tuple[int, int]:
    """(kernel memory, free memory) in KiB."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    found = {line[0]: int(line[1]) for line in lines}
    kernel = ("Slab:", "PageTables:", "KernelStack:", "Percpu:")
    return sum(found[name] for name in kernel), found["MemFree:"]


STEPS = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
import _socket
from fnroll.sandbox import cells, channel, enter, forkserver, rootfs, syscalls
base = forkserver._groups()
ground = rootfs.Ground("", "pids" in base.directories)
for _, step in rootfs.PREPARE: step(ground)
null = os.open("/dev/null", os.O_RDWR)
ours, _ = _socket.socketpair()
server = cells.Server(ours, null, ground, base, os.getpid())
times = {}
clock = time.monotonic_ns
def timed(name, step, *arguments):
    start = clock(); step(*arguments); times.setdefault(name, []).append(clock() - start)
for _ in range(int(sys.argv[3])):
    read, write = os.pipe()
    feed, fed = _socket.socketpair()
    lease = base.make(server._number + 10_000) if base.directories else None
    server._number += 1
    start = clock()
    pid, pidfd, born = server._clone(enter.namespaces(True), lease)
    if pid == 0:
        inside = enter.Inside(feed, ground, lease, True, born)
        found = [("clone", clock() - start)]
        for name, step in enter.AHEAD:
            start = clock(); step(inside); found.append((name, clock() - start))
        os.write(write, repr(found).encode()); os._exit(0)
    os.close(write)
    for name, value in eval(os.read(read, 65536)): times.setdefault("ahead: " + name, []).append(value)
    os.close(read); os.waitpid(pid, 0); os.close(pidfd); feed.close(); fed.close()
    server._make(True)
    (cell,) = server._making
    job = channel.Job(sys.argv[2], "", "none", "", 512, 0, 128)
    server._wanted = 0
    while cell in server._making: server._prepared(cell)
    for name, step in cells.JOB: timed("job: " + name, step, server, cell, job)
    server._kill(cell); server._spare[True].remove(cell); server._reap(cell)
    while lease is not None and not lease.remove(): pass
base.close()
for name, values in times.items():
    values.sort(); middle, last = values[len(values) // 2] / 1000, values[int(len(values) * 0.99) - 1] / 1000
    print(f"  {name:30s} {middle:8.0f} {last:8.0f}")
"""


def steps(task: Path, runs: int) -> None:
    """Each step of a sandbox's making, in a fork server that does nothing else."""
    root = str(Path(__file__).resolve().parents[1] / "framework")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STEPS, root, str(task), str(runs)],
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{'by step':32s} {'p50 us':>8s} {'p99 us':>8s}")
    print(done.stdout if done.returncode == 0 else f"  not here: {done.stderr.strip().splitlines()[-1]}")


def _show(name: str, row: Row, floor: float, note: str = "") -> None:
    first, whole = (sorted(values) for values in row)
    p50, p99 = statistics.median(first), first[int(len(first) * 0.99) - 1]
    print(f"{name:34s} {p50:7.2f} {p99:7.2f} {p50 / floor:6.1f}x {statistics.median(whole):10.2f}  {note}", flush=True)


def _peers(probe: Path) -> dict[str, list[str]]:
    found = {}
    if path := shutil.which("bwrap"):
        found["bubblewrap, own network"] = [
            path,
            "--ro-bind",
            "/",
            "/",
            "--unshare-all",
            "--die-with-parent",
            str(probe),
        ]
    if path := shutil.which("unshare"):
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        found["unshare -mpiunC --fork"] = [path, *user, "-mpiunC", "--fork", "--kill-child", str(probe)]
    return found


def _server_memory(tier: Tier) -> str:
    async def measure() -> str:
        host = await open_host(tier)
        try:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            status = Path(f"/proc/{children[-1]}/status").read_text()
            return next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        finally:
            await host.close()

    return asyncio.run(measure())


def main(runs: int) -> None:
    machine = platform.machine()
    if machine not in _CODE:
        raise SystemExit(f"no probe for {machine}")
    with tempfile.TemporaryDirectory() as name:
        task = Path(name)
        task.chmod(0o755)
        probe = task / "probe"
        probe.write_bytes(elf(machine))
        probe.chmod(0o755)
        print(f"{runs} runs each, load {os.getloadavg()[0]:.1f}; ms to the first instruction, and to all gone")
        print(f"{'':34s} {'p50':>7s} {'p99':>7s} {'ratio':>7s} {'whole p50':>10s}")
        spawned([str(probe)], 20)
        floor_row = spawned([str(probe)], runs)
        floor = statistics.median(floor_row[0])
        _show("posix_spawn (the floor)", floor_row, floor)
        rows: tuple[tuple[str, Tier, Network, float], ...] = (
            ("linux, own network, ready", "linux", "none", 0.02),
            ("linux, own network, back to back", "linux", "none", 0.0),
            ("linux, host network, back to back", "linux", "host", 0.0),
            ("landlock", "landlock", "none", 0.0),
            ("process", "process", "none", 0.0),
        )
        for title, tier, network, pause in rows:
            try:
                row, opening = asyncio.run(sandboxed(tier, task, network, pause, runs))
            except SandboxError as error:
                print(f"{title:34s} not here: {error}")
                continue
            _show(title, row, floor, f"host opened in {opening:.0f} ms, fork server {_server_memory(tier)} KiB")
        run_peer: Callable[[list[str], int], Row] = spawned
        for title, argv in _peers(probe).items():
            with contextlib.suppress(OSError, struct.error, subprocess.SubprocessError):
                _show(title, run_peer(argv, runs), floor)
        with contextlib.suppress(SandboxError):
            for workers in (1, 4):
                print(f"{asyncio.run(rate(task, 3.0, workers)):.0f} sandboxes a second, {workers} asked for at a time")
            kernel, other = asyncio.run(idle_memory(task, 200))
            print(
                f"an idle sandbox, beside its program: {kernel:.0f} KiB of kernel and {other:.0f} KiB of other memory"
            )
            steps(task, min(runs, 200))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
