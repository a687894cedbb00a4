"""Schedules: when expressions are due, and that rules and schedules invoke functions."""

from __future__ import annotations

import asyncio
import json
import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_support import ARN, FakeEmulator, client, make, served
from fnroll.cloud.others import Others
from fnroll.cloud.schedules import ScheduleError, parse
from fnroll.cloud.timers import Timed, Timers

ROLE = "arn:aws:iam::000000000000:role/scheduler"


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


def fired(expression: str, moments: list[float], **given: Any) -> list[float]:
    """When a schedule fires that is first seen at 1000, and looked at then."""
    sent: list[float] = []
    ended: list[bool] = []
    others, clock = Others(), Hands()
    timed = Timed(("k",), expression, "UTC", "arn", lambda moment: str(moment).encode(), **given)

    async def send(arn: str, event: bytes) -> None:
        sent.append(float(event))

    async def looks() -> None:
        timers = Timers(others, clock, send, listed=lambda: [] if ended else [replace(timed, done=forget)])
        for clock.moment in [1000.0, *moments]:
            await timers.look()

    def forget() -> None:
        ended.append(True)

    asyncio.run(looks())
    others.close()
    return sent


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
    assert fired(expression, moments, **given) == times
