"""One execution environment: Lambda's life cycle over one run of a runtime at a time.

    INIT ──────> idle <──> INVOKE ──> ended
      └─ failed: once more, within the first invocation

It starts with the init phase (10 s). An init that fails or takes longer is reported, and the first invocation inits
again under the function's own timeout, in a fresh sandbox. An invocation ends with the runtime's answer, with the
deadline, or with the runtime's death; the latter two end the environment. The outcome is made in the callback that
brings the answer, so nothing of one invocation can reach into the next. Source of texts and order: facts 2.4, 2.5.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fnroll.emulator import entrypoint, faults, lines
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome, Report, Status
from fnroll.emulator.entrypoint import Entrypoint
from fnroll.emulator.faults import Fault
from fnroll.emulator.instance import Events, Instance, launch
from fnroll.emulator.output import Journal
from fnroll.emulator.runtime_api import Answer, Delivery, InitError
from fnroll.errors import EmulatorError
from fnroll.sandbox.api import Exit, SandboxHost

LAST_WORDS: Final = 0.5
"""Seconds that a runtime has to end by itself, and to say why on its output, after it posted an init error."""

Clock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom to tell. `ready`: it waits for an event again after an answer. `ended`: it will never take another."""

    ready: Callable[[], None]
    ended: Callable[[], None]


@dataclass(frozen=True, slots=True)
class InitFailure:
    """Why an init came to nothing: what the runtime posted, or what the platform saw, or both; neither: time was up."""

    posted: InitError | None = None
    fault: Fault | None = None

    @property
    def status(self) -> Status:
        return "error" if self.posted or self.fault else "timeout"

    @property
    def error_type(self) -> str | None:
        if self.posted is not None:
            return self.posted.error_type
        return self.fault.type if self.fault else None


class ExecutionEnvironment:
    """Belongs to the event loop. `start`, then `invoke` one at a time, then `close`."""

    def __init__(
        self,
        host: SandboxHost,
        config: FunctionConfig,
        journal: Journal,
        owner: Owner,
        *,
        init_timeout: float,
        clock: Clock,
    ) -> None:
        self.config = config
        self._host = host
        self._journal = journal
        self._owner = owner
        self._init_timeout = init_timeout
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._instance: Instance | None = None
        self._init: asyncio.Future[InitFailure | None] | None = None
        self._init_ms: float | None = None  # of the init phase, until an invocation has paid for it
        self._failed_ms = 0.0  # the same, of an init phase that failed
        self._running = False  # an init has come to its end
        self._outcome: asyncio.Future[Outcome] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._request_id = ""
        self._began = 0.0
        self._peak = 0
        self.waiting = False
        """Whether the runtime waits for an event."""
        self.over = False
        """Whether it will never take another event."""

    @property
    def usable(self) -> bool:
        """Whether it could take an event now: asked of the kernel, so a runtime that just died is no longer."""
        return not self.over and self.waiting and self._instance is not None and self._instance.usable

    def freeze(self) -> None:
        """Until the next invocation, no process of it runs."""
        if self._instance is not None:
            self._instance.freeze()

    async def close(self) -> None:
        """Kill it, release everything. What is under way ends with EmulatorError. Idempotent."""
        self.over = True
        if self._init is not None and not self._init.done():
            self._init.cancel()
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(EmulatorError("the execution environment was closed during an invocation"))
        await self._discard()

    async def _discard(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        instance, self._instance = self._instance, None
        if instance is not None:
            await instance.stop()

    # init

    async def start(self) -> None:
        """The init phase. One that fails is no error here: the first invocation tries once more."""
        self._journal.write(lines.init_start(self.config.runtime, self.config.region), keep=False)
        began = self._loop.time()
        failure = await self._initialise("init", self._init_timeout)
        spent = (self._loop.time() - began) * 1000
        if failure is None:
            self._init_ms = spent
        else:
            self._failed_ms = spent

    async def _initialise(self, phase: lines.Phase, limit: float) -> InitFailure | None:
        """One try. Raises SandboxError. After a failure there is no instance."""
        began = self._loop.time()
        found = entrypoint.find(self.config.task, self.config.opt)
        failure = InitFailure(fault=found) if isinstance(found, Fault) else await self._try(found, began + limit)
        if failure is None:
            self._running = True
            return None
        spent = (self._loop.time() - began) * 1000
        failure = await self._last_words(failure)
        self._journal.write(lines.init_report(spent, phase, failure.status, failure.error_type))
        await self._discard()
        return failure

    async def _try(self, found: Entrypoint, until: float) -> InitFailure | None:
        """Launch, and wait until the runtime asks for an event or cannot any more. None: it asks."""
        self._init = self._loop.create_future()
        self.waiting = False
        events = Events(self._ready, self._answered, self._init_failed, self._journal.write, self._exited)
        launched = await launch(self._host, self.config, found, self._journal.stream, events)
        if isinstance(launched, Fault):
            return InitFailure(fault=launched)
        self._instance = launched
        handle = self._loop.call_at(until, self._settle_init, InitFailure())
        try:
            if self.over:
                raise asyncio.CancelledError
            return await self._init
        except asyncio.CancelledError:
            await self._discard()
            if self.over:
                raise EmulatorError("the execution environment was closed during its init") from None
            raise
        finally:
            handle.cancel()

    async def _last_words(self, failure: InitFailure) -> InitFailure:
        """Let a runtime that posted its error end by itself; end one that took too long. Then its output is whole."""
        instance = self._instance
        if instance is None:
            return failure
        ended = await instance.ended(LAST_WORDS) if failure.posted else None
        if instance.exit is None:
            instance.kill()
            instance.drain()
        return InitFailure(failure.posted, faults.exited(ended)) if ended else failure

    def _settle_init(self, result: InitFailure | None) -> None:
        if self._init is not None and not self._init.done():
            self._init.set_result(result)

    # invoke

    async def invoke(self, invocation: Invocation) -> Outcome:
        """One event, to its outcome. Cancelling it ends the environment. Raises SandboxError, EmulatorError."""
        self._request_id = invocation.request_id
        self._journal.begin(invocation.request_id)
        self._began = self._loop.time()
        left = float(self.config.timeout)
        if self._instance is None:
            failure = await self._initialise("invoke", left)
            if failure is not None:
                return self._init_failed_again(failure)
            left -= self._loop.time() - self._began
        assert self._instance is not None
        self._journal.write(lines.start(self._request_id, self.config.version))
        self._outcome = self._loop.create_future()
        self._deadline = self._loop.call_later(max(left, 0.0), self._timed_out)
        self.waiting = False
        self._instance.deliver(_delivery(invocation, self._clock() + left))
        if self._instance.exit is not None:
            self._exited(self._instance.exit)
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self.over = True
            self._deadline.cancel()
            raise

    def _ready(self) -> None:
        self.waiting = True
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._running:
            self._settle_init(None)
        elif not self.over:
            self._owner.ready()

    def _init_failed(self, posted: InitError) -> None:
        self._settle_init(InitFailure(posted))

    def _answered(self, answer: Answer) -> None:
        if not self._invoking:
            return
        if answer.too_large:
            found = faults.response_too_large()
            self._finish(found.payload(self._request_id), "error", found.type, platform=True)
        elif answer.error_type is not None:
            self._finish(answer.payload, "error", answer.error_type)
        else:
            self._finish(answer.payload, "success")

    def _timed_out(self) -> None:
        """The deadline holds until the runtime asks for the next event: also for what it does after its answer."""
        if self._instance is None:
            return
        self.over = True
        self._instance.memory_peak()  # while there is something to read it from
        self._instance.kill()
        self._instance.drain()
        if self._invoking:  # else its end is told by `_exited`
            self._finish_timeout()

    def _exited(self, ended: Exit) -> None:
        if not self._running:
            self._settle_init(InitFailure(fault=faults.exited(ended)))
            return
        self.over = True
        if self._invoking:
            found = faults.exited(ended)
            self._journal.write(lines.fault(self._request_id, found))
            self._finish(found.payload(self._request_id), "error", found.type, platform=True)
        else:
            self._owner.ended()

    @property
    def _invoking(self) -> bool:
        return self._outcome is not None and not self._outcome.done()

    # the end of an invocation

    def _finish(self, payload: bytes, status: Status, error_type: str | None = None, *, platform: bool = False) -> None:
        """The outcome of the invocation under way; everything printed before now is in its log."""
        assert self._outcome is not None
        duration = (self._loop.time() - self._began) * 1000
        self._outcome.set_result(self._conclude(payload, status, error_type, platform, duration))

    def _finish_timeout(self) -> None:
        assert self._outcome is not None
        self._outcome.set_result(self._conclude_timeout())

    def _conclude_timeout(self) -> Outcome:
        found = faults.timed_out(self.config.timeout)
        self._journal.write(lines.timeout(self._request_id, found, self._clock()))
        payload = found.payload(self._request_id)
        return self._conclude(payload, "timeout", found.type, True, self.config.timeout * 1000.0)

    def _init_failed_again(self, failure: InitFailure) -> Outcome:
        self.over = True
        self._journal.write(lines.start(self._request_id, self.config.version))
        if failure.status == "timeout":
            return self._conclude_timeout()
        payload = b""
        if failure.fault is not None:
            self._journal.write(lines.fault(self._request_id, failure.fault))
            payload = failure.fault.payload(self._request_id)
        if failure.posted is not None:
            payload = failure.posted.payload
        duration = (self._loop.time() - self._began) * 1000
        return self._conclude(payload, "error", failure.error_type, True, duration)

    def _conclude(
        self, payload: bytes, status: Status, error_type: str | None, platform: bool, duration_ms: float
    ) -> Outcome:
        """END, REPORT and the outcome, all from the same figures."""
        if self._deadline is not None and self.over:
            self._deadline.cancel()
        if self._instance is not None:
            self._instance.drain()
            self._peak = self._instance.memory_peak()
        init_ms, self._init_ms = self._init_ms, None
        failed_ms, self._failed_ms = self._failed_ms, 0.0
        report = Report(
            duration_ms=round(duration_ms, 2),
            billed_ms=lines.billed_ms(duration_ms, init_ms or failed_ms),
            memory_mb=self.config.memory_mb,
            max_memory_mb=math.ceil(self._peak / (1 << 20)),
            init_ms=None if init_ms is None else round(init_ms, 2),
            status=status,
            error_type=error_type,
            platform_error=platform,
        )
        self._journal.write(lines.end(self._request_id))
        self._journal.write(lines.report(self._request_id, report))
        function_error = None if status == "success" else "Unhandled"
        return Outcome(payload, function_error, self.config.version, report, self._journal.take())


def _delivery(invocation: Invocation, deadline: float) -> Delivery:
    """The event as the runtime gets it; an empty one is `{}`. `deadline` in epoch seconds."""
    return Delivery(
        invocation.request_id,
        int(deadline * 1000),
        invocation.arn,
        invocation.payload or b"{}",
        invocation.trace_id,
        invocation.client_context,
    )
