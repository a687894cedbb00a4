"""One look at a canary, and what follows from it: `tick(alias, plan, evidence, now) -> Action`. Pure.

An action holds at most one write, of the whole alias: version, weights and Description go together, on the RevisionId
that was looked at (facts (release) 3.1, 4). Whoever runs the next tick, wherever, comes to the same.

    no record                        ended: promoted, rolled back, or never begun
    record of another plan           foreign-plan: nothing is driven
    weights that are not the step's  drift, unless all are gone: then the dead-man switch (or a hand) rolled back
    held, zero                       a human decides
    a metric FAILs                   on_fail, be it paused or not
    undecided past the hold limit    on_hold
    all of the step's wants are met  the next step, or promotion
    otherwise                        wait, with the reason
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from fnroll.aws import AliasState
from fnroll.release.evidence import Evidence
from fnroll.release.plan import OnFail, Plan
from fnroll.release.record import Phase, Record, read_record, with_record

Kind = Literal[
    "wait",
    "advance",
    "promote",
    "rollback",
    "hold-weight",
    "hold-zero",
    "renew",
    "tidy",
    "held",
    "ended",
    "drift",
    "foreign-plan",
]

MARGIN: Final = 900
"""Seconds of lease beyond what the step takes at least."""

RENEWAL: Final = 300
"""A lease is renewed once less than this is left of it."""


@dataclass(frozen=True, slots=True)
class Write:
    """The alias as it shall be."""

    version: str
    weights: Mapping[str, float]
    description: str


@dataclass(frozen=True, slots=True)
class Action:
    """`reason` in a sentence; `write` None: the alias stays; `cause`: what led to a rollback or a hold."""

    kind: Kind
    reason: str
    write: Write | None = None
    cause: Literal["evidence", "hold-limit", ""] = ""


def tick(alias: AliasState, plan: Plan, evidence: Evidence | None, now: float, owner: str) -> Action:
    """`evidence` None: the metrics could not be read, which alone moves nothing. `now`: epoch seconds, AWS's."""
    text, record = read_record(alias.description)
    if record is None:
        return Action("ended", "no canary is recorded on this alias")
    if record.plan != plan.digest:
        return Action("foreign-plan", f"the run was started with plan {record.plan}, and this plan is {plan.digest}")
    if strange := _strange(alias, plan, record):
        return strange if strange.kind == "drift" else replace(strange, write=Write(alias.version, {}, text))
    if record.phase in ("held", "zero"):
        return Action("held", _held_words(record))
    if evidence is not None and evidence.complete and evidence.failed:
        return _fall(alias, plan, record, text, plan.on_fail, "evidence", failure(evidence))
    wanting = _wanting(plan, record, evidence)
    if record.phase == "paused":
        return Action("wait", "paused by hand; evidence against the canary would still count")
    if wanting is None:
        return _forward(alias, plan, record, text, now, owner)
    if now - record.step_started > max(plan.hold_limit, plan.steps[record.step].bake):
        reason = f"undecided for {(now - record.step_started) / 3600:.3g} h: {wanting}"
        return _fall(alias, plan, record, text, plan.on_hold, "hold-limit", reason)
    if record.lease - now < RENEWAL:
        fresh = replace(record, lease=lease_from(plan, record, now), owner=owner)
        return Action("renew", wanting, _write(alias, plan, fresh, text))
    return Action("wait", wanting)


def failure(evidence: Evidence) -> str:
    """Why it failed, in a sentence."""
    words = {"errors": "failed", "slow": "were slow"}
    told = []
    for each in evidence.failed:
        verdict = each.verdict
        rates = [
            f"{bad / whole:.3%} ({bad:.4g} of {whole})" if whole else "none"
            for bad, whole in (
                (verdict.canary_errors, verdict.canary_requests),
                (verdict.baseline_errors, verdict.baseline_requests),
            )
        ]
        what = words.get(each.name, f"counted as {each.name}")
        told.append(
            f"{rates[0]} of the canary's requests {what}, {rates[1]} of the baseline's: evidence "
            f"{verdict.evidence:.4g}, where {verdict.threshold:g} is enough"
        )
    return "; ".join(told)


def _strange(alias: AliasState, plan: Plan, record: Record) -> Action | None:
    """What is not as the record has it."""
    expected = {} if record.phase == "zero" else {record.canary: plan.steps[record.step].weight}
    if alias.version == record.baseline and dict(alias.weights) == expected:
        return None
    if alias.version == record.baseline and not alias.weights:
        reason = "the canary's weight was taken away, by the dead-man switch or by hand: the baseline serves all"
        return Action("tidy", reason)
    shares = ", ".join(f"{version} {share:.4g}" for version, share in alias.traffic.items())
    meant = f"{record.baseline} with {', '.join(f'{v} {w:.4g}' for v, w in expected.items()) or 'no other'}"
    return Action("drift", f"somebody changed the alias: it routes to {shares}; this run left it at {meant}")


def _held_words(record: Record) -> str:
    kept = "with its weight" if record.phase == "held" else "without traffic"
    return f"held {kept}: fn canary resume, promote or abort goes on from here"


def _wanting(plan: Plan, record: Record, evidence: Evidence | None) -> str | None:
    """What the step still lacks; None: nothing."""
    step = plan.steps[record.step]
    if evidence is None:
        return "the metrics could not be read"
    if not evidence.complete:
        return "CloudWatch gave a part of the data only"
    baked = evidence.until - record.step_started
    if evidence.throttles and "throttles" in plan.metrics:
        return f"the alias is throttled ({evidence.throttles} in this step): what did not run says nothing"
    if evidence.until <= record.step_started:
        return "no minute of this step is complete yet"
    if not evidence.step_requests:
        return "the canary had no request in this step"
    if evidence.step_requests < step.requests:
        return f"{evidence.step_requests} of {step.requests} canary requests in this step"
    for each in evidence.judged:
        if each.verdict.word == "HOLD":
            return f"{each.name}: {each.verdict.reason}"
    if baked < step.bake:
        return f"baked {baked:.0f} s of {step.bake:.0f} s"
    return None


def _forward(alias: AliasState, plan: Plan, record: Record, text: str, now: float, owner: str) -> Action:
    number = record.step + 1
    if number == len(plan.steps):
        reason = f"every step is passed: version {record.canary} serves all"
        return Action("promote", reason, Write(record.canary, {}, text))
    fresh = advanced(plan, record, now, owner)
    reason = f"step {number} of {len(plan.steps)} is passed: {plan.steps[number].weight:.4g} of the traffic next"
    return Action("advance", reason, _write(alias, plan, fresh, text))


def advanced(plan: Plan, record: Record, now: float, owner: str) -> Record:
    """The record one step on."""
    offset = max(int(now) - record.started, record.offsets[-1])
    fresh = replace(record, offsets=(*record.offsets, offset), phase="go", owner=owner)
    return replace(fresh, lease=lease_from(plan, fresh, now))


def lease_from(plan: Plan, record: Record, now: float) -> int:
    """Until when the driver is expected, if the lease is taken now."""
    return int(now + plan.steps[record.step].bake) + MARGIN


def _fall(
    alias: AliasState,
    plan: Plan,
    record: Record,
    text: str,
    policy: OnFail,
    cause: Literal["evidence", "hold-limit"],
    reason: str,
) -> Action:
    if policy == "rollback":
        return Action("rollback", reason, Write(record.baseline, {}, text), cause)
    phase: Phase = "held" if policy == "hold-weight" else "zero"
    return Action(policy, reason, _write(alias, plan, replace(record, phase=phase), text), cause)


def _write(alias: AliasState, plan: Plan, record: Record, text: str) -> Write:
    weights = {} if record.phase == "zero" else {record.canary: plan.steps[record.step].weight}
    return Write(alias.version, weights, with_record(text, record))
