"""Attacks that take more than a look from inside: using things up, staying awake, not dying, hurting a neighbour.

As the checks of sandbox_contract.py: each takes a tier's name and raises AssertionError. An attack that a tier cannot
stop, as `SandboxHost.missing` says, is left out there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fnroll.sandbox import tree
from fnroll.sandbox.api import Layout, Program, Sandbox, SandboxError, SandboxSpec
from sandbox_contract import PYTHON, line_of, marked, opened, run, server_of, shell, text_of, until
from sandbox_contract_more import lacks, printed
from sandbox_memory import MEMORY, PAGE_CACHE

Attack = Callable[[str], Awaitable[None]]

ATTACKS: dict[str, Attack] = {}

MEMORY_MB, TMP_MB = 64, 16

SLACK_MB = 3 * (MEMORY_MB + TMP_MB)
"""The most that may be got where the kernel refuses instead of killing: it gives every socket something."""


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


def python(script: str, *words: str) -> Callable[[Layout], Program]:
    def program(layout: Layout) -> Program:
        env = {"TMP": layout.tmp, "TASK": layout.task}
        return Program((PYTHON, "-I", "-S", "-c", script, *words), env, layout.task)

    return program


# memory


def taking(name: str, script: str, resident: bool) -> Attack:
    async def take(tier: str) -> None:
        async with opened(tier) as (host, task):
            if lacks(host, "memory limit") and not resident:
                return
            spec = SandboxSpec(python(script), task, memory_mb=MEMORY_MB, tmp_mb=TMP_MB)
            sandbox = await host.create(spec)
            ended = await sandbox.wait()  # what it leaves running may hold its output
            assert ended.oom or int(os.read(sandbox.output, 100)) < SLACK_MB, ended
            await sandbox.close()
            assert (await run(host, SandboxSpec(shell("echo fine"), task)))[0] == "fine\n"

    take.__name__ = f"memory_{name}"
    return take


for _name, (_script, _resident) in MEMORY.items():
    attack(taking(_name, _script, _resident))


@attack
async def reading_files_is_no_use_of_memory(tier: str) -> None:
    async with opened(tier) as (host, task):
        spec = SandboxSpec(python(PAGE_CACHE), task, memory_mb=MEMORY_MB, tmp_mb=TMP_MB)
        text, ended = await run(host, spec)
        assert (ended.status, ended.oom) == (0, False)
        assert int(text) > MEMORY_MB + TMP_MB


# descriptors

HOARD = """
import os, signal
for _ in range(40):
    if os.fork() == 0:
        try:
            while True: os.open("/dev/null", os.O_RDONLY)
        except OSError: signal.pause()
print("hoarded", flush=True)
signal.pause()
"""

UNDER_WAY = """
import array, os, signal, socket
kept, sent = [], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 250))]
try:
    while True:
        one, other = socket.socketpair()
        kept += [one, other]
        one.setblocking(False)
        try:
            while True: one.sendmsg([b"x"], sent)
        except BlockingIOError: pass
except OSError as error: pass
print("under way", flush=True)
signal.pause()
"""


async def hoarding(tier: str, script: str) -> None:
    """While one has all the descriptors that it can get, others are made, and can open what they may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # as the emulator does
    opening = python("import os\nfor _ in range(1000): os.open('/dev/null', os.O_RDONLY)\nprint('fine')")
    async with opened(tier) as (host, task):
        greedy = await host.create(SandboxSpec(python(script), task, memory_mb=1024))
        await line_of(greedy)
        for _ in range(12):  # more than are kept ready
            async with asyncio.timeout(20):
                assert (await run(host, SandboxSpec(opening, task)))[0] == "fine\n"


@attack
async def open_descriptors_are_ones_own(tier: str) -> None:
    await hoarding(tier, HOARD)


@attack
async def descriptors_under_way_keep_no_sandbox_from_being_made(tier: str) -> None:
    await hoarding(tier, UNDER_WAY)


# staying awake

WAKERS = """
import mmap, os, signal, struct
pids = mmap.mmap(-1, 4096)
for at in range(16):
    pid = os.fork()
    if pid == 0:
        while True:
            for other in range(16):
                number, = struct.unpack_from("i", pids, 4 * other)
                if number and other != at:
                    try: os.kill(number, signal.SIGCONT)
                    except OSError: pass
    struct.pack_into("i", pids, 4 * at, pid)
print("awake", flush=True)
signal.pause()
"""

TIMER = """
import ctypes, os
libc = ctypes.CDLL(None)
event = (ctypes.c_int * 16)(0, 0, 18, 0)  # SIGCONT, by signal
timer = ctypes.c_void_p()
assert libc.timer_create(1, event, ctypes.byref(timer)) == 0
assert libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 1_000_000, 0, 1_000_000), None) == 0
print("awake", flush=True)
while True: pass
"""

BUSY = """
import os, threading
def spin():
    while True: pass
os.fork()
for _ in range(3): threading.Thread(target=spin, daemon=True).start()
os.write(1, b"awake\\n")
spin()
"""

RABBITS = """
import os
for _ in range(20):
    if os.fork() == 0: break
else:
    os.write(1, b"awake\\n")
    os._exit(0)
while True:
    if os.fork(): os._exit(0)
"""


def spent(pids: list[int]) -> int:
    """CPU time of all threads of these processes, in nanoseconds."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # gone since
            for path in Path(f"/proc/{pid}/task").iterdir():
                total += int((path / "schedstat").read_text().split()[0])
    return total


def still(sandbox: Sandbox) -> bool:
    """Whether nothing in it gets any CPU, and nothing comes or goes, while we burn some."""
    pids = tree.descendants(sandbox.pid)
    before, end = spent(pids), time.process_time() + 0.03
    while time.process_time() < end:
        pass
    return tree.descendants(sandbox.pid) == pids and spent(pids) == before


def stays_still(sandbox: Sandbox) -> bool:
    """`still` for so long that what waits for a busy CPU would have had it."""
    return all(still(sandbox) for _ in range(4))


def staying_awake(name: str, script: str, needs: str = "") -> Attack:
    async def stay(tier: str) -> None:
        async with opened(tier) as (host, task):
            if needs and lacks(host, needs):
                return
            sandbox = await host.create(SandboxSpec(python(script), task, memory_mb=1024))
            await line_of(sandbox)
            for _ in range(4):
                sandbox.freeze()
                await until(lambda: stays_still(sandbox))
                assert stays_still(sandbox)
                sandbox.thaw()
                await until(lambda: not still(sandbox))

    stay.__name__ = f"frozen_{name}"
    return stay


attack(staying_awake("wake_each_other", WAKERS))
attack(staying_awake("busy_threads", BUSY))
attack(staying_awake("forking", RABBITS))
attack(staying_awake("woken_by_a_timer", TIMER, "freezer"))


# not dying

STUBBORN = {
    "forking": RABBITS,
    "waking_each_other": WAKERS,
    "in_vfork": """
import ctypes, os, platform, signal
libc = ctypes.CDLL(None)
for _ in range(5):
    if os.fork() == 0:
        flags = 0x4000 | 0x100 | 17  # vfork: the parent waits in the kernel until its child execs, which it never does
        libc.syscall({"x86_64": 56, "aarch64": 220}[platform.machine()], flags, 0, 0, 0, 0)
        while True: libc.pause()
os.write(1, b"here\\n")
signal.pause()
""",
    "stopped": """
import os, signal
for _ in range(10):
    if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)
print("here", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
""",
    "of_many_threads": """
import os, threading, signal
for _ in range(2):
    if os.fork() == 0: break
for _ in range(300): threading.Thread(target=signal.pause, daemon=True).start()
os.write(1, b"here\\n")
signal.pause()
""",
    "deaf": """
import os, signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(6):
    if os.fork() == 0: os.setsid()
os.write(1, b"here\\n")
while True: signal.pause()
""",
}


def not_dying(name: str, script: str) -> Attack:
    async def stay(tier: str) -> None:
        marker = f"stubborn-{name}-{os.getpid()}"
        async with opened(tier) as (host, task):
            for frozen in (False, True):
                sandbox = await host.create(SandboxSpec(python(script, marker), task, memory_mb=1024))
                await line_of(sandbox)
                if frozen:
                    sandbox.freeze()
                async with asyncio.timeout(20):
                    await sandbox.close()
                assert marked(marker) == []

    stay.__name__ = f"unkillable_{name}"
    return stay


for _name, _script in STUBBORN.items():
    attack(not_dying(_name, _script))


# neighbours and the init


@attack
async def a_signal_to_all_hurts_no_neighbour(tier: str) -> None:
    async with opened(tier) as (host, task):
        if tier == "process":  # where it would reach all that the caller has
            return
        sandbox = await host.create(SandboxSpec(shell("echo here; cat; sleep 1000"), task))
        assert await line_of(sandbox) == "here"
        script = "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nprint('done')"
        assert (await run(host, SandboxSpec(python(script), task)))[0] == "done\n"
        other = await sandbox.start(shell("echo alive")(sandbox.layout))
        assert await printed(other) == "alive\n"
        assert sandbox.pid in tree.children(server_of())


WATCH = """
import os, time
print("watching", flush=True)
seen, kinds, told = set(), set(), False
while not os.path.exists(os.environ["TMP"] + "/end"):
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) not in (1, os.getpid()):
            seen.add(pid)
            for name in ("0", "1", "2", "3", "4", "5", "6", "7"):
                try: kinds.add(os.readlink(f"/proc/{pid}/fd/{name}").split(":")[0])
                except OSError: pass
    if len(seen) > 10 and "pipe" in kinds and not told: told = print("enough", flush=True) is None
print(*kinds)
"""


@attack
async def nothing_of_the_init_shows_while_it_starts_programs(tier: str) -> None:
    """Between posix_spawn and exec a program shares the init's memory and descriptors, which are sockets."""
    async with opened(tier) as (host, task):
        if tier != "linux":
            return
        sandbox = await host.create(SandboxSpec(python(WATCH), task))
        assert await line_of(sandbox) == "watching"
        enough = asyncio.ensure_future(line_of(sandbox))
        while not enough.done():
            await (await sandbox.start(Program(("/bin/true",), {}, "/"))).wait()
        assert await enough == "enough"
        await sandbox.start(shell("touch /tmp/end")(sandbox.layout))
        kinds = (await text_of(sandbox)).split()
        # What a program opens by itself: libraries, and the file that `touch` makes.
        its_own = ("/dev/", "/etc/", "/usr/", "/lib", "/tmp/end")
        assert {kind for kind in kinds if not kind.startswith(its_own)} == {"pipe"}


@attack
async def an_init_whose_limits_were_taken_hangs_nobody(tier: str) -> None:
    """It is the same user, so a function may; it loses its sandbox by it, at most."""
    async with opened(tier) as (host, task):
        if tier != "linux":
            return
        script = (
            "import resource, time\nresource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))\nprint('taken', flush=True)"
        )
        sandbox = await host.create(SandboxSpec(python(script + "\ntime.sleep(1000)"), task))
        assert await line_of(sandbox) == "taken"
        async with asyncio.timeout(20):
            for action in (sandbox.start(shell("echo")(sandbox.layout)), sandbox.dial(9001)):
                try:
                    await action
                except (SandboxError, OSError):
                    pass
            await sandbox.close()
        assert (await run(host, SandboxSpec(shell("echo fine"), task)))[0] == "fine\n"


LITTER = """
import os, signal
os.chdir(os.environ["TMP"])
os.symlink(os.environ["TASK"], "link")
os.mkdir("locked")
open("locked/file", "w").close()
os.symlink("/", "locked/link")
os.chmod("locked", 0)
if os.fork() == 0:
    while True:  # a directory that is a link now and then
        os.mkdir("swap"); os.rename("swap", "swapped"); os.rmdir("swapped")
        os.symlink(os.environ["TASK"], "swapped"); os.unlink("swapped")
for _ in range(1500):
    os.mkdir("d"); os.chdir("d")
open("deep", "w").close()
print("littered", flush=True)
signal.pause()
"""


@attack
async def no_file_is_left_and_none_is_lost(tier: str) -> None:
    async with opened(tier) as (host, task):
        (task / "code").write_text("code")
        sandbox = await host.create(SandboxSpec(python(LITTER), task, tmp_mb=512))
        assert await line_of(sandbox) == "littered"
        await sandbox.close()
        assert tier == "linux" or not Path(sandbox.layout.tmp).parent.exists()
        scratch = await host.scratch(512)
        for _ in range(2):  # the second finds what the first has left, and adds nothing
            spec = SandboxSpec(python(LITTER), task, scratch=scratch)
            littering = await host.create(spec)
            await readable_or_ended(littering)
            await littering.close()
        path = getattr(scratch, "path", None)
        await scratch.close()
        assert path is None or not path.exists()
        assert (task / "code").read_text() == "code"


async def readable_or_ended(sandbox: Sandbox) -> None:
    """Until it has said what it does, or has failed to."""
    ended = asyncio.ensure_future(sandbox.wait())
    said = asyncio.ensure_future(line_of(sandbox))
    await asyncio.wait((ended, said), return_when=asyncio.FIRST_COMPLETED)
    for future in (ended, said):
        future.cancel()
    await asyncio.gather(ended, said, return_exceptions=True)
