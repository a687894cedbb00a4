"""Statistics and metric math, as tables."""

from __future__ import annotations

import pytest

from fnroll.cloud.metric_queries import QueryError, evaluate, is_statistic, statistic
from fnroll.cloud.metric_values import Datum


def datum(*values: float) -> Datum:
    made = Datum()
    for value in values:
        made.add(value)
    return made


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("Sum", 5050.0),
        ("Average", 50.5),
        ("Minimum", 1.0),
        ("Maximum", 100.0),
        ("SampleCount", 100.0),
        ("p50", 50.0),
        ("p95", 95.0),
        ("p99.9", 100.0),
        ("p100", 100.0),
        ("TC(90:)", 10.0),
        ("TC(:90)", 90.0),
        ("TC(10:20)", 10.0),
        ("PR(:25)", 25.0),
    ],
)
def test_a_statistic_over_one_to_a_hundred(stat: str, expected: float) -> None:
    assert is_statistic(stat)
    halves = [datum(*range(1, 51)), datum(*range(51, 101))]
    assert statistic(stat, halves) == pytest.approx(expected)


def test_sums_are_exact_where_percentiles_are_near() -> None:
    found = datum(1234.56, 1234.57)
    assert found.total == pytest.approx(2469.13)
    assert statistic("p99", [found]) == pytest.approx(1234.56, rel=0.005)


@pytest.mark.parametrize("stat", ["TM(10%:90%)", "p101", "", "sum"])
def test_an_unknown_statistic_is_named(stat: str) -> None:
    assert not is_statistic(stat)
    with pytest.raises(QueryError, match="not built"):
        statistic(stat, [datum(1)])


A, B = {0: 1.0, 60: 2.0}, {60: 4.0, 120: 8.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        ("a+b", {60: 6.0}),
        ("a-b", {60: -2.0}),
        ("100*a/b", {60: 50.0}),
        ("-a", {0: -1.0, 60: -2.0}),
        ("FILL(a,0)", {0: 1.0, 60: 2.0, 120: 0.0}),
        ("FILL(b, a)", {0: 1.0, 60: 4.0, 120: 8.0}),
        ("FILL(a,REPEAT)", {0: 1.0, 60: 2.0, 120: 2.0}),
        ("SUM([a, b])", {0: 1.0, 60: 6.0, 120: 8.0}),
        ("MAX([a, b])", {0: 1.0, 60: 4.0, 120: 8.0}),
        ("a/(a-1)", {60: 2.0}),
        ("SUM(a)", {0: 3.0, 60: 3.0, 120: 3.0}),
        ("AVG(b)*2", {0: 12.0, 60: 12.0, 120: 12.0}),
        ("7", {0: 7.0, 60: 7.0, 120: 7.0}),
    ],
)
def test_an_expression(text: str, expected: dict[int, float]) -> None:
    assert evaluate(text, {"a": A, "b": B}, range(0, 180, 60)) == expected


@pytest.mark.parametrize(
    "text", ["c", "a b", "__import__('os')", "a.real", "[a, b]", "RATE(a)", "a if b else a", "True", "FILL([a],0)"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        evaluate(text, {"a": A, "b": B}, range(0, 180, 60))
