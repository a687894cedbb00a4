"""release.json: its schema, and from its text to a Plan with every mistake at its line. The one I/O of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from fnroll.definition import Places, check, jsontext
from fnroll.definition.positions import SourceMap
from fnroll.errors import DefinitionError, Finding, UsageError
from fnroll.release.plan import MAX_STEPS, Alarm, CustomMetric, Plan, Step

NAME: Final = "release.json"

_POLICIES = ["rollback", "hold-weight", "hold-zero"]

SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "release.json: the plan of a canary of fn",
    "type": "object",
    "additionalProperties": False,
    "required": [],
    "properties": {
        "$schema": {"type": "string"},
        "steps": {
            "description": "The canary's share of the traffic, step by step; after the last it gets all.",
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_STEPS,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["weight"],
                "properties": {
                    "weight": {
                        "type": "number",
                        "minimum": 0.001,
                        "maximum": 0.999,
                        "description": "Share of the traffic, 0.05 for 5 %.",
                    },
                    "bake_minutes": {
                        "type": "number",
                        "minimum": 0,
                        "maximum": 2880,
                        "description": "Minutes of data that the step needs at least. Default 10.",
                    },
                    "requests": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 1_000_000_000,
                        "description": "Canary requests that the step needs at least. Default 300.",
                    },
                    "command": {
                        "type": "string",
                        "minLength": 1,
                        "description": "Shell command run before the step is left; it is left only at exit code 0.",
                    },
                },
            },
        },
        "alpha": {
            "type": "number",
            "minimum": 0.000001,
            "maximum": 0.5,
            "description": "How often a healthy canary may be rolled back, over the whole run. Default 0.01.",
        },
        "r0": {
            "type": "number",
            "minimum": 0.1,
            "maximum": 100,
            "description": "How many times worse than the baseline is still good. Default 1.",
        },
        "metrics": {
            "description": "errors and slow are judged, throttles only hold. Default errors and throttles.",
            "type": "array",
            "items": {"type": "string", "enum": ["errors", "slow", "throttles"]},
        },
        "custom_metrics": {
            "description": "Counts of bad events of your own, by version.",
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "namespace", "metric", "dimensions"],
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 64},
                    "namespace": {"type": "string", "minLength": 1, "maxLength": 255},
                    "metric": {"type": "string", "minLength": 1, "maxLength": 255},
                    "total": {
                        "type": "string",
                        "minLength": 1,
                        "description": "The metric that they are part of; without it Lambda's Invocations.",
                    },
                    "dimensions": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "description": "All of them; {version} stands for the version's number.",
                    },
                },
            },
        },
        "on_fail": {
            "type": "string",
            "enum": _POLICIES,
            "description": "When there is evidence against the canary. Default rollback.",
        },
        "hold_hours": {
            "type": "number",
            "minimum": 0,
            "maximum": 336,
            "description": "How long a step may be undecided. Default 24.",
        },
        "on_hold": {
            "type": "string",
            "enum": _POLICIES,
            "description": "When a step was undecided for so long. Default rollback.",
        },
        "retries": {
            "type": "integer",
            "minimum": 0,
            "maximum": 2,
            "description": "MaximumRetryAttempts, of a function that is invoked asynchronously. Default 0.",
        },
        "alarm": {
            "type": "object",
            "additionalProperties": False,
            "required": ["rate"],
            "description": "Say so when both versions together fail more often than this. Moves nothing.",
            "properties": {
                "rate": {"type": "number", "minimum": 0, "maximum": 1},
                "minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
            },
        },
        "smoke": {
            "description": "Event files that the new version must answer without an error before it gets traffic.",
            "type": "array",
            "maxItems": 100,
            "items": {"type": "string", "minLength": 1},
        },
        "lag_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": 3600,
            "description": "Until a minute's metrics are complete. Default 120; 0 in the local cloud.",
        },
    },
}


def load_plan(directory: Path, path: Path | None = None) -> Plan:
    """The plan of `path`, else of release.json in `directory`, else the default. Raises DefinitionError with every
    finding."""
    file = path or directory / NAME
    if path is None and not file.exists():
        return Plan()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(Finding(f"cannot be read: {error}", str(file))) from None
    return read_plan(text, str(path) if path else NAME)


def read_plan(text: str, shown: str) -> Plan:
    """Raises DefinitionError."""
    value, places, _ = jsontext.read(text, SourceMap(shown, text))
    if found := check.findings(value, places, SCHEMA, full=True):
        raise DefinitionError(*found)
    if found := tuple(_rules(value, places)):
        raise DefinitionError(*found)
    return _plan(value)


def _rules(value: Mapping[str, Any], places: Places) -> Iterator[Finding]:
    weights = [step["weight"] for step in value.get("steps", ())]
    for number, (one, other) in enumerate(pairwise(weights), 1):
        if other <= one:
            yield places.finding(f"/steps/{number}/weight", f"step {number + 1} is not larger than the one before it")
    names = ["errors", "slow", "throttles"]
    for number, metric in enumerate(value.get("custom_metrics", ())):
        at = f"/custom_metrics/{number}"
        if metric["name"] in names:
            yield places.finding(f"{at}/name", f"there are two metrics named {metric['name']}")
        names.append(metric["name"])
        if not any("{version}" in each for each in metric["dimensions"].values()):
            message = "no dimension tells the versions apart: one must contain {version}"
            yield places.finding(f"{at}/dimensions", message, '{"function_version": "{version}"}')
    if not value.get("metrics", ["errors"]) and not value.get("custom_metrics"):
        yield places.finding("/metrics", "nothing would be judged")
    elif value.get("metrics") == ["throttles"] and not value.get("custom_metrics"):
        yield places.finding("/metrics", "nothing would be judged: throttles only hold")


def _plan(value: Mapping[str, Any]) -> Plan:
    plain = Plan()
    steps = tuple(
        Step(
            step["weight"],
            step.get("bake_minutes", 10) * 60.0,
            step.get("requests", plain.steps[0].requests),
            step.get("command"),
        )
        for step in value.get("steps", ())
    )
    alarm = value.get("alarm")
    return Plan(
        steps=steps or plain.steps,
        alpha=value.get("alpha", plain.alpha),
        ratio_floor=value.get("r0", plain.ratio_floor),
        metrics=tuple(dict.fromkeys(value.get("metrics", plain.metrics))),
        custom=tuple(CustomMetric(**each) for each in value.get("custom_metrics", ())),
        on_fail=value.get("on_fail", plain.on_fail),
        hold_limit=value.get("hold_hours", 24) * 3600.0,
        on_hold=value.get("on_hold", plain.on_hold),
        retries=value.get("retries", 0),
        alarm=Alarm(**alarm) if alarm else None,
        smoke=tuple(value.get("smoke", ())),
        lag=value.get("lag_seconds"),
    )


def with_flags(plan: Plan, steps: Sequence[str] = (), **said: Any) -> Plan:
    """The plan with what the command line says laid over it; None: not said. A step is WEIGHT[:MINUTES[:REQUESTS]].
    Raises UsageError."""
    changes = {key: value for key, value in said.items() if value is not None}
    if steps:
        changes["steps"] = tuple(_step(text) for text in steps)
        weights = [step.weight for step in changes["steps"]]
        if weights != sorted(set(weights)) or len(weights) > MAX_STEPS:
            raise UsageError(f"--step: at most {MAX_STEPS}, each larger than the one before it")
    return replace(plan, **changes)


def _step(text: str) -> Step:
    parts = text.split(":")
    try:
        share = float(parts[0][:-1]) / 100 if parts[0].endswith("%") else float(parts[0])
        step = Step(share) if len(parts) == 1 else Step(share, float(parts[1]) * 60)
        step = replace(step, requests=int(parts[2])) if len(parts) > 2 else step
    except ValueError:
        step = None
    if step is None or len(parts) > 3 or not 0.001 <= step.weight <= 0.999 or step.bake < 0 or step.requests < 1:
        raise UsageError(f"--step {text!r} is not WEIGHT[:MINUTES[:REQUESTS]]", hint="--step 5%:10:300 --step 25%")
    return step
