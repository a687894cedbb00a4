"""What an operator may do to a run: from the alias as it is to the one write that does it. Pure; refusals raise."""

from __future__ import annotations

from dataclasses import replace

from fnroll.aws import AliasState
from fnroll.errors import FnError
from fnroll.release.plan import Plan
from fnroll.release.record import Record, read_record, with_record
from fnroll.release.tick import Write, advanced, lease_from


def recorded(alias: AliasState) -> tuple[str, Record]:
    """The user's text and the record. Raises FnError where no canary is on."""
    text, record = read_record(alias.description)
    if record is None:
        hint = "its Description ends in something like a record that this version cannot read"
        raise FnError(f"no canary is on alias {alias.name}", hint=hint if alias.under_canary else "fn canary start")
    return text, record


def begin(alias: AliasState, plan: Plan, record: Record) -> Write:
    """The first step. Raises FnError where a canary is on, or somebody else splits the traffic."""
    text, found = read_record(alias.description)
    if found is not None:
        raise FnError(
            f"a canary of version {found.canary} is on already, run {found.run}, driven by {found.owner}",
            where=alias.name,
            hint="fn canary status shows it; fn canary abort ends it, --supersede replaces it",
        )
    if alias.weights:
        shares = ", ".join(f"{version} {share:.4g}" for version, share in alias.traffic.items())
        raise FnError(
            f"its traffic is split already ({shares}), and not by a canary of fn",
            where=alias.name,
            hint=f"end that split first: fn alias set {alias.name} {alias.version}",
        )
    return Write(alias.version, {record.canary: plan.steps[0].weight}, with_record(text, record))


def pause(alias: AliasState) -> Write:
    """No step forward until somebody resumes; evidence still takes the canary back."""
    text, record = recorded(alias)
    if record.phase != "go":
        raise FnError(f"the canary is {_PHASES[record.phase]} already", where=alias.name, hint="fn canary resume")
    return Write(alias.version, alias.weights, with_record(text, replace(record, phase="paused")))


_PHASES = {"paused": "paused", "held": "held", "zero": "held without traffic"}


def resume(alias: AliasState, plan: Plan, now: float, owner: str, *, adopt: bool = False, force: bool = False) -> Write:
    """Take the run over and let it go on. After a hold, and with `adopt` after a change by hand, evidence is counted
    from now on. `force`: whatever the plan of the start was. Raises FnError."""
    text, record = recorded(alias)
    if record.plan != plan.digest and not force:
        raise FnError(
            f"the run was started with another plan (digest {record.plan}, this one has {plan.digest})",
            where=alias.name,
            hint="use the release.json and the flags of the start, or --force-plan to go on with this plan",
        )
    if record.step >= len(plan.steps):
        raise FnError(f"the run is at step {record.step + 1} and this plan has {len(plan.steps)}", where=alias.name)
    record = replace(record, plan=plan.digest, owner=owner)
    expected = {} if record.phase == "zero" else {record.canary: plan.steps[record.step].weight}
    strange = alias.version != record.baseline or dict(alias.weights) != expected
    if strange and not adopt and not (force and alias.version == record.baseline):
        raise FnError(
            "the alias is not as the run left it",
            where=alias.name,
            hint="fn canary resume --adopt goes on from what is there, fn canary abort sends all to the baseline",
        )
    if strange or record.phase in ("held", "zero"):
        step = _step_of(alias, plan, record)
        record = replace(record, started=int(now), offsets=(0,) * (step + 1))
    record = replace(record, phase="go", lease=lease_from(plan, record, now))
    weights = {record.canary: plan.steps[record.step].weight}
    return Write(record.baseline, weights, with_record(text, record))


def _step_of(alias: AliasState, plan: Plan, record: Record) -> int:
    """The step whose weight the alias has; the recorded one if it is no step's."""
    weight = alias.weights.get(record.canary)
    return next((number for number, step in enumerate(plan.steps) if step.weight == weight), record.step)


def promote(alias: AliasState) -> Write:
    """Everything to the canary, now."""
    text, record = recorded(alias)
    return Write(record.canary, {}, text)


def promote_step(alias: AliasState, plan: Plan, now: float, owner: str) -> Write:
    """To the next step, now; from the last one, everything. Raises FnError for a run of another plan."""
    text, record = recorded(alias)
    if record.plan != plan.digest:
        raise FnError("the run was started with another plan", where=alias.name, hint="fn canary resume --force-plan")
    if record.step + 1 >= len(plan.steps):
        return promote(alias)
    fresh = advanced(plan, record, now, owner)
    return Write(record.baseline, {record.canary: plan.steps[fresh.step].weight}, with_record(text, fresh))


def abort(alias: AliasState) -> Write:
    """Everything to the baseline, whatever the alias routes to; the user's Description is back."""
    text, record = recorded(alias)
    return Write(record.baseline, {}, text)
