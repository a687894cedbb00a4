"""The control plane's request rates, where they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud_support import raw, served
from fnroll.cloud.faults import Fault
from fnroll.cloud.names import Home
from fnroll.cloud.rates import Rates


class Hands:
    moment = 100.0

    def time(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += seconds


HERE = Home("000000000000", "us-east-1")


def accepted(rates: Rates, operation: str, home: Home = HERE, most: int = 300) -> int:
    """How many calls at once are taken."""
    for number in range(most):
        try:
            rates.take(operation, home)
        except Fault as fault:
            assert (fault.status, fault.reason) == (429, "CallerRateLimitExceeded")
            return number
    return most


@pytest.mark.parametrize(("operation", "rate"), [("ListFunctions", 15), ("GetFunction", 100), ("GetPolicy", 15)])
def test_a_seconds_calls_are_taken_and_come_back_with_time(operation: str, rate: int) -> None:
    clock = Hands()
    rates = Rates(clock)
    assert accepted(rates, operation) == rate
    clock.moment += 0.2
    assert accepted(rates, operation) == rate // 5
    clock.moment += 3600
    assert accepted(rates, operation) == rate


def test_limits_are_apart_by_account_and_region_and_share_among_the_rest() -> None:
    rates = Rates(Hands())
    assert accepted(rates, "UpdateFunctionCode") == 15
    assert accepted(rates, "PublishVersion") == 0
    assert accepted(rates, "GetFunction") == 100
    assert accepted(rates, "PublishVersion", HERE._replace(region="eu-west-1")) == 15
    assert accepted(rates, "PublishVersion", HERE._replace(account="111111111111")) == 15


def test_the_port_refuses_with_lambdas_words(tmp_path: Path) -> None:
    with served(tmp_path, rates=True) as (endpoint, _):
        answers = (raw(endpoint, "GET", "/2015-03-31/functions") for _ in range(2000))
        refused = next(answer for answer in answers if answer.status != 200)
        assert (refused.status, refused.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
        assert json.loads(refused.body) == {
            "Reason": "CallerRateLimitExceeded",
            "Type": "User",
            "message": "Rate exceeded",
        }
        assert raw(endpoint, "GET", "/2015-03-31/functions/nobody").status == 404
