"""One run of a runtime: a sandbox, the Runtime API on its listener, the reader of its output, the watch on its end.

Mechanism only. What happens is told to `Events`, in an order that can be relied on: everything that the program said
(on the Runtime API, on its output) before it ended is told before its end.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass

from fnroll.emulator import variables
from fnroll.emulator.api import FunctionConfig
from fnroll.emulator.entrypoint import Entrypoint
from fnroll.emulator.faults import Fault, invalid_entrypoint
from fnroll.emulator.output import Output
from fnroll.emulator.runtime_api import Answer, Delivery, Hooks, InitError, RuntimeApi
from fnroll.sandbox.api import Exit, Layout, Program, Sandbox, SandboxHost, SandboxSpec, StepFailed

_NOT_STARTED = {
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
    errno.ENOEXEC: "exec format error",
}
"""The kernel's refusals of a program that are the function's fault, in Lambda's words."""


@dataclass(frozen=True, slots=True)
class Events:
    """Callbacks, from the event loop. `printed` gets a line without its end."""

    ready: Callable[[], None]
    answered: Callable[[Answer], None]
    init_failed: Callable[[InitError], None]
    printed: Callable[[str], None]
    exited: Callable[[Exit], None]


class Instance:
    """Made by `launch`. After `stop` nothing more is told."""

    def __init__(self, sandbox: Sandbox, events: Events) -> None:
        self._sandbox = sandbox
        self._events = events
        self._api = RuntimeApi(Hooks(events.ready, events.answered, events.init_failed))
        self._output = Output(sandbox.output, events.printed)
        self._watch: asyncio.Task[None] | None = None
        self._frozen = False
        self._peak = 0
        self.exit: Exit | None = None

    @property
    def usable(self) -> bool:
        """Whether the runtime waits for an event, as far as the kernel knows at this moment."""
        return self.exit is None and self._api.reachable

    def deliver(self, delivery: Delivery) -> None:
        if self._frozen:
            self._sandbox.thaw()
            self._frozen = False
        self._api.deliver(delivery)

    def freeze(self) -> None:
        if self.exit is None:
            self._sandbox.freeze()
            self._frozen = True

    def drain(self) -> None:
        """Tell every line printed before now."""
        self._output.drain()

    async def ended(self, limit: float) -> Exit | None:
        """Until the program has ended, `limit` seconds at most; then None."""
        if self._watch is not None:
            await asyncio.wait({self._watch}, timeout=limit)
        return self.exit

    def memory_peak(self) -> int:
        """Bytes."""
        self._peak = max(self._peak, self._sandbox.memory_peak(), self.exit.max_rss if self.exit else 0)
        return self._peak

    def kill(self) -> None:
        self._sandbox.kill()

    async def stop(self) -> None:
        """Kill and release everything. Idempotent."""
        if self._watch is not None:
            self._watch.cancel()
        self._output.close()
        await self._api.close()
        await self._sandbox.close()

    async def _serve(self) -> None:
        await self._api.start(self._sandbox.listener)
        self._watch = asyncio.get_running_loop().create_task(self._watch_exit())

    async def _watch_exit(self) -> None:
        ended = await self._sandbox.wait()
        # What it sent before its end is in our sockets by now, in one that is not accepted yet at worst: three rounds
        # of the event loop accept, read and tell.
        for _ in range(3):
            await asyncio.sleep(0)
        self.drain()
        self.exit = ended
        self._events.exited(ended)


async def launch(
    host: SandboxHost, config: FunctionConfig, entrypoint: Entrypoint, log_stream: str, events: Events
) -> Instance | Fault:
    """Start the bootstrap in a new sandbox. A program that the kernel refuses is a Fault of the function's; raises
    SandboxError where this machine is at fault."""

    def program(layout: Layout) -> Program:
        root = layout.opt if entrypoint.in_opt else layout.task
        return Program((f"{root}/bootstrap",), variables.build(config, layout, log_stream), layout.task)

    spec = SandboxSpec(program, config.task, config.opt, config.tmp_mb, config.memory_mb, config.network)
    try:
        sandbox = await host.create(spec)
    except StepFailed as failed:
        if failed.step != "exec" or failed.errno not in _NOT_STARTED:
            raise
        place = "/opt" if entrypoint.in_opt else "/var/task"
        return invalid_entrypoint(f"fork/exec {place}/bootstrap: {_NOT_STARTED[failed.errno]}")
    instance = Instance(sandbox, events)
    try:
        await instance._serve()
    except BaseException:
        await instance.stop()
        raise
    return instance
