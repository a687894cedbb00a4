"""Schedules: when expressions are due, and that rules and schedules invoke functions."""

from __future__ import annotations

import asyncio
import json
import zoneinfo
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_support import ARN, FakeEmulator, client, make, served
from fnroll.cloud.names import Home
from fnroll.cloud.others import Others
from fnroll.cloud.schedules import ScheduleError, parse
from fnroll.cloud.services import ServiceError
from fnroll.cloud.timers import Timers
from fnroll.cloud.timetable import Policy, Timed
from fnroll.errors import EmulatorError

ROLE = "arn:aws:iam::000000000000:role/scheduler"
HERE = Home("000000000000", "us-east-1")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "zone", "after", "due"),
    [
        ("cron(0 10 * * ? *)", "UTC", "2026-01-01T09:59:59", "2026-01-01T10:00:00"),
        ("cron(0 10 * * ? *)", "UTC", "2026-01-01T10:00:00", "2026-01-02T10:00:00"),
        ("cron(15 12 * * ? *)", "Europe/Berlin", "2026-07-01T00:00:00", "2026-07-01T10:15:00"),
        ("cron(0/15 8-9 ? * MON-FRI *)", "UTC", "2026-01-02T09:46:00", "2026-01-05T08:00:00"),
        ("cron(0 0 1 JAN,JUL ? *)", "UTC", "2026-01-01T00:00:00", "2026-07-01T00:00:00"),
        ("cron(0 0 L * ? *)", "UTC", "2026-02-01T00:00:00", "2026-02-28T00:00:00"),
        ("cron(0 0 1W * ? *)", "UTC", "2026-07-31T12:00:00", "2026-08-03T00:00:00"),
        ("cron(0 0 ? * 6#3 *)", "UTC", "2026-01-01T00:00:00", "2026-01-16T00:00:00"),
        ("cron(0 0 ? * 6L *)", "UTC", "2026-01-01T00:00:00", "2026-01-30T00:00:00"),
        ("cron(0 0 ? * L *)", "UTC", "2026-01-01T00:00:00", "2026-01-03T00:00:00"),
        ("cron(0 0 ? * SAT-MON *)", "UTC", "2026-01-01T00:00:00", "2026-01-03T00:00:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("cron(0 0 1 1 ? 2025)", "UTC", "2026-01-01T00:00:00", None),
        ("cron(0 0 31 4 ? *)", "UTC", "2026-01-01T00:00:00", None),
        # clocks go from 2 to 3 there
        ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-29T00:00:00", "2026-03-30T00:30:00"),
        ("rate(5 minutes)", "UTC", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("rate(1 day)", "UTC", "2026-01-02T00:00:00", "2026-01-03T00:00:00"),
        ("at(2026-06-01T12:00:00)", "America/New_York", "2026-06-01T15:59:59", "2026-06-01T16:00:00"),
        ("at(2026-06-01T12:00:00)", "UTC", "2026-06-01T12:00:00", None),
    ],
)
def test_when_it_is_due(expression: str, zone: str, after: str, due: str | None) -> None:
    if zone != "UTC" and zone not in zoneinfo.available_timezones():
        pytest.skip(f"this machine does not know the time zone {zone}")
    found = parse(expression, zone, at("2026-01-01T00:00:00")).after(at(after))
    assert found == (None if due is None else at(due))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "cron(0 10 * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(0/0 10 * * ? *)",
        "cron(0 10 ? * MOON *)",
        "at(2026-02-30T00:00:00)",
    ],
)
def test_what_is_no_schedule(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse(expression)


def test_an_unknown_zone() -> None:
    with pytest.raises(ScheduleError, match="Nowhere"):
        parse("rate(1 day)", "Nowhere/At_All")


@given(st.integers(1, 90), st.sampled_from(["minutes", "hours", "days"]), st.integers(0, 10**10))
def test_a_rate_is_due_within_its_period(count: int, unit: str, moment: int) -> None:
    period = count * {"minutes": 60, "hours": 3600, "days": 86_400}[unit]
    due = parse(f"rate({count} {unit})", begin=1000.0).after(moment)
    assert due is not None
    assert moment < due <= max(moment, 1000) + period
    assert (due - 1000) % period == 0


def wait(lambda_: Any, fake: FakeEmulator, count: int) -> dict[str, Any]:
    """What the first so many invocations got, by the function's name."""
    while len({config.name for config, _ in fake.seen}) < count:
        lambda_.get_account_settings()
    return {config.name: json.loads(invocation.payload) for config, invocation in reversed(fake.seen)}


def test_rules_and_schedules_invoke(tmp_path: Path) -> None:
    with served(tmp_path, speed=600) as (endpoint, fake):
        lambda_, events, scheduler = (client(endpoint, name) for name in ("lambda", "events", "scheduler"))
        for name in ("ruled", "fixed", "planned", "disabled"):
            make(lambda_, name)
        rule = events.put_rule(Name="r", ScheduleExpression="rate(1 minute)")["RuleArn"]
        events.put_targets(
            Rule="r",
            Targets=[
                {"Id": "1", "Arn": ARN + "ruled"},
                {"Id": "2", "Arn": ARN + "fixed", "Input": '{"fixed":1}'},
            ],
        )
        events.put_rule(Name="off", ScheduleExpression="rate(1 minute)", State="DISABLED")
        events.put_targets(Rule="off", Targets=[{"Id": "1", "Arn": ARN + "disabled"}])
        scheduler.create_schedule(
            Name="s",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": ARN + "planned", "RoleArn": ROLE, "Input": '{"arn":"<aws.scheduler.schedule-arn>"}'},
        )
        got = wait(lambda_, fake, 3)
        assert (got["ruled"]["source"], got["ruled"]["detail-type"], got["ruled"]["resources"]) == (
            "aws.events",
            "Scheduled Event",
            [rule],
        )
        assert got["fixed"] == {"fixed": 1}
        assert got["planned"]["arn"].endswith(":schedule/default/s")
        assert all(config.name != "disabled" for config, _ in fake.seen)


class Hands:
    """A clock that is set."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def time(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += seconds


@dataclass
class Heard:
    """A target that refuses the first so many events with an error."""

    refuses: int = 0
    error: Exception = field(default_factory=lambda: ServiceError("ThrottlingException", "slow down"))
    sent: list[tuple[float, float, int]] = field(default_factory=list)
    """When, for when, and which attempt."""
    buried: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    clock: Hands = field(default_factory=Hands)

    async def send(self, target: Any, event: bytes, home: Any) -> None:
        due, attempt = event.split()
        self.sent.append((self.clock.moment, float(due), int(attempt)))
        if len(self.sent) <= self.refuses:
            raise self.error

    async def bury(self, queue: str, event: bytes, attributes: Any) -> None:
        self.buried.append((queue, dict(attributes)))

    @property
    def times(self) -> list[float]:
        return [due for _, due, _ in self.sent]


def fired(expression: str, moments: list[float], heard: Heard | None = None, **given: Any) -> Heard:
    """A schedule that is first seen at 1000, and looked at then."""
    heard = heard or Heard()
    others = Others()
    timed = Timed(
        ("k",),
        expression,
        "UTC",
        {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"},
        lambda execution: f"{execution.due} {execution.attempt}".encode(),
        HERE,
        **given,
    )

    async def looks() -> None:
        listed: list[Timed] = [replace(timed, done=lambda: heard.ended.append(heard.clock.moment))]
        timers = Timers(others, heard.clock, heard, listed=lambda: [] if heard.ended else listed)
        for heard.clock.moment in [1000.0, *moments]:
            await timers.look()

    asyncio.run(looks())
    others.close()
    return heard


@pytest.mark.parametrize(
    ("expression", "moments", "given", "times"),
    [
        ("rate(1 minute)", [1059, 1060, 1061, 1200], {}, [1060, 1120, 1180]),
        ("rate(1 minute)", [1200], {"end": 1130.0}, [1060, 1120]),
        ("rate(1 minute)", [1200], {"begin": 1100.0}, [1160]),
        ("at(1970-01-01T00:20:00)", [1199, 1200, 1300], {}, [1200]),
        ("at(1970-01-01T00:10:00)", [1300], {}, []),
        ("at(1970-01-01T00:16:40)", [1001], {}, [1000]),
        ("no schedule", [1300], {}, []),
    ],
)
def test_what_fires(expression: str, moments: list[float], given: dict[str, Any], times: list[float]) -> None:
    assert fired(expression, moments, **given).times == times


def test_a_schedule_is_done_after_its_last_time() -> None:
    assert fired("at(1970-01-01T00:20:00)", [1200, 1201]).ended == [1200]
    assert fired("rate(1 minute)", [1060, 1120], end=1130.0).ended == [1120]
    assert fired("rate(1 minute)", [1060, 1120]).ended == []


def test_within_a_flexible_window_it_comes_once_and_at_the_same_time_each_run() -> None:
    looks = [float(moment) for moment in range(1001, 2000)]
    first = fired("at(1970-01-01T00:20:00)", looks, window=600.0)
    ((moment, due, _),) = first.sent
    assert (due, 1200 < moment <= 1800) == (1200, True)
    assert fired("at(1970-01-01T00:20:00)", looks, window=600.0).sent == first.sent
    assert first.ended == [moment]


def test_what_may_succeed_later_is_tried_again_with_longer_and_longer_waits() -> None:
    looks = [float(moment) for moment in range(1001, 1300)]
    heard = fired("at(1970-01-01T00:20:00)", looks, Heard(refuses=3))
    assert heard.sent == [(1200, 1200, 1), (1201, 1200, 2), (1203, 1200, 3), (1207, 1200, 4)]
    assert (heard.buried, heard.ended) == ([], [1207])


@pytest.mark.parametrize(
    ("policy", "error", "attempts", "condition"),
    [
        (Policy(2, 3600, "dlq"), ServiceError("ThrottlingException", "slow down"), 3, "MaximumRetryAttempts"),
        (Policy(185, 60, "dlq"), ServiceError("ThrottlingException", "slow down"), 6, "MaximumEventAgeInSeconds"),
        (Policy(185, 60, "dlq"), ServiceError("AWS.SimpleQueueService.NonExistentQueue", "none"), 1, ""),
        (Policy(0, 60, "dlq"), EmulatorError("no room"), 1, "MaximumRetryAttempts"),
    ],
)
def test_what_fails_for_good_is_a_dead_letter(policy: Policy, error: Any, attempts: int, condition: str) -> None:
    looks = [float(moment) for moment in range(1001, 1400)]
    heard = fired("at(1970-01-01T00:20:00)", looks, Heard(1000, error), policy=policy, names={"SCHEDULE_ARN": "s"})
    assert len(heard.sent) == attempts
    ((queue, said),) = heard.buried
    assert (queue, said["EXHAUSTED_RETRY_CONDITION"], said["RETRY_ATTEMPTS"]) == ("dlq", condition, str(attempts - 1))
    assert (said["SCHEDULE_ARN"], said["SCHEDULED_TIME"]) == ("s", "1970-01-01T00:20:00Z")
    assert said["TARGET_ARN"] == "arn:aws:sqs:us-east-1:000000000000:q"
    assert said["ERROR_CODE"] == getattr(error, "code", "InternalError")
    assert heard.ended


def test_a_target_that_takes_long_holds_up_no_other(tmp_path: Path) -> None:
    """Two schedules; the first one's target answers only when the second one's was reached."""
    reached: list[str] = []

    async def looks() -> None:
        other = asyncio.Event()

        class Slow:
            async def send(self, target: Any, event: bytes, home: Any) -> None:
                if target["Arn"] == "slow":
                    await other.wait()
                other.set()
                reached.append(target["Arn"])

            async def bury(self, queue: str, event: bytes, attributes: Any) -> None:
                raise AssertionError("nothing fails")

        clock, others = Hands(), Others()
        listed = [
            Timed((name,), "at(1970-01-01T00:16:41)", "UTC", {"Arn": name}, lambda execution: b"", HERE)
            for name in ("slow", "quick")
        ]
        timers = Timers(others, clock, Slow(), listed=lambda: listed)
        for clock.moment in (1000.0, 1001.0):
            await timers.look()
        others.close()

    asyncio.run(looks())
    assert reached == ["quick", "slow"]
