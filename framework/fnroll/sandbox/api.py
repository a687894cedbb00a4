"""What a sandbox promises, whatever tier gives it.

A sandbox is one process tree in isolation: what the emulator calls an execution environment runs in exactly one.
A `SandboxHost` makes them; `fnroll.sandbox.open_host()` picks the strongest tier that this machine can give: `linux`
(namespaces, pivot_root, seccomp), `landlock` (rights given up, seccomp) or `process` (a plain process group, for
everywhere else). Each passes the same contract suite, tests/sandbox_contract.py.

Guarantees, for any tier:
1. `listener` accepts connections from inside the sandbox alone (linux) or is a fresh loopback port (elsewhere), before
   the program's first instruction runs.
2. The program sees only `Program.env`; nothing of the parent's environment or descriptors leaks in.
3. After `close()` no process of the tree, no mount and no file of it is left, however it behaved, and `close()` may
   be called any number of times.
4. If the process that holds the host dies, even by SIGKILL, every sandbox dies with it.
5. What the tier cannot give is named in `SandboxHost.missing`; it is never silently dropped.

Only types live in this module.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fnroll.errors import SandboxError

Network = Literal["none", "nat", "host"]
Tier = Literal["auto", "linux", "landlock", "process"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the program inside finds things: absolute paths, and `api` as host:port for AWS_LAMBDA_RUNTIME_API."""

    task: str
    opt: str
    tmp: str
    api: str
    runtime: str = "/var/runtime"
    lang: str = "/var/lang"


@dataclass(frozen=True, slots=True)
class Program:
    """What to exec: argv[0] is an absolute path as seen inside."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One sandbox to make. `task` and `opt` are host directories, read-only inside; sizes are in MiB. So are `runtime`
    and `lang`, of a managed runtime: its client and, where /usr does not hold it, its interpreter.

    `network`: "none" is the Runtime API alone, "nat" the world but not the host's loopback, "host" what the host has;
    tiers without a network of their own have the host's and say so (`missing`).

    `program` is asked once, with the layout that the tier gives; None: make the sandbox, start nothing yet. `scratch`:
    a /tmp that outlives this sandbox; None: one of its own. `limits` False: neither memory nor CPU is limited.
    """

    program: Callable[[Layout], Program] | None
    task: Path
    opt: Path | None = None
    tmp_mb: int = 512
    memory_mb: int = 128
    network: Network = "none"
    scratch: Scratch | None = None
    limits: bool = True
    runtime: Path | None = None
    lang: Path | None = None

    @property
    def shown(self) -> tuple[Path, ...]:
        """Every directory of the host that the function is to see."""
        return tuple(path for path in (self.task, self.opt, self.runtime, self.lang) if path is not None)


class Scratch(Protocol):
    """A /tmp, from `SandboxHost.scratch`. One sandbox at a time uses it."""

    async def close(self) -> None:
        """Forget it: what lies in it is gone once no sandbox uses it. Idempotent."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How the program ended: exactly one of `status` and `signal` is set. `max_rss` in bytes, 0 if unknown.

    `oom`: the sandbox had outgrown its memory limit, and that is why.
    """

    status: int | None
    signal: int | None
    max_rss: int = 0
    oom: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A guarantee of Lambda's that this tier cannot give here, why, and what would mend it."""

    what: str
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether this machine gives a tier: `refused` says why not, `missing` what it lacks where it works."""

    tier: str
    refused: Missing | None
    missing: tuple[Missing, ...]


class StepFailed(SandboxError):
    """One named step of making a sandbox failed (docs/sandbox.md lists them). `errno` is 0 where there was none.

    The step "exec" means that the program itself could not be started: ENOENT, EACCES, ENOEXEC are the function's
    fault, everything else is the machine's.
    """

    def __init__(self, message: str, *, step: str, errno: int, where: str | None = None, hint: str | None = None):
        super().__init__(message, where=where, hint=hint)
        self.step = step
        self.errno = errno


class Process(Protocol):
    """One program in a sandbox."""

    @property
    def output(self) -> int:
        """Read end (non-blocking) of the one pipe that is its stdout and stderr. Closed with the sandbox."""

    async def wait(self) -> Exit:
        """Until the program has ended. May be awaited by several tasks, and again later."""

    def send_signal(self, number: int) -> None:
        """To this program alone. No error once it has ended."""


class Sandbox(Process, Protocol):
    """One running sandbox; as a Process it is its first program. Not thread-safe: it belongs to the event loop that
    created it."""

    @property
    def pid(self) -> int:
        """The process that everything in the sandbox descends from, as the host sees it."""

    @property
    def layout(self) -> Layout: ...

    @property
    def listener(self) -> socket.socket:
        """A listening, non-blocking socket: serve the Runtime API on it. Closed by `close()`."""

    async def start(self, program: Program) -> Process:
        """One more program in the same sandbox. Raises StepFailed; the sandbox lives on then."""

    async def dial(self, port: int) -> socket.socket:
        """A non-blocking connection to `port` inside the sandbox. Raises OSError where nobody listens."""

    def share_cpu(self) -> None:
        """From now on the function gets the CPU share of its memory size; until then, whole CPUs. Idempotent."""

    def memory_peak(self) -> int:
        """The most memory that the whole tree has used at a time, in bytes; 0 if it cannot be known (not Linux).

        By control group, without what lies in /tmp; without one, the sum of each living process's own peak (shared
        pages count once for each). Never falls.
        """

    def freeze(self) -> None:
        """Stop every process of the tree (as Lambda does between invocations). Idempotent."""

    def thaw(self) -> None:
        """Undo `freeze`. Idempotent."""

    def terminate(self) -> None:
        """SIGTERM to the first program."""

    def kill(self) -> None:
        """SIGKILL to every process of the tree. Idempotent."""

    async def close(self) -> None:
        """Kill, reap, and release everything. Idempotent."""


class SandboxHost(Protocol):
    """Makes sandboxes of one tier. Belongs to the event loop that opened it."""

    @property
    def tier(self) -> str: ...

    @property
    def missing(self) -> tuple[Missing, ...]: ...

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """Raises SandboxError with the step that failed; nothing is left behind then."""

    async def scratch(self, size_mb: int) -> Scratch:
        """A /tmp of so many MiB for sandboxes of this host. Raises SandboxError."""

    async def close(self) -> None:
        """Close every sandbox, then the host. Idempotent."""
