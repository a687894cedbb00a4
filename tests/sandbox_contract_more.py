"""The rest of the contract: several programs in one sandbox, a /tmp that outlives it, limits, and what is left behind.

As sandbox_contract.py, whose table of checks this adds to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from fnroll.sandbox import open_host, tree
from fnroll.sandbox.api import Exit, Layout, Process, Program, SandboxHost, SandboxSpec, StepFailed
from sandbox_contract import argv, check, opened, python, readable, run, server_of, shell, text_of, until

HOLD = "import os, sys; print('holding', flush=True); os.read(0, 1); import time; time.sleep(1000)"


async def printed(process: Process) -> str:
    """All output of a program that ends."""
    data = b""
    while True:
        try:
            chunk = os.read(process.output, 65536)
        except BlockingIOError:
            await readable(process.output)
            continue
        if not chunk:
            return data.decode()
        data += chunk


def lacks(host: SandboxHost, what: str) -> bool:
    return what in {missing.what for missing in host.missing}


@check
async def programs_share_a_sandbox(tier: str) -> None:
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(None, task))
        layout = sandbox.layout
        first = await sandbox.start(shell(f"echo from first > {layout.tmp}/file; echo one; exit 3")(layout))
        assert await printed(first) == "one\n"
        assert (await first.wait()).status == 3
        second = await sandbox.start(shell(f"cat {layout.tmp}/file")(layout))
        assert await printed(second) == "from first\n"
        try:
            await sandbox.start(Program(("/no/such",), {}, "/"))
        except StepFailed as error:
            assert (error.step, error.errno) == ("exec", 2)
        else:
            raise AssertionError("started")
        third = await sandbox.start(shell("echo alive")(layout))
        assert await printed(third) == "alive\n"
        last = await sandbox.start(argv("/bin/sleep", "1000")(layout))
        await sandbox.close()
        assert (await last.wait()).signal == signal.SIGKILL
        assert (await sandbox.wait()).signal == signal.SIGKILL


@check
async def a_signal_reaches_one_program(tier: str) -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(shell(script), task))
        other = await sandbox.start(shell(script)(sandbox.layout))
        for process in (sandbox, other):
            while not os.get_blocking(process.output):  # until it says that it is ready
                with contextlib.suppress(BlockingIOError):
                    assert os.read(process.output, 100) == b"ready\n"
                    break
                await readable(process.output)
        other.send_signal(signal.SIGTERM)
        assert (await other.wait()).status == 9
        sandbox.send_signal(signal.SIGKILL)
        assert (await sandbox.wait()).signal == signal.SIGKILL
        other.send_signal(signal.SIGTERM)
        await sandbox.close()


@check
async def a_program_that_kills_itself_is_dead(tier: str) -> None:
    async with opened(tier) as (host, task):
        for number in (signal.SIGKILL, signal.SIGABRT, signal.SIGTERM, signal.SIGSEGV):
            script = f"import os; os.kill(os.getpid(), {int(number)})"
            assert (await run(host, SandboxSpec(python(script), task)))[1].signal == number


@check
async def orphans_are_reaped(tier: str) -> None:
    if tier != "linux":
        return  # elsewhere ps shows the machine's own zombies too
    script = "for i in 1 2 3 4 5; do (true &); done; while ps -o stat= | grep -q Z; do :; done; echo none"
    async with opened(tier) as (host, task):
        assert (await run(host, SandboxSpec(shell(script), task)))[0] == "none\n"


@check
async def a_scratch_outlives_its_sandboxes(tier: str) -> None:
    def script(text: str) -> SandboxSpec:
        return SandboxSpec(lambda layout: shell(text.format(layout.tmp))(layout), task, scratch=scratch)

    async with opened(tier) as (host, task):
        scratch = await host.scratch(16)
        assert await run(host, script("echo kept > {}/file"))
        assert (await run(host, script("cat {0}/file; rm {0}/file")))[0] == "kept\n"
        assert (await run(host, script("ls -A {}; echo end")))[0] == "end\n"
        other = await host.scratch(16)
        await run(host, script("echo mine > {}/file"))
        spec = SandboxSpec(lambda layout: shell(f"ls -A {layout.tmp}; echo end")(layout), task, scratch=other)
        assert (await run(host, spec))[0] == "end\n"
        for item in (scratch, other, scratch):
            await item.close()


@check
async def a_port_inside_can_be_dialled(tier: str) -> None:
    script = """
import socket
with socket.create_server(("127.0.0.1", 0)) as s:
    print(s.getsockname()[1], flush=True)
    peer, _ = s.accept()
    print(peer.recv(10).decode(), flush=True)
"""
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(python(script), task))
        await readable(sandbox.output)
        port = int(os.read(sandbox.output, 100))
        sock = await sandbox.dial(port)
        assert not sock.getblocking()
        sock.send(b"hello")
        assert await text_of(sandbox) == "hello\n"
        sock.close()
        try:
            await sandbox.dial(port)
        except OSError:
            pass
        else:
            raise AssertionError("somebody listens")
        await sandbox.close()


GREEDY = "x = bytearray(300 << 20); print('had it all', flush=True); import time; time.sleep({})"


@check
async def memory_is_limited(tier: str) -> None:
    async with opened(tier) as (host, task):
        text, ended = await run(host, SandboxSpec(python(GREEDY.format(1000)), task, memory_mb=64))
        assert (ended.status, ended.signal, ended.oom) == (None, signal.SIGKILL, True)
        assert text == "" or lacks(host, "memory limit")  # by looking now and then it is noticed a little later
        assert (await run(host, SandboxSpec(shell("kill -9 $$"), task)))[1] == Exit(None, 9, ANY, False)


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY: int = _Any()  # type: ignore[assignment]


@check
async def a_child_that_is_too_large_dies_alone(tier: str) -> None:
    script = f"""
import os, sys
pid = os.fork()
if pid == 0:
    {GREEDY.format(0)}
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    async with opened(tier) as (host, task):
        if not lacks(host, "memory limit"):
            text, ended = await run(host, SandboxSpec(python(script), task, memory_mb=64))
            assert (text, ended.status, ended.oom) == ("-9\n", 0, False)


@check
async def what_lies_in_tmp_is_no_memory(tier: str) -> None:
    script = """
import os
with open(os.environ["TMP"] + "/file", "wb") as file:
    for _ in range(150): file.write(bytes(1 << 20))
x = bytearray(20 << 20)
print("written")
"""
    async with opened(tier) as (host, task):
        spec = SandboxSpec(python(script), task, memory_mb=64, tmp_mb=200)
        text, ended = await run(host, spec)
        assert (text, ended.status) == ("written\n", 0)
        greedy = SandboxSpec(python(script + GREEDY.format(1000)), task, memory_mb=64, tmp_mb=200)
        assert (await run(host, greedy))[1].oom


@check
async def without_limits_nothing_is_limited(tier: str) -> None:
    async with opened(tier) as (host, task):
        spec = SandboxSpec(python(GREEDY.format(0)), task, memory_mb=64, limits=False)
        assert (await run(host, spec))[0] == "had it all\n"


@check
async def cpu_is_shared_out_by_memory(tier: str) -> None:
    """CPU time in a second of wall time. 1,769 MB is compared with a sandbox without limits beside it on the same CPU,
    since a busy machine has no whole CPU to give."""
    script = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print("ready", flush=True)
end = time.monotonic() + 1.5
while time.monotonic() < end - 1: pass
began = time.process_time()
while time.monotonic() < end: pass
print(time.process_time() - began)
"""
    async with opened(tier) as (host, task):
        if lacks(host, "CPU share"):
            return

        async def share(memory_mb: int, limits: bool = True) -> float:
            sandbox = await host.create(SandboxSpec(python(script), task, memory_mb=memory_mb, limits=limits))
            await readable(sandbox.output)
            sandbox.share_cpu()
            text = await text_of(sandbox)
            await sandbox.close()
            return float(text.split()[1])

        async def relative(memory_mb: int) -> float:
            """Beside what it should be. A busy machine may give less for a while, so the best of some tries counts;
            more than its share is more than its share in every one."""
            best = 0.0
            for _ in range(8):
                if memory_mb == 1769:
                    whole, unlimited = await asyncio.gather(share(1769), share(1769, limits=False))
                    best = max(best, whole / unlimited)
                else:
                    best = max(best, await share(memory_mb) / (memory_mb / 1769))
                if best > 0.85:
                    break
            return best

        for memory_mb in (128, 512, 1769):
            found = await relative(memory_mb)
            assert abs(found - 1) < 0.15, (memory_mb, found)


@check
async def an_idle_init_cannot_be_killed_from_inside(tier: str) -> None:
    """Our own process at the root of a sandbox, which is the same user there."""
    if tier != "linux":
        return
    script = "for n in 9 2 15 19 11; do kill -$n 1; done; kill -0 1 && echo it lives"
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(shell(script), task))
        assert await text_of(sandbox) == "it lives\n"
        again = await sandbox.start(shell("echo and works")(sandbox.layout))
        assert await printed(again) == "and works\n"
        await sandbox.close()


def groups(server: int) -> set[str]:
    """Every control group directory of this fork server."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup" in line:
            for folder, names, _ in os.walk(line.split()[4]):
                found |= {f"{folder}/{name}" for name in names if name.startswith(f"fn-{server}-")}
    return found


@check
async def no_control_group_is_left(tier: str) -> None:
    if tier != "linux":
        return
    async with opened(tier) as (host, task):
        server = server_of()
        sandbox = await host.create(SandboxSpec(shell("exit 0"), task))
        await sandbox.wait()
        assert bool(groups(server)) == (not lacks(host, "memory limit"))
    assert groups(server) == set()


@check
async def the_next_start_sweeps_what_a_killed_one_left(tier: str) -> None:
    if tier != "linux":
        return
    holder = subprocess.Popen(
        [sys.executable, __file__, "hold", tier],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"holding\n"
        server = tree.children(holder.pid)[0]
        left = groups(server)
        family = tree.descendants(holder.pid)
        for pid in (holder.pid, server):
            os.kill(pid, signal.SIGSTOP if pid == holder.pid else signal.SIGKILL)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
    async with opened(tier) as (host, _):
        assert groups(server) == set()
        assert bool(left) == (not lacks(host, "memory limit"))


async def hold(tier: str) -> None:
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(python(HOLD), task))
        await readable(sandbox.output)
        print("holding", flush=True)
        await asyncio.Event().wait()


@check
async def another_root_is_seen_instead(tier: str) -> None:
    """A root that holds a shell and its libraries, and nothing else."""
    if tier != "linux":
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        listed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
        libraries = [word for word in listed.split() if word.startswith("/")]
        for path in ("/bin/sh", *libraries):
            target = root / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(path).read_bytes())
            target.chmod(0o755)
        host = await open_host("linux", rootfs=root)
        task = root / "bin"
        try:
            text, ended = await run(host, SandboxSpec(shell("test -e /usr/bin/env || echo not here; echo /b*"), task))
            assert (text, ended.status) == ("not here\n/bin\n", 0)
        finally:
            await host.close()


@check
async def an_empty_root_shows_code_and_layers_alone(tier: str) -> None:
    if tier != "linux":
        return
    host = await open_host("linux", rootfs="empty")
    try:
        error = None
        with tempfile.TemporaryDirectory() as name:
            task = Path(name)
            task.chmod(0o755)

            def program(layout: Layout) -> Program:
                return Program(("/bin/sh",), {}, layout.task)

            try:
                await host.create(SandboxSpec(program, task))
            except StepFailed as failed:
                error = failed
        assert error is not None
        assert (error.step, error.errno) == ("exec", 2)
    finally:
        await host.close()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[2]))
