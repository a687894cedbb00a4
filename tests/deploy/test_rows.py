"""Status, versions, the way back and the way out, through real clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.stub import Stubber

from deploy_support import Project, cloud_session, moto_session, no_time
from fnroll import deploy
from fnroll.aws import AliasState, AwsOptions, Session
from fnroll.aws.functions import delete_function, state_of
from fnroll.aws.invoke import invoke
from fnroll.aws.waits import WaitEnded
from fnroll.deploy.rollback import target
from fnroll.errors import DeployError, NotFound


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    opened = cloud_session(tmp_path / "state") if request.param == "cloud" else moto_session()
    with opened as (session, role):
        (tmp_path / "project").mkdir()
        project = Project(tmp_path / "project", role)
        project.definition |= {"Description": "says hello", "Fn": {"FunctionUrl": {"AuthType": "NONE"}}}
        project.deploy(session)
        project.code("second")
        project.deploy(session)
        yield session, project


def test_status_says_what_serves_and_where(stage: tuple[Session, Project]) -> None:
    session, project = stage
    found = deploy.status(session, "hello", "current")
    package = project.desired().package
    assert package is not None
    assert (found.name, found.state, found.code_sha256) == ("hello", "Active", package.code_sha256)
    assert {name: dict(traffic) for name, traffic in found.aliases.items()} == {"current": {"2": 1.0}}
    assert found.function_url is not None and "lambda-url" in found.function_url
    assert (found.runtime, found.memory_mb, found.timeout, found.layers) == ("provided.al2023", 128, 3, ())


def test_versions_come_oldest_first_with_the_users_words(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    rows = deploy.versions(session, "hello")
    assert [(row.version, row.aliases) for row in rows] == [("1", ()), ("2", ("current",)), ("$LATEST", ())]
    assert {row.description for row in rows} == {"says hello"}


def test_what_is_deleted_is_gone(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    delete_function(session.control, "hello")
    with pytest.raises(NotFound):
        deploy.status(session, "hello", "current")
    with pytest.raises(NotFound):
        deploy.find_target(session, "hello", "current")
    with pytest.raises(NotFound):
        invoke(session.invoker, "hello", b"{}")


def test_a_split_alias_goes_back_only_to_a_version_that_is_named(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    session.control.update_alias(
        FunctionName="hello", Name="current", RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}}
    )
    with pytest.raises(DeployError, match="splits its traffic") as caught:
        deploy.find_target(session, "hello", "current")
    assert "--version" in (caught.value.hint or "")
    goal = deploy.find_target(session, "hello", "current", "2")
    assert deploy.roll_back(session, "hello", goal, clock=no_time()).weights == {}


def test_a_rollback_carries_the_revision_it_was_decided_on_and_goes_to_an_active_version_only() -> None:
    session = Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))
    rows = [state_of({"FunctionName": "hello", "Version": version}) for version in ("1", "2")]
    goal = target(AliasState("current", "2", {}, "", "a7", "arn"), rows, "1")
    with Stubber(session.control) as stub:
        idle = {"FunctionName": "hello", "State": "Inactive", "StateReason": "The function is idle"}
        stub.add_response("get_function", {"Configuration": idle}, {"FunctionName": "hello", "Qualifier": "1"})
        with pytest.raises(WaitEnded, match="idle"):
            deploy.roll_back(session, "hello", goal, clock=no_time())
        stub.add_response("get_function", {"Configuration": idle | {"State": "Active"}})
        moving = {"FunctionName": "hello", "Name": "current", "FunctionVersion": "1", "RevisionId": "a7"}
        stub.add_response("update_alias", {"Name": "current", "FunctionVersion": "1"}, moving)
        assert deploy.roll_back(session, "hello", goal, clock=no_time()).version == "1"
        stub.assert_no_pending_responses()
