"""Many invocations: order, stopping, and the sum of them. Without a network: what is called is an argument."""

from __future__ import annotations

import threading

import pytest

from fnroll.aws import Invocation
from fnroll.cli.calls import Done, call_all, record, summary
from fnroll.errors import NotFound, Throttled


def answer(payload: bytes, error: str | None = None) -> Invocation:
    return Invocation(payload, 200, error, "1", None)


@pytest.mark.parametrize("parallel", [1, 2, 5, 20])
def test_results_come_in_the_order_of_the_events(parallel: int) -> None:
    events = [b"%d" % n for n in range(12)]
    done = list(call_all(answer, events, parallel))
    assert [one.invocation and one.invocation.payload for one in done] == events


def test_an_event_whose_answer_is_late_keeps_its_place() -> None:
    others = threading.Semaphore(0)

    def call(event: bytes) -> Invocation:
        if event == b"0":
            assert all(others.acquire(timeout=30) for _ in range(5))
        else:
            others.release()
        return answer(event)

    done = list(call_all(call, [b"%d" % n for n in range(6)], 2))
    assert [one.invocation and one.invocation.payload for one in done] == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_as_many_at_a_time_as_was_asked_for() -> None:
    together = threading.Barrier(4)

    def call(event: bytes) -> Invocation:
        together.wait(30)  # passes only if four are under way
        return answer(event)

    assert len(list(call_all(call, [b"x"] * 8, 4))) == 8


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_throttled_one_is_a_result_and_any_other_error_the_end(parallel: int) -> None:
    sent: list[bytes] = []

    def call(event: bytes) -> Invocation:
        sent.append(event)
        if event == b"1":
            raise Throttled("Rate Exceeded.")
        if event == b"3":
            raise NotFound("gone")
        return answer(event)

    seen: list[Done] = []
    with pytest.raises(NotFound):
        for one in call_all(call, [b"%d" % n for n in range(500)], parallel):
            seen.append(one)
    assert [one.refused is not None for one in seen] == [False, True, False]
    assert len(sent) < 500


def test_the_sum_and_the_records_say_what_failed() -> None:
    done = [
        Done(answer(b'{"a": 1}'), None, 3.0),
        Done(answer(b"\xff", "Unhandled"), None, 1.0),
        Done(None, Throttled("Rate Exceeded.", where="hello"), 2.0),
    ]
    assert summary(done, 1.5) == (
        "3 invocations in 1.50 s (2.0/s), 1 failed, 1 throttled; "
        "latency min 1.00 p50 2.00 p90 3.00 p99 3.00 max 3.00 ms"
    )
    assert [record(one)["payload"] for one in done] == [{"a": 1}, "\ufffd", None]
    assert record(done[2])["error"] == "hello: Rate Exceeded."
    assert summary([], 0.0) == "no invocation"
