"""The idle environments: frozen after a moment, closed after their time, the longest idle the first to give way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from fnroll.emulator.slots import Slot

LINGER: Final = 0.01
"""Seconds after which it is frozen, or up to as many later. One that is wanted again at once is spared freezing and
thawing, which cost more than all the rest of a warm invocation here."""


class Idle:
    """Belongs to the event loop. `close` ends a slot, and `remove`s it here first."""

    def __init__(self, seconds: float, now: Callable[[], float], close: Callable[[Slot], None]) -> None:
        self._seconds = seconds
        self._now = now
        self._close = close
        self._slots: dict[Slot, None] = {}  # in the order in which they became idle
        self._awake: dict[Slot, None] = {}
        self._lingering: dict[Slot, None] = {}  # awake since before the timer was set
        self._sweep: asyncio.TimerHandle | None = None
        self._freeze: asyncio.TimerHandle | None = None

    @property
    def longest(self) -> Slot | None:
        """The longest idle of those that may be closed."""
        return next(iter(self._slots), None)

    def add(self, slot: Slot) -> None:
        """It is idle as of its `since`. What is provisioned stays until it is dismissed."""
        if not slot.provisioned:
            self._slots[slot] = None
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(self._seconds, self._expired)
        if slot.freezes:
            self._awake[slot] = None
            if self._freeze is None:
                self._freeze = asyncio.get_running_loop().call_later(LINGER, self._lingered)

    def remove(self, slot: Slot) -> None:
        self._slots.pop(slot, None)
        self._awake.pop(slot, None)
        self._lingering.pop(slot, None)

    def close(self) -> None:
        """No timer runs any more."""
        for timer in (self._sweep, self._freeze):
            if timer is not None:
                timer.cancel()

    def _lingered(self) -> None:
        self._freeze = None
        lingering, self._lingering, self._awake = self._lingering, self._awake, {}
        for slot in lingering:
            if slot.environment is not None:
                slot.environment.freeze()
        if self._lingering:
            self._freeze = asyncio.get_running_loop().call_later(LINGER, self._lingered)

    def _expired(self) -> None:
        self._sweep = None
        while (slot := self.longest) is not None:
            left = slot.since + self._seconds - self._now()
            if left > 0:
                self._sweep = asyncio.get_running_loop().call_later(left, self._expired)
                return
            self._close(slot)
