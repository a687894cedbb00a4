"""What a look at a canary says, in words and as JSON. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fnroll.release.drive import Look, Target
    from fnroll.release.evidence import Evidence, Judged
    from fnroll.release.plan import Plan
    from fnroll.release.record import Record
    from fnroll.release.tick import Action

_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 20


def lines(look: Look, action: Action, target: Target) -> list[str]:
    """The screen: where the run is, what the requests did, what that proves, and what happens next."""
    record, plan = look.record, target.plan
    if record is None:
        shares = ", ".join(f"version {version} {share:.4g}" for version, share in look.alias.traffic.items())
        return [f"{target.function}:{target.alias} has no canary; it serves {shares}"]
    if record.step >= len(plan.steps):
        return [f"{target.function}:{target.alias} {record.baseline} -> {record.canary}: {action.reason}"]
    step = plan.steps[record.step]
    evidence = look.evidence
    where = f"{target.function}:{target.alias}  {record.baseline} -> {record.canary}"
    found = [
        f"{where}   step {record.step + 1}/{len(plan.steps)}   weight {step.weight:.1%}{_realised(evidence)}"
        f"   {_PHASES[record.phase]}",
        f"bake {_span(_baked(look, record))} of {_span(step.bake)}   canary requests "
        f"{evidence.step_requests if evidence else 0} of {step.requests}   data to {_clock(evidence)}",
    ]
    if evidence is None:
        found.append(f"the metrics could not be read: {look.problem}")
    else:
        found += [_judged(each) for each in evidence.judged]
        found += _latency(evidence) + _history(evidence) + _guards(evidence, plan)
    late = " (late: whoever drove it has gone; fn canary run goes on)" if look.now > record.lease else ""
    found.append(f"driven by {record.owner}, expected until {_moment(record.lease)}{late}   run {record.run}")
    found.append(f"{action.kind}: {action.reason}")
    return found


_PHASES = {"go": "going on", "paused": "paused", "held": "held with its weight", "zero": "held without traffic"}


def line(action: Action, look: Look) -> str:
    """One line for a log."""
    record = look.record
    where = f"step {record.step + 1}, " if record is not None else ""
    return f"{_moment(look.now)} {where}{action.kind}: {action.reason}"


def _realised(evidence: Evidence | None) -> str:
    share = evidence.share if evidence else None
    return f" (realised {share:.1%})" if share is not None else ""


def _baked(look: Look, record: Record) -> float:
    return max(0, look.evidence.until - record.step_started) if look.evidence else 0


def _judged(judged: Judged) -> str:
    one, ratio = judged.verdict, judged.ratio
    rates = [
        f"{bad:.4g}/{whole} ({bad / whole:.2%})" if whole else "no request"
        for bad, whole in ((one.canary_errors, one.canary_requests), (one.baseline_errors, one.baseline_requests))
    ]
    times = ""
    if ratio.estimate is not None:
        high = "∞" if math.isinf(ratio.high) else f"{ratio.high:.3g}"
        estimate = "∞" if math.isinf(ratio.estimate) else f"{ratio.estimate:.3g}"
        times = f"   ratio {estimate} ({ratio.low:.3g} to {high})"
    part = min(1.0, max(0.0, one.log_evidence) / math.log(one.threshold))
    bar = "█" * round(part * _WIDE) + "·" * (_WIDE - round(part * _WIDE))
    return (
        f"{judged.name}: canary {rates[0]}, baseline {rates[1]}{times}   "
        f"evidence {one.evidence:.4g} of {one.threshold:g} to fail [{bar}] {one.word}"
    )


def _latency(evidence: Evidence) -> list[str]:
    last = [(one.canary_p95, one.baseline_p95) for one in evidence.minutes][-10:]
    shown = []
    for name, values in (("canary", [c for c, _ in last]), ("baseline", [b for _, b in last])):
        known = sorted(value for value in values if value is not None)
        if known:
            shown.append(f"{name} {known[len(known) // 2]:.0f} ms")
    return [f"p95 of the last minutes: {', '.join(shown)}"] if shown else []


def _history(evidence: Evidence) -> list[str]:
    """Both error rates by the minute, on one scale."""
    minutes = evidence.minutes[-40:]
    if not minutes:
        return []
    rates = [
        [bad / whole if whole else 0.0 for bad, whole in pairs]
        for pairs in (
            [(one.counts.canary_errors, one.counts.canary_requests) for one in minutes],
            [(one.counts.baseline_errors, one.counts.baseline_requests) for one in minutes],
        )
    ]
    top = max((*rates[0], *rates[1]), default=0.0)
    if not top:
        return []
    return [
        f"{name:8} {''.join(_BARS[min(7, int(rate / top * 7.99))] for rate in row)}  up to {max(row):.2%}"
        for name, row in zip(("canary", "baseline"), rates, strict=True)
    ]


def _guards(evidence: Evidence, plan: Plan) -> list[str]:
    found = []
    if evidence.throttles:
        found.append(f"the alias was throttled {evidence.throttles} times in this step")
    if plan.alarm is not None and evidence.alarming >= plan.alarm.minutes:
        found.append(
            f"ALARM: both versions together fail above {plan.alarm.rate:.2%} for {evidence.alarming} minutes; "
            "a canary does not tell that, and nothing is moved for it"
        )
    return found


def as_json(look: Look, action: Action, target: Target) -> dict[str, Any]:
    """All of it, for programs."""
    record, evidence = look.record, look.evidence
    said: dict[str, Any] = {
        "function": target.function,
        "alias": target.alias,
        "traffic": dict(look.alias.traffic),
        "action": action.kind,
        "reason": action.reason,
        "time": _iso(look.now),
    }
    if record is None:
        return said
    said |= {
        "run": record.run,
        "baseline": record.baseline,
        "canary": record.canary,
        "step": record.step + 1,
        "steps": len(target.plan.steps),
        "phase": record.phase,
        "owner": record.owner,
        "lease": _iso(record.lease),
        "started": _iso(record.started),
        "step_started": _iso(record.step_started),
        "problem": look.problem,
    }
    if evidence is not None:
        said |= {
            "watermark": _iso(evidence.until),
            "complete": evidence.complete,
            "step_requests": evidence.step_requests,
            "share": evidence.share,
            "throttles": evidence.throttles,
            "metrics": [_metric(each) for each in evidence.judged],
        }
    return said


def _metric(judged: Judged) -> dict[str, Any]:
    one, ratio = judged.verdict, judged.ratio
    return {
        "name": judged.name,
        "verdict": one.word,
        "evidence": one.evidence,
        "threshold": one.threshold,
        "canary_requests": one.canary_requests,
        "baseline_requests": one.baseline_requests,
        "canary_bad": one.canary_errors,
        "baseline_bad": one.baseline_errors,
        "ratio": ratio.estimate if ratio.estimate is not None and math.isfinite(ratio.estimate) else None,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high if math.isfinite(ratio.high) else None,
        "reason": one.reason,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def _clock(evidence: Evidence | None) -> str:
    return datetime.fromtimestamp(evidence.until, UTC).strftime("%H:%M") if evidence else "nowhere"


def _span(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
