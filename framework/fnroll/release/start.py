"""The start of a canary: what must hold before any traffic moves, then the one write that moves the first share.

In this order, so that whatever stops it leaves the alias as it was: the alias, both versions, what Lambda would refuse,
the metrics of the last hour, the smoke events on the numbered version, the dead-man switch, the weight.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fnroll.aws import AliasState, FunctionState, Session
from fnroll.aws.aliases import look_at_alias
from fnroll.aws.functions import get_function
from fnroll.aws.invoke import invoke
from fnroll.aws.metrics import PERIOD, Query, read_metrics
from fnroll.aws.versions import list_versions
from fnroll.errors import FnError, FunctionFailed, NotFound
from fnroll.release.drive import Target, write
from fnroll.release.evidence import NAMESPACE, watermark
from fnroll.release.moves import abort, begin
from fnroll.release.record import Record, base36, read_record
from fnroll.release.shift import Shift, is_provisioned, refusal
from fnroll.release.tick import lease_from

HOUR: Final = 3600

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an alias served in the last hour, all versions together. Rates a second; p95 in milliseconds."""

    requests: float = 0.0
    errors: float = 0.0
    p95: float | None = None
    seconds: float = HOUR

    @property
    def rps(self) -> float:
        return self.requests / self.seconds

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is on."""

    alias: AliasState
    record: Record
    traffic: Traffic
    notes: tuple[str, ...] = ()


def read_traffic(session: Session, function: str, alias: str, now: float, lag: float) -> Traffic:
    """One GetMetricData over the last hour. Raises AwsError."""
    until = watermark(now, lag) if lag else int(now // PERIOD + 1) * PERIOD
    where = {"FunctionName": function, "Resource": f"{function}:{alias}"}
    asked = [
        Query("i", NAMESPACE, "Invocations", where),
        Query("e", NAMESPACE, "Errors", where),
        Query("p", NAMESPACE, "Duration", where, "p95"),
    ]
    series = read_metrics(session.service("cloudwatch"), asked, until - HOUR, until).series
    slow = sorted(series["p"].values())
    # Minutes weigh alike: a p95 of the whole hour would take a call of its own.
    middle = slow[len(slow) // 2] if slow else None
    return Traffic(sum(series["i"].values()), sum(series["e"].values()), middle)


def start(
    session: Session,
    target: Target,
    version: str | None,
    *,
    smoke: Sequence[tuple[str, bytes]] = (),
    supersede: bool = False,
    timer: bool = False,
    arm: Callable[[AliasState, float], None] = lambda alias, now: None,
    pause: Callable[[], None] = lambda: None,
    progress: Progress = lambda _: None,
) -> Started:
    """Put `version` (None: the newest) on the alias at the plan's first weight. `smoke`: names and events; `timer`: a
    dead-man switch is wanted, which `arm` arms before the weight moves; `pause`: between the end of a superseded run
    and the start of this one.

    Raises FnError for whatever speaks against it, FunctionFailed if a smoke event fails, PreconditionFailed if somebody
    else was quicker; the alias is then as it was (or at its baseline, where a run was superseded)."""
    function, name = target.function, target.alias
    alias, now = look_at_alias(session.control, function, name)
    _, found = read_record(alias.description)
    baseline = alias.version if found is None else found.baseline
    canary = version or _newest(session, function, baseline)
    record = _record(target, baseline, canary, now, timer)
    if found is None or not supersede:
        begin(alias, target.plan, record)
    _check(session, target, baseline, canary)
    traffic, notes = _traffic(session, target, now)
    if "slow" in target.plan.metrics and traffic.p95 is not None:
        record = replace(record, slow=max(1, round(traffic.p95)))
    for label, event in smoke:
        progress(f"smoke: {label}")
        _smoke(session, function, canary, label, event)
    if found is not None and supersede:
        progress(f"ending run {found.run} of version {found.canary}")
        write(session, function, alias, abort(alias))
        pause()
    # What the checks took may be minutes: the run begins now.
    alias, now = look_at_alias(session.control, function, name)
    if alias.version != baseline:
        raise FnError(f"it serves version {alias.version} now, not {baseline}: somebody moved it", where=name)
    record = replace(record, started=int(now), lease=lease_from(target.plan, record, now))
    wanted = begin(alias, target.plan, record)
    arm(alias, now)
    return Started(write(session, function, alias, wanted), record, traffic, notes)


def _record(target: Target, baseline: str, canary: str, now: float, timer: bool) -> Record:
    run = base36(secrets.randbelow(36**4) + 36**4)[-5:]
    plan = target.plan
    first = Record(run, baseline, canary, plan.digest, int(now), (0,), "go", 0, target.owner, timer=timer)
    return replace(first, lease=lease_from(plan, first, now))


def _newest(session: Session, function: str, baseline: str) -> str:
    numbered = [row.version for row in list_versions(session.control, function) if row.version.isdecimal()]
    if not numbered or numbered[-1] == baseline:
        raise FnError(
            f"the newest version is {baseline}, which the alias serves already",
            where=function,
            hint="fn deploy --canary publishes the next one and starts its canary",
        )
    return numbered[-1]


def _check(session: Session, target: Target, baseline: str, canary: str) -> None:
    states: dict[str, FunctionState] = {}
    for version in (baseline, canary):
        try:
            states[version] = get_function(session.control, target.function, version)
        except NotFound:
            continue
    shift = Shift(target.alias, baseline, {canary: target.plan.steps[0].weight})
    provisioned = is_provisioned(session, target.function, target.alias)
    if reason := refusal(shift, states, provisioned=provisioned):
        raise FnError(reason, where=f"{target.function}:{target.alias}", hint="fn versions lists what there is")


def _traffic(session: Session, target: Target, now: float) -> tuple[Traffic, tuple[str, ...]]:
    """A run whose metrics cannot be read would never end: that is found out before it begins."""
    traffic = read_traffic(session, target.function, target.alias, now, target.lag)
    notes = []
    if not traffic.requests:
        notes.append("the alias had no request in the last hour: without traffic a canary holds")
    if "slow" in target.plan.metrics and traffic.p95 is None:
        notes.append("slow requests are not judged: there is no p95 of the last hour to be slower than")
    return traffic, tuple(notes)


def _smoke(session: Session, function: str, version: str, label: str, event: bytes) -> None:
    answer = invoke(session.invoker, function, event, qualifier=version)
    if answer.function_error is not None:
        said = answer.payload.decode("utf-8", "replace")
        raise FunctionFailed(
            f"version {version} failed the smoke event: {said[:500]}",
            where=label,
            hint="no traffic was moved",
        )
