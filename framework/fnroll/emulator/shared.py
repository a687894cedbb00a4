"""The execution environment of a managed instance, which takes several invocations at a time.

Its init is that of any other (environment.py), and so are its end and the table that says what follows what. In
between, an invocation is a `Run` of its own: it waits for a worker of the runtime, has its own deadline, and its end
is nobody else's. A runtime that ends, or an extension, ends every run, and the environment with them: it is replaced
and not initialised again. It is never frozen. An event that finds every worker busy waits within its own timeout.

What is printed by the function belongs to no one invocation that could be told: it goes to the log stream alone, and
an invocation's own log has the platform's lines.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from time import monotonic

from fnroll.emulator.api import FunctionConfig, Invocation, Outcome
from fnroll.emulator.conclusions import Conclusions
from fnroll.emulator.environment import Clock, ExecutionEnvironment
from fnroll.emulator.faults import Fault
from fnroll.emulator.inits import InitFailure
from fnroll.emulator.lifecycle import Happening, Phase
from fnroll.emulator.output import Journal
from fnroll.emulator.receiver import Owner
from fnroll.emulator.runtime_api import Answer, Delivery
from fnroll.errors import EmulatorError
from fnroll.sandbox.api import SandboxHost


@dataclass(slots=True, eq=False)
class Run:
    """One invocation on its way. `began`: on the monotonic clock."""

    invocation: Invocation
    conclusions: Conclusions = field(repr=False)
    outcome: asyncio.Future[Outcome] = field(repr=False)
    began: float
    timer: asyncio.TimerHandle = field(repr=False)
    told: bool = False
    """Whether its start has been."""

    @property
    def id(self) -> str:
        return self.invocation.request_id

    @property
    def spent_ms(self) -> float:
        return (monotonic() - self.began) * 1000

    def begin(self) -> None:
        """Its start is told, once: also of one that ends before a worker was free."""
        if not self.told:
            self.told = True
            self.conclusions.start(self.invocation)

    def end(self, outcome: Outcome) -> None:
        self.timer.cancel()
        if not self.outcome.done():
            self.outcome.set_result(outcome)
        self.conclusions.settled()


class SharedEnvironment(ExecutionEnvironment):
    """Belongs to the event loop. `start`, then `invoke` as often at a time as one likes, then `close`."""

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
        super().__init__(host, config, journal, owner, init_timeout=init_timeout, clock=clock)
        self._running: dict[str, Run] = {}
        self._queue: deque[Run] = deque()
        self._failure: InitFailure | None = None
        self._fault: Fault | None = None

    @property
    def over(self) -> bool:
        return self._phase in (Phase.DOWN, Phase.CLOSED)

    @property
    def usable(self) -> bool:
        return self._phase is Phase.IDLE and self._instance is not None and self._instance.fault is None

    @property
    def takes_at_once(self) -> bool:
        """Several share it, and each has a run of its own."""
        return False

    async def start(self) -> None:
        self._happen(Happening.START)
        self._failure = await self._initialise("init", monotonic() + self._init_timeout)
        self._journal.take()  # what init said is in the stream

    async def invoke(self, invocation: Invocation) -> Outcome:
        """One event, to its outcome. Cancelling it leaves the others alone. Raises EmulatorError."""
        conclusions = Conclusions(self.config, self._journal.beside(invocation.request_id), self._clock, monotonic)
        if self._failure is not None:
            return conclusions.init_failed(invocation, self._failure, 0.0)
        if self._fault is not None:  # it ended when this one was on its way here
            conclusions.start(invocation)
            return conclusions.failed(invocation, None, self._fault, 0.0)
        if self._phase is not Phase.IDLE:
            raise EmulatorError("the execution environment was closed before an invocation")
        timer = self._loop.call_later(self.config.timeout, self._expire, invocation.request_id)
        run = Run(invocation, conclusions, self._loop.create_future(), monotonic(), timer)
        self._running[run.id] = run
        self._queue.append(run)
        self._hand_out()
        try:
            return await run.outcome
        finally:
            run.timer.cancel()
            self._forget(run)

    async def close(self) -> None:
        for run in tuple(self._running.values()):
            if not run.outcome.done():
                run.outcome.set_exception(EmulatorError("the execution environment was closed during an invocation"))
        await super().close()

    def _hand_out(self) -> None:
        """Events to the workers that wait, the oldest first."""
        while self._queue and self._phase is Phase.IDLE and self._instance is not None and self._instance.waits:
            run = self._queue.popleft()
            if not run.outcome.done():
                run.begin()
                left = self.config.timeout - run.spent_ms / 1000
                self._instance.deliver(Delivery.of(run.invocation, self._clock() + left))

    def _expire(self, request_id: str) -> None:
        run = self._running.get(request_id)
        if run is not None and not run.outcome.done():
            run.begin()
            self._forget(run)
            run.end(run.conclusions.timed_out(run.invocation, self._instance))

    def _forget(self, run: Run) -> None:
        """A later answer to it is nobody's."""
        self._running.pop(run.id, None)
        if run in self._queue:
            self._queue.remove(run)
        if self._instance is not None:
            self._instance.expire(run.id)

    # what the instance tells

    def _on_ready(self) -> None:
        super()._on_ready()
        self._hand_out()

    def _on_answer(self, answer: Answer) -> None:
        run = self._running.pop(answer.request_id, None)
        if run is not None:
            run.end(run.conclusions.answered(run.invocation, self._instance, answer, run.spent_ms))

    def _on_exit(self, found: Fault) -> None:
        self._fault = found if self._phase is Phase.IDLE else None
        for run in tuple(self._running.values()):
            run.begin()
            run.end(run.conclusions.failed(run.invocation, self._instance, found, run.spent_ms))
        super()._on_exit(found)
