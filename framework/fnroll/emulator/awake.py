"""Stay awake for a moment while an invocation is on its way to the runtime and back.

An event loop that has nothing to do sleeps until the kernel wakes it. On a virtual machine waking a sleeping CPU takes
longer than all that a warm invocation costs here, for the one who wakes as for the one who is woken. So for a moment
after each event the loop looks for the next one instead of sleeping, where there is a CPU that nobody else needs: while
no more invocations run than the machine has CPUs beside our own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import monotonic
from typing import Final

MOMENT: Final = 0.0003
"""Seconds. A function that takes longer pays for one waking, and the machine for no more than this."""


def cpus() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Awake:
    """Belongs to the event loop. `begin` and `end` with each invocation. `most`: CPUs beside our own."""

    def __init__(self, most: int | None = None, now: Callable[[], float] = monotonic) -> None:
        self._most = cpus() - 1 if most is None else most
        self._now = now
        self._running = 0
        self._until = 0.0
        self._loop = asyncio.get_running_loop()
        self.looking = False
        """Whether the loop does not sleep now."""

    def begin(self) -> None:
        self._running += 1
        self._stay()

    def end(self) -> None:
        self._running -= 1
        self._stay()

    def _stay(self) -> None:
        if self._running <= self._most and self._most:
            self._until = self._now() + MOMENT
            if not self.looking:
                self.looking = True
                self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Nothing; but a loop with something to do does not sleep."""
        self.looking = self._running <= self._most and self._now() < self._until
        if self.looking:
            self._loop.call_soon(self._look)
