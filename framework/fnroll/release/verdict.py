"""The verdict on a canary: is its error rate higher than the baseline's? Pure; written to be read beside the formula.

For each complete minute m the counts are nc, nb requests and xc, xb errors (canary, baseline), and the realised share
s = nc / (nc + nb). If the canary's error rate is at most r0 times the baseline's, an error that occurs is the canary's
with probability at most

    t(r0) = s r0 / (s r0 + 1 - s)          and, at a ratio of r, with probability   t(r) = s r / (s r + 1 - s).

The likelihood of "ratio g r0" against "ratio r0", over all minutes:

    L_g = product over m of  (t(g r0) / t(r0))^xc  *  ((1 - t(g r0)) / (1 - t(r0)))^xb

and the evidence is its mean over a grid of ratios g:   M = mean of L_g.

Under the null M is a supermartingale, whatever the weights were and however often one looks, so by Ville's inequality
P(M >= 1 / alpha, ever) <= alpha: FAIL at M >= 1 / alpha is a false alarm at most so often. The baseline's own level of
errors cancels: an outage that hits both versions alike is no evidence. Source: facts (release) 3.3.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

GRID: Final = tuple(1.2 * (100 / 1.2) ** (j / 23) for j in range(24))
"""The ratios g: 24 from 1.2 to 100, evenly spaced on a log scale."""

ALPHA: Final = 0.01
RATIO_FLOOR: Final = 1.0
MIN_CANARY_REQUESTS: Final = 300

Word = Literal["FAIL", "HOLD", "PASS"]


@dataclass(frozen=True, slots=True)
class Bin:
    """The counts of one minute (or of any time in which the weights did not change)."""

    canary_requests: int
    baseline_requests: int
    canary_errors: float
    baseline_errors: float


@dataclass(frozen=True, slots=True)
class Rule:
    """When to fail. `alpha`: how often a healthy canary may fail, in all; `ratio_floor` (r0): how much worse than the
    baseline it may be; `metrics`: how many are judged side by side, each at alpha / metrics; `minimum`: canary requests
    without which nothing passes."""

    alpha: float = ALPHA
    ratio_floor: float = RATIO_FLOOR
    metrics: int = 1
    minimum: int = MIN_CANARY_REQUESTS

    @property
    def threshold(self) -> float:
        return self.metrics / self.alpha


@dataclass(frozen=True, slots=True)
class Verdict:
    """`log_evidence` is ln M; `evidence` M itself, at most the largest float; `reason` in a sentence."""

    word: Word
    log_evidence: float
    threshold: float
    canary_requests: int
    baseline_requests: int
    canary_errors: float
    baseline_errors: float
    reason: str

    @property
    def evidence(self) -> float:
        return math.exp(self.log_evidence) if self.log_evidence < 709 else sys.float_info.max


def log_evidence(bins: Sequence[Bin], ratio_floor: float = RATIO_FLOOR) -> float:
    """ln M. A minute in which one of the two had no request says nothing about their ratio."""
    telling = [one for one in bins if one.canary_requests > 0 and one.baseline_requests > 0]
    logs = [sum(_log_likelihood(one, g, ratio_floor) for one in telling) for g in GRID]
    highest = max(logs)
    return highest + math.log(math.fsum(math.exp(each - highest) for each in logs) / len(GRID))


def _log_likelihood(counts: Bin, g: float, r0: float) -> float:
    """xc ln(t(g r0) / t(r0)) + xb ln((1 - t(g r0)) / (1 - t(r0))), where t(g r0) / t(r0) = g * k and the other quotient
    is k = (s r0 + 1 - s) / (s g r0 + 1 - s)."""
    s = counts.canary_requests / (counts.canary_requests + counts.baseline_requests)
    log_k = math.log((s * r0 + 1 - s) / (s * g * r0 + 1 - s))
    return counts.canary_errors * (math.log(g) + log_k) + counts.baseline_errors * log_k


def judge(bins: Sequence[Bin], rule: Rule = Rule()) -> Verdict:
    """FAIL at any time by evidence; else PASS with enough canary requests, and baseline requests to compare them with;
    else HOLD: no data is never a reason to go on."""
    evidence = log_evidence(bins, rule.ratio_floor)
    requests = sum(one.canary_requests for one in bins), sum(one.baseline_requests for one in bins)
    errors = math.fsum(one.canary_errors for one in bins), math.fsum(one.baseline_errors for one in bins)
    word: Word = "PASS"
    reason = f"{requests[0]} canary requests, and no evidence that they fail more often than the baseline's"
    if evidence >= math.log(rule.threshold):
        rates = [_rate(*pair) for pair in zip(errors, requests, strict=True)]
        word, reason = "FAIL", f"{rates[0]} of the canary's requests failed, {rates[1]} of the baseline's"
    elif not requests[1]:
        word, reason = "HOLD", "the baseline had no request to compare with"
    elif requests[0] < rule.minimum:
        word, reason = "HOLD", f"{requests[0]} of at least {rule.minimum} canary requests so far"
    return Verdict(word, evidence, rule.threshold, *requests, *errors, reason)


def _rate(errors: float, requests: int) -> str:
    return f"{errors / requests:.3%} ({errors:g} of {requests})" if requests else "none"
