"""Sends on time: EventBridge rules with a schedule, and schedules of EventBridge Scheduler.

moto keeps both and runs neither. Once a second, if anybody has used moto, what it keeps is looked at (timetable.py);
what came due since is sent to its target (targets.py), within its flexible window if it has one. What fails and may
succeed later is tried again as the retry policy says, and at last goes to the dead-letter queue. Times run as fast as
the cloud's clock does (`speed`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol
from uuid import uuid4

from fnroll.cloud.clock import Clock
from fnroll.cloud.faults import Fault
from fnroll.cloud.names import Home
from fnroll.cloud.others import Others
from fnroll.cloud.schedules import Schedule, ScheduleError, parse
from fnroll.cloud.services import ServiceError
from fnroll.cloud.targets import Target, is_retried, why
from fnroll.cloud.timetable import Execution, Timed, instant, kept
from fnroll.errors import FnError

PAUSE: Final = 1.0
AT_ONCE: Final = 100
"""Firings of one schedule between two looks, at most: a fast clock can pass many."""

RETRY_AT_MOST: Final = 300.0
"""Seconds between two attempts, which begin with one and double."""

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """What timers want of targets."""

    async def send(self, target: Target, event: bytes, home: Home) -> None: ...

    async def bury(self, queue: str, event: bytes, attributes: Mapping[str, str]) -> None: ...


class Timers:
    """Lives on the event loop. `listed` gives what moto keeps, on one of its threads."""

    def __init__(
        self,
        others: Others,
        clock: Clock,
        sender: Sender,
        *,
        speed: float = 1.0,
        listed: Callable[[], list[Timed]] | None = None,
    ) -> None:
        self._others = others
        self._clock = clock
        self._sender = sender
        self._speed = speed
        self._listed = listed or kept
        self._started = clock.time()
        self._known: dict[tuple[str, ...], tuple[Schedule, float]] = {}
        self._waiting: list[tuple[tuple[str, ...], Execution]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        tasks = [*self._under_way, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if self._others.loaded:
                try:
                    await self.look()
                except Exception:
                    _log.exception("schedules could not be looked at")
            await self._clock.sleep(PAUSE)

    def now(self) -> float:
        """The cloud's time, which may run faster than the machine's."""
        return self._started + (self._clock.time() - self._started) * self._speed

    async def look(self) -> None:
        """Send what came due since the last look. A schedule counts from when it is first seen, and what waits for an
        attempt goes with its schedule."""
        found = await self._others.run(self._listed)
        now = self.now()
        known = self._known
        self._known = {}
        for timed in found:
            try:
                schedule, seen = known.get(timed.key) or self._new(timed, now)
            except ScheduleError as error:
                _log.debug("%s: %s", timed.key, error)
                continue
            self._known[timed.key] = schedule, self._collect(timed, schedule, seen, now)
        by_key = {timed.key: timed for timed in found}
        waiting, self._waiting = self._waiting, []
        for key, execution in sorted(waiting, key=lambda each: each[1].at):
            if execution.at > now:
                self._waiting.append((key, execution))
            elif key in by_key:
                self._begin(by_key[key], execution, now)
        if self._under_way:  # a target that takes long holds nobody up
            await asyncio.wait(tuple(self._under_way), timeout=PAUSE)

    def _begin(self, timed: Timed, execution: Execution, now: float) -> None:
        task = asyncio.get_running_loop().create_task(self._attempt(timed, execution, now))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a schedule's target failed", exc_info=error)

    def _new(self, timed: Timed, now: float) -> tuple[Schedule, float]:
        """A schedule seen for the first time. One that is due once may have come and become due since the last look."""
        schedule = parse(timed.expression, timed.zone, timed.begin if timed.begin is not None else now)
        return schedule, now - PAUSE * self._speed if schedule.once else now

    def _collect(self, timed: Timed, schedule: Schedule, seen: float, now: float) -> float:
        """Note what is due after `seen` and not after `now`; until when that is."""
        due = _next(timed, schedule, seen)
        for _ in range(AT_ONCE):
            if due is None or due > now:
                return seen
            seen, due = due, _next(timed, schedule, due)
            execution = Execution(seen, seen + _delay(timed, seen), str(uuid4()), last=due is None)
            self._waiting.append((timed.key, execution))
        return now

    async def _attempt(self, timed: Timed, execution: Execution, now: float) -> None:
        event = timed.event(execution)
        failure: Fault | ServiceError | None = None
        try:
            await self._sender.send(timed.target, event, timed.home)
        except (Fault, ServiceError) as error:
            failure = error
        except FnError as error:
            failure = ServiceError("InternalError", str(error))
        if failure is not None and await self._failed(timed, execution, event, failure, now):
            return
        if execution.last and timed.done is not None:
            await self._others.run(timed.done)

    async def _failed(
        self, timed: Timed, execution: Execution, event: bytes, error: Fault | ServiceError, now: float
    ) -> bool:
        """Whether there will be another attempt; if not, it is buried."""
        wait = min(2.0 ** (execution.attempt - 1), RETRY_AT_MOST)
        exhausted = ""
        if is_retried(error):
            if execution.attempt > timed.policy.retries:
                exhausted = "MaximumRetryAttempts"
            elif now + wait > execution.due + timed.policy.max_age:
                exhausted = "MaximumEventAgeInSeconds"
            else:
                again = replace(execution, at=now + wait, attempt=execution.attempt + 1)
                self._waiting.append((timed.key, again))
                return True
        _log.warning("%s got nothing of %s: %s", timed.target["Arn"], timed.key[0], error.message)
        attributes = {
            **timed.names,
            **why(error),
            "EXECUTION_ID": execution.id,
            "EXHAUSTED_RETRY_CONDITION": exhausted,
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": str(execution.attempt - 1),
            "SCHEDULED_TIME": instant(execution.due),
            "TARGET_ARN": str(timed.target["Arn"]),
        }
        if timed.policy.dead_letters is not None:
            try:
                await self._sender.bury(timed.policy.dead_letters, event, attributes)
            except ServiceError as lost:
                _log.warning("%s got no dead letter: %s", timed.policy.dead_letters, lost)
        return False


def _next(timed: Timed, schedule: Schedule, seen: float) -> float | None:
    due = schedule.after(max(seen, (timed.begin or 0.0) - 1e-6))
    return None if due is None or (timed.end is not None and due > timed.end) else due


def _delay(timed: Timed, due: float) -> float:
    """Where in its window it comes: anywhere, and the same whoever asks."""
    if not timed.window:
        return 0.0
    drawn = hashlib.sha256(f"{timed.key[0]} {due}".encode()).digest()
    return timed.window * int.from_bytes(drawn[:4], "big") / 2**32
