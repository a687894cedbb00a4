"""The pool's mechanism: slots for environments and callers who wait. What it does, policy.py decides.

A slot goes   BUSY ──> SETTLING ──> IDLE ──> BUSY …   and at last CLOSING, when it still takes up room.
SETTLING is the moment between an answer and the runtime's next call for an event. It is short as a rule, so a caller
who comes back at once waits for it a little instead of paying for a cold start. A slot with several lanes takes several
invocations at a time; its lanes are free as soon as their invocation is over, and it is IDLE when all are.

Everything that happens at each invocation is reached by key: how many environments live does not matter to it. What
is looked through is only the versions that wait for room, and only when there are several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fnroll.emulator.idle import Idle
from fnroll.emulator.policy import TOO_FAST, Account, Key, Scaling, Verb, View, decide, neediest, yields
from fnroll.emulator.settling import Settling
from fnroll.emulator.slots import Environment, Phase, Shelf, Slot, Waiter
from fnroll.errors import EmulatorError, FnError, InvocationThrottled

PATIENCE: Final = 5.0
"""Seconds for which one that is closing takes up room. Killing takes milliseconds; a wedged one holds nobody up."""


class Pool:
    """Belongs to the event loop. `ask`, `opened` once its environment is started, then `release` or
    `discard`; `settled` as the environment tells.

    `lost` is called with each provisioned slot that is closed.
    """

    def __init__(
        self,
        maximum: int,
        idle_seconds: float,
        now: Callable[[], float],
        *,
        account: Account | None = None,
        lost: Callable[[Slot], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.maximum = maximum
        self._now = now
        self._patience = patience
        self._scaling = Scaling(account or Account())
        self._lost = lost or (lambda _: None)
        self._current: dict[tuple[str, str], Shelf] = {}  # by ARN and version
        self._slots: set[Slot] = set()
        self._taken = 0  # places: every slot, until what is closing is gone
        self._waiting: set[Waiter] = set()
        self._hungry: dict[Shelf, None] = {}  # those whose callers wait for room, not for one that is coming
        self._idle = Idle(idle_seconds, now, self._close)
        self._settling = Settling(now, self._lapsed)
        self._closing: set[asyncio.Task[Any]] = set()
        self._serving = False
        self._closed = False

    # coming

    def ask(self, key: Key, lanes: int, given: Callable[[Slot | Exception], None]) -> Waiter:
        """`given` gets a slot to invoke in, without an environment where one has to be started: at once if there is
        one, else from the event loop. Or it gets InvocationThrottled, and EmulatorError if the pool is closed. `lanes`:
        invocations that one environment takes at a time. Who stops waiting says so with `give_up`.
        """
        waiter = Waiter(self._shelf(key, lanes), self._now(), given)
        self._serve(waiter, first=False)
        return waiter

    def _serve(self, waiter: Waiter, first: bool) -> None:
        """`first`: it had a slot already, that could not be used."""
        shelf = waiter.shelf
        try:
            if self._closed:
                raise EmulatorError("the emulator is closed")
            slot = self._at_once(shelf) if first or shelf not in self._hungry else None
        except FnError as refused:
            waiter.give(refused)
            return
        if slot is None:
            self._wait(waiter, first)
        else:
            waiter.give(slot)

    def give_up(self, waiter: Waiter) -> None:
        """Nobody waits there any more. A slot that is on its way goes to the next. Idempotent."""
        waiter.gone = True
        self._waiting.discard(waiter)
        if waiter in waiter.shelf.queue:
            waiter.shelf.queue.remove(waiter)
            self._review(waiter.shelf)

    def ask_fresh(self, key: Key, lanes: int, given: Callable[[Slot | Exception], None]) -> Waiter:
        """As `ask`, for a provisioned slot to start an environment in: in turn with all others who wait for room."""
        home = self._shelf(key, lanes)
        waiter = Waiter(Shelf(key, lanes, home), self._now(), given)
        self._wait(waiter, first=False)
        return waiter

    def _shelf(self, key: Key, lanes: int) -> Shelf:
        """The shelf of a key. What another revision of the version left is retired."""
        shelf = self._current.get(key[:2])
        if shelf is None or shelf.key != key:
            if shelf is not None:
                self._retire(shelf)
            shelf = self._current[key[:2]] = Shelf(key, lanes)
        return shelf

    def _at_once(self, shelf: Shelf) -> Slot | None:
        """What can be had without waiting; the first step to room where some can be made."""
        while shelf.free:
            slot = next(reversed(shelf.free))
            if slot.environment is not None and slot.environment.usable:
                return self._take(slot)
            self._shut(slot)
        self._settling.expire(shelf)
        match decide(
            View(False, shelf.coming > len(shelf.queue), self._taken < self.maximum, self._idle.longest is not None)
        ):
            case Verb.START:
                return self._start(shelf)
            case Verb.EVICT:
                self._evict(shelf)
        return None

    def _take(self, slot: Slot) -> Slot:
        """One more invocation in a slot that has a lane free."""
        if slot.phase is Phase.IDLE:
            self._idle.remove(slot)
        slot.phase = Phase.BUSY
        slot.running += 1
        if slot.running >= slot.shelf.lanes:
            slot.shelf.free.pop(slot, None)
        return slot

    def _start(self, shelf: Shelf) -> Slot:
        home, now = shelf.home or shelf, self._now()
        # What is provisioned has a rate of its own on Lambda, far beyond any one machine's.
        if shelf.home is None and not self._scaling.gain(home.key.arn, now):
            self._forget(home)
            raise InvocationThrottled(TOO_FAST, where=home.key.arn)
        if not home.retired:  # it may have been forgotten while it was empty, and another come into its place
            home.retired = self._current.setdefault(home.key[:2], home) is not home
        slot = Slot(home, since=now, retired=home.retired)
        home.slots.add(slot)
        self._slots.add(slot)
        self._taken += 1
        home.starting += home.lanes - 1
        return slot

    def opened(self, slot: Slot) -> None:
        """The environment has been started: its further lanes can be used."""
        if slot.starting and slot.phase is not Phase.CLOSING:
            slot.starting = False
            slot.shelf.starting -= slot.shelf.lanes - 1
            if slot.shelf.lanes > 1:
                self._free(slot)

    def _wait(self, waiter: Waiter, first: bool) -> None:
        """`first`: it had a slot already, and goes before those who came after it."""
        shelf = waiter.shelf
        self._waiting.add(waiter)
        later = (place for place, other in enumerate(shelf.queue) if other.since > waiter.since) if first else iter(())
        shelf.queue.insert(next(later, len(shelf.queue)), waiter)
        self._review(shelf)
        self._settling.watch(shelf)
        self._serve_hungry()

    def _hand(self, waiter: Waiter, what: Slot | Exception) -> None:
        """In a round of its own: who is given a slot may do with the pool whatever they like."""
        asyncio.get_running_loop().call_soon(self._arrive, waiter, what)

    def _arrive(self, waiter: Waiter, what: Slot | Exception) -> None:
        if isinstance(what, Slot) and waiter.gone:
            self.release(what, waiting=True)
        elif not isinstance(what, Slot) or what.environment is None or what.environment.usable:
            self._waiting.discard(waiter)
            waiter.give(what)
        else:
            self._leave(what)  # it died on the way here; whose turn it was keeps it
            self._serve(waiter, first=True)

    # going

    def release(self, slot: Slot, *, waiting: bool) -> None:
        """One invocation is over. `waiting`: whether the environment already waits for the next event."""
        if slot.phase is Phase.CLOSING:
            return
        slot.running -= 1
        if slot.environment is None:
            self._close(slot)
        elif waiting or slot.shelf.lanes > 1:
            self._free(slot)
        else:
            self._enter(slot, Phase.SETTLING)
            slot.shelf.settling[slot] = None
            self._review(slot.shelf)
            self._settling.watch(slot.shelf)

    def settled(self, slot: Slot) -> None:
        """The environment waits for an event."""
        if slot.phase is Phase.SETTLING:
            slot.shelf.settling.pop(slot, None)
            self._free(slot)

    def discard(self, slot: Slot) -> None:
        """The invocation is over, and so is the environment. Idempotent."""
        self._close(slot)

    def _free(self, slot: Slot) -> None:
        """A lane is free: for the next who waits here, unless it gives way to another version; else it is idle."""
        shelf = slot.shelf
        while shelf.queue and slot.running < shelf.lanes:
            if not slot.running and self._gives_way(slot):
                return
            self._hand(shelf.queue.popleft(), self._take(slot))
        self._review(shelf)
        if slot.retired:
            self._shut(slot)
        elif slot.running < shelf.lanes:
            shelf.free[slot] = None
            if not slot.running and not self._gives_way(slot):
                self._enter(slot, Phase.IDLE)
                self._idle.add(slot)

    def _gives_way(self, slot: Slot) -> bool:
        """Close a slot in which nothing runs if another version needs its room more."""
        own = slot.shelf
        if len(self._hungry) <= (own in self._hungry) or slot.provisioned:
            return False
        rival = neediest((shelf.stake, shelf) for shelf in self._hungry if shelf is not own)
        if own.queue and not yields(own.stake, rival.stake):
            return False
        self._close(slot, rival)
        return True

    def _enter(self, slot: Slot, phase: Phase) -> None:
        slot.phase = phase
        slot.since = self._now()

    # those who wait

    def _review(self, shelf: Shelf) -> None:
        """Whether somebody waits here whom no environment is coming for."""
        if len(shelf.queue) > shelf.coming:
            self._hungry[shelf] = None
        else:
            self._hungry.pop(shelf, None)

    def _serve_hungry(self) -> None:
        """Give out the room that there is, the neediest first, and make what room can be made."""
        if self._serving:  # this very loop closed something, and will look again
            return
        self._serving = True
        try:
            while self._hungry and not self._closed and self._serve_one():
                pass
        finally:
            self._serving = False

    def _serve_one(self) -> bool:
        """One step of it; False where there is nothing more to be had."""
        verb = decide(View(False, False, self._taken < self.maximum, self._idle.longest is not None))
        if verb is Verb.WAIT:
            return False
        shelf = neediest((each.stake, each) for each in self._hungry)
        match verb:
            case Verb.START:
                waiter = shelf.queue.popleft()
                try:
                    self._hand(waiter, self._start(shelf))
                except InvocationThrottled as refused:
                    self._hand(waiter, refused)
                self._review(shelf)
            case Verb.EVICT:
                self._evict(shelf)
        return True

    def _lapsed(self, shelf: Shelf) -> None:
        """One here did not settle in time."""
        self._review(shelf)
        self._serve_hungry()

    # closing

    def _close(self, slot: Slot, promised: Shelf | None = None) -> None:
        """Close the environment in the background; its room is free, for `promised`, when nothing of it is left."""
        if slot.phase is Phase.CLOSING:
            return
        if slot.phase is Phase.IDLE:
            self._idle.remove(slot)
        self._enter(slot, Phase.CLOSING)
        shelf = slot.shelf
        shelf.slots.discard(slot)
        if slot.starting:
            shelf.starting -= shelf.lanes - 1
        shelf.free.pop(slot, None)
        shelf.settling.pop(slot, None)
        if promised is not None:
            slot.promised = promised
            promised.promised += 1
            self._review(promised)
        if slot.environment is None:
            self._gone(slot)
        else:
            task = asyncio.get_running_loop().create_task(self._finish(slot, slot.environment))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._review(shelf)
        self._serve_hungry()
        if slot.provisioned and not self._closed:
            self._lost(slot)

    def _evict(self, shelf: Shelf) -> None:
        if (slot := self._idle.longest) is not None:
            self._close(slot, shelf)

    async def _finish(self, slot: Slot, environment: Environment) -> None:
        patience = asyncio.get_running_loop().call_later(self._patience, self._gone, slot)
        try:
            await environment.close()
        finally:
            patience.cancel()
            self._gone(slot)
            self._slots.discard(slot)

    def _gone(self, slot: Slot) -> None:
        """Its room is free."""
        if not slot.takes_room:
            return
        slot.takes_room = False
        self._taken -= 1
        if slot.environment is None:
            self._slots.discard(slot)
        if not slot.provisioned:
            self._scaling.lose(slot.key.arn, self._now())
        if slot.promised is not None:
            slot.promised.promised -= 1
            self._review(slot.promised)
        self._forget(slot.shelf)
        self._serve_hungry()

    def _forget(self, shelf: Shelf) -> None:
        if not (shelf.slots or shelf.queue or shelf.promised) and self._current.get(shelf.key[:2]) is shelf:
            del self._current[shelf.key[:2]]

    def _retire(self, shelf: Shelf) -> None:
        shelf.retired = True
        if self._current.get(shelf.key[:2]) is shelf:
            del self._current[shelf.key[:2]]
        for slot in tuple(shelf.slots):
            self.dismiss(slot)

    def dismiss(self, slot: Slot) -> None:
        """Close it as soon as nothing runs in it, and do not replace it."""
        slot.retired = True
        if slot.phase is not Phase.SETTLING:
            self._shut(slot)

    def _shut(self, slot: Slot) -> None:
        """Nobody more gets in; close it if nobody is in."""
        slot.shelf.free.pop(slot, None)
        if not slot.running:
            self._close(slot)

    def _leave(self, slot: Slot) -> None:
        """One gets out again without having got in."""
        slot.running -= 1
        self._shut(slot)

    async def retire(self, arn: str) -> None:
        """Close every environment of a function: the idle ones now, the others when they are free."""
        for shelf in [shelf for shelf in self._current.values() if shelf.key.arn == arn]:
            self._retire(shelf)
        await self._closed_so_far()

    async def close(self) -> None:
        """Close every environment; those who wait get EmulatorError. Idempotent."""
        self._closed = True
        self._idle.close()
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            waiter.give(EmulatorError("the emulator was closed before the invocation's turn came"))
        for slot in tuple(self._slots):
            self._close(slot)
        await self._closed_so_far()

    async def _closed_so_far(self) -> None:
        if self._closing:
            _, wedged = await asyncio.wait(tuple(self._closing), timeout=2 * self._patience)
            for task in wedged:
                task.cancel()
