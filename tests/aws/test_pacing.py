"""Pacing by a clock that the test turns."""

from __future__ import annotations

import pytest

from deploy_support import no_time
from fnroll.aws import Clock, Pacer
from fnroll.aws.pacing import Bucket


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    bucket = Bucket(10, 3, no_time())
    assert [bucket.take() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.1])


def test_a_rest_fills_it_up_to_the_burst_and_no_further() -> None:
    clock = no_time()
    bucket = Bucket(10, 2, clock)
    for _ in range(2):
        bucket.take()
    clock.sleep(100)
    assert [bucket.take() for _ in range(3)] == pytest.approx([0, 0, 0.1])


def test_callers_at_the_same_moment_queue_up() -> None:
    bucket = Bucket(10, 1, Clock(now=lambda: 0.0, sleep=lambda _: None))
    assert [bucket.take() for _ in range(4)] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_what_shares_a_limit_of_lambdas_shares_a_bucket() -> None:
    clock = no_time()
    pacer = Pacer(clock)
    control = ["UpdateFunctionCode", "GetAlias", "PublishVersion", "TagResource"]
    for number in range(150):
        pacer.before(control[number % len(control)])
    assert 150 / clock.now() < 15
    before = clock.now()
    for _ in range(1000):
        pacer.before("Invoke")
    assert clock.now() == before
    assert pacer.before("GetFunction") == 0.0
    for _ in range(300):
        pacer.before("GetFunction")
    assert 300 / (clock.now() - before) < 100
