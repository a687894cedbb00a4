"""From points of CloudWatch to what is known about a run: counts by the minute, and a verdict a metric. Pure.

    queries    what to ask for, by exact dimensions: facts (release) 3.2
    assess     the answer, the plan and the record -> Evidence

All counts begin with the minute in which the run began and end at the watermark, the last minute that is complete; they
are taken anew at each look, so late data correct it. Errors count in every minute. Slow requests do not in the first
two after a change of weights, when the canary has more cold starts than its share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fnroll.aws.metrics import PERIOD, Points, Query
from fnroll.release.plan import CustomMetric, Plan
from fnroll.release.ratio import Ratio, ratio_of
from fnroll.release.record import Record
from fnroll.release.verdict import Bin, Rule, Verdict, judge

NAMESPACE: Final = "AWS/Lambda"
USUAL_LAG: Final = 120.0
"""Seconds from the end of a minute until its metrics are taken to be complete: facts (release) 3.2."""

WARMING: Final = 2
"""Minutes after a change of weights in which slow requests do not count."""

_CANARY, _BASELINE = "c", "b"


@dataclass(frozen=True, slots=True)
class Judged:
    """One metric: what its counts say. `ratio`: how many times worse the canary is."""

    name: str
    verdict: Verdict
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute of a run looked like; p95 in milliseconds, None without data."""

    begin: int
    counts: Bin
    canary_p95: float | None
    baseline_p95: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at a look. `until`: the watermark; `step_requests`: of the canary, in whole minutes of the step
    that is on; `throttles`: of the alias, in that step; `alarming`: minutes on end in which both together failed above
    the alarm's rate; `share`: of the canary in the step, as it came out."""

    until: int
    complete: bool
    judged: tuple[Judged, ...]
    minutes: tuple[Minute, ...]
    step_requests: int
    step_baseline: int
    throttles: int
    alarming: int

    @property
    def share(self) -> float | None:
        whole = self.step_requests + self.step_baseline
        return self.step_requests / whole if whole else None

    @property
    def failed(self) -> tuple[Judged, ...]:
        return tuple(each for each in self.judged if each.verdict.word == "FAIL")


def window(record: Record, now: float, lag: float) -> tuple[int, int]:
    """Begin and end of what to ask for and judge, in epoch seconds, whole minutes; at least one minute."""
    begin = record.started // PERIOD * PERIOD
    return begin, max(begin + PERIOD, watermark(now, lag))


def watermark(now: float, lag: float) -> int:
    """The end of the last minute whose metrics are complete."""
    return int((now - lag) // PERIOD * PERIOD)


def queries(function: str, alias: str, plan: Plan, record: Record) -> tuple[Query, ...]:
    """Everything about a run, for one call."""
    where = {"FunctionName": function, "Resource": f"{function}:{alias}"}
    asked = [Query("th", NAMESPACE, "Throttles", where)]
    for arm, version in ((_CANARY, record.canary), (_BASELINE, record.baseline)):
        own = {**where, "ExecutedVersion": version}
        asked.append(Query(f"i{arm}", NAMESPACE, "Invocations", own))
        asked.append(Query(f"e{arm}", NAMESPACE, "Errors", own))
        asked.append(Query(f"p{arm}", NAMESPACE, "Duration", own, "p95"))
        if record.slow is not None:
            asked.append(Query(f"s{arm}", NAMESPACE, "Duration", own, f"TC({record.slow}:)"))
        for number, custom in enumerate(plan.custom):
            asked.extend(_custom(custom, number, arm, version))
    return tuple(asked)


def _custom(custom: CustomMetric, number: int, arm: str, version: str) -> Iterator[Query]:
    own = {name: value.replace("{version}", version) for name, value in custom.dimensions.items()}
    yield Query(f"x{number}{arm}", custom.namespace, custom.metric, own)
    if custom.total is not None:
        yield Query(f"y{number}{arm}", custom.namespace, custom.total, own)


def assess(points: Points, plan: Plan, record: Record, until: int) -> Evidence:
    """`until`: the watermark. What lies behind it is left aside, however much of it is there."""
    begin = record.started // PERIOD * PERIOD
    moments = range(begin, until, PERIOD)
    series = _Series(points.series)
    # Which of the tries of an asynchronous event a minute holds cannot be known: counts go down, requests stay.
    tries = plan.retries + 1
    rule = Rule(plan.alpha, plan.ratio_floor, metrics=len(plan.judged), minimum=1)
    bins = {"errors": _bins(series, moments, "i", "e", tries)}
    if record.slow is not None:
        bins["slow"] = _bins(series, _warm(moments, record), "i", "s", 1)
    for number, custom in enumerate(plan.custom):
        total = "i" if custom.total is None else f"y{number}"
        bins[custom.name] = _bins(series, moments, total, f"x{number}", 1)
    judged = tuple(Judged(name, judge(bins[name], rule), ratio_of(bins[name])) for name in plan.judged if name in bins)
    # A minute that the step shares with the one before it is counted for neither.
    own = range(-(-record.step_started // PERIOD) * PERIOD, until, PERIOD)
    plain = dict(zip(moments, _bins(series, moments, "i", "e", 1), strict=True))
    minutes = tuple(
        Minute(moment, one, series.value(f"p{_CANARY}", moment), series.value(f"p{_BASELINE}", moment))
        for moment, one in plain.items()
    )
    return Evidence(
        until=until,
        complete=points.complete,
        judged=judged,
        minutes=minutes,
        step_requests=sum(plain[moment].canary_requests for moment in own),
        step_baseline=sum(plain[moment].baseline_requests for moment in own),
        throttles=int(sum(series.value("th", moment) or 0 for moment in own)),
        alarming=_alarming(list(plain.values()), plan),
    )


class _Series:
    def __init__(self, series: Mapping[str, Mapping[int, float]]) -> None:
        self._series = series

    def value(self, name: str, moment: int) -> float | None:
        return self._series.get(name, {}).get(moment)

    def count(self, name: str, moment: int) -> float:
        return max(0.0, self.value(name, moment) or 0.0)


def _bins(series: _Series, moments: Sequence[int], total: str, bad: str, tries: int) -> list[Bin]:
    found = []
    for moment in moments:
        counts = []
        for arm in (_CANARY, _BASELINE):
            requests = round(series.count(f"{total}{arm}", moment))
            # An error whose request is not there yet is late data: the next look has both.
            counts.append((requests, min(series.count(f"{bad}{arm}", moment), requests) / tries))
        (nc, xc), (nb, xb) = counts
        found.append(Bin(nc, nb, xc, xb))
    return found


def _warm(moments: range, record: Record) -> list[int]:
    cold = set()
    for offset in record.offsets:
        first = (record.started + offset) // PERIOD * PERIOD
        cold |= {first + number * PERIOD for number in range(WARMING)}
    return [moment for moment in moments if moment not in cold]


def _alarming(bins: Sequence[Bin], plan: Plan) -> int:
    if plan.alarm is None:
        return 0
    count = 0
    for one in reversed(bins):
        requests = one.canary_requests + one.baseline_requests
        if not requests or (one.canary_errors + one.baseline_errors) / requests <= plan.alarm.rate:
            break
        count += 1
    return count
