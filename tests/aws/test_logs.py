"""Reading logs from a moto server: windows, patterns, following, the lines of one request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from deploy_support import moto_session
from fnroll.aws import Clock
from fnroll.aws.functions import state_of
from fnroll.aws.logs import LOOK_BACK, events_of_request, follow_events, log_group, read_events
from fnroll.errors import NotFound

GROUP = "/aws/lambda/hello"
ONE, TWO = "11111111-aaaa-4bbb-8ccc-000000000001", "11111111-aaaa-4bbb-8ccc-000000000002"


class Logs:
    """A log group that a test writes into. Times are milliseconds after `start`, ten minutes ago: moto refuses what is
    older than a fortnight."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.start = int(time.time() * 1000) - 600_000
        self._streams: set[str] = set()

    def create(self) -> None:
        self.client.create_log_group(logGroupName=GROUP)

    def write(self, stream: str, *lines: tuple[int, str]) -> None:
        if stream not in self._streams:
            self.client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            self._streams.add(stream)
        events = [{"timestamp": self.start + at, "message": text} for at, text in lines]
        self.client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


@pytest.fixture
def logs() -> Iterator[Logs]:
    with moto_session() as (session, _):
        yield Logs(session.service("logs"))


def messages(events: Any) -> list[str]:
    return [event.message for event in events]


def test_events_within_a_window_without_their_line_ends(logs: Logs) -> None:
    logs.create()
    logs.write("a", (0, "zero\n"), (10, "ten\r\n"))
    logs.write("b", (20, "twenty"))
    found = list(read_events(logs.client, GROUP, since=logs.start + 10, until=logs.start + 20))
    assert messages(found) == ["ten", "twenty"]
    assert [(event.timestamp, event.stream) for event in found] == [(logs.start + 10, "a"), (logs.start + 20, "b")]
    assert messages(read_events(logs.client, GROUP, since=logs.start, until=logs.start + 19)) == ["zero", "ten"]


def test_all_pages_are_read(logs: Logs) -> None:
    logs.create()
    count = 10_050  # a page holds ten thousand
    for begin in range(0, count, 5000):
        logs.write("a", *((n, f"line {n}") for n in range(begin, min(begin + 5000, count))))
    assert messages(read_events(logs.client, GROUP, since=logs.start)) == [f"line {n}" for n in range(count)]


def test_a_pattern_is_cloudwatchs_own(logs: Logs) -> None:
    logs.create()
    logs.write("a", (0, "ERROR here"), (1, "all well"))
    assert messages(read_events(logs.client, GROUP, since=logs.start, pattern='"ERROR"')) == ["ERROR here"]


def test_following_gives_each_event_once_and_late_ones_too(logs: Logs) -> None:
    rounds = [
        logs.create,
        lambda: logs.write("a", (1000, "first"), (2000, "second")),
        lambda: logs.write("b", (1500, "late")),
        lambda: logs.write("b", (60_000, "much later")),
        lambda: logs.write("a", (60_000, "at the same time")),
    ]
    passed: list[float] = []

    def sleep(seconds: float) -> None:
        passed.append(seconds)
        if rounds:
            rounds.pop(0)()

    missing: list[bool] = []
    clock = Clock(now=lambda: 0.0, sleep=sleep)
    events = follow_events(logs.client, GROUP, since=logs.start, clock=clock, missing=lambda: missing.append(True))
    assert messages(islice(events, 5)) == ["first", "second", "late", "much later", "at the same time"]
    assert missing == [True]
    assert LOOK_BACK >= 1000


def test_a_group_that_is_not_there_is_not_found(logs: Logs) -> None:
    with pytest.raises(NotFound, match="FilterLogEvents"):
        list(read_events(logs.client, GROUP, since=logs.start))


def test_the_lines_of_one_request_are_those_between_its_first_and_its_last(logs: Logs) -> None:
    logs.create()
    logs.write(
        "2026/01/01/[1]aa",
        (0, f"START RequestId: {ONE} Version: 1"),
        (1, "printed by one"),
        (2, f"END RequestId: {ONE}"),
        (2, f"REPORT RequestId: {ONE}\tDuration: 2 ms"),
        (2, f"START RequestId: {TWO} Version: 1"),
        (3, "printed by two"),
        (4, f"END RequestId: {TWO}"),
        (4, f"REPORT RequestId: {TWO}\tDuration: 2 ms"),
        (9, "after both"),
    )
    logs.write("2026/01/01/[1]bb", (1, "printed by somebody else"))
    found = events_of_request(logs.client, GROUP, TWO, since=logs.start)
    assert messages(found) == [
        f"START RequestId: {TWO} Version: 1",
        "printed by two",
        f"END RequestId: {TWO}",
        f"REPORT RequestId: {TWO}\tDuration: 2 ms",
    ]
    assert messages(events_of_request(logs.client, GROUP, ONE, since=logs.start))[1] == "printed by one"
    assert events_of_request(logs.client, GROUP, "22222222-0000-4000-8000-000000000000", since=logs.start) == []


def test_the_group_is_the_functions_own_or_lambdas_default() -> None:
    assert log_group("hello") == "/aws/lambda/hello"
    assert log_group("hello", state_of({"LoggingConfig": {"LogFormat": "JSON"}})) == "/aws/lambda/hello"
    assert log_group("hello", state_of({"LoggingConfig": {"LogGroup": "mine"}})) == "mine"
