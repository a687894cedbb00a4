"""One invocation on its way: admitted, given an environment, run in it, and its place handed back.

By callbacks, so that a warm one costs no task: what its environment can do at once it does within the call that asks
for it. Only where an environment has to be started, or initialised again, a task waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fnroll.emulator.api import FunctionConfig, Invocation, Outcome
from fnroll.emulator.awake import Awake
from fnroll.emulator.environment import ExecutionEnvironment
from fnroll.emulator.policy import Key, Ledger
from fnroll.emulator.pool import Pool
from fnroll.emulator.receiver import Done
from fnroll.emulator.slots import Slot, Waiter
from fnroll.errors import EmulatorError, InvocationThrottled


@dataclass(frozen=True, slots=True)
class House:
    """What every call of one emulator uses. `start` makes an environment in a slot and waits for its init."""

    pool: Pool
    ledger: Ledger
    start: Callable[[FunctionConfig, Slot], Awaitable[ExecutionEnvironment]]
    awake: Awake
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    """Those that wait for an environment."""


class Call:
    """Made, then `begin`; `cancel` at any time."""

    __slots__ = ("_config", "_done", "_house", "_invocation", "_over", "_slot", "_waiter", "_warm", "task")

    def __init__(self, house: House, config: FunctionConfig, invocation: Invocation, done: Done) -> None:
        self._house = house
        self._config = config
        self._invocation = invocation
        self._done = done
        self._waiter: Waiter | None = None
        self._slot: Slot | None = None
        self._over = False
        self._warm = False
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        config, house = self._config, self._house
        reason = house.ledger.admit(config.arn, config.version)
        if reason is not None:
            self._over = True
            self._done(InvocationThrottled(reason, where=config.name))
            return
        key = Key(config.arn, config.version, config.revision)
        if (tenant := self._invocation.tenant_id) is not None:  # an environment is one tenant's
            key = key._replace(version=f"{config.version} {tenant}")
        self._waiter = house.pool.ask(key, config.concurrency, self._given)

    def cancel(self) -> None:
        """Nobody waits for it any more. The environment it runs in is killed, unless others run in that. Idempotent."""
        if self._over:
            return
        if self.task is not None:
            self.task.cancel()
        elif self._slot is not None:
            environment = self._slot.environment
            assert isinstance(environment, ExecutionEnvironment)
            environment.abort()  # which ends the invocation
        else:
            if self._waiter is not None:
                self._house.pool.give_up(self._waiter)
            self._end(EmulatorError("the invocation was cancelled"))

    def _given(self, what: Slot | Exception) -> None:
        if not isinstance(what, Slot):
            self._end(what)
            return
        self._slot = what
        environment = what.environment
        if isinstance(environment, ExecutionEnvironment) and environment.takes_at_once:
            self._house.awake.begin()
            self._warm = True
            environment.begin(self._invocation, self._ran)
        else:
            self.task = asyncio.get_running_loop().create_task(self._wait_for(what))
            self._house.tasks.add(self.task)
            self.task.add_done_callback(self._house.tasks.discard)

    async def _wait_for(self, slot: Slot) -> None:
        """An environment that has to be started first, or for its init, or that several share."""
        try:
            environment = slot.environment
            if environment is None:
                environment = await self._house.start(self._config, slot)
                self._house.pool.opened(slot)
            assert isinstance(environment, ExecutionEnvironment)
            outcome = await environment.invoke(self._invocation)
        except Exception as error:
            self._ran(error)
        except BaseException:
            self._ran(EmulatorError("the invocation was cancelled"))
            raise
        else:
            self._ran(outcome)

    def _ran(self, what: Outcome | Exception) -> None:
        slot, pool = self._slot, self._house.pool
        if self._warm:
            self._house.awake.end()
        assert slot is not None
        environment = slot.environment
        living = isinstance(environment, ExecutionEnvironment) and not environment.over
        if isinstance(what, Outcome) and living:
            assert isinstance(environment, ExecutionEnvironment)
            pool.release(slot, waiting=environment.waiting)
        elif living and slot.running > 1:
            pool.release(slot, waiting=True)
        else:
            pool.discard(slot)
        self._end(what)

    def _end(self, what: Outcome | Exception) -> None:
        if not self._over:
            self._over = True
            self._house.ledger.done(self._config.arn, self._config.version)
            self._done(what)


def tell(outcome: asyncio.Future[Outcome], what: Outcome | Exception) -> None:
    """A `Done` for who waits."""
    if outcome.done():
        return
    if isinstance(what, Outcome):
        outcome.set_result(what)
    else:
        outcome.set_exception(what)
