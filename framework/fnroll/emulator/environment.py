"""One execution environment: the executor of lifecycle.py's table, over one run of a runtime at a time.

Whatever happens (a call of the pool's, of the runtime's, a timer, an end) is a `Happening`; the table says which phase
follows and which of the actions below is taken. The outcome of an invocation is made in the callback that brings its
answer, so nothing of one invocation can reach into the next. Source of texts and order: facts 2.4, 2.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic  # the loop's own clock may count whole milliseconds (uvloop's does)
from typing import Any, Final
from uuid import uuid4

from fnroll.emulator import entrypoint, events, faults, lines
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome, Status
from fnroll.emulator.conclusion import InitFailure, report_of
from fnroll.emulator.faults import Fault
from fnroll.emulator.instance import Events, Instance, launch
from fnroll.emulator.lifecycle import Action, Happening, Phase, Reason, after
from fnroll.emulator.output import Journal
from fnroll.emulator.runtime_api import Answer, Delivery, InitError
from fnroll.errors import EmulatorError
from fnroll.sandbox.api import SandboxHost, Scratch

LAST_WORDS: Final = 0.5
"""Seconds that a runtime has to end by itself, and to say why on its output, after it posted an init error."""

Clock = Callable[[], float]  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom to tell. `ready`: it could take another event, some time after an answer."""

    ready: Callable[[], None]


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
        self._id = str(uuid4())
        self._phase = Phase.NEW
        self._instance: Instance | None = None
        self._scratch: Scratch | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._init: asyncio.Future[InitFailure | None] | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._invocation: Invocation | None = None
        self._init_ms: float | None = None  # of the init phase, until an invocation has paid for it
        self._failed_ms = 0.0  # the same, of an init phase that failed
        self._began = self._until = 0.0
        self._late = False  # the invocation has spent time on an init
        self._peak = 0

    @property
    def over(self) -> bool:
        """Whether it will never take another event."""
        return self._phase is Phase.CLOSED

    @property
    def initialised(self) -> bool:
        """Whether it waits for an event and needs no init first."""
        return self._phase is Phase.IDLE

    @property
    def waiting(self) -> bool:
        """Whether it could take an event now, as far as it has heard: also one that has to init again first."""
        return self._phase in (Phase.IDLE, Phase.DOWN)

    @property
    def usable(self) -> bool:
        """As `waiting`, asked of the kernel: a runtime that just died makes it an environment that inits again."""
        if self._phase is Phase.IDLE and (self._instance is None or not self._instance.usable):
            self._happen(Happening.EXIT)
        return self.waiting

    def freeze(self) -> None:
        """Until the next invocation, no process of it runs."""
        if self._instance is not None and self._phase is Phase.IDLE:
            self._instance.freeze()

    async def start(self) -> None:
        """The init phase. One that fails is no error here: the first invocation tries once more. Raises SandboxError,
        and EmulatorError when it is closed meanwhile."""
        self._happen(Happening.START)
        began = monotonic()
        failure = await self._initialise("init", began + self._init_timeout)
        spent = (monotonic() - began) * 1000
        if failure is None:
            self._init_ms = spent
        else:
            self._failed_ms = spent

    async def invoke(self, invocation: Invocation) -> Outcome:
        """One event, to its outcome. Cancelling it ends the environment. Raises SandboxError, EmulatorError."""
        self._invocation = invocation
        self._began = monotonic()
        self._journal.begin(invocation.request_id)
        self._outcome = self._loop.create_future()
        if self._phase is not Phase.IDLE:
            if (failure := await self._initialise_again()) is not None:
                return self._init_failed_again(failure)
            if not self._outcome.done():
                self._deliver(None)
        else:
            self._late = False
            self._happen(Happening.INVOKE)
        if self._instance is not None and self._instance.fault is not None:
            self._happen(Happening.EXIT, self._instance.fault)
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self._happen(Happening.CLOSE)
            raise

    async def close(self) -> None:
        """Shut it down, release everything. What is under way ends with EmulatorError. Idempotent."""
        self._happen(Happening.CLOSE)
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
        if self._scratch is not None:
            scratch, self._scratch = self._scratch, None
            await scratch.close()

    # the table

    def _happen(self, happening: Happening, detail: Any = None) -> None:
        self._phase, action = after(self._phase, happening)
        if action is not None:
            _ACTIONS[action](self, detail)

    def _on_ready(self) -> None:
        self._happen(Happening.READY)

    def _on_answer(self, answer: Answer) -> None:
        self._happen(Happening.ANSWER, answer)

    def _on_init_error(self, posted: InitError) -> None:
        self._happen(Happening.FAILED, InitFailure(posted))

    def _on_exit(self, found: Fault) -> None:
        self._happen(Happening.EXIT, found)

    def _on_deadline(self) -> None:
        self._happen(Happening.DEADLINE)

    # actions

    def _launch(self, _: object) -> None:
        self._init = self._loop.create_future()

    def _fail_init(self, detail: object) -> None:
        """`detail`: what the runtime posted, or how a program ended; time was up without either."""
        failure = detail if isinstance(detail, InitFailure) else InitFailure()
        self._settle_init(InitFailure(fault=detail) if isinstance(detail, Fault) else failure)

    def _deliver(self, _: object) -> None:
        invocation = self._invocation
        assert invocation is not None
        assert self._instance is not None
        self._journal.tell(events.start(invocation.request_id, self.config.version, invocation.trace_id))
        left = max(self._until - monotonic(), 0.0) if self._late else float(self.config.timeout)
        self._deadline = self._loop.call_later(left, self._on_deadline)
        self._instance.deliver(Delivery.of(invocation, self._clock() + left))

    def _conclude(self, answer: Answer) -> None:
        if answer.too_large:
            found = faults.response_too_large()
            self._finish(found.payload(self._request_id), "error", found.type, platform=True)
        elif answer.error_type is not None:
            self._finish(answer.payload, "error", answer.error_type)
        else:
            self._finish(answer.payload, "success")

    def _settle(self, _: object) -> None:
        self._cancel_deadline()
        self._owner.ready()

    def _fail(self, found: Fault) -> None:
        self._cancel_deadline()
        self._journal.tell(events.fault(self._request_id, found))
        reported = found.reported or found.type
        if reported == faults.OUT_OF_MEMORY:
            self._peak = self.config.memory_mb << 20
        self._finish(found.payload(self._request_id), "error", reported, platform=True)
        self._tear_down(Reason.FAILURE)

    def _time_out(self, _: object) -> None:
        self._measure()  # while there is something to read it from
        if self._instance is not None and not self._instance.extended:
            self._instance.kill()
        self._conclude_timeout()
        self._tear_down(Reason.TIMEOUT)

    def _reset(self, _: object) -> None:
        """Between invocations: nobody waits for an outcome."""
        was_answered = self._deadline is not None
        self._tear_down(Reason.FAILURE)
        self._cancel_deadline()
        if was_answered:
            self._owner.ready()

    def _shut_down(self, _: object) -> None:
        self._cancel_deadline()
        if self._init is not None and not self._init.done():
            self._init.set_exception(EmulatorError("the execution environment was closed during its init"))
            self._init.exception()  # nobody may be waiting any more
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(EmulatorError("the execution environment was closed during an invocation"))
            self._outcome.exception()
        self._tear_down(Reason.SPINDOWN)

    # init

    async def _initialise(self, phase: lines.Phase, until: float) -> InitFailure | None:
        """One try, in a fresh sandbox with the /tmp of the last. Raises SandboxError. After a failure there is none."""
        began = monotonic()
        begun = events.init_start(self.config, phase, self._id)
        self._journal.reopen()
        if phase == "init":
            self._journal.tell(begun, keep=False)
        found = entrypoint.find(self.config.task, self.config.opt)
        if isinstance(found, Fault):
            failure: InitFailure | None = InitFailure(fault=found)
            self._happen(Happening.FAILED, failure)
        else:
            failure = await self._try(found, until, begun)
        spent = (monotonic() - began) * 1000
        if failure is not None:
            failure = await self._last_words(failure)
        status, error_type = ("success", None) if failure is None else (failure.status, failure.error_type)
        self._journal.tell(events.init_done(self.config, phase, status, error_type))
        self._journal.tell(events.init_report(self.config, phase, spent, status, error_type))
        if failure is not None:
            self._tear_down(Reason.TIMEOUT if failure.status == "timeout" else Reason.FAILURE)
        elif self._instance is not None:
            self._instance.initialised()
        return failure

    async def _try(self, found: entrypoint.Entrypoint, until: float, begun: events.Event) -> InitFailure | None:
        """Launch, and wait until everybody asks for an event or somebody cannot any more. None: they ask."""
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
        if self._scratch is None:
            self._scratch = await self._host.scratch(self.config.tmp_mb)
        assert self._init is not None
        told = Events(self._on_ready, self._on_answer, self._on_init_error, self._on_exit)
        handle = self._loop.call_later(max(until - monotonic(), 0.0), self._on_deadline)
        try:
            launched = await launch(self._host, self.config, found, self._journal, told, self._scratch, begun)
            if isinstance(launched, Fault):
                self._happen(Happening.FAILED, InitFailure(fault=launched))
            else:
                self._instance = launched
                if self._phase is Phase.CLOSED:
                    self._tear_down(Reason.SPINDOWN)
            return await asyncio.shield(self._init)
        except BaseException:
            self._happen(Happening.CLOSE)
            raise
        finally:
            handle.cancel()

    async def _initialise_again(self) -> InitFailure | None:
        """The suppressed init: within the invocation and its timeout."""
        self._init_ms = None
        self._late, self._until = True, self._began + self.config.timeout
        self._happen(Happening.INVOKE)
        if self._phase is not Phase.RETRY:
            raise EmulatorError("the execution environment was closed before an invocation")
        return await self._initialise("invoke", self._until)

    async def _last_words(self, failure: InitFailure) -> InitFailure:
        """Let a runtime that posted its error end by itself; end one that took too long. Then its output is whole."""
        instance = self._instance
        if instance is None:
            return failure
        ended = await instance.ended(LAST_WORDS) if failure.posted else None
        if instance.exit is None and not instance.extended:
            instance.kill()
        instance.drain()
        return InitFailure(failure.posted, faults.exited(ended)) if ended else failure

    def _settle_init(self, result: InitFailure | None) -> None:
        if self._init is not None and not self._init.done():
            self._init.set_result(result)

    # the end of an invocation

    @property
    def _request_id(self) -> str:
        return self._invocation.request_id if self._invocation is not None else ""

    def _finish(self, payload: bytes, status: Status, error_type: str | None = None, *, platform: bool = False) -> None:
        """The outcome of the invocation under way; everything printed before now is in its log."""
        duration = (monotonic() - self._began) * 1000
        self._resolve(self._outcome_of(payload, status, error_type, platform, duration))

    def _conclude_timeout(self) -> Outcome:
        found = faults.timed_out(self.config.timeout)
        if self._instance is not None:
            self._instance.drain()
        self._journal.tell(events.timeout(self._request_id, found, self._clock()))
        payload = found.payload(self._request_id)
        outcome = self._outcome_of(payload, "timeout", found.type, True, self.config.timeout * 1000.0)
        self._resolve(outcome)
        return outcome

    def _resolve(self, outcome: Outcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _init_failed_again(self, failure: InitFailure) -> Outcome:
        assert self._invocation is not None
        self._journal.tell(events.start(self._request_id, self.config.version, self._invocation.trace_id))
        if failure.status == "timeout":
            return self._conclude_timeout()
        payload = b""
        if failure.fault is not None:
            self._journal.tell(events.fault(self._request_id, failure.fault))
            payload = failure.fault.payload(self._request_id)
        if failure.posted is not None:
            payload = failure.posted.payload
        duration = (monotonic() - self._began) * 1000
        return self._outcome_of(payload, "error", failure.error_type, True, duration)

    def _outcome_of(
        self, payload: bytes, status: Status, error_type: str | None, platform: bool, duration_ms: float
    ) -> Outcome:
        """END, REPORT and the outcome, all from the same figures."""
        if self._instance is not None:
            self._instance.drain()
        self._measure()
        init_ms, self._init_ms = self._init_ms, None
        failed_ms, self._failed_ms = self._failed_ms, 0.0
        report = report_of(
            self.config, duration_ms, init_ms, failed_ms, self._peak, status, error_type, platform=platform
        )
        self._journal.tell(events.runtime_done(self._request_id, status, error_type, duration_ms, len(payload)))
        self._journal.tell(events.report(self._request_id, report))
        function_error = None if status == "success" else "Unhandled"
        return Outcome(payload, function_error, self.config.version, report, self._journal.take())

    def _measure(self) -> None:
        if self._instance is not None:
            self._peak = max(self._peak, self._instance.memory_peak())

    # the end of a sandbox

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _tear_down(self, reason: Reason) -> None:
        """In the background; the next init waits for it, since it is to have the same /tmp."""
        instance, self._instance = self._instance, None
        if instance is not None:
            self._peak = 0
            self._stopping = self._loop.create_task(self._stop(instance, reason, self._stopping))

    async def _stop(self, instance: Instance, reason: Reason, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await instance.stop(reason)


_ACTIONS: Final[Mapping[Action, Callable[[ExecutionEnvironment, Any], None]]] = {
    Action.LAUNCH: ExecutionEnvironment._launch,
    Action.OPEN: lambda environment, _: environment._settle_init(None),
    Action.FAIL_INIT: ExecutionEnvironment._fail_init,
    Action.DELIVER: ExecutionEnvironment._deliver,
    Action.CONCLUDE: ExecutionEnvironment._conclude,
    Action.SETTLE: ExecutionEnvironment._settle,
    Action.FAIL: ExecutionEnvironment._fail,
    Action.TIME_OUT: ExecutionEnvironment._time_out,
    Action.RESET: ExecutionEnvironment._reset,
    Action.SHUT_DOWN: ExecutionEnvironment._shut_down,
}
