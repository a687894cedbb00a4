"""What every tier promises (framework/fnroll/sandbox/api.py), as checks that take a tier's name.

Standard library and fnroll.sandbox alone: sandbox_support.py also runs these as another user, from a copy. Each check
raises AssertionError, and opens and closes its own host.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from fnroll.errors import SandboxError
from fnroll.sandbox import open_host, tree
from fnroll.sandbox.api import Exit, Layout, Program, Sandbox, SandboxHost, SandboxSpec, StepFailed

PYTHON = "/usr/bin/python3"
"""An interpreter that a sandbox sees; the one that runs the tests need not be."""

CHECKS: dict[str, Callable[[str], Awaitable[None]]] = {}


def check(function: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    CHECKS[function.__name__] = function
    return function


KNOWN: set[int] = set()
"""Children of this process that were there before the last host was opened: other tests' business."""


def server_of() -> int:
    """The fork server of the host that was opened last."""
    (server,) = set(tree.children(os.getpid())) - KNOWN
    return server


@contextlib.asynccontextmanager
async def opened(tier: str) -> AsyncIterator[tuple[SandboxHost, Path]]:
    """A host, and a directory of code that every user can read."""
    KNOWN.clear()
    KNOWN.update(tree.children(os.getpid()))
    host = await open_host(tier)
    with tempfile.TemporaryDirectory() as name:
        task = Path(name)
        task.chmod(0o755)
        try:
            yield host, task
        finally:
            await host.close()


def argv(*words: str, env: dict[str, str] | None = None, cwd: str | None = None) -> Callable[[Layout], Program]:
    return lambda layout: Program(words, env or {}, cwd or layout.task)


def shell(script: str, *words: str) -> Callable[[Layout], Program]:
    return argv("/bin/sh", "-c", script, "sh", *words, env={"PATH": "/usr/bin:/bin"})


def python(script: str) -> Callable[[Layout], Program]:
    def program(layout: Layout) -> Program:
        return Program((PYTHON, "-I", "-S", "-c", script), {"API": layout.api, "TMP": layout.tmp}, layout.task)

    return program


async def text_of(sandbox: Sandbox) -> str:
    """All output, until every process that holds the pipe has ended."""
    data = b""
    while True:
        try:
            chunk = os.read(sandbox.output, 65536)
        except BlockingIOError:
            await readable(sandbox.output)
            continue
        if not chunk:
            return data.decode()
        data += chunk


async def line_of(sandbox: Sandbox) -> str:
    """Output up to the end of a line; the program says no more until it is asked."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            chunk = os.read(sandbox.output, 65536)
        except BlockingIOError:
            await readable(sandbox.output)
            continue
        assert chunk, f"output ended after {data!r}"
        data += chunk
    return data.decode().strip()


async def readable(descriptor: int) -> None:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(20):
            await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def until(condition: Callable[[], bool]) -> None:
    """For what only the kernel knows and no descriptor tells, such as a stopped process."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def marked(marker: str) -> list[int]:
    """Pids of every process on the machine with `marker` on its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def open_descriptors() -> set[str]:
    """What this process holds open, sockets and pipes by their identity."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{entry.name} {entry.readlink()}")
    return {text for text in found if "/proc/" not in text}


DAEMON = (
    "for i in 1 2; do (setsid sh -c 'trap : TERM HUP INT; while :; do sleep 1000; done' $1 &); done; "
    "echo started; exec sleep 1000"
)
"""A program and two daemons that left parent, session and group, and ignore signals; $1 is on their command line."""


async def run(host: SandboxHost, spec: SandboxSpec) -> tuple[str, Exit]:
    sandbox = await host.create(spec)
    text = await text_of(sandbox)
    ended = await sandbox.wait()
    await sandbox.close()
    return text, ended


@check
async def status_is_reported(tier: str) -> None:
    async with opened(tier) as (host, task):
        text, ended = await run(host, SandboxSpec(shell("echo out; echo err >&2; exit 7"), task))
        assert text == "out\nerr\n"
        assert (ended.status, ended.signal) == (7, None)
        assert ended.max_rss > 100_000


@check
async def signal_is_reported_to_every_waiter(tier: str) -> None:
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(argv("/bin/sleep", "1000"), task))
        waiters = [asyncio.create_task(sandbox.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        sandbox.kill()
        sandbox.kill()
        ends = await asyncio.gather(*waiters, sandbox.wait())
        assert {(end.status, end.signal) for end in ends} == {(None, signal.SIGKILL)}
        await sandbox.close()
        assert (await sandbox.wait()).signal == signal.SIGKILL


@check
async def environment_is_exactly_what_was_given(tier: str) -> None:
    os.environ["FN_TEST_SECRET"] = "must not be seen"
    given = {"A": "1", "LONG": "x" * 5000, "UMLAUT": "ü\n="}
    async with opened(tier) as (host, task):
        text, _ = await run(host, SandboxSpec(argv("/bin/cat", "/proc/self/environ", env=given), task))
        assert dict(item.split("=", 1) for item in text.split("\0") if item) == given


@check
async def only_the_standard_descriptors_are_open(tier: str) -> None:
    secret = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(secret, True)
    async with opened(tier) as (host, task):
        text, _ = await run(host, SandboxSpec(argv("/bin/ls", "/proc/self/fd"), task))
        assert text.split() == ["0", "1", "2", "3"]  # 3 is the listing itself
        text, ended = await run(host, SandboxSpec(shell("cat; echo a >/dev/stdout; echo b >/dev/stderr"), task))
        assert (text, ended.status) == ("a\nb\n", 0)
    os.close(secret)


@check
async def signals_and_mask_are_default(tier: str) -> None:
    """Python ignores SIGPIPE; a program that inherited that would not end with its reader."""
    async with opened(tier) as (host, task):
        text, _ = await run(host, SandboxSpec(argv("/bin/grep", "-E", "^Sig(Ign|Blk):", "/proc/self/status"), task))
        # 32 and 33 are the C library's own and cannot be set through it; make leaves them ignored in what it starts.
        own = 1 << 31 | 1 << 32
        assert [int(line.split()[1], 16) & ~own for line in text.splitlines()] == [0, 0]


@check
async def code_layers_and_scratch_lie_where_the_layout_says(tier: str) -> None:
    async with opened(tier) as (host, task):
        (task / "code").write_text("code")
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            (Path(name) / "layer").write_text("layer")
            seen: list[Layout] = []

            def program(layout: Layout) -> Program:
                seen.append(layout)
                script = f"pwd; cat code {layout.opt}/layer; echo x > {layout.tmp}/file && cat {layout.tmp}/file"
                return shell(script)(layout)

            text, ended = await run(host, SandboxSpec(program, task, Path(name)))
        assert len(seen) == 1
        assert (text, ended.status) == (f"{seen[0].task}\ncodelayerx\n", 0)
        assert not list(task.glob("file"))
        empty = await host.create(SandboxSpec(lambda layout: shell(f"ls -A {layout.opt}; echo end")(layout), task))
        assert await text_of(empty) == "end\n"
        await empty.close()
        if tier == "process":
            assert not Path(empty.layout.tmp).parent.exists()


@check
async def listener_is_ready_before_the_program(tier: str) -> None:
    script = """
import os, socket
host, port = os.environ["API"].split(":")
with socket.create_connection((host, int(port)), 5) as s:
    s.sendall(b"hello")
    print(s.recv(10).decode())
"""
    async with opened(tier) as (host, task):
        sandboxes = [await host.create(SandboxSpec(python(script), task)) for _ in range(2)]
        for number, sandbox in enumerate(sandboxes):
            assert not sandbox.listener.getblocking()
            peer, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(sandbox.listener), 20)
            peer.setblocking(True)
            assert peer.recv(10) == b"hello"
            peer.sendall(b"to %d" % number)
            peer.close()
        assert [await text_of(sandbox) for sandbox in sandboxes] == ["to 0\n", "to 1\n"]


@check
async def host_network_reaches_the_host(tier: str) -> None:
    script = """
import os, socket
for port in (os.environ["API"].split(":")[1], open("port").read()):
    with socket.create_connection(("127.0.0.1", int(port)), 5) as s: print(s.recv(10).decode())
"""
    loop = asyncio.get_running_loop()
    async with opened(tier) as (host, task):
        server = await asyncio.start_server(lambda _, writer: (writer.write(b"host"), writer.close()), "127.0.0.1", 0)
        (task / "port").write_text(str(server.sockets[0].getsockname()[1]))
        sandbox = await host.create(SandboxSpec(python(script), task, network="host"))
        peer, _ = await asyncio.wait_for(loop.sock_accept(sandbox.listener), 20)
        peer.sendall(b"api")
        peer.close()
        assert await text_of(sandbox) == "api\nhost\n"
        server.close()


@check
async def failures_to_exec_name_the_step(tier: str) -> None:
    async with opened(tier) as (host, task):
        before = open_descriptors()
        (task / "data").write_text("no program")
        (task / "text").write_text("neither\n")
        (task / "text").chmod(0o755)
        (task / "script").write_text("#!/no/interpreter\n")
        (task / "script").chmod(0o755)
        for name, errno in (("absent", 2), ("data", 13), ("text", 8), ("script", 2)):

            def program(layout: Layout, name: str = name) -> Program:
                return Program((f"{layout.task}/{name}",), {}, layout.task)

            error = await refused(host, SandboxSpec(program, task))
            assert (error.step, error.errno) == ("exec", errno), name
            assert error.hint, name
        error = await refused(host, SandboxSpec(argv("/bin/true", cwd="/no/such"), task))
        assert (error.step, error.errno) == ("working directory", 2)
        assert open_descriptors() == before
        assert (await run(host, SandboxSpec(shell("exit 3"), task)))[1].status == 3


async def refused(host: SandboxHost, spec: SandboxSpec) -> StepFailed:
    try:
        await host.create(spec)
    except StepFailed as error:
        return error
    raise AssertionError("created")


@check
async def what_cannot_be_made_leaves_nothing(tier: str) -> None:
    async with opened(tier) as (host, task):
        before = open_descriptors()
        seen: list[Layout] = []

        def noted(layout: Layout) -> Layout:
            seen.append(layout)
            return layout

        for spec in (
            SandboxSpec(shell("true"), task / "absent"),
            SandboxSpec(shell("true"), task, task / "absent"),
        ):
            try:
                await host.create(spec)
            except SandboxError as error:
                assert "absent" in str(error)
            else:
                raise AssertionError("created")

        def broken(layout: Layout) -> Program:
            raise LookupError(noted(layout))

        try:
            await host.create(SandboxSpec(broken, task))
        except LookupError:
            pass
        marker = f"cancelled-{os.getpid()}"
        spec = SandboxSpec(lambda layout: shell("sleep 1000; :", marker)(noted(layout)), task)
        creation = asyncio.create_task(host.create(spec))
        for _ in range(3):
            await asyncio.sleep(0)
        creation.cancel()
        assert isinstance((await asyncio.gather(creation, return_exceptions=True))[0], asyncio.CancelledError)
        assert marked(marker) == []
        assert open_descriptors() == before
        assert len(seen) == 2
        if tier == "process":
            assert [layout for layout in seen if Path(layout.tmp).parent.exists()] == []


@check
async def nothing_outlives_close(tier: str) -> None:
    marker = f"daemon-{os.getpid()}-close"
    async with opened(tier) as (host, task):
        before = open_descriptors()
        sandbox = await host.create(SandboxSpec(shell(DAEMON, marker), task))
        assert await line_of(sandbox) == "started"
        await until(lambda: len(marked(marker)) >= 2)
        await asyncio.gather(sandbox.close(), sandbox.close())
        await sandbox.close()
        assert marked(marker) == []
        assert open_descriptors() == before
        sandbox.kill()
        sandbox.terminate()
        sandbox.freeze()
        sandbox.thaw()
        assert sandbox.memory_peak() >= 0


@check
async def daemons_that_outlive_the_program_die_with_the_sandbox(tier: str) -> None:
    marker = f"daemon-{os.getpid()}-exit"
    script = DAEMON.replace("exec sleep 1000", "exit 5")
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(shell(script, marker), task))
        assert (await sandbox.wait()).status == 5
        await sandbox.close()
        assert marked(marker) == []


@check
async def closing_the_host_closes_everything(tier: str) -> None:
    marker = f"daemon-{os.getpid()}-host"
    before = open_descriptors()
    async with opened(tier) as (host, task):
        sandboxes = [await host.create(SandboxSpec(shell(DAEMON, marker), task)) for _ in range(3)]
        server = server_of()
        await asyncio.gather(host.close(), host.close())
        assert marked(marker) == []
        assert [(await sandbox.wait()).signal for sandbox in sandboxes] == [signal.SIGKILL] * 3
        assert not Path(f"/proc/{server}").exists()
        try:
            await host.create(SandboxSpec(shell("true"), task))
        except SandboxError:
            pass
        else:
            raise AssertionError("created")
    assert {text for text in open_descriptors() - before if "socket" in text or "pipe" in text} == set()


@check
async def freeze_stops_the_whole_tree(tier: str) -> None:
    marker = f"frozen-{os.getpid()}"
    script = "sh -c 'while :; do :; done' $1 & (setsid sh -c 'while :; do :; done' $1 &) ; echo started; wait"
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(shell(script, marker), task))
        assert await line_of(sandbox) == "started"
        await until(lambda: len(marked(marker)) >= 3)
        busy = [pid for pid in marked(marker) if tree.children(pid) == []]
        for _ in range(2):
            sandbox.freeze()
        await until(lambda: rest(busy))
        for _ in range(2):
            sandbox.thaw()
        before = [spent(pid) for pid in busy]
        await until(lambda: all(spent(pid) > then for pid, then in zip(busy, before, strict=True)))
        sandbox.freeze()
        await sandbox.close()
        assert marked(marker) == []


def spent(pid: int) -> int:
    """CPU time of a process so far, in nanoseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def rest(pids: list[int]) -> bool:
    """Whether processes that do nothing but count get no CPU at all, while we burn some."""
    before = [spent(pid) for pid in pids]
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    return [spent(pid) for pid in pids] == before


@check
async def terminate_reaches_the_program(tier: str) -> None:
    async with opened(tier) as (host, task):
        sandbox = await host.create(
            SandboxSpec(shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"), task)
        )
        assert await line_of(sandbox) == "ready"
        sandbox.terminate()
        assert (await sandbox.wait()).status == 9


@check
async def memory_peak_counts_the_tree_and_never_falls(tier: str) -> None:
    script = """
import os, time
x = bytearray(40 << 20)
if os.fork() == 0:
    y = bytearray(60 << 20); del y; print("child", flush=True); time.sleep(1000)
os.wait()
"""
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(python(script), task, memory_mb=256))
        assert await line_of(sandbox) == "child"
        await until(lambda: sandbox.memory_peak() >= 100 << 20)
        peak = sandbox.memory_peak()
        assert peak < 200 << 20
        sandbox.kill()
        await sandbox.wait()
        assert sandbox.memory_peak() == peak


@check
async def limits_are_lambdas(tier: str) -> None:
    async with opened(tier) as (host, task):
        text, _ = await run(host, SandboxSpec(shell("ulimit -n; ulimit -Hn; ulimit -Hc; ulimit -l; umask"), task))
        assert text.split() == ["1024", "1024", "0", "64", "0022"]


@check
async def what_is_missing_is_named(tier: str) -> None:
    async with opened(tier) as (host, _):
        assert host.tier == tier
        what = [missing.what for missing in host.missing]
        assert ("memory limit" in what) == (tier != "linux" or os.geteuid() != 0)
        assert len(what) == len(set(what))
        assert all(missing.why and missing.mend for missing in host.missing)


@check
async def many_at_once(tier: str) -> None:
    async with opened(tier) as (host, task):
        specs = [SandboxSpec(shell(f"echo {number}"), task) for number in range(40)]
        results = await asyncio.gather(*(run(host, spec) for spec in specs))
        assert [text for text, _ in results] == [f"{number}\n" for number in range(40)]


@check
async def a_dead_fork_server_is_an_error_not_a_leak(tier: str) -> None:
    marker = f"orphan-{os.getpid()}"
    async with opened(tier) as (host, task):
        server = server_of()
        sandbox = await host.create(SandboxSpec(shell("sleep 1000; :", marker), task))
        os.kill(server, signal.SIGKILL)
        if tier == "linux":  # in the process tier the supervisor lives on and keeps the sandbox
            assert (await sandbox.wait()).signal == signal.SIGKILL
        try:
            while True:  # until the kernel has closed the dead server's socket
                await (await host.create(SandboxSpec(shell("true"), task))).close()
        except SandboxError:
            pass
        await sandbox.close()
        assert marked(marker) == []


@check
async def nothing_outlives_a_killed_host_process(tier: str) -> None:
    """Another process opens a host and a sandbox full of daemons; it is killed; all that descended from it dies."""
    await outlived(tier, lambda holder, _: os.kill(holder, signal.SIGKILL))


@check
async def nothing_outlives_host_and_fork_server_killed_at_once(tier: str) -> None:
    def both(holder: int, server: int) -> None:
        os.kill(holder, signal.SIGSTOP)  # so that it cannot clean up after its server
        os.kill(server, signal.SIGKILL)
        os.kill(holder, signal.SIGKILL)

    await outlived(tier, both)


@check
async def a_fork_of_the_host_keeps_nothing_alive(tier: str) -> None:
    """Such a fork (multiprocessing makes them) holds every socket of the host open."""
    await outlived(tier, lambda holder, _: os.kill(holder, signal.SIGKILL), "forked")


async def outlived(tier: str, attack: Callable[[int, int], None], how: str = "") -> None:
    marker = f"daemon-{os.getpid()}-killed"
    holder = subprocess.Popen(
        [sys.executable, __file__, "hold", tier, marker, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout, holder.stdin:
        said = holder.stdout.readline().split()
        assert said[:1] == [b"holding"], said
        await until(lambda: len(marked(marker)) >= 3)
        family = (set(tree.descendants(holder.pid)) | set(marked(marker))) - {holder.pid, int(said[2])}
        watched = {os.pidfd_open(pid) for pid in family}
        attack(holder.pid, tree.children(holder.pid)[0])
        holder.wait()
        for pidfd in watched:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            assert poll.poll(20_000), "a process outlived the host"
            os.close(pidfd)
        scratch = Path(said[1].decode())
        if tier == "process":
            assert not scratch.exists()


async def hold(tier: str, marker: str, how: str) -> None:
    async with opened(tier) as (host, task):
        sandbox = await host.create(SandboxSpec(shell(DAEMON, marker), task))
        assert await line_of(sandbox) == "started"
        fork = os.fork() if how == "forked" else -1
        if fork == 0:
            os.read(0, 1)  # until the test has seen what it came for
            os._exit(0)
        print("holding", sandbox.layout.tmp, fork, flush=True)
        await sandbox.wait()


if __name__ == "__main__":
    asyncio.run(hold(*sys.argv[2:]))
