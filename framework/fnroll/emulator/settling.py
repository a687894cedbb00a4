"""How long an environment that has answered is counted on to ask for its next event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from fnroll.emulator.slots import Shelf

SETTLE: Final = 0.25
"""Seconds after its answer for which an environment is expected to ask for its next event in a moment."""


class Settling:
    """Belongs to the event loop. `lapsed`: called with a shelf where somebody waits and one did not settle in time."""

    def __init__(self, now: Callable[[], float], lapsed: Callable[[Shelf], None]) -> None:
        self._now = now
        self._lapsed = lapsed

    def watch(self, shelf: Shelf) -> None:
        """See to it that nobody counts for too long on one that does not settle."""
        if shelf.queue and shelf.settling and shelf.expiry is None:
            left = next(iter(shelf.settling)).since + SETTLE - self._now()
            shelf.expiry = asyncio.get_running_loop().call_later(max(left, 0.001), self._expired, shelf)

    def _expired(self, shelf: Shelf) -> None:
        shelf.expiry = None
        self.expire(shelf)
        self._lapsed(shelf)
        self.watch(shelf)

    def expire(self, shelf: Shelf) -> None:
        """From now on, nobody counts on those that should have settled long ago."""
        while shelf.settling:
            slot = next(iter(shelf.settling))
            if self._now() - slot.since < SETTLE:
                return
            del shelf.settling[slot]
