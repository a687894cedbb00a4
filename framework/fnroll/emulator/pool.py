"""Which environment takes an invocation: the policy as pure functions, and the pool that carries it out.

As on Lambda an environment takes one invocation at a time, and the one used last is used first. Unlike on Lambda the
total is bounded (this is one machine): past the bound an invocation first takes the place of an idle environment of
another function, then waits, first come first served.

A slot goes   BUSY ──> SETTLING ──> IDLE ──> BUSY …   and at last CLOSING, when it still takes up room.
SETTLING is the moment between an answer and the runtime's next call for an event. It is short as a rule, so a caller
who comes back at once waits for it a little instead of paying for a cold start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol

from fnroll.emulator.api import FunctionConfig
from fnroll.errors import EmulatorError

SETTLE: Final = 0.25
"""Seconds that an invocation waits for an environment that has answered and not asked yet."""


@dataclass(frozen=True, slots=True)
class Key:
    """What an environment was started from; it takes invocations of exactly this."""

    arn: str
    version: str
    revision: str

    @classmethod
    def of(cls, config: FunctionConfig) -> Key:
        return cls(config.arn, config.version, config.revision)

    def replaces(self, other: Key) -> bool:
        """Whether an invocation of this makes environments of `other` useless."""
        return (self.arn, self.version) == (other.arn, other.version) and self.revision != other.revision


class Phase(Enum):
    BUSY = auto()
    SETTLING = auto()
    IDLE = auto()
    CLOSING = auto()


class Environment(Protocol):
    """What the pool asks of an environment."""

    @property
    def usable(self) -> bool: ...

    def freeze(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Slot:
    """Room for one environment. `since`: when it came into its phase; `retired`: to be closed when it is free."""

    key: Key
    phase: Phase = Phase.BUSY
    since: float = 0.0
    retired: bool = False
    claim: asyncio.Future[bool] | None = None
    environment: Environment | None = None


# policy


class Verb(Enum):
    REUSE = auto()
    SETTLE = auto()
    START = auto()
    EVICT = auto()
    WAIT = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    verb: Verb
    slot: Slot | None = None


def decide(key: Key, slots: Iterable[Slot], maximum: int, *, settle: bool) -> Decision:
    """What one invocation does; `settle`: whether it may still wait for an environment to settle."""
    slots = list(slots)
    idle = [slot for slot in slots if slot.phase is Phase.IDLE and not slot.retired]
    if own := [slot for slot in idle if slot.key == key]:
        return Decision(Verb.REUSE, max(own, key=lambda slot: slot.since))
    if settle:
        for slot in slots:
            if slot.phase is Phase.SETTLING and slot.key == key and slot.claim is None and not slot.retired:
                return Decision(Verb.SETTLE, slot)
    if len(slots) < maximum:
        return Decision(Verb.START)
    if idle and not any(slot.phase is Phase.CLOSING for slot in slots):
        return Decision(Verb.EVICT, min(idle, key=lambda slot: slot.since))
    return Decision(Verb.WAIT)


def outdated(key: Key, slots: Iterable[Slot]) -> list[Slot]:
    """The slots of another revision, now that `key` is invoked."""
    return [slot for slot in slots if key.replaces(slot.key) and not slot.retired]


def expired(slots: Iterable[Slot], now: float, idle_seconds: float) -> list[Slot]:
    """The slots that have been idle too long."""
    return [slot for slot in slots if slot.phase is Phase.IDLE and now - slot.since >= idle_seconds]


# mechanism


@dataclass(slots=True, eq=False)
class _Waiter:
    key: Key
    turn: asyncio.Future[Slot] = field(repr=False)


class Pool:
    """Belongs to the event loop. `acquire`, then `release`; `settled` and `ended` as the environment tells."""

    def __init__(self, maximum: int, idle_seconds: float, now: Callable[[], float]) -> None:
        self._maximum = maximum
        self._idle_seconds = idle_seconds
        self._now = now
        self._slots: set[Slot] = set()
        self._queue: deque[_Waiter] = deque()
        self._closing: set[asyncio.Task[Any]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self, key: Key) -> Slot:
        """A slot to invoke in; without an environment where one has to be started. Raises EmulatorError if closed."""
        for old in outdated(key, self._slots):
            self._retire(old)
        while True:
            slot = await self._turn(key)
            if slot.environment is None or slot.environment.usable:
                return slot
            self._close(slot)

    async def _turn(self, key: Key) -> Slot:
        settle = True
        while not self._queue:
            decision = self._decide(key, settle)
            if decision.verb is Verb.SETTLE and decision.slot is not None:
                settle = False
                if await self._settling(decision.slot):
                    return decision.slot
            elif (taken := self._take(key, decision)) is not None:
                return taken
            else:
                break
        return await self._wait(key)

    def _decide(self, key: Key, settle: bool) -> Decision:
        """The policy's decision, once idle slots whose environment has died are out of the way."""
        if self._closed:
            raise EmulatorError("the emulator is closed")
        while True:
            decision = decide(key, self._slots, self._maximum, settle=settle)
            slot = decision.slot
            if decision.verb is not Verb.REUSE or slot is None or slot.environment is None or slot.environment.usable:
                return decision
            self._close(slot)

    def _take(self, key: Key, decision: Decision) -> Slot | None:
        """Carry a decision out: the slot, or None where room is being made or has to be waited for."""
        match decision:
            case Decision(Verb.REUSE, Slot() as slot):
                slot.phase = Phase.BUSY
                return slot
            case Decision(Verb.START):
                slot = Slot(key)
                self._slots.add(slot)
                return slot
            case Decision(Verb.EVICT, Slot() as slot):
                self._close(slot)
        return None

    async def _settling(self, slot: Slot) -> bool:
        """Whether the slot became free within the time; it is then the caller's."""
        loop = asyncio.get_running_loop()
        claim: asyncio.Future[bool] = loop.create_future()
        slot.claim = claim
        handle = loop.call_later(SETTLE, _answer, claim, False)
        try:
            return await claim
        except asyncio.CancelledError:
            if claim.done() and not claim.cancelled() and claim.result():
                self.release(slot, waiting=True)
            raise
        finally:
            handle.cancel()
            if slot.claim is claim:
                slot.claim = None

    async def _wait(self, key: Key) -> Slot:
        waiter = _Waiter(key, asyncio.get_running_loop().create_future())
        self._queue.append(waiter)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif waiter.turn.done() and not waiter.turn.cancelled():
                self.release(waiter.turn.result(), waiting=True)
            raise

    def release(self, slot: Slot, *, waiting: bool) -> None:
        """The invocation is over. `waiting`: whether the environment already waits for the next event."""
        if slot.phase is Phase.CLOSING:
            return
        if slot.environment is None or slot.retired or self._closed:
            self._close(slot)
        elif waiting:
            self._free(slot)
        else:
            self._enter(slot, Phase.SETTLING)

    def settled(self, slot: Slot) -> None:
        """The environment waits for an event."""
        if slot.phase is Phase.SETTLING:
            self._free(slot)

    def ended(self, slot: Slot) -> None:
        """The environment died while no invocation was in it. (One that is will `discard`.)"""
        if slot.phase is not Phase.BUSY:
            self._close(slot)

    def discard(self, slot: Slot) -> None:
        """The invocation is over, and so is the environment. Idempotent."""
        self._close(slot)

    def _free(self, slot: Slot) -> None:
        if slot.retired:
            self._close(slot)
            return
        if slot.claim is not None and not slot.claim.done():
            self._enter(slot, Phase.BUSY)
            slot.claim.set_result(True)
            return
        self._enter(slot, Phase.IDLE)
        self._serve()
        if slot.phase is Phase.IDLE and slot.environment is not None:
            slot.environment.freeze()
            self._watch_idle()

    def _enter(self, slot: Slot, phase: Phase) -> None:
        slot.phase = phase
        slot.since = self._now()

    def _serve(self) -> None:
        """Give what is free to those who wait, in their order."""
        while self._queue and not self._closed:
            waiter = self._queue[0]
            if waiter.turn.done():  # its caller gave up in this very round
                self._queue.popleft()
                continue
            slot = self._take(waiter.key, self._decide(waiter.key, settle=False))
            if slot is None:
                return
            self._queue.popleft()
            waiter.turn.set_result(slot)

    # closing

    def _retire(self, slot: Slot) -> None:
        slot.retired = True
        if slot.phase is Phase.IDLE:
            self._close(slot)

    def _close(self, slot: Slot) -> None:
        """Close the environment in the background; its room is free when nothing of it is left."""
        if slot.phase is Phase.CLOSING:
            return
        self._enter(slot, Phase.CLOSING)
        if slot.claim is not None:
            _answer(slot.claim, False)
        if slot.environment is None:
            self._gone(slot)
            return
        task = asyncio.get_running_loop().create_task(self._finish(slot, slot.environment))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _finish(self, slot: Slot, environment: Environment) -> None:
        try:
            await environment.close()
        finally:
            self._gone(slot)

    def _gone(self, slot: Slot) -> None:
        self._slots.discard(slot)
        self._serve()

    def _watch_idle(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep_idle)

    def _sweep_idle(self) -> None:
        self._sweep = None
        for slot in expired(self._slots, self._now(), self._idle_seconds):
            self._close(slot)
        idle = [slot.since for slot in self._slots if slot.phase is Phase.IDLE]
        if idle and not self._closed:
            left = max(min(idle) + self._idle_seconds - self._now(), 0.001)
            self._sweep = asyncio.get_running_loop().call_later(left, self._sweep_idle)

    async def retire(self, arn: str) -> None:
        """Close every environment of a function: the idle ones now, the others when they are free."""
        for slot in [slot for slot in self._slots if slot.key.arn == arn]:
            self._retire(slot)
        await self._closed_so_far()

    async def close(self) -> None:
        """Close every environment; those who wait get EmulatorError. Idempotent."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for waiter in self._queue:
            if not waiter.turn.done():
                waiter.turn.set_exception(EmulatorError("the emulator was closed before the invocation's turn came"))
        self._queue.clear()
        for slot in list(self._slots):
            self._close(slot)
        await self._closed_so_far()

    async def _closed_so_far(self) -> None:
        if self._closing:
            await asyncio.gather(*self._closing)


def _answer(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)
