"""Tumbling windows of streams: what an invocation is told, the state from one to the next, and how a window ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cloud_support import Failure, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.cloud.windows import MAX_STATE, Window, by_window, state_of, told
from fnroll.emulator.api import FunctionConfig, Invocation

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
Event = dict[str, Any]


def record(arrived: float) -> Event:
    return {"kinesis": {"approximateArrivalTimestamp": arrived}}


def test_records_fall_into_windows_that_begin_at_multiples_of_their_length() -> None:
    batch = [record(at) for at in (119.9, 120.0, 179.99, 180.0, 120.0)]
    found = [(window.start, window.end, len(records)) for window, records in by_window(batch, 60.0)]
    assert found == [(60.0, 120.0, 1), (120.0, 180.0, 2), (180.0, 240.0, 1), (120.0, 180.0, 1)]


def test_what_an_event_says() -> None:
    assert told(Window(1607497440, 1607497560, {"1": 282}), "shardId-6", STREAM, final=True) == {
        "window": {"start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z"},
        "state": {"1": 282},
        "shardId": "shardId-6",
        "eventSourceARN": STREAM,
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }
    assert told(Window(0.25, 0.5), "s", STREAM)["window"]["start"] == "1970-01-01T00:00:00.250Z"


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        (b'{"state":{"a":1}}', {"a": 1}),
        (b'{"state":{}}', {}),
        (b"{}", None),
        (b"null", None),
        (b"no", None),
        (b"", None),
    ],
)
def test_the_state_of_an_answer(payload: bytes, state: Any) -> None:
    assert state_of(payload) == state


class Bench:
    """A stream of one shard and a function that counts: `events` as they came, each window's last one included."""

    def __init__(self, endpoint: Endpoint, fake: FakeEmulator) -> None:
        self.lambda_, self.kinesis = client(endpoint), client(endpoint, "kinesis")
        self.events: list[Event] = []
        self.changed = threading.Condition()
        self.answer: Callable[[Event], Any] = counting
        fake.function = self.handle
        make(self.lambda_)
        self.kinesis.create_stream(StreamName="s", ShardCount=1)

    def handle(self, config: FunctionConfig, invocation: Invocation) -> Any:
        event = json.loads(invocation.payload)
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()
        return self.answer(event)

    def map(self, window: int, **given: Any) -> str:
        """The clock is a thousand times as fast: 900 s are 0.9."""
        defaults = {"StartingPosition": "TRIM_HORIZON", "EventSourceArn": STREAM, "FunctionName": "hello"}
        made = self.lambda_.create_event_source_mapping(**{**defaults, "TumblingWindowInSeconds": window, **given})
        assert made["TumblingWindowInSeconds"] == window
        return str(made["UUID"])

    def put(self, *data: str) -> None:
        records = [{"Data": each.encode(), "PartitionKey": "k"} for each in data]
        self.kinesis.put_records(StreamName="s", Records=records)

    def until(self, condition: Callable[[list[Event]], bool]) -> list[Event]:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.events), 30), self.events
            return list(self.events)


def counting(event: Event) -> Any:
    return {"state": {"n": event["state"].get("n", 0) + len(event["Records"])}}


def finals(events: list[Event]) -> list[Event]:
    return [event for event in events if event["isFinalInvokeForWindow"]]


def counted(events: list[Event]) -> int:
    return sum(event["state"].get("n", 0) for event in finals(events))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path, speed=1000) as (endpoint, fake):
        yield Bench(endpoint, fake)


def test_each_window_hands_its_state_on_and_ends_once(bench: Bench) -> None:
    bench.map(900, BatchSize=2)
    bench.put(*"abcde")
    bench.until(lambda events: counted(events) == 5)
    bench.put(*"fg")
    events = bench.until(lambda events: counted(events) == 7)
    assert {(event["eventSourceARN"], event["shardId"]) for event in events} == {(STREAM, "shardId-000000000000")}
    assert not any(event["isWindowTerminatedEarly"] for event in events)
    for _, group in groupby(events, lambda event: event["window"]["start"]):
        *batches, last = group
        assert batches and last["isFinalInvokeForWindow"] and not last["Records"]
        before = 0
        for event in batches:
            assert not event["isFinalInvokeForWindow"]
            assert event["state"] == ({"n": before} if before else {})
            before += len(event["Records"])
        assert last["state"] == {"n": before}


def test_an_answer_without_a_state_is_a_failure(bench: Bench) -> None:
    def second(event: Event) -> Any:
        return counting(event) if len(bench.events) > 1 else {}

    bench.answer = second
    bench.map(900)
    bench.put("a")
    first, again, *_ = bench.until(lambda events: counted(events) == 1)
    assert first == again


def test_a_state_above_a_megabyte_ends_the_window_early(bench: Bench) -> None:
    def large(event: Event) -> Any:
        return {"state": {"n": 1, "x": "x" * MAX_STATE}} if len(bench.events) == 1 else counting(event)

    bench.answer = large
    bench.map(900, BatchSize=1)
    bench.put("a", "b")
    _, early, *rest = bench.until(lambda events: counted(events) == 2)
    after = next(event for event in rest if event["Records"])
    assert early["isFinalInvokeForWindow"] and early["isWindowTerminatedEarly"]
    assert len(early["state"]["x"]) == MAX_STATE
    assert after["state"] == {}


def test_nothing_is_fed_until_the_end_of_a_window_succeeds(bench: Bench) -> None:
    go = threading.Event()

    def stubborn(event: Event) -> Any:
        if event["isFinalInvokeForWindow"] and not go.is_set():
            raise Failure("no")
        return counting(event)

    bench.answer = stubborn
    bench.map(900)
    bench.put("a")
    bench.until(lambda events: len(finals(events)) == 2)
    bench.put("b")
    events = bench.until(lambda events: len(finals(events)) == 4)
    assert sum(len(event["Records"]) for event in events) == 1
    go.set()
    bench.until(lambda events: sum(len(event["Records"]) for event in events) == 2)


def test_a_mapping_that_is_changed_keeps_the_window_that_is_open(bench: Bench) -> None:
    uuid = bench.map(900)
    bench.put("a")
    bench.until(lambda events: sum(len(event["Records"]) for event in events) == 1)
    while bench.lambda_.get_event_source_mapping(UUID=uuid)["LastProcessingResult"] != "OK":
        pass
    bench.lambda_.update_event_source_mapping(UUID=uuid, BatchSize=7)
    events = bench.until(lambda events: bool(finals(events)))
    assert counted(events) == 1
