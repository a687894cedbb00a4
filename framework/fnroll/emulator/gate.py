"""How many inits are under way: on Lambda each has CPUs of its own, here a crowd would starve each other past 10 s.

So many begin at a time, and the next as soon as one has ended. One that takes longer than a moment does not count any
more: it waits for something else than CPU, or is wedged, and nobody has to wait for it. Turns go to the version with
the fewest inits under way, of equals to the one that waits longest, so that no function's crowd is in another's way.
The time before its turn is no part of an init.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from typing import Final

from fnroll.emulator.policy import Key, Stake, neediest
from fnroll.errors import EmulatorError

EACH_CPU: Final = 8
MOMENT: Final = 0.25
"""Seconds for which an init under way keeps others from beginning."""


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
    """Belongs to the event loop."""

    def __init__(self, at_once: int | None = None, moment: float = MOMENT) -> None:
        self._at_once = at_once or EACH_CPU * (os.cpu_count() or 1)
        self.moment = moment
        self._under_way: Counter[Key] = Counter()
        self._queues: dict[Key, deque[tuple[float, asyncio.Future[Turn]]]] = {}

    async def enter(self, key: Key) -> Turn:
        """Raises EmulatorError if the gate is closed meanwhile."""
        if not self._queues and self._under_way.total() < self._at_once:
            return self._begin(key)
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, deque()).append((time.monotonic(), turn))
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
            stakes = ((Stake(self._under_way[key], queue[0][0]), key) for key, queue in self._queues.items())
            chosen = neediest(stakes)
            queue = self._queues[chosen]
            _, turn = queue.popleft()
            if not queue:
                del self._queues[chosen]
            if not turn.done():  # else its caller gave up in this very round
                turn.set_result(self._begin(chosen))

    def close(self) -> None:
        """Whoever waits is told. Idempotent."""
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            for _, turn in queue:
                if not turn.done():
                    turn.set_exception(EmulatorError("the emulator was closed before an environment's init"))
