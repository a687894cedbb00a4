"""What a sandbox promises, whatever tier gives it.

A sandbox is one process tree in isolation: what the emulator calls an execution environment runs in exactly one.
A `SandboxHost` makes them; `fnroll.sandbox.open_host()` picks the strongest tier that this machine can give. Two
tiers exist, `linux` (namespaces, pivot_root, seccomp) and `process` (a plain process group, for everywhere else);
each passes the same contract suite, tests/sandbox_contract.py.

Guarantees, for any tier:
1. `listener` accepts connections from inside the sandbox alone (linux) or is a fresh loopback port (process), before
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

Network = Literal["none", "host", "nat"]
Tier = Literal["auto", "linux", "process"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the program inside finds things: absolute paths, and `api` as host:port for AWS_LAMBDA_RUNTIME_API."""

    task: str
    opt: str
    tmp: str
    api: str


@dataclass(frozen=True, slots=True)
class Program:
    """What to exec: argv[0] is an absolute path as seen inside."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One sandbox to make. `task` and `opt` are host directories, read-only inside; sizes are in MiB.

    `program` is asked once, with the layout that the tier gives.
    """

    program: Callable[[Layout], Program]
    task: Path
    opt: Path | None = None
    tmp_mb: int = 512
    memory_mb: int = 128
    network: Network = "none"


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


class Sandbox(Protocol):
    """One running sandbox. Not thread-safe: it belongs to the event loop that created it."""

    @property
    def pid(self) -> int:
        """The program's pid as the host sees it."""

    @property
    def layout(self) -> Layout: ...

    @property
    def listener(self) -> socket.socket:
        """A listening, non-blocking socket: serve the Runtime API on it. Closed by `close()`."""

    @property
    def output(self) -> int:
        """Read end (non-blocking) of the one pipe that is the program's stdout and stderr. Closed by `close()`."""

    async def wait(self) -> Exit:
        """Until the program has ended. May be awaited by several tasks, and again later."""

    def memory_peak(self) -> int:
        """Highest resident size so far of the whole tree, in bytes; 0 if it cannot be known (not Linux).

        The sum of each living process's own peak, never falling; shared pages count once for each process.
        """

    def freeze(self) -> None:
        """Stop every process of the tree (as Lambda does between invocations). Idempotent."""

    def thaw(self) -> None:
        """Undo `freeze`. Idempotent."""

    def terminate(self) -> None:
        """SIGTERM to the program. In the linux tier the program is its namespace's first process, and the kernel
        drops a SIGTERM that such a process has no handler for: follow up with `kill`."""

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

    async def close(self) -> None:
        """Close every sandbox, then the host. Idempotent."""
