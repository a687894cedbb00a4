"""The canary's hands: one look (a GetAlias and a GetMetricData), one conditional write, and what a start needs.

Whoever loses a race gets PreconditionFailed from the write: a step forward is then dropped and the next look decides; a
rollback looks again and goes on, because it is right whatever else moved. Time is AWS's own, from the Date of its
answer, so drivers with wrong clocks agree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fnroll.aws import AliasState, Session, scheduler
from fnroll.aws.aliases import look_at_alias, route_alias
from fnroll.aws.metrics import read_metrics
from fnroll.errors import AwsError, FnError, NoCredentials, PreconditionFailed
from fnroll.release.evidence import USUAL_LAG, Evidence, assess, queries, window
from fnroll.release.plan import Plan
from fnroll.release.record import Record, read_record
from fnroll.release.tick import Action, Write, tick

_TRIES: Final = 5
_log = logging.getLogger(__name__)

Gate = Callable[[str, Mapping[str, str]], str | None]
"""Runs a step's command with these variables; None if it lets the step be left, else why not."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which alias, with what plan, by whom. `local`: the local cloud, whose metrics come without lag."""

    function: str
    alias: str
    plan: Plan
    owner: str
    local: bool = False

    @property
    def lag(self) -> float:
        if self.plan.lag is not None:
            return self.plan.lag
        return 0.0 if self.local else USUAL_LAG


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. `now`: AWS's time; `evidence` None without a run, or where `problem` says why it is missing."""

    alias: AliasState
    now: float
    text: str
    record: Record | None
    evidence: Evidence | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one tick saw and did. `lost`: its write came too late; somebody else had moved the alias."""

    look: Look
    action: Action
    alias: AliasState
    lost: bool = False
    blocked: str | None = field(default=None)
    """Why the step's command would not let it be left."""


def look(session: Session, target: Target) -> Look:
    """One GetAlias, and with a run on it one GetMetricData. Raises NotFound, NoCredentials, AwsError for the alias;
    metrics that cannot be read are a `problem`."""
    alias, now = look_at_alias(session.control, target.function, target.alias)
    text, record = read_record(alias.description)
    if record is None:
        return Look(alias, now, text, None)
    begin, until = window(record, now, target.lag)
    try:
        asked = queries(target.function, target.alias, target.plan, record)
        points = read_metrics(session.service("cloudwatch"), asked, begin, until)
    except NoCredentials:
        raise
    except AwsError as error:
        return Look(alias, now, text, record, None, str(error))
    return Look(alias, now, text, record, assess(points, target.plan, record, until))


def write(session: Session, function: str, alias: AliasState, wanted: Write) -> AliasState:
    """One UpdateAlias of exactly the alias that was looked at. Raises PreconditionFailed.

    A dead-man switch follows: put off to the new lease, or taken away with the run. One that cannot be reached stays as
    it was, which is the safe side, and is only told.
    """
    after = route_alias(session.control, function, alias, wanted.version, wanted.weights, wanted.description)
    before, record = read_record(alias.description)[1], read_record(wanted.description)[1]
    if before is not None and before.timer:
        try:
            if record is None:
                scheduler.disarm(session.service("scheduler"), function, alias.name)
            else:
                scheduler.put_off(session.service("scheduler"), function, alias.name, record.lease)
        except FnError as error:
            _log.warning("the dead-man switch of %s:%s was not moved: %s", function, alias.name, error)
    return after


def drive(session: Session, target: Target, gate: Gate | None = None) -> Outcome:
    """One tick: look, decide, at most one write that takes effect. Raises as `look`, and AwsError of the write."""
    seen = look(session, target)
    action = tick(seen.alias, target.plan, seen.evidence, seen.now, target.owner)
    if action.kind in ("advance", "promote") and (blocked := _asked(gate, target, seen)) is not None:
        return Outcome(seen, Action("wait", f"the step's command held it: {blocked}"), seen.alias, blocked=blocked)
    alias = seen.alias
    for _ in range(_TRIES):
        if action.write is None:
            return Outcome(seen, action, alias)
        try:
            return Outcome(seen, action, write(session, target.function, alias, action.write))
        except PreconditionFailed:
            if action.kind != "rollback":
                return Outcome(seen, action, alias, lost=True)
        alias, now = look_at_alias(session.control, target.function, target.alias)
        action = tick(alias, target.plan, seen.evidence, now, target.owner)
        if action.kind != "rollback" or _run(alias) != _run(seen.alias):
            return Outcome(seen, action, alias, lost=True)
    return Outcome(seen, action, alias, lost=True)


def _run(alias: AliasState) -> tuple[str, int] | None:
    """Which run, since when: what was counted for one says nothing of another."""
    record = read_record(alias.description)[1]
    return (record.run, record.started) if record else None


def _asked(gate: Gate | None, target: Target, seen: Look) -> str | None:
    record = seen.record
    assert record is not None
    command = target.plan.steps[record.step].command
    if command is None:
        return None
    if gate is None:
        return "nothing here may run commands"
    variables = {
        "FN_CANARY_FUNCTION": target.function,
        "FN_CANARY_ALIAS": target.alias,
        "FN_CANARY_BASELINE": record.baseline,
        "FN_CANARY_VERSION": record.canary,
        "FN_CANARY_STEP": str(record.step + 1),
        "FN_CANARY_RUN": record.run,
    }
    return gate(command, variables)
