"""What a cloud keeps of its invocations in memory: metric rows and log lines, compact, bounded, in order."""

from __future__ import annotations

import json
import random
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_support import ARN
from fnroll.cloud.logs import LogBuffer
from fnroll.cloud.metric_queries import statistic
from fnroll.cloud.metric_values import NAMES, Datum, pack, packed_names, unpack
from fnroll.cloud.metrics import ALL_RUNNING, MAX_ROWS, Meter, Resource, Wanted
from fnroll.cloud.names import Home
from fnroll.cloud.others import Others
from fnroll.cloud.watch import EACH, Shown, Watch
from fnroll.emulator.api import LogLine
from fnroll.emulator.wire import Request

HERE = Home("000000000000", "us-east-1")
VALUES = st.one_of(st.just(0.0), st.integers(1, 2000), st.floats(1e-3, 1e9))


def datum(values: list[float]) -> Datum:
    made = Datum()
    for value in values:
        made.add(value)
    return made


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, min_size=1, max_size=40), min_size=1))
def test_a_packed_row_says_what_it_said(said: dict[str, list[float]]) -> None:
    row = {name: datum(values) for name, values in said.items()}
    data = pack(row)
    assert packed_names(data) == list(row)
    found = unpack(data)
    for name, before in row.items():
        after = found[name]
        assert (after.count, after.least, after.most) == (before.count, before.least, before.most)
        assert after.total == pytest.approx(before.total)
        assert after.spread() == before.spread()
        assert unpack(data, name) == {name: after}


def test_a_count_above_a_byte_is_packed_too() -> None:
    found = unpack(pack({"Duration": datum([1.0] * 70_000 + [2.0] * 3)}))["Duration"]
    assert found.spread() == {1.0: 70_000, 2.0: 3}


@pytest.mark.parametrize("stat", ["p50", "p90", "p99", "p99.9"])
def test_percentiles_of_a_minute_that_is_over_are_good_to_three_digits(stat: str) -> None:
    chance, now = random.Random(1), [30.0]
    meter = Meter(lambda: now[0])
    durations = sorted(chance.lognormvariate(3, 1) for _ in range(5000))
    for duration in durations:
        meter.add(Resource(HERE, "f"), {"Duration": duration})
    now[0] = 90.0
    meter.add(Resource(HERE, "f"), {"Duration": 1.0})
    (point,) = meter.points(HERE, Wanted("Duration", (("FunctionName", "f"),), 0, 60))
    exact = durations[-int(-len(durations) * float(stat[1:]) // 100) - 1]
    assert statistic(stat, [point.datum]) == pytest.approx(exact, rel=0.005)
    assert point.datum.total == pytest.approx(sum(durations))


def test_an_invocation_of_several_minutes_counts_in_the_one_it_began_in() -> None:
    now = [0.0]
    meter = Meter(lambda: now[0])
    for minute in range(5):
        now[0] = minute * 60.0
        meter.add(Resource(HERE, "f"), {"Invocations": 1, "Duration": float(minute)})
    meter.add(Resource(HERE, "f"), {"Invocations": 1, "Duration": 240_000.0}, at=60.0)
    now[0] = 600.0
    meter.add(Resource(HERE, "f"), {"Invocations": 1})
    found = {point.minute: point.datum for point in meter.points(HERE) if point[1:3] == ("Duration", ())}
    assert found[60].spread() == {1.0: 1, 240_000.0: 1}
    assert (found[0].spread(), found[120].spread()) == ({0.0: 1}, {2.0: 1})


def test_a_row_is_small() -> None:
    chance, now = random.Random(1), [0.0]
    meter = Meter(lambda: now[0])
    rows = 1000
    tracemalloc.start()
    try:
        for minute in range(rows):
            now[0] = minute * 60.0
            for _ in range(30):
                values = {"Invocations": 1, "Errors": 0, "Throttles": 0, "Duration": chance.lognormvariate(2, 0.7)}
                meter.add(Resource(HERE, "f", "live", "1"), {**values, "ConcurrentExecutions": 1, ALL_RUNNING: 2})
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / rows < 700


def test_rows_are_bounded_in_number_and_in_time() -> None:
    clock = iter(range(0, 10**9, 60))
    meter = Meter(lambda: float(next(clock)))
    for _ in range(MAX_ROWS + 50):
        meter.add(Resource(HERE, "f"), {"Invocations": 1})
    minutes = {point.minute for point in meter.points(HERE)}
    assert len(minutes) <= MAX_ROWS
    assert max(minutes) - min(minutes) <= 15 * 86400


def test_rows_are_bounded_in_bytes() -> None:
    """A minute of two thousand different durations is six kilobytes."""
    durations = [float(f"{digits}e{power}") for digits in range(100, 800) for power in (0, 1, 2)]
    now = [0.0]
    meter = Meter(lambda: now[0], max_bytes=20_000)
    for minute in range(8):
        now[0] = minute * 60.0
        for duration in durations:
            meter.add(Resource(HERE, "f"), {"Duration": duration})
    assert sorted(point.minute for point in meter.points(HERE, Wanted("Duration", (), 0, 10**9))) == [
        240,
        300,
        360,
        420,
    ]


def test_how_many_run_is_counted_by_function_in_all_and_of_those_without_a_reservation() -> None:
    meter = Meter(lambda: 60.0)
    meter.reserve(ARN + "g", True)
    assert meter.enter(HERE, "f") == (60.0, 1, 1, 1)
    assert meter.enter(HERE, "g") == (60.0, 1, 2, None)
    second = meter.enter(HERE, "f")
    assert second == (60.0, 2, 3, 2)
    meter.leave(HERE, "f", second)
    assert meter.enter(HERE, "f") == (60.0, 2, 3, 2)
    counted = {"ConcurrentExecutions": 2, ALL_RUNNING: 3, "UnreservedConcurrentExecutions": 2}
    meter.add(Resource(HERE, "f"), counted)
    found = {point[1:3]: point.datum.most for point in meter.points(HERE)}
    assert found["ConcurrentExecutions", ()] == 3
    assert found["ConcurrentExecutions", (("FunctionName", "f"),)] == 2
    assert found["UnreservedConcurrentExecutions", ()] == 2
    assert ("UnreservedConcurrentExecutions", (("FunctionName", "f"),)) not in found


def line(number: int, text: str = "") -> LogLine:
    return LogLine("f", "1", f"stream-{number % 3}", f"id-{number}", number, text or str(number), ARN + "f", "/g")


def test_lines_that_were_packed_come_out_as_they_went_in() -> None:
    buffer = LogBuffer(batch=2000)
    lines = [line(number, f"zeile {number} \u00e4\u0001\n") for number in range(100)]
    for each in lines:
        buffer.add(each)
    assert list(buffer.take()) == lines
    assert list(buffer.take()) == []
    buffer.add(lines[0])
    assert list(buffer.take()) == lines[:1]
    buffer.close()


def test_lines_nobody_reads_are_bounded_and_the_oldest_go() -> None:
    chance, limit = random.Random(1), 20_000
    buffer = LogBuffer(limit=limit, batch=5_000)
    for number in range(3000):
        buffer.add(line(number, f"{number} {chance.randbytes(100).hex()}"))
    kept = [each.timestamp_ms for each in buffer.take()]
    assert kept == list(range(kept[0], 3000))
    assert 100 < len(kept) < 700  # half of a random line's letters remain; what waits to be packed comes on top
    buffer.close()


def test_lines_that_were_read_are_bounded_too() -> None:
    others = Others()
    others.watch = Watch(LogBuffer(), Meter(time.time), shown_lines=Shown(20 * (EACH + 2)))
    asked = [("host", "localhost"), ("x-amz-target", "Logs_20140328.FilterLogEvents")]
    scope = "Credential=x/20250101/us-east-1/logs/aws4_request"
    asked += [("authorization", f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")]
    try:
        for number in range(10, 80):
            others.watch.logs.add(line(number)._replace(timestamp_ms=int(time.time() * 1000)))
            answer = others.answer_now(Request("POST", "/", asked, b'{"logGroupName":"/g"}'), "logs", HERE.account)
        seen = sorted(int(event["message"]) for event in json.loads(answer.body)["events"])
    finally:
        others.close()
    assert seen == list(range(60, 80))
