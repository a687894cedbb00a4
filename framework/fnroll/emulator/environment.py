"""One execution environment: the executor of lifecycle.py's table, over one run of a runtime at a time.

Whatever happens (a call of the pool's, of the runtime's, a timer, an end) is a `Happening`; the table says which phase
follows and which of the actions below is taken. Every phase's lines and the outcome of an invocation (conclusions.py)
are made in the callback that ends it, so nothing of one invocation can reach into the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic  # the loop's own clock may count whole milliseconds (uvloop's does)
from typing import Any, Final
from uuid import uuid4

from fnroll.emulator import entrypoint, events, lines, managed
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome
from fnroll.emulator.conclusions import Conclusions
from fnroll.emulator.faults import Fault
from fnroll.emulator.inits import InitFailure, pause_after
from fnroll.emulator.instance import Events, Instance, create, last_words
from fnroll.emulator.lifecycle import Action, Happening, Phase, Reason, after
from fnroll.emulator.output import Journal
from fnroll.emulator.premises import Premises
from fnroll.emulator.receiver import Done, Owner, Receiver
from fnroll.emulator.runtime_api import Answer, Delivery, InitError
from fnroll.errors import EmulatorError, SandboxError
from fnroll.sandbox.api import SandboxHost

Clock = Callable[[], float]
"""Seconds since the epoch."""

AFTERTHOUGHT: Final = 0.02
"""Seconds that a runtime has, after it has posted an error, to print what belongs to it and ask for its next event."""


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
        self._premises = Premises(host, config.tmp_mb, self._on_empty)
        self._conclusions = Conclusions(config, journal, clock, monotonic)
        self._instance: Instance | None = None
        self._init: asyncio.Future[InitFailure | None] | None = None
        self._init_phase: lines.Phase = "init"
        self._init_began = 0.0
        self._receiver = Receiver()
        self._deadline: asyncio.TimerHandle | None = None
        self._answer: tuple[Answer, float] | None = None  # and after how many ms it came; until it is told
        self._telling: asyncio.TimerHandle | None = None
        self._invocation = _NONE
        self._began = self._until = 0.0
        self._late = False  # the invocation has spent time on an init

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
        """Whether it could take an event now, as far as it has heard: also one that has to init again first, unless its
        last sandbox takes its time to leave."""
        return self._phase is Phase.IDLE or (self._phase is Phase.DOWN and not self._premises.busy)

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
        await self._initialise("init", monotonic() + self._init_timeout)

    @property
    def takes_at_once(self) -> bool:
        """Whether `begin` may be called: no init has to come first."""
        return self._phase is Phase.IDLE

    def begin(self, invocation: Invocation, done: Done) -> None:
        """As `invoke`, for who does not wait: `done` gets the outcome, or the error."""
        self._accept(invocation)
        self._receiver.call(done)
        self._happen(Happening.INVOKE)

    def abort(self) -> None:
        """End it with what it runs."""
        self._happen(Happening.CLOSE)

    def _accept(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._began = monotonic()
        self._late = self._phase is not Phase.IDLE
        self._journal.begin(invocation.request_id)

    async def invoke(self, invocation: Invocation) -> Outcome:
        """One event, to its outcome. Cancelling it ends the environment. Raises SandboxError, EmulatorError."""
        self._accept(invocation)
        outcome = self._receiver.wait()
        try:
            if self._late:
                failure = await self._initialise_again()
                if failure is not None:
                    return self._conclusions.init_failed(invocation, failure, self._spent(self._began))
            else:
                self._happen(Happening.INVOKE)
            return await outcome
        except BaseException:
            self._happen(Happening.CLOSE)
            raise

    async def close(self) -> None:
        """Shut it down, release everything. What is under way ends with EmulatorError. Idempotent."""
        self._happen(Happening.CLOSE)
        await self._premises.close()

    # the table

    def _happen(self, happening: Happening, detail: Any = None) -> None:
        self._phase, action = after(self._phase, happening)
        if action is not None:
            _ACTIONS[action](self, detail)

    def _on_ready(self) -> None:
        self._happen(Happening.READY)

    def _on_arrived(self, answer: Answer) -> None:
        early = self._invocation.early
        if early is not None and self._phase is Phase.INVOKE and answer.error_type is None and not answer.too_large:
            early(answer.payload, self.config.version)

    def _on_answer(self, answer: Answer) -> None:
        self._happen(Happening.ANSWER, answer)

    def _on_init_error(self, posted: InitError) -> None:
        self._happen(Happening.FAILED, InitFailure(posted))

    def _on_exit(self, found: Fault) -> None:
        self._happen(Happening.EXIT, found)

    def _on_deadline(self) -> None:
        self._happen(Happening.DEADLINE, Reason.TIMEOUT)

    def _on_empty(self) -> None:
        """One that took its time is gone."""
        if self._phase is Phase.DOWN:
            self._owner.ready()

    def _on_broken(self, error: SandboxError) -> None:
        """Whoever waits for the init gets the error, and closes."""
        if self._init is not None and not self._init.done():
            self._init.set_exception(error)

    # actions

    def _launch(self, _: object) -> None:
        self._init = self._loop.create_future()

    def _open(self, _: object) -> None:
        instance = self._instance
        assert instance is not None
        self._conclusions.init_ended(self._init_phase, self._spent(self._init_began), instance, None)
        instance.initialised()
        self._settle_init(None)

    def _go_on(self, _: object) -> None:
        self._open(None)
        self._deliver(None)

    def _fail_init(self, detail: object) -> None:
        """`detail`: what the runtime posted, or how a program ended; time was up without either."""
        failure = detail if isinstance(detail, InitFailure) else InitFailure()
        self._settle_init(InitFailure(fault=detail) if isinstance(detail, Fault) else failure)

    def _deliver(self, _: object) -> None:
        assert self._instance is not None
        left = max(self._until - monotonic(), 0.0) if self._late else float(self.config.timeout)
        self._deadline = self._loop.call_later(left, self._on_deadline)
        self._instance.deliver(Delivery.of(self._invocation, self._clock() + left))
        self._conclusions.start(self._invocation)  # while the runtime wakes up: what it prints is read later

    def _conclude(self, answer: Answer) -> None:
        self._answer = (answer, self._spent(self._began))
        if answer.error_type is None:
            self._tell_answer()
        else:  # AWS's Java client prints the error only now, and it belongs to this invocation
            self._telling = self._loop.call_later(AFTERTHOUGHT, self._tell_answer)

    def _tell_answer(self) -> None:
        self._receiver.tell(self._concluded())

    def _concluded(self) -> Outcome | None:
        """The outcome of what was answered and not told yet. To be told (`Receiver.tell`) at the end of an action:
        whoever hears of it may begin the next invocation at once."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._answer is None:
            return None
        (answer, spent), self._answer = self._answer, None
        return self._conclusions.answered(self._invocation, self._instance, answer, spent)

    def _settle(self, _: object) -> None:
        outcome = self._concluded()
        self._cancel_deadline()
        self._conclusions.settled()
        self._owner.ready()
        self._receiver.tell(outcome)

    def _fail(self, found: Fault) -> None:
        self._cancel_deadline()
        spent = self._spent(self._began)
        outcome = self._conclusions.failed(self._invocation, self._instance, found, spent)
        self._leave(Reason.FAILURE)
        self._receiver.tell(outcome)

    def _time_out(self, _: object) -> None:
        instance = self._instance
        self._conclusions.measure(instance)  # while there is something to read it from
        if instance is not None and not instance.extended:
            instance.kill()
        outcome = self._conclusions.timed_out(self._invocation, instance)
        self._leave(Reason.TIMEOUT)
        self._receiver.tell(outcome)

    def _reset(self, detail: object) -> None:
        """Nobody waits for an outcome, unless it is one that was not told yet. `detail`: a Reason, if it is not a
        program's end."""
        was_answered = self._deadline is not None
        outcome = self._concluded()
        self._cancel_deadline()
        self._conclusions.settled()
        self._leave(detail if isinstance(detail, Reason) else Reason.FAILURE)
        if was_answered and self.waiting:
            self._owner.ready()
        self._receiver.tell(outcome)

    def _shut_down(self, _: object) -> None:
        outcome = self._concluded()
        self._cancel_deadline()
        self._conclusions.settled()
        self._leave(Reason.SPINDOWN)
        if self._init is not None and not self._init.done():
            self._init.set_exception(_closed("its init"))
            self._init.exception()  # nobody may be waiting any more
        self._receiver.tell(outcome or _closed("an invocation"))

    # init

    async def _initialise(self, phase: lines.Phase, until: float) -> InitFailure | None:
        """One try, in a fresh sandbox with the /tmp of the last. Raises SandboxError. After a failure there is none."""
        self._init_phase, self._init_began = phase, monotonic()
        begun = events.init_start(self.config, phase, self._id)
        self._journal.reopen()
        if phase == "init":
            self._journal.tell(begun, keep=False)
        where = (self.config.task, self.config.opt, self.config.runtime)
        slow = managed.family(self.config.runtime) is not None
        found = await asyncio.to_thread(entrypoint.find, *where) if slow else entrypoint.find(*where)
        if isinstance(found, Fault):
            self._happen(Happening.FAILED, InitFailure(fault=found))
        else:
            await self._try(found, until, begun)
        assert self._init is not None
        failure = await self._init
        if failure is not None:
            if self._instance is not None:
                failure = await last_words(self._instance, failure)
            self._conclusions.init_ended(phase, self._spent(self._init_began), self._instance, failure)
            self._leave(Reason.TIMEOUT if failure.status == "timeout" else Reason.FAILURE)
        return failure

    async def _try(self, found: entrypoint.Entrypoint, until: float, begun: events.Event) -> None:
        """Launch, and wait until everybody asks for an event or somebody cannot any more."""
        told = Events(
            self._on_ready, self._on_arrived, self._on_answer, self._on_init_error, self._on_exit, self._on_broken
        )
        timer = self._loop.call_later(max(until - monotonic(), 0.0), self._on_deadline)
        assert self._init is not None
        try:
            scratch = await self._premises.scratch()
            self._conclusions.tally.peak = 0
            created = await create(self._host, self.config, found, self._journal, told, scratch, self._clock)
            if isinstance(created, Fault):
                self._happen(Happening.FAILED, InitFailure(fault=created))
            else:
                self._instance = created
                if self._phase is not Phase.CLOSED:
                    await created.start(begun)
            await asyncio.shield(self._init)
        except BaseException:
            self._happen(Happening.CLOSE)
            raise
        finally:
            timer.cancel()
            if self.over:
                self._leave(Reason.SPINDOWN)

    async def _initialise_again(self) -> InitFailure | None:
        """The suppressed init: within the invocation and its timeout, and so often as inits.py says. What the last
        sandbox takes to leave is no part of the invocation."""
        await self._premises.left()
        self._began = monotonic()
        self._conclusions.tally.init_ms = None
        self._until = self._began + self.config.timeout
        tries = 0
        while True:
            self._happen(Happening.INVOKE)
            if self._phase is not Phase.RETRY:
                raise EmulatorError("the execution environment was closed before an invocation")
            failure = await self._initialise("invoke", self._until)
            if failure is None or not failure.crash:
                return failure
            tries += 1
            left = self._until - monotonic()
            outcome = self._receiver.outcome
            if outcome is not None and left > 0:
                await asyncio.wait([outcome], timeout=min(pause_after(tries), left))  # closing ends it
            if monotonic() >= self._until:
                return InitFailure()

    def _settle_init(self, result: InitFailure | None) -> None:
        if self._init is not None and not self._init.done():
            self._init.set_result(result)

    # the ends

    def _spent(self, since: float) -> float:
        """Milliseconds."""
        return (monotonic() - since) * 1000

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _leave(self, reason: Reason) -> None:
        instance, self._instance = self._instance, None
        if instance is not None:
            self._premises.leave(instance, reason)


def _closed(meanwhile: str) -> EmulatorError:
    return EmulatorError(f"the execution environment was closed during {meanwhile}")


_ACTIONS: Final[Mapping[Action, Callable[[ExecutionEnvironment, Any], None]]] = {
    Action.LAUNCH: ExecutionEnvironment._launch,
    Action.OPEN: ExecutionEnvironment._open,
    Action.GO_ON: ExecutionEnvironment._go_on,
    Action.FAIL_INIT: ExecutionEnvironment._fail_init,
    Action.DELIVER: ExecutionEnvironment._deliver,
    Action.CONCLUDE: ExecutionEnvironment._conclude,
    Action.SETTLE: ExecutionEnvironment._settle,
    Action.FAIL: ExecutionEnvironment._fail,
    Action.TIME_OUT: ExecutionEnvironment._time_out,
    Action.RESET: ExecutionEnvironment._reset,
    Action.SHUT_DOWN: ExecutionEnvironment._shut_down,
}


_NONE: Final = Invocation("", b"", "")
"""Before the first."""
