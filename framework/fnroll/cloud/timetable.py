"""What is to be sent, when and how: the schedules that moto keeps, of EventBridge's rules and of EventBridge Scheduler.

`kept` runs on one of moto's threads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.names import Home
from fnroll.cloud.targets import Target
from fnroll.cloud.triggers import of_rule

RETRIES: Final = 185
MAX_AGE: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of what fails: attempts beside the first, seconds from when it was due, and the ARN of a queue."""

    retries: int = RETRIES
    max_age: float = MAX_AGE
    dead_letters: str | None = None

    @classmethod
    def of(cls, target: Target) -> Policy:
        said = target.get("RetryPolicy") or {}
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        return cls(said.get("MaximumRetryAttempts", RETRIES), said.get("MaximumEventAgeInSeconds", MAX_AGE), queue)


@dataclass(frozen=True, slots=True)
class Timed:
    """One target of one schedule. `event(moment, execution)`: what it gets; `end`: epoch seconds; `window`: seconds
    within which it may come; `done` forgets the schedule; `names`: attributes of its dead letters."""

    key: tuple[str, ...]
    expression: str
    zone: str
    target: Target
    event: Callable[[Execution], bytes]
    home: Home
    begin: float | None = None
    end: float | None = None
    done: Callable[[], object] | None = None
    window: float = 0.0
    policy: Policy = Policy()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Execution:
    """One time that a schedule has come due. `at`: when the next attempt is; `last`: it is the schedule's last time."""

    due: float
    at: float
    id: str
    attempt: int = 1
    last: bool = False


def kept() -> list[Timed]:
    """What moto keeps of schedules."""
    return [*_rules(), *_schedules()]


def instant(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _scheduled(source: str, home: Home, arn: str, moment: float, detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": source,
        "account": home.account,
        "time": instant(moment),
        "region": home.region,
        "resources": [arn],
        "detail": detail,
    }


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
                    yield _of_rule(home, rule, target)


def _of_rule(home: Home, rule: Any, target: dict[str, Any]) -> Timed:
    def event(execution: Execution) -> bytes:
        said = of_rule(target, _scheduled("aws.events", home, rule.arn, execution.due, {}), home)
        return said if isinstance(said, bytes) else json.dumps(said).encode()

    key = (rule.arn, rule.scheduled_expression, str(target["Id"]))
    named = {"RULE_ARN": rule.arn}
    policy = Policy.of(target)
    return Timed(key, rule.scheduled_expression, "UTC", target, event, home, policy=policy, names=named)


def _schedules() -> Iterator[Timed]:
    if "moto.scheduler.models" not in sys.modules:
        return
    from moto.scheduler.models import scheduler_backends

    for home, backend in _backends(scheduler_backends):
        for group in list(backend.schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                if schedule.state == "ENABLED":
                    yield _of_schedule(home, backend, schedule)


def _of_schedule(home: Home, backend: Any, schedule: Any) -> Timed:
    given = schedule.target.get("Input")

    def event(execution: Execution) -> bytes:
        if given is None:
            return json.dumps(_scheduled("aws.scheduler", home, schedule.arn, execution.due, "{}")).encode()
        said = str(given)
        values = {
            "schedule-arn": schedule.arn,
            "scheduled-time": instant(execution.due),
            "execution-id": execution.id,
            "attempt-number": str(execution.attempt),
        }
        for name, value in values.items():
            said = said.replace(f"<aws.scheduler.{name}>", value)
        return said.encode()

    done = None
    if schedule.action_after_completion == "DELETE":
        done = lambda: backend.delete_schedule(schedule.group_name, schedule.name)  # noqa: E731
    zone, begin, end = schedule.schedule_expression_timezone, schedule.start_date, schedule.end_date
    window = schedule.flexible_time_window or {}
    flexible = 60.0 * window.get("MaximumWindowInMinutes", 0) if window.get("Mode") == "FLEXIBLE" else 0.0
    return Timed(
        (schedule.arn, schedule.schedule_expression, zone, str(begin), str(schedule.last_modified_date)),
        schedule.schedule_expression,
        zone,
        schedule.target,
        event,
        home,
        _epoch(begin),
        _epoch(end),
        done,
        flexible,
        Policy.of(schedule.target),
        {"SCHEDULE_ARN": schedule.arn},
    )


def _backends(every: Any) -> Iterator[tuple[Home, Any]]:
    """What moto has of a service, by account and region."""
    for account, backends in list(every.items()):
        for region, backend in list(backends.items()):
            yield Home(str(account), str(region)), backend


def _epoch(given: Any) -> float | None:
    return None if given is None else float(given)
