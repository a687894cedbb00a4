"""Sees to it that functions on their way arrive (states.py)."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial

from fnroll.cloud.clock import Clock
from fnroll.cloud.control import Control
from fnroll.cloud.states import next_arrival, settle


class Settler:
    """Lives on the event loop."""

    def __init__(self, read: sqlite3.Connection, control: Control, clock: Clock) -> None:
        self._read = read
        self._control = control
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Something may have set out."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._settle())

    async def close(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _settle(self) -> None:
        while (due := next_arrival(self._read)) is not None:
            await self._clock.sleep(max(due - self._clock.time(), 0.0))
            await self._control.run(partial(settle, now=max(due, self._clock.time())))
