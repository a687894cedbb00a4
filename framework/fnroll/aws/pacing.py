"""Staying below Lambda's control-plane limits on our own side, instead of being throttled.

Per account and Region AWS lets through 100 GetFunction, 15 GetPolicy and, all other control-plane calls together, 15 a
second; none can be raised. Others share them, so we take less. Invocations have limits of their own and are not paced.
Buckets and the rule which call pays into which live here; `session` hooks them in front of everything that is sent,
retries included.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from fnroll.aws.clock import SYSTEM, Clock

_UNPACED = frozenset({"Invoke", "InvokeWithResponseStream", "InvokeAsync"})
_OWN = {"GetFunction": (60.0, 20), "GetPolicy": (8.0, 4)}
_SHARED = (8.0, 5)


class Bucket:
    """A token bucket: `rate` calls a second, `burst` of them at once. Safe to share between threads."""

    def __init__(self, rate: float, burst: int, clock: Clock = SYSTEM) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled = clock.now()
        self._lock = Lock()

    def take(self) -> float:
        """Take one token, sleeping until it is there; the seconds slept.

        A token is taken before the sleep, below zero if need be: callers queue up in the order in which they came.
        """
        with self._lock:
            now = self._clock.now()
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            self._tokens -= 1
            delay = max(0.0, -self._tokens / self._rate)
        if delay:
            self._clock.sleep(delay)
        return delay


class Pacer:
    """The buckets of one account and Region."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._own = {name: Bucket(*limits, clock) for name, limits in _OWN.items()}
        self._shared = Bucket(*_SHARED, clock)

    def before(self, operation: str) -> float:
        """Wait for the turn of one call of `operation`; the seconds waited."""
        if operation in _UNPACED:
            return 0.0
        return self._own.get(operation, self._shared).take()

    def hook(self, event_name: str, **_: Any) -> None:
        """A handler of botocore's `before-send.lambda.OPERATION`; None lets the request go."""
        self.before(event_name.rpartition(".")[2])
