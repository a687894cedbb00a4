"""The canary rule, simulated: how often it takes a healthy canary back, and how soon it finds a bad one.

    python benchmarks/canary.py [RUNS]        (needs numpy, which nothing else here does: pip install numpy)

Three tables, seeds fixed. The rule is release/verdict.py's, in arrays; that both are one is checked on samples first.
"measured before" is the table of the design's own simulation (facts (release) 3.4); the runs here are other ones.

1  false alarms: a healthy canary, looked at every minute for an hour, by traffic, weight and error level. To hold: at
   most alpha in every cell.
2  detection: requests until FAIL, looked at after every request. To hold: the medians within 10 % of those before.
3  the same traffic judged by rules that others use.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "framework"))

try:
    import numpy as np
except ImportError:
    raise SystemExit("this benchmark needs numpy: pip install numpy") from None

from fnroll.release.verdict import GRID, Bin, log_evidence

ALPHA = 0.01
MINUTES = 60
ALARM = math.log(1 / ALPHA)

BEFORE = {
    (0.05, 0.001): {2: 320_000, 5: 29_000, 20: 2_965},
    (0.05, 0.01): {2: 33_200, 5: 2_803, 20: 303},
    (0.10, 0.001): {2: 167_000, 5: 14_700, 20: 1_710},
    (0.10, 0.01): {2: 16_700, 5: 1_547, 20: 171},
}
"""(weight, baseline error rate) -> ratio -> median requests until FAIL."""

Array = Any


def log_evidence_of(nc: Array, nb: Array, xc: Array, xb: Array) -> Array:
    """ln M after each minute; all arrays are runs x minutes."""
    telling = (nc > 0) & (nb > 0)
    s = np.where(telling, nc / np.maximum(nc + nb, 1), 0.5)
    logs = []
    for g in GRID:
        log_k = -np.log(s * g + 1 - s)
        each = np.where(telling, xc * (math.log(g) + log_k) + xb * log_k, 0.0)
        logs.append(np.cumsum(each, axis=1))
    return np.logaddexp.reduce(np.stack(logs), axis=0) - math.log(len(GRID))


def check() -> None:
    """The arrays and the product's code agree."""
    dice = random.Random(5)
    for _ in range(200):
        bins = [
            Bin(dice.randint(0, 50), dice.randint(0, 500), dice.randint(0, 5), dice.randint(0, 9)) for _ in range(4)
        ]
        rows = [np.array([[getattr(one, name) for one in bins]], dtype=float) for name in Bin.__slots__]
        assert math.isclose(float(log_evidence_of(*rows)[0, -1]), log_evidence(bins), abs_tol=1e-9)


def traffic(dice: Any, runs: int, rps: float, weight: float, canary: Array, baseline: Array) -> tuple[Array, ...]:
    """Requests and errors a minute; rates may be arrays over the minutes."""
    whole = dice.poisson(rps * 60, (runs, MINUTES))
    nc = dice.binomial(whole, weight)
    nb = whole - nc
    return nc, nb, dice.binomial(nc, canary), dice.binomial(nb, baseline)


def false_alarms(runs: int) -> float:
    print(f"\n1. false alarms, alpha {ALPHA:.0%}, {MINUTES} looks, {runs} runs a cell")
    print(f"   {'rps':>5} {'weight':>7} " + "".join(f"{rate:>9.2%}" for rate in (0.001, 0.01, 0.05)))
    worst = 0.0
    dice = np.random.default_rng(11)
    for rps in (1, 10, 100):
        for weight in (0.01, 0.05, 0.1, 0.25, 0.5):
            found = []
            for rate in (0.001, 0.01, 0.05):
                counts = traffic(dice, runs, rps, weight, rate, rate)
                found.append(float((log_evidence_of(*counts).max(axis=1) >= ALARM).mean()))
            worst = max(worst, *found)
            print(f"   {rps:>5} {weight:>7.0%} " + "".join(f"{share:>9.2%}" for share in found))
    print(f"   worst {worst:.2%}: {'holds' if worst <= ALPHA else 'DOES NOT HOLD'}")
    return worst


def detection(runs: int) -> float:
    print(f"\n2. requests until FAIL, looked at after each: median (90th percentile) [measured before], {runs} runs")
    dice = np.random.default_rng(12)
    worst = 0.0
    for (weight, rate), before in BEFORE.items():
        cells = []
        for ratio, expected in before.items():
            found = _until_fail(dice, runs, weight, rate, ratio)
            middle, late = float(np.median(found)), float(np.percentile(found, 90))
            worst = max(worst, abs(middle / expected - 1))
            cells.append(f"x{ratio}: {middle:>8.0f} ({late:>8.0f}) [{expected}]")
        print(f"   {weight:>4.0%} {rate:>6.1%}   " + "   ".join(cells))
    print(f"   largest distance of a median from the one before: {worst:.1%}")
    return worst


def _until_fail(dice: Any, runs: int, weight: float, rate: float, ratio: float) -> Array:
    """Between errors nothing changes, so only errors are drawn: whose each is, and how many requests came before it."""
    both = weight * rate * ratio + (1 - weight) * rate
    errors = 2_500 if ratio <= 2 else 400
    mine = dice.random((runs, errors)) < weight * rate * ratio / both
    gaps = dice.geometric(both, (runs, errors)).cumsum(axis=1)
    evidence = np.full((runs, errors), -np.inf)
    for g in GRID:
        log_k = -math.log(weight * g + 1 - weight)
        evidence = np.logaddexp(evidence, np.where(mine, math.log(g) + log_k, log_k).cumsum(axis=1))
    evidence -= math.log(len(GRID))
    failed = evidence >= ALARM
    assert failed.any(axis=1).mean() > 0.97
    first = np.where(failed.any(axis=1), failed.argmax(axis=1), errors - 1)
    return gaps[np.arange(runs), first]


def _z(level: float) -> Callable[..., Array]:
    def rule(nc: Array, nb: Array, xc: Array, xb: Array) -> Array:
        nc, nb, xc, xb = (each.cumsum(axis=1) for each in (nc, nb, xc, xb))
        pooled = (xc + xb) / np.maximum(nc + nb, 1)
        spread = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / np.maximum(nc, 1) + 1 / np.maximum(nb, 1)), 1e-12))
        return (xc / np.maximum(nc, 1) - xb / np.maximum(nb, 1)) / spread > level

    return rule


def _in_a_row(bad: Array, count: int) -> Array:
    run = np.zeros(bad.shape[0])
    found = np.zeros_like(bad)
    for minute in range(bad.shape[1]):
        run = np.where(bad[:, minute], run + 1, 0)
        found[:, minute] = run >= count
    return found


def _failed_checks(nc: Array, nb: Array, xc: Array, xb: Array) -> Array:
    return ((nc > 0) & (xc / np.maximum(nc, 1) > 0.01)).cumsum(axis=1) >= 5


def _twice(nc: Array, nb: Array, xc: Array, xb: Array) -> Array:
    nc, nb, xc, xb = (each.cumsum(axis=1) for each in (nc, nb, xc, xb))
    return (nc >= 100) & (xc / np.maximum(nc, 1) > 2 * xb / np.maximum(nb, 1))


RULES: dict[str, Callable[..., Array]] = {
    "any canary error in a minute": lambda nc, nb, xc, xb: xc >= 1,
    "over 1 %, three minutes on end": lambda nc, nb, xc, xb: _in_a_row(xc / np.maximum(nc, 1) > 0.01, 3),
    "over 1 %, five minutes in all": _failed_checks,
    "over twice the baseline": _twice,
    "z-test at 5 % every minute": _z(1.645),
    "z-test at 1 % every minute": _z(2.326),
    "this rule": lambda nc, nb, xc, xb: log_evidence_of(nc, nb, xc, xb) >= ALARM,
}


def rivals(runs: int) -> None:
    print(f"\n3. 10 requests a second, weight 5 %, an hour, {runs} runs: how many are taken back (median minute)")
    dice = np.random.default_rng(13)
    incident = np.where((np.arange(MINUTES) >= 20) & (np.arange(MINUTES) < 25), 0.05, 0.001)
    cases: dict[str, tuple[Any, Any]] = {
        "fine 0.1 %": (0.001, 0.001),
        "fine 1 %": (0.01, 0.01),
        "outage": (incident, incident),
        "0.1 % x5": (0.005, 0.001),
        "0.1 % x20": (0.02, 0.001),
        "1 % x2": (0.02, 0.01),
        "1 % x5": (0.05, 0.01),
    }
    print(f"   {'':32}" + "".join(f"{name:>14}" for name in cases))
    drawn = {name: traffic(dice, runs, 10, 0.05, *rates) for name, rates in cases.items()}
    for name, rule in RULES.items():
        cells = []
        for counts in drawn.values():
            fired = rule(*counts)
            some = fired.any(axis=1)
            when = np.median(fired.argmax(axis=1)[some]) + 1 if some.any() else 0
            cells.append(f"{some.mean():.1%}" + (f" ({when:.0f})" if some.mean() > 0.005 else ""))
        print(f"   {name:32}" + "".join(f"{cell:>14}" for cell in cells))


def main(runs: int) -> None:
    check()
    worst = false_alarms(runs)
    far = detection(min(runs, 3_000))
    rivals(min(runs, 3_000))
    if worst > ALPHA or far > 0.1:
        raise SystemExit("\na figure that is to hold does not")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
