"""One run of a runtime and its extensions: a sandbox, the APIs on its listener, the programs in it, what they print.

Mechanism only. What happens is told to `Events`, in an order that can be relied on: everything that a program said (on
an API, on its output) before it ended is told before its end. Without extensions there is one program and one API.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from fnroll.emulator import extensions, faults, telemetry, variables
from fnroll.emulator.api import FunctionConfig
from fnroll.emulator.entrypoint import Entrypoint
from fnroll.emulator.events import Event
from fnroll.emulator.events import extension as extension_event
from fnroll.emulator.extensions import Extension, Extensions
from fnroll.emulator.faults import Fault, invalid_entrypoint
from fnroll.emulator.lifecycle import BUDGETS, Reason
from fnroll.emulator.output import Journal, Output
from fnroll.emulator.runtime_api import Answer, Delivery, Hooks, InitError, RuntimeApi
from fnroll.emulator.telemetry import Telemetry
from fnroll.emulator.wire import Reply, Request
from fnroll.sandbox.api import Exit, Layout, Process, Program, Sandbox, SandboxHost, SandboxSpec, Scratch, StepFailed

NOT_STARTED: Final = {
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
    errno.ENOEXEC: "exec format error",
}
"""The kernel's refusals of a program that are the function's fault, in Lambda's words."""


@dataclass(frozen=True, slots=True)
class Events:
    """Callbacks, from the event loop. `ready`: the runtime and all extensions wait for an event. `exited`: a program
    has ended, or said that it cannot go on; nothing will be ready any more."""

    ready: Callable[[], None]
    answered: Callable[[Answer], None]
    init_failed: Callable[[InitError], None]
    exited: Callable[[Fault], None]


class Instance:
    """Made by `launch`. After `stop` nothing more is told."""

    def __init__(self, sandbox: Sandbox, config: FunctionConfig, journal: Journal, events: Events) -> None:
        self._sandbox = sandbox
        self._config = config
        self._journal = journal
        self._events = events
        about = extensions.About(
            config.name, config.version, config.handler or "", (config.arn.split(":") + [""] * 5)[4]
        )
        hooks = extensions.Hooks(self._extension_changed, self._extension_failed)
        self._extensions = Extensions(about, extensions.programs(config.opt), hooks)
        self._telemetry = Telemetry(journal, sandbox.dial, time.time)
        self._api = RuntimeApi(Hooks(self._runtime_ready, events.answered, events.init_failed), self._other_apis)
        self._runtime: Process | None = None
        self._runtime_program: Program | None = None
        self._outputs: list[Output] = []
        self._watches: list[asyncio.Task[None]] = []
        self._processes: dict[str, Process] = {}
        self._frozen = False
        self._initialised = False
        self._stopping = False
        self._peak = 0
        self.fault: Fault | None = None
        self.exit: Exit | None = None
        """The runtime's."""

    @property
    def usable(self) -> bool:
        """Whether the runtime waits for an event, as far as the kernel knows at this moment."""
        return self.fault is None and self._api.reachable

    @property
    def extended(self) -> bool:
        """Whether extensions have a say in how it ends."""
        return bool(self._extensions.all)

    # what the environment does

    def deliver(self, delivery: Delivery) -> None:
        if self._frozen:
            self._sandbox.thaw()
            self._frozen = False
        if self._extensions.all:
            trace_id = delivery.trace_id or ""
            self._extensions.invoke(delivery.request_id, delivery.deadline_ms, delivery.arn, trace_id)
        self._api.deliver(delivery)

    def initialised(self) -> None:
        """Init has ended: no more subscriptions, and from now on the function's share of CPU."""
        self._initialised = True
        if not self._telemetry.close_subscriptions():
            self._journal.tap = None
        for extension in self._extensions.all:
            self._journal.tell(extension_event(extension.name, "Ready", extension.events))
        self._sandbox.share_cpu()

    def freeze(self) -> None:
        if self.fault is None and not self._stopping:
            self._sandbox.freeze()
            self._frozen = True

    def drain(self) -> None:
        """Tell every line printed before now."""
        for output in self._outputs:
            output.drain()

    async def ended(self, limit: float) -> Exit | None:
        """Until the runtime has ended, `limit` seconds at most; then None."""
        if self._runtime is not None:
            await _ends([self._runtime], limit)
            await _told()
        return self.exit

    def memory_peak(self) -> int:
        """Bytes."""
        self._peak = max(self._peak, self._sandbox.memory_peak(), self.exit.max_rss if self.exit else 0)
        return self._peak

    def kill(self) -> None:
        self._sandbox.kill()

    async def stop(self, reason: Reason = Reason.SPINDOWN) -> None:
        """Shut down within the budget that its extensions have, then kill and release everything. Idempotent."""
        if not self._stopping:
            self._stopping = True
            kind = self._extensions.kind
            if kind != "none":
                await self._shut_down(*BUDGETS[kind], reason)
        self._telemetry.close()
        self._journal.tap = None
        for watch in self._watches:
            watch.cancel()
        for output in self._outputs:
            output.close()
        await self._api.close()
        await self._sandbox.close()

    async def _shut_down(self, for_runtime: float, for_all: float, reason: Reason) -> None:
        """SIGTERM to the runtime, then SHUTDOWN to the extensions; who is left after its time is killed."""
        began = time.monotonic()
        if self._frozen:
            self._sandbox.thaw()
        if self._runtime is not None and self.exit is None:
            self._runtime.send_signal(signal.SIGTERM)
            if not await _ends([self._runtime], for_runtime):
                self._runtime.send_signal(signal.SIGKILL)
        left = began + for_all - time.monotonic()
        await self._telemetry.flush(left / 2)
        left = began + for_all - time.monotonic()
        self._extensions.shut_down(int((time.time() + left) * 1000), reason)
        await _ends(list(self._processes.values()), left)
        self.drain()

    # launching

    async def start(self, runtime: Program) -> Fault | None:
        """Serve the APIs. Start every external extension, and the runtime once all have registered."""
        await self._api.start(self._sandbox.listener)
        if not self._extensions.all:
            self._follow_runtime(self._sandbox)
            return None
        self._runtime_program = runtime
        environment = variables.for_extension(runtime.env)
        for extension in list(self._extensions.all):
            path = f"{self._sandbox.layout.opt}/extensions/{extension.name}"
            try:
                process = await self._sandbox.start(Program((path,), environment, "/"))
            except StepFailed as failed:
                if failed.step != "exec" or failed.errno not in NOT_STARTED:
                    raise
                return faults.extension_not_started(extension.name, NOT_STARTED[failed.errno])
            self._processes[extension.name] = process
            self._outputs.append(Output(process.output, lambda text: self._journal.printed(text, "extension")))
            self._watch(self._watch_extension(extension, process))
        return None

    async def _start_runtime(self, program: Program) -> None:
        try:
            process = await self._sandbox.start(program)
        except StepFailed as failed:
            known = NOT_STARTED.get(failed.errno) if failed.step == "exec" else None
            self._fail(invalid_entrypoint(f"fork/exec {program.argv[0]}: {known or failed.message}"))
            return
        self._follow_runtime(process)

    def _follow_runtime(self, process: Process) -> None:
        self._runtime = process
        self._outputs.append(Output(process.output, self._journal.printed))
        self._watch(self._watch_runtime(process))

    def _watch(self, watching: object) -> None:
        self._watches.append(asyncio.get_running_loop().create_task(watching))  # type: ignore[arg-type]

    async def _watch_runtime(self, process: Process) -> None:
        ended = await process.wait()
        await _told()
        self.drain()
        self.exit = ended
        self._fail(faults.exited(ended))

    async def _watch_extension(self, extension: Extension, process: Process) -> None:
        ended = await process.wait()
        await _told()
        self._extensions.exited(extension)
        if not self._stopping and self.fault is None:
            self.drain()
            found = faults.extension_exited(ended)
            self._journal.tell(extension_event(extension.name, "Exited", extension.events, found.type))
            self._fail(found)

    def _fail(self, found: Fault) -> None:
        if self.fault is None and not self._stopping:
            self.fault = found
            self._events.exited(found)

    # what the APIs tell

    def _runtime_ready(self) -> None:
        self._extensions.open = False
        self._check_ready()

    def _check_ready(self) -> None:
        if self._api.waits and self._extensions.ready and self.fault is None:
            self._events.ready()

    def _extension_changed(self) -> None:
        program = self._runtime_program
        if program is not None and self._extensions.registered:
            self._runtime_program = None
            self._watch(self._start_runtime(program))
        self._check_ready()

    def _extension_failed(self, extension: Extension) -> None:
        found = faults.extension_failed(extension.state is extensions.State.INIT_ERROR, extension.error_type)
        self._journal.tell(extension_event(extension.name, extension.state.value, extension.events, found.type))
        self._fail(found)

    def _other_apis(self, request: Request, reply: Reply) -> None:
        if request.path not in telemetry.PATHS:
            self._extensions.handle(request, reply)
        elif request.method != "PUT":
            reply.send(405, [("Allow", "PUT")])
        else:
            extension = self._extensions.identified(request, reply)
            if extension is not None:
                self._telemetry.handle(request, reply, extension)

    def listen(self, begun: Event) -> None:
        """Events from `begun` on may be wanted by a subscriber that comes later."""
        self._telemetry.tap(begun.type, begun.record())
        self._journal.tap = self._telemetry.tap


async def _told() -> None:
    """What a program sent before its end is in our sockets by now, in one that is not accepted yet at worst: three
    rounds of the event loop accept, read and tell."""
    for _ in range(3):
        await asyncio.sleep(0)


async def _ends(processes: list[Process], limit: float) -> bool:
    """Whether all end within `limit` seconds."""
    waits = [asyncio.ensure_future(process.wait()) for process in processes]
    if not waits:
        return True
    _, late = await asyncio.wait(waits, timeout=max(0.0, limit))
    for wait in late:
        wait.cancel()
    return not late


async def launch(
    host: SandboxHost,
    config: FunctionConfig,
    entrypoint: Entrypoint,
    journal: Journal,
    events: Events,
    scratch: Scratch | None,
    begun: Event,
) -> Instance | Fault:
    """Start the bootstrap in a new sandbox, after its extensions. `begun`: the event of this init's start.

    A program that the kernel refuses is a Fault of the function's; raises SandboxError where this machine is at fault.
    """

    def program(layout: Layout) -> Program:
        root = layout.opt if entrypoint.in_opt else layout.task
        return Program((f"{root}/bootstrap",), variables.build(config, layout, journal.stream), layout.task)

    alone = not extensions.programs(config.opt)
    spec = SandboxSpec(program, config.task, config.opt, config.tmp_mb, config.memory_mb, config.network)
    spec = replace(spec, program=program if alone else None, scratch=scratch, limits=config.limits)
    try:
        sandbox = await host.create(spec)
    except StepFailed as failed:
        if failed.step != "exec" or failed.errno not in NOT_STARTED:
            raise
        place = "/opt" if entrypoint.in_opt else "/var/task"
        return invalid_entrypoint(f"fork/exec {place}/bootstrap: {NOT_STARTED[failed.errno]}")
    instance = Instance(sandbox, config, journal, events)
    instance.listen(begun)
    try:
        fault = await instance.start(program(sandbox.layout))
    except BaseException:
        await instance.stop()
        raise
    if fault is not None:
        await instance.stop()
        return fault
    return instance
