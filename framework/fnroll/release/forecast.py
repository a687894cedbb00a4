"""What a plan takes and can see at a given traffic: minutes, requests, and the error rate that would be found. Pure.

"Sees" is the canary error rate at which the evidence, at its expected counts, reaches the threshold within the step:
an estimate for whoever plans, of the average run. The rule itself needs no such number.
"""

from __future__ import annotations

import math
from typing import Any

from fnroll.release.plan import Plan
from fnroll.release.verdict import Bin, log_evidence


def forecast(plan: Plan, rps: float, error_rate: float) -> list[dict[str, Any]]:
    """A row for each step: step, weight, minutes (None without traffic), requests (of the canary), sees (None if
    nothing would be found)."""
    rows = []
    for number, step in enumerate(plan.steps, 1):
        per_minute = rps * 60 * step.weight
        minutes = max(step.bake / 60, step.requests / per_minute) if per_minute > 0 else None
        requests = round(per_minute * minutes) if minutes is not None else step.requests
        sees = _least(plan, step.weight, requests, error_rate) if minutes is not None else None
        rows.append({"step": number, "weight": step.weight, "minutes": minutes, "requests": requests, "sees": sees})
    return rows


def _least(plan: Plan, weight: float, requests: int, error_rate: float) -> float | None:
    """The lowest error rate of the canary that would fail it, to a twentieth; None if even 100 % would not."""
    threshold = math.log(max(1, len(plan.judged)) / plan.alpha)
    baseline = round(requests * (1 - weight) / weight)

    def enough(rate: float) -> bool:
        return (
            log_evidence([Bin(requests, baseline, requests * rate, baseline * error_rate)], plan.ratio_floor)
            >= threshold
        )

    if requests == 0 or not enough(1.0):
        return None
    low, high = error_rate, 1.0
    for _ in range(40):
        middle = math.sqrt(max(low, 1e-9) * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
