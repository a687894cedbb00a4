"""Deploys through real clients, against our local cloud and, independently, against a moto server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy_support import Calls, Project, cloud_session, no_time, on_stage, outcome
from fnroll import deploy
from fnroll.aws import Session
from fnroll.aws.aliases import get_alias
from fnroll.errors import DeployError


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    with on_stage(request.param, tmp_path) as staged:
        yield staged


def test_the_first_deploy_creates_publishes_and_serves(stage: tuple[Session, Project]) -> None:
    session, project = stage
    result = project.deploy(session)
    assert (result.version, result.previous, result.changed) == ("1", None, True)
    assert get_alias(session.control, "hello", "current").version == "1"


def test_an_unchanged_deploy_sends_no_write_and_three_reads(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.deploy(session)
    calls = Calls(session)
    result = project.deploy(session)
    assert result.changed is False
    assert calls.writes == []
    assert calls.wire == [("GET", 0)] * 3


def test_code_configuration_and_tags_change_one_by_one(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition["Tags"] = {"team": "a", "old": "x"}
    project.deploy(session)
    project.code("second")
    calls = Calls(session)
    assert project.deploy(session).version == "2"
    assert calls.writes == ["UpdateFunctionCode", "PublishVersion", "TagResource", "UpdateAlias"]
    calls.sent.clear()
    project.definition |= {"MemorySize": 256, "Environment": {"Variables": {"KEY": "value"}}}
    assert project.deploy(session).version == "3"
    assert calls.writes == ["UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias"]
    calls.sent.clear()
    project.definition["Tags"] = {"team": "b"}
    assert project.deploy(session).version == "3"
    assert calls.writes == ["TagResource", "UntagResource"]
    del project.definition["Environment"]
    project.deploy(session)
    assert (outcome(session)["latest"]["Environment"] or {"Variables": {}}) == {"Variables": {}}
    assert outcome(session)["tags"].keys() == {"team", "fn:package"}


def test_rollback_goes_to_what_was_served_before_and_deploy_comes_back(stage: tuple[Session, Project]) -> None:
    session, project = stage
    for text in ("one", "two", "three"):
        project.code(text)
        project.deploy(session)
    deploy.roll_back(session, "hello", deploy.find_target(session, "hello", "current", "1"), clock=no_time())
    project.code("four")
    assert project.deploy(session).version == "4"
    goal = deploy.find_target(session, "hello", "current")
    # Version 4 followed version 1, so that is the way back; the next lower number would be 3.
    assert (goal.version, goal.steps) == ("1", 1)
    deploy.roll_back(session, "hello", goal, clock=no_time())
    assert get_alias(session.control, "hello", "current").version == "1"
    project.deploy(session)
    assert outcome(session)["served"]["CodeSha256"] == outcome(session)["latest"]["CodeSha256"]


@pytest.mark.parametrize("change", ["create", "everything"])
def test_stopped_after_any_step_the_next_deploy_converges(stage: tuple[Session, Project], change: str) -> None:
    session, project = stage
    url = {"FunctionUrl": {"AuthType": "NONE"}}
    if change == "everything":
        project.deploy(session)
        project.code("changed")
    project.definition |= {"MemorySize": 512, "Tags": {"team": "a"}, "Fn": url}
    whole = project.plan(session).steps
    assert len(whole) >= 5
    for done in range(len(whole)):
        if change == "create":
            project.definition["FunctionName"] = "hello"
            if done:
                session.control.delete_function(FunctionName="hello")
        else:
            project.code(f"changed {done}")
            project.definition["MemorySize"] = 512 + done
        served = None if change == "create" else get_alias(session.control, "hello", "current").version
        plan = project.plan(session)
        deploy.apply(replace(plan, steps=plan.steps[:done]), session, clock=no_time())
        if served is not None and done < len(plan.steps):
            assert get_alias(session.control, "hello", "current").version == served
        project.deploy(session)
        after = outcome(session)
        assert after["served"] == after["latest"]
        assert after["latest"]["MemorySize"] == project.definition["MemorySize"]
        assert project.plan(session).steps == ()


def test_a_split_alias_is_not_moved(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.deploy(session)
    project.code("two")
    project.deploy(session)
    session.control.update_alias(
        FunctionName="hello", Name="current", RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}}
    )
    project.code("three")
    with pytest.raises(DeployError, match="splits its traffic"):
        project.plan(session)


class TestAnotherWriter:
    """Only the local cloud checks RevisionId; moto ignores it."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
        with cloud_session(tmp_path / "state") as (session, role):
            (tmp_path / "project").mkdir()
            project = Project(tmp_path / "project", role)
            project.deploy(session)
            yield session, project

    @pytest.mark.parametrize("moved", ["function", "alias"])
    def test_who_moved_between_plan_and_apply_is_not_overwritten(
        self, stage: tuple[Session, Project], moved: str
    ) -> None:
        session, project = stage
        project.code("mine")
        plan = project.plan(session)
        if moved == "function":
            session.control.update_function_configuration(FunctionName="hello", MemorySize=1024)
        else:
            session.control.update_alias(FunctionName="hello", Name="current", Description="theirs")
        with pytest.raises(DeployError, match="somebody else changed the function") as caught:
            deploy.apply(plan, session, clock=no_time())
        assert "alias current serves 1 as before" in str(caught.value)
        assert get_alias(session.control, "hello", "current").version == "1"
        if moved == "function":
            assert session.control.get_function_configuration(FunctionName="hello")["MemorySize"] == 1024
