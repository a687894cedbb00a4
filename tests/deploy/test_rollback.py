"""The way back: known from the records, with $LATEST or without it, on the local cloud and on a moto server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy_support import Calls, Project, cloud_session, moto_session, no_time, outcome
from fnroll import deploy
from fnroll.aws import AliasState, FunctionState, Session
from fnroll.aws.aliases import get_alias
from fnroll.aws.functions import find_function, state_of
from fnroll.aws.versions import list_versions
from fnroll.deploy.restore import differing, restore_latest
from fnroll.deploy.rollback import check_deletable, delete_left, history, target
from fnroll.errors import AwsError, DeployError


def alias(at: str, **weights: float) -> AliasState:
    return AliasState("current", at, {name.strip("v"): share for name, share in weights.items()}, "", "a1", "arn")


def rows(**descriptions: str) -> list[FunctionState]:
    """v3="(fn:previous=1)" -> version 3 with that Description."""
    return [state_of({"FunctionName": "f", "Version": v[1:], "Description": text}) for v, text in descriptions.items()]


CHAIN = rows(v1="", v2="(fn:previous=1)", v3="(fn:previous=2)", v4="words (fn:previous=2)", v7="(fn:previous=4)")


@pytest.mark.parametrize(
    ("at", "to", "steps", "expected"),
    [
        ("7", None, 1, "4"),
        ("7", None, 2, "2"),
        ("7", None, 3, "1"),
        ("2", None, 1, "1"),
        ("7", "3", 1, "3"),
        ("2", "7", 1, "7"),
    ],
)
def test_where_a_rollback_goes(at: str, to: str | None, steps: int, expected: str) -> None:
    assert target(alias(at), CHAIN, to, steps).version == expected


@pytest.mark.parametrize(
    ("at", "versions", "to", "steps", "words", "hint"),
    [
        ("7", CHAIN, None, 4, "nothing is known to have been served before version 1, the oldest", "published: 1, 2"),
        ("7", CHAIN, "9", 1, "there is no version 9", None),
        ("7", CHAIN, "7", 1, "serves version 7 already", None),
        ("3", rows(v2="", v3="(fn:previous=1)"), None, 1, "version 1, which alias current served 1 steps ago, is gone",
         "name a version with --version N: published: 2, 3"),
        ("3", rows(v1="", v2="", v3=""), None, 1, "no record says what alias current served before version 3",
         "the next lower one is 2; published: 1, 2, 3"),
        ("$LATEST", rows(v1=""), None, 1, "gone", "--version"),
    ],
)  # fmt: skip
def test_lambroll_issue_366_rollback_guesses(
    at: str, versions: list[FunctionState], to: str | None, steps: int, words: str, hint: str | None
) -> None:
    """There: the next lower number without an alias. Here: what a record proves, or an error that names the choices."""
    with pytest.raises(DeployError, match=words) as caught:
        target(alias(at), versions, to, steps)
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize("to", [None, "2"])
def test_an_alias_under_a_canary_is_not_rolled_back(to: str | None) -> None:
    under = replace(alias("7"), description="words (fn:canary x)")
    with pytest.raises(DeployError, match="a canary is on alias current") as caught:
        target(under, CHAIN, to)
    assert "fn canary abort" in str(caught.value.hint)


def test_the_history_is_the_chain_of_records() -> None:
    assert [(row.steps, row.version, row.exists) for row in history(alias("7"), CHAIN)] == [
        (0, "7", True),
        (1, "4", True),
        (2, "2", True),
        (3, "1", True),
    ]
    assert history(alias("4"), CHAIN)[0].description == "words"
    assert [(row.version, row.exists) for row in history(alias("3"), rows(v3="(fn:previous=2)"))] == [
        ("3", True),
        ("2", False),
    ]
    assert len(history(alias("3"), rows(v3="(fn:previous=3)"))) == 1


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    opened = cloud_session(tmp_path / "state") if request.param == "cloud" else moto_session()
    with opened as (session, role):
        (tmp_path / "project").mkdir()
        project = Project(tmp_path / "project", role)
        for text in ("one", "two", "three"):
            project.code(text)
            project.definition["Description"] = f"it is {text}"
            project.deploy(session)
        yield session, project


def test_each_step_back_is_one_deploy(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    assert [row.description for row in deploy.find_history(session, "hello", "current")] == [
        "it is three",
        "it is two",
        "it is one",
    ]
    goal = deploy.find_target(session, "hello", "current", steps=2)
    deploy.roll_back(session, "hello", goal, clock=no_time())
    assert get_alias(session.control, "hello", "current").version == "1"
    assert [row.version for row in deploy.find_history(session, "hello", "current")] == ["1"]


def test_the_version_that_is_left_can_be_deleted(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    goal = deploy.find_target(session, "hello", "current")
    check_deletable(session, "hello", goal)
    deploy.roll_back(session, "hello", goal, clock=no_time())
    delete_left(session, "hello", goal)
    assert [state.version for state in list_versions(session.control, "hello")] == ["1", "2", "$LATEST"]


def test_lambroll_issue_386_a_version_that_another_alias_serves_is_not_deleted(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    session.control.create_alias(
        FunctionName="hello",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"3": 0.1}},
    )
    goal = deploy.find_target(session, "hello", "current")
    with pytest.raises(DeployError, match="version 3 cannot be deleted: alias live routes to it"):
        check_deletable(session, "hello", goal)
    assert get_alias(session.control, "hello", "current").version == "3"


def test_what_latest_still_holds_is_named(stage: tuple[Session, Project]) -> None:
    session, project = stage
    assert differing(session, "hello", "3") == ()
    assert differing(session, "hello", "1") == ("code", "Description")
    project.definition |= {"MemorySize": 512, "Environment": {"Variables": {"KEY": "value"}}}
    project.deploy(session)
    assert differing(session, "hello", "3") == ("Environment", "MemorySize")


class TestLatest:
    """Packages are downloaded, which moto does not give."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
        with cloud_session(tmp_path / "state") as (session, role):
            (tmp_path / "project").mkdir()
            yield session, Project(tmp_path / "project", role)

    def test_lambroll_weakness_latest_not_rolled_back(self, stage: tuple[Session, Project]) -> None:
        session, project = stage
        url = {"FunctionUrl": {"AuthType": "NONE"}}
        project.definition |= {"Timeout": 9, "Fn": url, "Tags": {"team": "a"}}
        project.deploy(session)
        project.code("second")
        project.definition |= {"Timeout": 20, "Environment": {"Variables": {"KEY": "value"}}}
        project.deploy(session)
        goal = deploy.find_target(session, "hello", "current")
        deploy.roll_back(session, "hello", goal, clock=no_time())
        assert differing(session, "hello", "1") == ("code", "Environment", "Timeout")
        calls = Calls(session)
        assert restore_latest(session, "hello", "1", "current", clock=no_time()) is True
        assert calls.writes == ["UpdateFunctionCode", "UpdateFunctionConfiguration", "TagResource"]
        assert differing(session, "hello", "1") == ()
        after = outcome(session)
        assert after["latest"] == after["served"]
        assert after["tags"].keys() == {"team", "fn:package", "fn:url"}
        assert deploy.status(session, "hello", "current").function_url is not None
        assert restore_latest(session, "hello", "1", "current", clock=no_time()) is False

    def test_the_next_deploy_of_that_state_changes_nothing(self, stage: tuple[Session, Project]) -> None:
        session, project = stage
        project.deploy(session)
        project.code("second")
        project.deploy(session)
        deploy.roll_back(session, "hello", deploy.find_target(session, "hello", "current"), clock=no_time())
        restore_latest(session, "hello", "1", "current", clock=no_time())
        project.code("first")
        assert project.plan(session).steps == ()

    def test_another_writer_in_between_is_not_overwritten(self, stage: tuple[Session, Project]) -> None:
        session, project = stage
        project.deploy(session)
        project.code("second")
        project.definition["MemorySize"] = 512
        project.deploy(session)

        def meddle(params: object, **_: object) -> None:
            session.control.meta.events.unregister("before-call.lambda.UpdateFunctionCode", meddle)
            session.control.update_function_configuration(FunctionName="hello", Timeout=77)

        session.control.meta.events.register("before-call.lambda.UpdateFunctionCode", meddle)
        with pytest.raises((DeployError, AwsError), match="somebody else changed the function"):
            restore_latest(session, "hello", "1", "current", clock=no_time())
        state = find_function(session.control, "hello")
        assert state is not None and state.configuration["Timeout"] == 77
