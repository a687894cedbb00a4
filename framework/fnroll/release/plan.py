"""The plan of a canary: steps, the rule, what is watched, and what to do when it fails or nothing can be said. Values.

`plan_file` reads one from release.json, `with_flags` lays the command line over it. The digest stands in the alias's
record: a driver with another plan than the one that was started refuses to drive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from fnroll.release.verdict import ALPHA, MIN_CANARY_REQUESTS, RATIO_FLOOR

OnFail = Literal["rollback", "hold-weight", "hold-zero"]
Builtin = Literal["errors", "slow", "throttles"]

MAX_STEPS: Final = 10
"""Each step has a time of its own in the record, and that has to fit."""


@dataclass(frozen=True, slots=True)
class Step:
    """`weight`: the canary's share, over 0 and under 1; `bake`: seconds of data at least; `requests`: of the canary, in
    this step, at least; `command`: run before the step is left, which it must let happen by exit code 0."""

    weight: float
    bake: float = 600.0
    requests: int = MIN_CANARY_REQUESTS
    command: str | None = None


@dataclass(frozen=True, slots=True)
class CustomMetric:
    """Bad events of the user's own. In `dimensions` {version} stands for the version's number; `total`: the metric (of
    the same namespace and dimensions) that they are part of, None for Lambda's Invocations."""

    name: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    total: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """The guard that moves nothing: both versions together fail at more than `rate` for `minutes` minutes."""

    rate: float
    minutes: int = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """`on_hold`: what to do when a step could not be decided within `hold_limit` seconds. `retries`: how often Lambda
    repeats an asynchronous invocation that failed (0: they are synchronous); errors are divided by one more. `lag`:
    seconds until a minute's metrics are taken to be complete, None for the usual of the place. `smoke`: events (paths
    of files) that the canary must answer before it gets traffic."""

    steps: tuple[Step, ...] = (Step(0.05), Step(0.25), Step(0.5))
    alpha: float = ALPHA
    ratio_floor: float = RATIO_FLOOR
    metrics: tuple[Builtin, ...] = ("errors", "throttles")
    custom: tuple[CustomMetric, ...] = ()
    on_fail: OnFail = "rollback"
    hold_limit: float = 86_400.0
    on_hold: OnFail = "rollback"
    retries: int = 0
    alarm: Alarm | None = None
    smoke: tuple[str, ...] = field(default=())
    lag: float | None = None

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the metrics that are judged side by side; alias throttles only hold."""
        return (*(name for name in self.metrics if name != "throttles"), *(each.name for each in self.custom))

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of all that bears on decisions."""
        said = asdict(self)
        del said["lag"]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan in the words of release.json."""
    steps = []
    for step in plan.steps:
        said: dict[str, Any] = {
            "weight": step.weight,
            "bake_minutes": _plain(step.bake / 60),
            "requests": step.requests,
        }
        steps.append(said if step.command is None else {**said, "command": step.command})
    said = {
        "steps": steps,
        "alpha": plan.alpha,
        "r0": plan.ratio_floor,
        "metrics": list(plan.metrics),
        "on_fail": plan.on_fail,
        "hold_hours": _plain(plan.hold_limit / 3600),
        "on_hold": plan.on_hold,
        "retries": plan.retries,
    }
    if plan.custom:
        said["custom_metrics"] = [
            {key: value for key, value in asdict(each).items() if value is not None} for each in plan.custom
        ]
    if plan.alarm is not None:
        said["alarm"] = asdict(plan.alarm)
    if plan.smoke:
        said["smoke"] = list(plan.smoke)
    if plan.lag is not None:
        said["lag_seconds"] = _plain(plan.lag)
    return said


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
