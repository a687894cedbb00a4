"""The pure half of a canary: records, plans, what a tick decides, and what holds whatever happens to its drivers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fnroll.aws import AliasState
from fnroll.aws.metrics import PERIOD, Points
from fnroll.errors import DefinitionError, FnError, UsageError
from fnroll.release.evidence import Evidence, assess, queries, window
from fnroll.release.forecast import forecast
from fnroll.release.moves import begin
from fnroll.release.plan import MAX_STEPS, Alarm, CustomMetric, Plan, Step, as_json
from fnroll.release.plan_file import read_plan, with_flags
from fnroll.release.record import MAX_DESCRIPTION, Record, owner_name, read_record, with_record
from fnroll.release.tick import Action, Write, tick

START = 1_800_000_000 // 60 * 60
PLAN = Plan(steps=(Step(0.05, 120, 10), Step(0.5, 120, 10)), hold_limit=3600)
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f:current"
TEXT = "the user's own (text)"

records = st.builds(
    Record,
    st.from_regex(r"[0-9a-z]{5}", fullmatch=True),
    st.integers(1, 10**6).map(str),
    st.integers(1, 10**6).map(str),
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.integers(1_500_000_000, 4_000_000_000),
    st.lists(st.integers(1, 200_000), max_size=MAX_STEPS - 1).map(lambda gaps: (0, *sorted(gaps))),
    st.sampled_from(["go", "paused", "held", "zero"]),
    st.integers(1_500_000_000, 4_000_000_000),
    st.text(max_size=30).map(lambda user: owner_name(user, "host")),
    st.none() | st.integers(1, 900_000),
    st.booleans(),
)


@given(st.text(max_size=60), records)
def test_a_record_and_the_users_text_come_back(text: str, record: Record) -> None:
    assume(not text.endswith(" "))
    description = with_record(text, record)
    assert len(description) <= MAX_DESCRIPTION
    assert read_record(description) == (text, record)


@given(st.text(max_size=200))
def test_any_other_description_is_the_users(text: str) -> None:
    assert read_record(text) == (text, None)


def test_a_text_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(FnError, match="has 250 characters; beside the canary's record Lambda leaves room for"):
        with_record("x" * 250, record())


def record(**changed: Any) -> Record:
    plain = Record("abcde", "7", "8", PLAN.digest, START, (0,), "go", START + 1020, "me@here")
    return replace(plain, **changed)


def alias(of: Record, weights: dict[str, float] | None = None, version: str = "7") -> AliasState:
    shares = {of.canary: PLAN.steps[of.step].weight} if weights is None else weights
    return AliasState("current", version, shares, with_record(TEXT, of), "r1", ARN)


def evidence(of: Record, counts: list[tuple[int, int, int, int]], plan: Plan = PLAN, **points: Any) -> Evidence:
    """(canary requests, errors, baseline requests, errors) a minute from the run's begin."""
    series: dict[str, dict[int, float]] = {name: {} for name in ("ic", "ec", "ib", "eb", "th", "pc", "pb")}
    for number, row in enumerate(counts):
        for name, value in zip(("ic", "ec", "ib", "eb"), row, strict=True):
            series[name][of.started + number * PERIOD] = float(value)
    series |= points.pop("series", {})
    return assess(Points(series, points.pop("complete", True)), plan, of, of.started + len(counts) * PERIOD)


GOOD, BAD, QUIET = (20, 0, 380, 0), (20, 10, 380, 0), (0, 0, 400, 0)


@pytest.mark.parametrize(
    ("of", "counts", "now", "kind", "reason"),
    [
        (record(), [GOOD], 60, "wait", "baked 60 s of 120 s"),
        (record(), [GOOD] * 2, 120, "advance", "step 1 of 2 is passed: 0.5 of the traffic next"),
        (record(offsets=(0, 120)), [GOOD] * 4, 240, "promote", "every step is passed: version 8 serves all"),
        (record(), [BAD], 60, "rollback", "50.000% (10 of 20) of the canary's requests failed"),
        (record(phase="paused"), [GOOD] * 9, 540, "wait", "paused by hand"),
        (record(phase="paused"), [BAD], 60, "rollback", "of the canary's requests failed"),
        (record(phase="held"), [BAD], 60, "held", "held with its weight"),
        (record(), [QUIET] * 5, 300, "wait", "the canary had no request in this step"),
        (record(), [(2, 0, 38, 0)] * 3, 180, "wait", "6 of 10 canary requests in this step"),
        (record(), [(20, 0, 0, 0)] * 3, 180, "wait", "errors: the baseline had no request to compare with"),
        (record(lease=START + 200), [(2, 0, 38, 0)] * 3, 180, "renew", "6 of 10 canary requests"),
        (record(), [QUIET], 7200, "rollback", "undecided for 2 h: the canary had no request"),
        (record(plan="00000000"), [BAD], 60, "foreign-plan", "started with plan 00000000"),
    ],
)
def test_what_a_tick_decides(of: Record, counts: list[Any], now: int, kind: str, reason: str) -> None:
    action = tick(alias(of), PLAN, evidence(of, counts), START + now, "me@here")
    assert (action.kind, reason in action.reason) == (kind, True), action.reason


def test_what_is_not_there_decides_nothing() -> None:
    of = record()
    assert tick(alias(of), PLAN, None, START + 600, "x").reason == "the metrics could not be read"
    part = evidence(of, [BAD] * 3, complete=False)
    assert tick(alias(of), PLAN, part, START + 600, "x").reason == "CloudWatch gave a part of the data only"
    throttled = evidence(of, [GOOD] * 3, series={"th": {START: 4.0}})
    assert "the alias is throttled (4 in this step)" in tick(alias(of), PLAN, throttled, START + 180, "x").reason


def test_weights_of_somebody_elses_are_drift_and_none_are_the_switch() -> None:
    of = record()
    assert tick(alias(of, {"8": 0.2}), PLAN, None, START, "x").kind == "drift"
    assert tick(alias(of, version="9"), PLAN, None, START, "x").kind == "drift"
    tidy = tick(alias(of, {}), PLAN, None, START, "x")
    assert (tidy.kind, tidy.write) == ("tidy", Write("7", {}, TEXT))


def test_retries_are_divided_out() -> None:
    of, plan = record(), replace(PLAN, retries=2)
    (judged,) = evidence(replace(of, plan=plan.digest), [(30, 9, 300, 6)], plan).judged
    assert (judged.verdict.canary_errors, judged.verdict.baseline_errors) == (3, 2)


def test_slow_requests_do_not_count_while_the_canary_warms_up() -> None:
    plan = replace(PLAN, metrics=("errors", "slow"))
    of = record(slow=250, plan=plan.digest)
    slow = {START + n * PERIOD: 10.0 for n in range(4)}
    found = evidence(of, [GOOD] * 4, plan, series={"sc": slow, "sb": {}})
    assert {each.name: each.verdict.canary_errors for each in found.judged} == {"errors": 0, "slow": 20}
    assert [one.stat for one in queries("f", "a", plan, of) if one.id.startswith("s")] == ["TC(250:)"] * 2


def test_a_metric_of_ones_own_is_judged_beside_the_errors_and_shares_alpha() -> None:
    custom = CustomMetric("refused", "Shop", "Refused", {"function_version": "{version}"})
    plan = replace(PLAN, custom=(custom,))
    of = record(plan=plan.digest)
    asked = {one.id: one.dimensions for one in queries("f", "a", plan, of)}
    assert (asked["x0c"], asked["x0b"]) == ({"function_version": "8"}, {"function_version": "7"})
    found = evidence(of, [GOOD], plan, series={"x0c": {START: 12.0}, "x0b": {}})
    assert [(each.name, each.verdict.word, each.verdict.threshold) for each in found.judged] == [
        ("errors", "PASS", 200),
        ("refused", "FAIL", 200),
    ]


def test_the_guard_only_says_so() -> None:
    plan = replace(PLAN, alarm=Alarm(0.1, 2))
    of = record(plan=plan.digest)
    found = evidence(of, [(20, 8, 380, 152)] * 3, plan)
    assert found.alarming == 3
    assert tick(alias(of), plan, found, START + 180, "x").kind == "advance"


def test_late_data_are_taken_at_the_next_look() -> None:
    of = record()
    assert not evidence(of, [(20, 0, 380, 0)]).failed
    assert evidence(of, [(20, 9, 380, 0)]).failed
    assert window(of, START + 300, 120) == (START, START + 180)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"steps": []}', "release.json:1:11"),
        ('{"steps": [{"weight": 2}]}', "2"),
        ('{"steps": [{"weight": 0.5}, {"weight": 0.2}]}', "step 2 is not larger than the one before it"),
        ('{"stepps": []}', "steps"),
        ('{"metrics": ["throttles"]}', "nothing would be judged"),
        ('{"custom_metrics": [{"name": "a", "namespace": "n", "metric": "m", "dimensions": {"x": "y"}}]}', "{version}"),
        ('{"on_fail": "explode"}', "rollback"),
        ("{", "release.json:1"),
    ],
)
def test_a_plan_that_is_none_is_told_where(text: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_plan(text, "release.json")
    assert words in str(caught.value)


def test_a_plan_comes_back_from_its_own_words() -> None:
    import json

    plan = replace(
        PLAN,
        custom=(CustomMetric("a", "N", "M", {"v": "{version}"}, "T"),),
        alarm=Alarm(0.1, 3),
        smoke=("event.json",),
        lag=30.0,
    )
    assert read_plan(json.dumps(as_json(plan)), "release.json") == plan


def test_flags_lie_over_the_file() -> None:
    plan = with_flags(PLAN, ["5%", "25%:1:7"], alpha=0.05, on_fail=None)
    assert plan.steps == (Step(0.05), Step(0.25, 60, 7))
    assert (plan.alpha, plan.on_fail) == (0.05, "rollback")
    for wrong in ("x", "2", "5%:x", "5%:1:2:3", "0"):
        with pytest.raises(UsageError):
            with_flags(PLAN, [wrong])
    with pytest.raises(UsageError):
        with_flags(PLAN, ["50%", "25%"])


def test_what_a_plan_can_see() -> None:
    rows = forecast(Plan(), 10.0, 0.001)
    assert [row["requests"] for row in rows] == [300, 1500, 3000]
    assert all(0.001 < row["sees"] < 0.1 for row in rows)
    assert rows[0]["sees"] > rows[1]["sees"] > rows[2]["sees"]
    assert [row["minutes"] for row in forecast(Plan(), 0.0, 0.0)] == [None, None, None]


@dataclass
class Driver:
    """One who looks, and writes later, if it lives so long."""

    name: str
    pending: tuple[AliasState, Action] | None = field(default=None)


class Runs(RuleBasedStateMachine):
    """Two drivers, crashes, late metrics, and hands that change the alias, over one alias as AWS has it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = float(START)
        self.bad = 0
        self.revision = 0
        plain = AliasState("current", "7", {}, TEXT, "r0", ARN)
        self.alias = plain
        first = record(lease=START + 1020)
        self.put(begin(plain, PLAN, first))
        self.drivers = [Driver("one@h"), Driver("two@h")]
        self.touched = False
        self.steps_taken = [0]
        self.ended = ""

    def put(self, write: Write) -> None:
        self.revision += 1
        self.alias = AliasState(
            "current", write.version, dict(write.weights), write.description, f"r{self.revision}", ARN
        )

    @rule(minutes=st.integers(1, 4), bad=st.booleans())
    def time_passes(self, minutes: int, bad: bool) -> None:
        self.now += 60 * minutes
        self.bad += minutes if bad else 0

    @rule(which=st.integers(0, 1), late=st.integers(0, 2), readable=st.booleans())
    def look(self, which: int, late: int, readable: bool) -> None:
        _, of = read_record(self.alias.description)
        seen = None
        if of is not None and readable:
            whole = max(0, int(self.now - of.started) // 60 - late)
            seen = evidence(of, [BAD] * min(self.bad, whole) + [GOOD] * max(0, whole - self.bad))
        self.drivers[which].pending = self.alias, tick(self.alias, PLAN, seen, self.now, self.drivers[which].name)

    @precondition(lambda self: any(driver.pending for driver in self.drivers))
    @rule(which=st.integers(0, 1), dies=st.booleans())
    def write(self, which: int, dies: bool) -> None:
        driver = self.drivers[which]
        if driver.pending is None:
            return
        (looked, action), driver.pending = driver.pending, None
        if dies or action.write is None:
            return
        if looked.revision_id != self.alias.revision_id:
            return  # 412: nothing is written
        before = read_record(self.alias.description)[1]
        self.put(action.write)
        after = read_record(self.alias.description)[1]
        if after is None:
            self.ended = action.kind
        elif before is not None and not self.touched:
            assert after.step - before.step in (0, 1)
            self.steps_taken.append(after.step)

    @precondition(lambda self: read_record(self.alias.description)[1] is not None)
    @rule(weight=st.sampled_from([None, 0.2, 0.7]))
    def somebody_edits(self, weight: float | None) -> None:
        _, of = read_record(self.alias.description)
        assert of is not None
        self.touched = True
        self.put(Write(self.alias.version, {} if weight is None else {of.canary: weight}, self.alias.description))

    @invariant()
    def traffic_is_where_the_plan_allows(self) -> None:
        _, of = read_record(self.alias.description)
        if of is None or self.touched:
            return
        assert (self.alias.version, dict(self.alias.weights)) == ("7", {"8": PLAN.steps[of.step].weight})

    @invariant()
    def steps_only_go_up_one_by_one(self) -> None:
        assert all(b - a in (0, 1) for a, b in zip(self.steps_taken, self.steps_taken[1:], strict=False))

    @invariant()
    def in_the_end_one_version_serves_and_the_text_is_the_users(self) -> None:
        text, of = read_record(self.alias.description)
        assert text == TEXT
        if of is None:
            assert not self.alias.weights
            assert (self.alias.version == "8") == (self.ended == "promote")
            assert self.ended in ("promote", "rollback", "tidy")


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
