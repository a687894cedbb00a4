"""Canaries on the local cloud, with a clock of the test's own: started, driven, promoted, rolled back, held."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.stub import Stubber

from cloud_support import Failure, client, make, package, served
from fnroll import cloud, places
from fnroll.aws import AwsOptions, Session, scheduler
from fnroll.aws.aliases import get_alias, look_at_alias
from fnroll.errors import FnError, FunctionFailed
from fnroll.release import moves, report
from fnroll.release.drive import Outcome, Target, drive, look, write
from fnroll.release.page import page
from fnroll.release.plan import Plan, Step
from fnroll.release.record import read_record
from fnroll.release.start import start
from fnroll.release.tick import tick

PLAN = Plan(steps=(Step(0.5, 60, 20), Step(0.9, 60, 20)))
TEXT = "who calls: the shop"


@dataclass
class Clock:
    """Time as the test says."""

    now: float = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001)


@dataclass
class Stage:
    lambda_: Any
    session: Session
    clock: Clock
    failing: dict[str, Callable[[int], bool]]
    seen: dict[str, int] = field(default_factory=dict)

    def target(self, owner: str = "me@here", plan: Plan = PLAN) -> Target:
        return Target("shop", "current", plan, owner, local=True)

    def traffic(self, count: int = 120) -> None:
        """A minute of it."""
        for _ in range(count):
            self.lambda_.invoke(FunctionName="shop", Qualifier="current", Payload=b"{}")
        self.clock.now += 60

    def start(self, **given: Any) -> None:
        start(self.session, self.target(), None, **given)

    def tick(self, owner: str = "me@here") -> Outcome:
        return drive(self.session, self.target(owner))

    def alias(self) -> tuple[str, dict[str, float], str]:
        found = get_alias(self.session.control, "shop", "current")
        return found.version, dict(found.weights), found.description


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock, failing, seen = Clock(), dict[str, Callable[[int], bool]](), dict[str, int]()

    def function(config: Any, invocation: Any) -> Any:
        number = seen[config.version] = seen.get(config.version, 0) + 1
        if failing.get(config.version, lambda _: False)(number):
            raise Failure("no luck")
        return {}

    with served(tmp_path, function, clock=clock) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_, "shop")
        lambda_.publish_version(FunctionName="shop")
        lambda_.create_alias(FunctionName="shop", Name="current", FunctionVersion="1", Description=TEXT)
        lambda_.update_function_code(FunctionName="shop", ZipFile=package({"handler.py": "second"}))
        lambda_.publish_version(FunctionName="shop")
        yield Stage(lambda_, Session(AwsOptions(endpoint=endpoint.url, local=True)), clock, failing, seen)


def driven(stage: Stage, ticks: int = 12) -> list[str]:
    """A minute of traffic and a tick, until the run is over; each tick by another driver."""
    kinds = []
    for number in range(ticks):
        stage.traffic()
        kinds.append(stage.tick(f"driver{number}@h").action.kind)
        if kinds[-1] in ("promote", "rollback", "held", "hold-weight", "hold-zero", "drift", "ended"):
            break
    return kinds


def test_a_healthy_canary_is_promoted_by_whoever_looks(stage: Stage) -> None:
    stage.start()
    version, weights, description = stage.alias()
    assert (version, weights) == ("1", {"2": 0.5})
    assert description.startswith(f"{TEXT} (fn:canary ")
    kinds = driven(stage)
    assert kinds[-1] == "promote"
    assert kinds.count("advance") == 1
    assert stage.alias() == ("2", {}, TEXT)
    assert stage.tick().action.kind == "ended"


def test_both_fail_alike_and_the_canary_is_promoted(stage: Stage) -> None:
    stage.failing |= dict.fromkeys(("1", "2"), lambda number: number % 5 == 0)
    stage.start()
    assert driven(stage)[-1] == "promote"


def test_one_with_twenty_per_cent_errors_is_rolled_back_with_its_evidence(stage: Stage) -> None:
    stage.failing["2"] = lambda number: number % 5 == 0
    stage.start()
    stage.traffic(140)
    done = stage.tick()
    assert (done.action.kind, done.action.cause) == ("rollback", "evidence")
    assert "of the canary's requests failed" in done.action.reason and "where 100 is enough" in done.action.reason
    assert stage.alias() == ("1", {}, TEXT)


def test_without_traffic_it_holds_and_gives_up_at_the_limit(stage: Stage) -> None:
    stage.start()
    stage.clock.now += 600
    done = stage.tick()
    assert (done.action.kind, done.action.reason) == ("wait", "the canary had no request in this step")
    stage.clock.now += 86_400
    done = stage.tick()
    assert (done.action.kind, done.action.cause) == ("rollback", "hold-limit")
    assert stage.alias() == ("1", {}, TEXT)


@pytest.mark.parametrize(("policy", "weights"), [("hold-weight", {"2": 0.5}), ("hold-zero", {})])
def test_a_hold_waits_for_a_human_who_goes_on(stage: Stage, policy: Any, weights: dict[str, float]) -> None:
    plan = replace(PLAN, on_fail=policy)
    stage.failing["2"] = lambda number: number % 3 == 0
    target = stage.target(plan=plan)
    start(stage.session, target, None)
    stage.traffic()
    assert drive(stage.session, target).action.kind == policy
    assert stage.alias()[:2] == ("1", weights)
    assert drive(stage.session, target).action.kind == "held"
    stage.failing.clear()
    alias, now = look_at_alias(stage.session.control, "shop", "current")
    write(stage.session, "shop", alias, moves.resume(alias, plan, now, "human@h"))
    assert stage.alias()[:2] == ("1", {"2": 0.5})
    stage.traffic()
    assert drive(stage.session, target).action.kind in ("wait", "advance")


def test_weights_that_somebody_set_are_drift_and_may_be_adopted(stage: Stage) -> None:
    stage.start()
    stage.lambda_.update_alias(
        FunctionName="shop", Name="current", RoutingConfig={"AdditionalVersionWeights": {"2": 0.9}}
    )
    stage.traffic()
    done = stage.tick()
    assert done.action.kind == "drift" and "somebody changed the alias" in done.action.reason
    assert stage.alias()[1] == {"2": 0.9}
    alias, now = look_at_alias(stage.session.control, "shop", "current")
    with pytest.raises(FnError, match="not as the run left it"):
        moves.resume(alias, PLAN, now, "human@h")
    write(stage.session, "shop", alias, moves.resume(alias, PLAN, now, "human@h", adopt=True))
    assert driven(stage)[-1] == "promote"


def test_the_dead_mans_switch_is_understood(stage: Stage) -> None:
    stage.start()
    stage.lambda_.update_alias(FunctionName="shop", Name="current", RoutingConfig={"AdditionalVersionWeights": {}})
    assert stage.tick().action.kind == "tidy"
    assert stage.alias() == ("1", {}, TEXT)


def test_a_driver_who_comes_late_with_a_step_does_nothing(stage: Stage) -> None:
    stage.start()
    stage.traffic()
    stage.clock.now += 60
    seen = look(stage.session, stage.target())
    action = tick(seen.alias, PLAN, seen.evidence, seen.now, "slow@h")
    assert action.kind == "advance" and action.write is not None
    assert stage.tick("quick@h").action.kind == "advance"
    after = stage.alias()
    with pytest.raises(FnError, match="PreconditionFailed"):
        write(stage.session, "shop", seen.alias, action.write)
    assert stage.alias() == after


def test_a_second_start_is_refused_and_superseding_keeps_the_baseline(stage: Stage) -> None:
    stage.start()
    with pytest.raises(FnError, match="a canary of version 2 is on already"):
        stage.start()
    stage.lambda_.update_function_code(FunctionName="shop", ZipFile=package({"handler.py": "third"}))
    stage.lambda_.publish_version(FunctionName="shop")
    stage.start(supersede=True)
    version, weights, description = stage.alias()
    assert (version, weights) == ("1", {"3": 0.5})
    assert read_record(description)[0] == TEXT


def test_smoke_events_come_before_any_traffic(stage: Stage) -> None:
    stage.failing["2"] = lambda _: True
    before = stage.alias()
    with pytest.raises(FunctionFailed, match="version 2 failed the smoke event"):
        stage.start(smoke=[("event.json", b"{}")])
    assert stage.alias() == before


@pytest.mark.parametrize("move", ["promote", "abort", "pause"])
def test_an_operator_has_the_last_word(stage: Stage, move: str) -> None:
    stage.start()
    alias, _ = look_at_alias(stage.session.control, "shop", "current")
    write(stage.session, "shop", alias, getattr(moves, move)(alias))
    expected = {"promote": ("2", {}), "abort": ("1", {}), "pause": ("1", {"2": 0.5})}[move]
    assert stage.alias()[:2] == expected
    if move == "pause":
        stage.traffic()
        assert stage.tick().action.reason.startswith("paused by hand")


def test_status_is_one_read_of_each_and_no_write(stage: Stage) -> None:
    stage.start()
    stage.traffic()
    called: list[str] = []
    for one in (stage.session.control, stage.session.service("cloudwatch")):
        one.meta.events.register("before-call.*.*", lambda model, **_: called.append(model.name))
    seen = look(stage.session, stage.target())
    assert sorted(called) == ["GetAlias", "GetMetricData"]
    action = tick(seen.alias, PLAN, seen.evidence, seen.now, "x@y")
    lines = report.lines(seen, action, stage.target())
    assert "shop:current  1 -> 2   step 1/2   weight 50.0%" in lines[0]
    assert any(line.startswith("errors: canary 0/") for line in lines)
    said = report.as_json(seen, action, stage.target())
    assert (said["run"], said["step"], said["metrics"][0]["name"]) == (
        seen.record.run if seen.record else "",
        1,
        "errors",
    )
    json.dumps(said)


def test_metrics_that_cannot_be_read_move_nothing(stage: Stage) -> None:
    stage.start()
    stage.failing["2"] = lambda _: True
    stage.traffic()
    client_ = stage.session.service("cloudwatch")

    def broken(**_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        class Body:
            def stream(self, **_: Any) -> Iterator[bytes]:
                yield b'{"__type": "InternalServiceFault"}'

        return AWSResponse("https://x/", 500, {}, Body())

    client_.meta.events.register("before-send.cloudwatch.*", broken)
    done = stage.tick()
    assert (done.action.kind, done.action.reason) == ("wait", "the metrics could not be read")
    assert done.look.problem
    assert stage.alias()[1] == {"2": 0.5}


def test_the_report_is_one_page_with_the_evidence(stage: Stage) -> None:
    stage.failing["2"] = lambda number: number % 5 == 0
    stage.start()
    for _ in range(3):
        stage.traffic()
    seen = look(stage.session, stage.target())
    action = tick(seen.alias, PLAN, seen.evidence, seen.now, "x@y")
    text = page(seen, replace(action, reason="<script>"), stage.target())
    root = ElementTree.fromstring(text.replace("<!doctype html>", "").replace('<meta charset="utf-8">', ""))
    assert [chart.text for chart in root.iter("h2")] == [
        "Errors, share of requests",
        "Evidence of more errors, powers of ten",
        "p95, milliseconds",
    ]
    assert {line.get("class") for line in root.iter("polyline")} == {"canary", "baseline", "line"}
    assert "FAIL" in [cell.text for cell in root.iter("td")]
    assert "<script" not in text and "http" not in text


def test_the_report_of_no_canary_says_so(stage: Stage) -> None:
    seen = look(stage.session, stage.target())
    assert "has no canary" in page(seen, tick(seen.alias, PLAN, None, seen.now, "x@y"), stage.target())


def test_the_dead_mans_switch_is_armed_put_off_and_taken_away(stage: Stage) -> None:
    """moto keeps the schedule; what it would do is AWS's."""
    schedules = stage.session.service("scheduler")
    role = "arn:aws:iam::000000000000:role/switch"

    def arm(alias: Any, now: float) -> None:
        scheduler.arm(schedules, "shop", "current", alias.arn, role, now + 960)

    start(stage.session, stage.target(), None, timer=True, arm=arm)
    (row,) = schedules.list_schedules()["Schedules"]
    assert row["Name"] == "fn-canary-shop-current"
    first = schedules.get_schedule(Name=row["Name"])
    assert first["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:lambda:updateAlias"
    assert first["Target"]["RoleArn"] == role
    assert json.loads(first["Target"]["Input"]) == {
        "FunctionName": "shop",
        "Name": "current",
        "RoutingConfig": {"AdditionalVersionWeights": {}},
    }
    while stage.tick().action.kind != "advance":
        stage.traffic()
    second = schedules.get_schedule(Name=row["Name"])
    assert second["ScheduleExpression"] > first["ScheduleExpression"]
    assert second["Target"] == first["Target"]
    assert driven(stage)[-1] == "promote"
    assert schedules.list_schedules()["Schedules"] == []


def test_a_switch_that_cannot_be_reached_stops_no_write(stage: Stage) -> None:
    schedules = stage.session.service("scheduler")
    start(stage.session, stage.target(), None, timer=True)
    alias, _ = look_at_alias(stage.session.control, "shop", "current")
    with Stubber(schedules) as stubber:
        stubber.add_client_error("delete_schedule", "AccessDeniedException", "no", 403)
        write(stage.session, "shop", alias, moves.abort(alias))
    assert stage.alias() == ("1", {}, TEXT)


@pytest.mark.parametrize("length", [10, 60])
def test_a_schedules_name_fits(length: int) -> None:
    name = scheduler.schedule_name("f" * length, "a" * 100)
    assert len(name) == 64
    assert name != scheduler.schedule_name("f" * length, "a" * 99 + "b")


FINE = "handle() { printf '{}'; }\n"
BROKEN = "handle() { [[ $1 != *[05]} ]] && printf '{}'; }\n"
"""Every fifth event is an error."""


def shell(handler: str) -> bytes:
    """A function that really runs: bash's loop as its bootstrap."""
    loop = (places.share_dir("runtimes") / "bash" / "bootstrap").read_text()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in (("bootstrap", loop), ("handler.sh", handler)):
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, 0o100755 << 16
            file.writestr(member, text)
    return buffer.getvalue()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("second", "kind", "serves"), [(FINE + "# 2\n", "promote", "2"), (BROKEN, "rollback", "1")], ids=["fine", "broken"]
)
def test_functions_that_really_run(tmp_path: Path, second: str, kind: str, serves: str) -> None:
    clock = Clock()
    with cloud.embedded(tmp_path, tier="process", clock=clock) as endpoint:
        lambda_ = client(endpoint)
        given = {"Runtime": "provided.al2023", "Handler": "handler.handle", "Timeout": 20}
        make(lambda_, "shop", Code={"ZipFile": shell(FINE)}, **given)
        lambda_.publish_version(FunctionName="shop")
        lambda_.create_alias(FunctionName="shop", Name="current", FunctionVersion="1", Description=TEXT)
        lambda_.update_function_code(FunctionName="shop", ZipFile=shell(second))
        lambda_.publish_version(FunctionName="shop")
        session = Session(AwsOptions(endpoint=endpoint.url, local=True))
        target = Target("shop", "current", PLAN, "me@here", local=True)
        start(session, target, None)
        action = None
        for _ in range(8):
            for number in range(140):
                lambda_.invoke(FunctionName="shop", Qualifier="current", Payload=b'{"n": %d}' % number)
            clock.now += 60
            action = drive(session, target).action
            if action.write is not None and action.kind != "advance":
                break
        assert action is not None and action.kind == kind, action
        found = get_alias(session.control, "shop", "current")
        assert (found.version, dict(found.weights), found.description) == (serves, {}, TEXT)
