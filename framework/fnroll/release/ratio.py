"""How many times worse the canary is than the baseline, with an interval: to be shown, not to decide by. Pure.

The estimate is where the likelihood of the split of errors (verdict.py) is highest, as a function of the ratio r; the
interval holds every r whose log-likelihood lies less than 1.92 below that: the usual 95 % of one look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fnroll.release.verdict import Bin

_WITHIN: Final = 1.92
_LOW, _HIGH = math.log(1e-4), math.log(1e4)


@dataclass(frozen=True, slots=True)
class Ratio:
    """`estimate` None: nothing failed in a minute in which both had requests. inf and 0 for bounds that are open."""

    estimate: float | None
    low: float = 0.0
    high: float = math.inf


def ratio_of(bins: Sequence[Bin]) -> Ratio:
    """The ratio of the error rates of canary and baseline."""
    telling = [one for one in bins if one.canary_requests and one.baseline_requests]
    canary = math.fsum(one.canary_errors for one in telling)
    baseline = math.fsum(one.baseline_errors for one in telling)
    if not canary and not baseline:
        return Ratio(None)

    def slope(log_r: float) -> float:
        """The derivative of the log-likelihood by ln r; it falls."""
        expected = 0.0
        for one in telling:
            s = one.canary_requests / (one.canary_requests + one.baseline_requests)
            t = 1 / (1 + (1 - s) / s * math.exp(-log_r))
            expected += (one.canary_errors + one.baseline_errors) * t
        return canary - expected

    def height(log_r: float) -> float:
        total = 0.0
        for one in telling:
            odds = math.log(one.canary_requests / one.baseline_requests) + log_r
            total += one.canary_errors * odds - (one.canary_errors + one.baseline_errors) * _log1pexp(odds)
        return total

    if not canary:
        top, estimate = _LOW, 0.0
    elif not baseline:
        top, estimate = _HIGH, math.inf
    else:
        top = _zero(slope, _LOW, _HIGH)
        estimate = math.exp(top)
    bound = height(top) - _WITHIN
    low = 0.0 if height(_LOW) > bound else math.exp(_zero(lambda at: bound - height(at), _LOW, top))
    high = math.inf if height(_HIGH) > bound else math.exp(_zero(lambda at: height(at) - bound, top, _HIGH))
    return Ratio(estimate, low, high)


def _log1pexp(x: float) -> float:
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def _zero(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) > 0 else (low, middle)
    return (low + high) / 2
