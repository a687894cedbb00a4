"""The canary rule: the recorded vectors, an implementation of its own in fractions, and what must always hold."""

from __future__ import annotations

import json
import math
import random
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.errors import FnError
from fnroll.release.counts import read_counts
from fnroll.release.verdict import GRID, Bin, Rule, judge, log_evidence

DIGITS = Context(prec=50, Emax=MAX_EMAX, Emin=MIN_EMIN)

VECTORS: list[tuple[list[tuple[int, int, int, int]], float, float]] = [
    ([(30, 570, 3, 0)], 1.0, 1211.91),
    ([(30, 570, 2, 0)], 1.0, 91.99),
    ([(60, 540, 3, 0)], 1.0, 266.56),
    ([(500, 500, 8, 0)], 1.0, 120.83),
    ([(300, 5700, 9, 57)], 1.0, 7.1197),
    ([(30, 570, 1, 19)], 1.0, 0.2094),
    ([(30, 570, 1, 0), (150, 450, 2, 1)], 1.0, 13.525),
    ([(30, 570, 3, 0)], 1.25, 777.64),
]
"""Source: facts (release) 3.3."""


@pytest.mark.parametrize(("bins", "r0", "evidence"), VECTORS)
def test_the_recorded_vectors(bins: list[tuple[int, int, int, int]], r0: float, evidence: float) -> None:
    assert math.exp(log_evidence([Bin(*one) for one in bins], r0)) == pytest.approx(evidence, rel=5e-4)


def plainly(bins: list[Bin], r0: Fraction) -> Decimal:
    """The mean of the products, straight from the formula: each product exact, their sum to fifty digits. Numerator and
    denominator are kept apart, because reducing such fractions is what would take the time."""
    total = Decimal(0)
    for g in map(Fraction, GRID):
        above, below = 1, 1
        for one in bins:
            if not one.canary_requests or not one.baseline_requests:
                continue
            s = Fraction(one.canary_requests, one.canary_requests + one.baseline_requests)
            t0, t = s * r0 / (s * r0 + 1 - s), s * g * r0 / (s * g * r0 + 1 - s)
            canary, baseline = t / t0, (1 - t) / (1 - t0)
            above *= canary.numerator ** int(one.canary_errors) * baseline.numerator ** int(one.baseline_errors)
            below *= canary.denominator ** int(one.canary_errors) * baseline.denominator ** int(one.baseline_errors)
        total += DIGITS.divide(Decimal(above), Decimal(below))
    return DIGITS.divide(total, Decimal(len(GRID)))


def test_an_implementation_of_its_own_agrees_on_a_thousand_histories() -> None:
    dice = random.Random(20_261_123)
    for _ in range(1000):
        bins = []
        for _ in range(dice.randint(1, 6)):
            canary, baseline = dice.randint(0, 60), dice.randint(0, 400)
            rate = dice.choice((0.0, 0.01, 0.2))
            bins.append(
                Bin(canary, baseline, sum(dice.random() < rate for _ in range(canary)), dice.randint(0, baseline // 20))
            )
        r0 = dice.choice((1.0, 1.25, 2.0))
        exact = plainly(bins, Fraction(r0))
        assert log_evidence(bins, r0) == pytest.approx(float(exact.ln(DIGITS)), abs=1e-9, rel=1e-9)


counts = st.builds(
    lambda nc, nb, pc, pb: Bin(nc, nb, int(nc * pc), int(nb * pb)),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.floats(0, 1),
    st.floats(0, 1),
)


@given(st.lists(counts, max_size=8), st.floats(0.5, 4))
def test_it_is_finite_for_millions_of_requests_and_order_says_nothing(bins: list[Bin], r0: float) -> None:
    found = log_evidence(bins, r0)
    assert math.isfinite(found)
    assert found == pytest.approx(log_evidence(bins[::-1], r0), rel=1e-9, abs=1e-6)
    assert math.isfinite(judge(bins).evidence)


@given(st.lists(counts, min_size=1, max_size=4))
def test_one_more_baseline_error_never_adds_evidence(bins: list[Bin]) -> None:
    first = bins[0]
    more = Bin(first.canary_requests, first.baseline_requests, first.canary_errors, first.baseline_errors + 1)
    assert log_evidence([more, *bins[1:]]) <= log_evidence(bins) + 1e-9


@pytest.mark.parametrize(
    ("bins", "rule", "word"),
    [
        ([], Rule(), "HOLD"),
        ([Bin(30, 570, 3, 0)], Rule(), "FAIL"),
        ([Bin(30, 570, 3, 0)], Rule(alpha=0.0001), "HOLD"),
        ([Bin(30, 570, 0, 0)], Rule(), "HOLD"),
        ([Bin(300, 5700, 0, 0)], Rule(), "PASS"),
        ([Bin(300, 0, 0, 0)], Rule(), "HOLD"),
        ([Bin(300, 0, 300, 0)], Rule(), "HOLD"),
        ([Bin(0, 5700, 0, 100)], Rule(), "HOLD"),
        ([Bin(300, 5700, 300, 5700)], Rule(), "PASS"),
        ([Bin(30, 570, 2, 0)], Rule(), "HOLD"),
        ([Bin(30, 570, 2, 0)], Rule(alpha=0.05), "FAIL"),
        ([Bin(30, 570, 2, 0)], Rule(alpha=0.05, metrics=5), "HOLD"),
    ],
)
def test_the_word(bins: list[Bin], rule: Rule, word: str) -> None:
    assert judge(bins, rule).word == word


ONE = {"canary_requests": 1, "baseline_requests": 1, "canary_errors": 0, "baseline_errors": 0}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("[", "no JSON"),
        ([], "no list of bins"),
        ({"bins": {}}, "no list of bins"),
        ({"bins": [], "beta": 1}, "unknown key 'beta'"),
        ({"bins": [{}]}, r"bins\[0\] is not an object of canary_requests"),
        ({"bins": [ONE, {**ONE, "canary_errors": 2}]}, r"bins\[1\] has more canary errors than"),
        ({"bins": [{**ONE, "canary_requests": -1}]}, r"bins\[0\].canary_requests is -1"),
        ({"bins": [{**ONE, "canary_requests": True}]}, "canary_requests is true"),
        ({"bins": [{**ONE, "canary_requests": 1.5}]}, "is no whole number"),
        ({"bins": [ONE], "alpha": 0}, "alpha is 0"),
        ({"bins": [ONE], "r0": 0}, "r0 is 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(said: object, message: str) -> None:
    with pytest.raises(FnError, match=message):
        read_counts(said if isinstance(said, str) else json.dumps(said), "counts.json")
