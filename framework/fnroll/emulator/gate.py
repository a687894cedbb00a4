"""How many inits are under way: on Lambda each has CPUs of its own, here a crowd would starve each other past 10 s.

So many begin at a time, and the next as soon as one has ended; more of them while the machine has CPU to spare, because
then they wait for something else. One that takes longer than a moment does not count any more: it may be wedged, and
nobody has to wait for it. Turns go to the version with the fewest inits under way, of equals to the one that waits
longest, so that no function's crowd is in another's way. The time before its turn is no part of an init.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from fnroll.emulator.policy import Key, Stake, neediest
from fnroll.errors import EmulatorError

EACH_CPU: Final = 8
MOMENT: Final = 1.0
"""Seconds for which an init under way keeps others from beginning."""

LOOK: Final = 0.05
"""Seconds after which the gate looks for spare CPU, while somebody waits."""

SPARE: Final = 0.2
"""The part of the machine's CPU that must have been idle since the last look."""


class Turn:
    """An init under way. `leave` when it has ended."""

    def __init__(self, gate: Gate, key: Key) -> None:
        self._gate = gate
        self._key = key
        self._counts = True
        self._timer = asyncio.get_running_loop().call_later(gate.moment, self.leave)

    def leave(self) -> None:
        """Idempotent."""
        self._timer.cancel()
        if self._counts:
            self._counts = False
            self._gate.left(self._key)


class Gate:
    """Belongs to the event loop. `idle`: the part of the machine's CPU that was idle since it was last asked."""

    def __init__(self, idle: Callable[[], float], at_once: int | None = None, moment: float = MOMENT) -> None:
        self._idle = idle
        self._at_once = at_once or EACH_CPU * (os.cpu_count() or 1)
        self.moment = moment
        self._look: asyncio.TimerHandle | None = None
        self._under_way: Counter[Key] = Counter()
        self._queues: dict[Key, deque[tuple[float, asyncio.Future[Turn]]]] = {}

    async def enter(self, key: Key) -> Turn:
        """Raises EmulatorError if the gate is closed meanwhile."""
        if not self._queues and self._under_way.total() < self._at_once:
            return self._begin(key)
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, deque()).append((time.monotonic(), turn))
        self._look_later()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                turn.result().leave()
            raise

    def _begin(self, key: Key) -> Turn:
        self._under_way[key] += 1
        return Turn(self, key)

    def left(self, key: Key) -> None:
        """For a turn to call, once."""
        self._under_way[key] -= 1
        if not self._under_way[key]:
            del self._under_way[key]
        while self._queues and self._under_way.total() < self._at_once:
            self._admit()

    def _admit(self) -> None:
        """Whose turn it is."""
        stakes = ((Stake(self._under_way[key], queue[0][0]), key) for key, queue in self._queues.items())
        chosen = neediest(stakes)
        queue = self._queues[chosen]
        _, turn = queue.popleft()
        if not queue:
            del self._queues[chosen]
        if not turn.done():  # else its caller gave up in this very round
            turn.set_result(self._begin(chosen))

    def _look_later(self) -> None:
        if self._look is None:
            self._idle()
            self._look = asyncio.get_running_loop().call_later(LOOK, self._look_for_idleness)

    def _look_for_idleness(self) -> None:
        self._look = None
        if self._idle() >= SPARE:
            for _ in range(self._at_once // 2 or 1):
                if self._queues:
                    self._admit()
        if self._queues:
            self._look_later()

    def close(self) -> None:
        """Whoever waits is told. Idempotent."""
        if self._look is not None:
            self._look.cancel()
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            for _, turn in queue:
                if not turn.done():
                    turn.set_exception(EmulatorError("the emulator was closed before an environment's init"))
