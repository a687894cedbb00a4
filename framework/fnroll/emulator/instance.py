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
from functools import partial
from typing import Final

from fnroll.emulator import extensions, faults, telemetry, variables
from fnroll.emulator.api import FunctionConfig
from fnroll.emulator.entrypoint import Entrypoint
from fnroll.emulator.events import Event
from fnroll.emulator.events import extension as extension_event
from fnroll.emulator.extension_states import MAXIMUM, State
from fnroll.emulator.extensions import Extension, Extensions
from fnroll.emulator.faults import Fault, invalid_entrypoint
from fnroll.emulator.inits import InitFailure
from fnroll.emulator.lifecycle import BUDGETS, LAST_WORDS, Reason
from fnroll.emulator.output import Journal
from fnroll.emulator.programs import Programs, ends, told
from fnroll.emulator.runtime_api import Answer, Delivery, Hooks, InitError, RuntimeApi
from fnroll.emulator.telemetry import Telemetry
from fnroll.emulator.wire import Reply, Request
from fnroll.emulator.workers_api import WorkersApi
from fnroll.errors import SandboxError
from fnroll.sandbox.api import Exit, Layout, Process, Program, Sandbox, SandboxHost, SandboxSpec, Scratch, StepFailed

NOT_STARTED: Final = {
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
    errno.ENOEXEC: "exec format error",
}
"""The kernel's refusals of a program that are the function's fault, in Lambda's words."""


def refused(failed: StepFailed) -> str | None:
    """Why the kernel would not start a program, if that is the function's fault."""
    return NOT_STARTED.get(failed.errno) if failed.step == "exec" else None


@dataclass(frozen=True, slots=True)
class Events:
    """Callbacks, from the event loop. `ready`: the runtime and all extensions wait for an event. `arrived`: an answer
    is there, and `answered` once the runtime knows that. `exited`: a program has ended, or said that it cannot go on;
    nothing will be ready any more. `broken`: this machine is at fault."""

    ready: Callable[[], None]
    arrived: Callable[[Answer], None]
    answered: Callable[[Answer], None]
    init_failed: Callable[[InitError], None]
    exited: Callable[[Fault], None]
    broken: Callable[[SandboxError], None]


class Instance:
    """Made by `create`; then `start`, and at last `abandon` and `stop`."""

    def __init__(
        self,
        sandbox: Sandbox,
        config: FunctionConfig,
        journal: Journal,
        events: Events,
        runtime: Program,
        bootstrap: str,
        clock: Callable[[], float],
    ) -> None:
        """`runtime` runs in the sandbox already, unless there are external extensions. `bootstrap`: where it lies on
        Lambda."""
        self._sandbox = sandbox
        self._bootstrap = bootstrap
        self._clock = clock
        self._runtime_program: Program | None = runtime  # until it may start
        self._journal = journal
        self._events = events
        account = (config.arn.split(":") + [""] * 5)[4]
        self._extensions = Extensions(
            extensions.About(config.name, config.version, config.handler or "", account),
            extensions.programs(config.opt),
            extensions.Hooks(self._extension_changed, self._extension_failed),
            enabled=extensions.enabled(config.opt),
            invoked=config.concurrency == 1,
        )
        self._telemetry = Telemetry(journal, sandbox.dial, clock, json_lines=config.log_format == "JSON")
        served = RuntimeApi if config.concurrency == 1 else WorkersApi
        hooks = Hooks(self._runtime_ready, self._answered, self._init_failed, self._arrived)
        self._api = served(hooks, self._other_apis)
        self._programs = Programs()
        self._runtime: Process | None = None
        self._external: list[tuple[Extension, Process]] = []
        self._last_words: asyncio.TimerHandle | None = None
        self._error_type: str | None = None  # of an extension that reported an error
        self._frozen = False
        self._abandoned = False
        self._stopped = False
        self._peak = 0
        self.fault: Fault | None = None
        self.exit: Exit | None = None
        """The runtime's."""

    @property
    def usable(self) -> bool:
        """Whether the runtime waits for an event, as far as the kernel knows at this moment."""
        return self.fault is None and self._api.reachable

    @property
    def waits(self) -> bool:
        """Whether the runtime waits for an event, as far as it has said."""
        return self.fault is None and self._api.waits

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

    def expire(self, request_id: str) -> None:
        """Of a managed instance: nobody waits for this answer any more."""
        if isinstance(self._api, WorkersApi):
            self._api.expire(request_id)

    def tell_extensions(self) -> None:
        """Where each extension is at the end of init."""
        for extension in self._extensions.all:
            state, error_type = extension.state.value, extension.error_type
            self._journal.tell(extension_event(extension.name, state, extension.events, error_type))

    def initialised(self) -> None:
        """Init has ended: no more subscriptions, and from now on the function's share of CPU."""
        if not self._telemetry.close_subscriptions():
            self._journal.tap = None
        self._sandbox.share_cpu()

    def freeze(self) -> None:
        if self.fault is None and not self._abandoned:
            self._sandbox.freeze()
            self._frozen = True

    def drain(self) -> None:
        """Tell every line printed before now."""
        self._programs.drain()

    async def ended(self, limit: float) -> Exit | None:
        """Until the runtime has ended, `limit` seconds at most; then None."""
        if self._runtime is not None:
            await ends([self._runtime], limit)
            await told()
        return self.exit

    def memory_peak(self) -> int:
        """Bytes."""
        self._peak = max(self._peak, self._sandbox.memory_peak(), self.exit.max_rss if self.exit else 0)
        return self._peak

    def kill(self) -> None:
        self._sandbox.kill()

    def abandon(self) -> None:
        """From now on nothing is told any more but what is printed. Idempotent."""
        self._abandoned = True
        if self._last_words is not None:
            self._last_words.cancel()

    async def stop(self, reason: Reason = Reason.SPINDOWN) -> None:
        """Shut down within the budget that its extensions have, then kill and release everything. Idempotent."""
        self.abandon()
        if not self._stopped:
            self._stopped = True
            kind = self._extensions.kind
            if kind != "none":
                await self._shut_down(*BUDGETS[kind], reason)
        self._telemetry.close()
        self._journal.tap = None
        self._programs.close()
        await self._api.close()
        await self._sandbox.close()

    async def _shut_down(self, for_runtime: float, for_all: float, reason: Reason) -> None:
        """SIGTERM to the runtime, then SHUTDOWN to the extensions; who is left after its time, or takes no SHUTDOWN, is
        killed. What telemetry is still on its way gets half of the time between."""
        until = time.monotonic() + for_all
        if self._frozen:
            self._sandbox.thaw()
        if self._runtime is not None and self.exit is None:
            self._runtime.send_signal(signal.SIGTERM)
            if not await ends([self._runtime], for_runtime):
                self._runtime.send_signal(signal.SIGKILL)
        await self._telemetry.flush((until - time.monotonic()) / 2)
        left = until - time.monotonic()
        self._extensions.shut_down(int((self._clock() + left) * 1000), reason)
        for extension, process in self._external:
            if "SHUTDOWN" not in extension.events:
                process.send_signal(signal.SIGKILL)
        await ends([process for _, process in self._external], left)
        self.drain()

    # launching

    async def start(self, begun: Event) -> None:
        """Serve the APIs. Start every external extension, and the runtime once all have registered. `begun` is the
        event of this init's start. Raises SandboxError; a program that cannot start is told as any other end."""
        self._telemetry.tap(begun.type, begun.record())
        self._journal.tap = self._telemetry.tap
        await self._api.start(self._sandbox.listener)
        every = self._extensions.all
        if not every:
            self._runtime_program = None
            self._follow_runtime(self._sandbox)
        elif len(every) > MAXIMUM:
            self._extensions.not_started(every[MAXIMUM], "TooManyExtensions")
            self._fail(faults.too_many_extensions())
        elif self._runtime_program is not None:
            environment = variables.for_extension(self._runtime_program.env)
            for extension in list(every):
                if self.fault is None and not self._abandoned:
                    await self._start_extension(extension, environment)

    async def _start_extension(self, extension: Extension, environment: dict[str, str]) -> None:
        path = f"{self._sandbox.layout.opt}/extensions/{extension.name}"
        try:
            process = await self._sandbox.start(Program((path,), environment, "/"))
        except StepFailed as failed:
            reason = refused(failed)
            if reason is None:
                raise
            denied = failed.errno == errno.EACCES
            self._extensions.not_started(extension, "PermissionDenied" if denied else "UnknownError")
            self._fail(faults.extension_not_started(extension.name, reason))
            return
        self._external.append((extension, process))
        printed = partial(self._journal.printed, source="extension")
        self._programs.follow(process, printed, lambda how: self._fail(faults.extension_exited(how)))

    async def _start_runtime(self, program: Program) -> None:
        try:
            process = await self._sandbox.start(program)
        except StepFailed as failed:
            reason = refused(failed)
            if reason is None and not self._abandoned:
                self._events.broken(failed)
            elif reason is not None:
                self._fail(invalid_entrypoint(f"fork/exec {self._bootstrap}: {reason}"))
        else:
            self._follow_runtime(process)

    def _follow_runtime(self, process: Process) -> None:
        self._runtime = process
        self._programs.follow(process, self._journal.printed, self._runtime_ended)

    def _runtime_ended(self, how: Exit) -> None:
        self.exit = how
        self._fail(faults.exited(how))

    def _fail(self, found: Fault) -> None:
        """The first end of a program is the fault; an error that an extension reported before is what it is called."""
        if self.fault is None and not self._abandoned:
            self.fault = found if self._error_type is None else replace(found, type=self._error_type)
            self._events.exited(self.fault)

    # what the APIs tell

    def _runtime_ready(self) -> None:
        self._extensions.open = False
        self._check_ready()

    def _check_ready(self) -> None:
        if self._api.waits and self._extensions.ready and self.fault is None and not self._abandoned:
            self._events.ready()

    def _arrived(self, answer: Answer) -> None:
        if not self._abandoned:
            self._events.arrived(answer)

    def _answered(self, answer: Answer) -> None:
        if not self._abandoned:
            self._events.answered(answer)

    def _init_failed(self, posted: InitError) -> None:
        if not self._abandoned:
            self._events.init_failed(posted)

    def _extension_changed(self) -> None:
        program = self._runtime_program
        if program is not None and self._extensions.registered and not self._abandoned:
            self._runtime_program = None
            self._programs.run(self._start_runtime(program))
        self._check_ready()

    def _extension_failed(self, extension: Extension) -> None:
        """It is expected to end now."""
        if self._error_type is None:
            in_init = extension.state is State.INIT_ERROR
            self._error_type = faults.EXTENSION_INIT if in_init else faults.EXTENSION_EXIT
            found = Fault(self._error_type, extension.error_type or "")
            self._last_words = asyncio.get_running_loop().call_later(LAST_WORDS, self._fail, found)

    def _other_apis(self, request: Request, reply: Reply) -> None:
        path = request.path.rstrip("/")
        if path not in telemetry.PATHS:
            self._extensions.handle(request, reply)
        elif request.method != "PUT":
            reply.send(405, [("Allow", "PUT")])
        else:
            extension = self._extensions.identified(request, reply)
            if extension is not None:
                self._telemetry.handle(request, path, reply, extension)


async def create(
    host: SandboxHost,
    config: FunctionConfig,
    entrypoint: Entrypoint,
    journal: Journal,
    events: Events,
    scratch: Scratch,
    clock: Callable[[], float],
) -> Instance | Fault:
    """A new sandbox, with the bootstrap in it unless extensions come first. `clock` gives epoch seconds. A bootstrap
    that the kernel refuses is a Fault of the function's; raises SandboxError where this machine is at fault."""
    bootstrap = entrypoint.path

    def program(layout: Layout) -> Program:
        return Program(entrypoint.argv(layout), variables.build(config, layout, journal.stream), layout.task)

    runtime, lang = entrypoint.shown
    alone = not extensions.programs(config.opt)
    spec = SandboxSpec(program, config.task, config.opt, config.tmp_mb, config.memory_mb, config.network)
    spec = replace(spec, program=program if alone else None, scratch=scratch, limits=config.limits)
    spec = replace(spec, runtime=runtime, lang=lang)
    try:
        sandbox = await host.create(spec)
    except StepFailed as failed:
        reason = refused(failed)
        if reason is None:
            raise
        return invalid_entrypoint(f"fork/exec {bootstrap}: {reason}")
    return Instance(sandbox, config, journal, events, program(sandbox.layout), bootstrap, clock)


async def last_words(instance: Instance, failure: InitFailure) -> InitFailure:
    """Let a runtime that posted its error end by itself; end one that took too long. Then its output is whole."""
    ended = await instance.ended(LAST_WORDS) if failure.posted else None
    if instance.exit is None and not instance.extended:
        instance.kill()
    instance.drain()
    fault = faults.exited(ended) if ended else failure.fault
    return replace(failure, fault=fault, how=instance.exit)
