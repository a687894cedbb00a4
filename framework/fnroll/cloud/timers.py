"""Invokes functions on time: EventBridge rules with a schedule, and schedules of EventBridge Scheduler.

moto keeps both and runs neither. Once a second, if anybody has used moto, what it keeps is looked at; what came due
since is queued as an asynchronous invocation. Times run as fast as the cloud's clock does (`speed`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.clock import Clock
from fnroll.cloud.faults import Fault
from fnroll.cloud.names import Home
from fnroll.cloud.others import Others
from fnroll.cloud.schedules import Schedule, ScheduleError, parse
from fnroll.cloud.triggers import of_rule

PAUSE: Final = 1.0
AT_ONCE: Final = 100
"""Firings of one schedule between two looks, at most: a fast clock can pass many."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timed:
    """One target of one schedule. `event(moment)`: what it gets; `end`: epoch seconds; `done` forgets the schedule."""

    key: tuple[str, ...]
    expression: str
    zone: str
    target: str
    event: Callable[[float], bytes]
    begin: float | None = None
    end: float | None = None
    done: Callable[[], object] | None = None


class Timers:
    """Lives on the event loop. `send(arn, event)` queues; `listed` gives what moto keeps, on one of its threads."""

    def __init__(
        self,
        others: Others,
        clock: Clock,
        send: Callable[[str, bytes], Awaitable[object]],
        *,
        speed: float = 1.0,
        listed: Callable[[], list[Timed]] | None = None,
    ) -> None:
        self._others = others
        self._clock = clock
        self._send = send
        self._speed = speed
        self._listed = listed or kept
        self._started = clock.time()
        self._known: dict[tuple[str, ...], tuple[Schedule, float]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

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
        """Fire what came due since the last look. A schedule counts from when it is first seen."""
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
            self._known[timed.key] = schedule, await self._fire(timed, schedule, seen, now)

    def _new(self, timed: Timed, now: float) -> tuple[Schedule, float]:
        """A schedule seen for the first time. One that is due once may have come and become due since the last look."""
        schedule = parse(timed.expression, timed.zone, timed.begin if timed.begin is not None else now)
        return schedule, now - PAUSE * self._speed if schedule.once else now

    async def _fire(self, timed: Timed, schedule: Schedule, seen: float, now: float) -> float:
        """Fire what is due after `seen` and not after `now`; until when that is."""
        for _ in range(AT_ONCE):
            due = schedule.after(max(seen, (timed.begin or 0.0) - 1e-6))
            if due is None or due > now or (timed.end is not None and due > timed.end):
                return seen
            seen = due
            try:
                await self._send(timed.target, timed.event(due))
            except Fault as fault:
                _log.warning("%s was not invoked: %s", timed.target, fault.message)
            if schedule.once and timed.done is not None:
                await self._others.run(timed.done)
        return now


def kept() -> list[Timed]:
    """What moto keeps of schedules whose targets are functions."""
    return [*_rules(), *_schedules()]


def _instant(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _scheduled(source: str, home: Home, arn: str, moment: float, detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": source,
        "account": home.account,
        "time": _instant(moment),
        "region": home.region,
        "resources": [arn],
        "detail": detail,
    }


def _is_function(arn: str) -> bool:
    return arn.split(":")[2:3] == ["lambda"]


def _rules() -> Iterator[Timed]:
    if "moto.events.models" not in sys.modules:
        return
    from moto.events.models import events_backends

    for home, backend in _backends(events_backends):
        for bus in list(backend.event_buses.values()):
            for rule in list(bus.rules.values()):
                if not rule.scheduled_expression or rule.state != "ENABLED":
                    continue
                for target in rule.targets:
                    if _is_function(target["Arn"]):
                        yield _of_rule(home, rule, target)


def _of_rule(home: Home, rule: Any, target: dict[str, Any]) -> Timed:
    def event(moment: float) -> bytes:
        said = of_rule(target, _scheduled("aws.events", home, rule.arn, moment, {}), home)
        return said if isinstance(said, bytes) else json.dumps(said).encode()

    key = (rule.arn, rule.scheduled_expression, str(target["Id"]))
    return Timed(key, rule.scheduled_expression, "UTC", target["Arn"], event)


def _schedules() -> Iterator[Timed]:
    if "moto.scheduler.models" not in sys.modules:
        return
    from moto.scheduler.models import scheduler_backends

    for home, backend in _backends(scheduler_backends):
        for group in list(backend.schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                if schedule.state == "ENABLED" and _is_function(schedule.target["Arn"]):
                    yield _of_schedule(home, backend, schedule)


def _of_schedule(home: Home, backend: Any, schedule: Any) -> Timed:
    given = schedule.target.get("Input")

    def event(moment: float) -> bytes:
        if given is None:
            return json.dumps(_scheduled("aws.scheduler", home, schedule.arn, moment, "{}")).encode()
        said = str(given)
        values = {
            "schedule-arn": schedule.arn,
            "scheduled-time": _instant(moment),
            "execution-id": str(uuid4()),
            "attempt-number": "1",
        }
        for name, value in values.items():
            said = said.replace(f"<aws.scheduler.{name}>", value)
        return said.encode()

    done = None
    if schedule.action_after_completion == "DELETE":
        done = lambda: backend.delete_schedule(schedule.group_name, schedule.name)  # noqa: E731
    zone, begin, end = schedule.schedule_expression_timezone, schedule.start_date, schedule.end_date
    key = (schedule.arn, schedule.schedule_expression, zone, str(begin), str(schedule.last_modified_date))
    return Timed(
        key, schedule.schedule_expression, zone, schedule.target["Arn"], event, _epoch(begin), _epoch(end), done
    )


def _backends(every: Any) -> Iterator[tuple[Home, Any]]:
    """What moto has of a service, by account and region."""
    for account, backends in list(every.items()):
        for region, backend in list(backends.items()):
            yield Home(str(account), str(region)), backend


def _epoch(given: Any) -> float | None:
    return None if given is None else float(given)
