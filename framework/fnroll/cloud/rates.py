"""Lambda's own limits on how often its control plane is called, for who wants to see a client meet them.

Source: facts/release.md 2.4: GetFunction 100 a second, GetPolicy 15, everything else together 15, for each account and
Region. Invoking calls are not counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fnroll.cloud.clock import Clock
from fnroll.cloud.faults import Fault
from fnroll.cloud.names import Home

OWN: Final[Mapping[str, float]] = {"GetFunction": 100.0, "GetPolicy": 15.0}
"""Calls a second of the operations that have a limit of their own."""

REST: Final = 15.0


class Rates:
    """A bucket for each limit, account and Region, full at first, of a second's calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[Home, str], tuple[float, float]] = {}
        """What is left, and when that was."""

    def take(self, operation: str, home: Home) -> None:
        """Count a call. Fault TooManyRequests if it is one too many."""
        rate, now = OWN.get(operation, REST), self._clock.time()
        key = home, operation if operation in OWN else ""
        left, then = self._buckets.get(key, (rate, now))
        left = min(rate, left + max(0.0, now - then) * rate)
        if left < 1:
            self._buckets[key] = left, now
            raise Fault("TooManyRequestsException", "Rate exceeded", reason="CallerRateLimitExceeded")
        self._buckets[key] = left - 1, now
