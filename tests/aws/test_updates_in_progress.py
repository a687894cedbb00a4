"""409 while a deploy runs: an update in progress is waited out, and then told from another writer. By Stubber."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from deploy_support import Project, no_time
from fnroll import deploy
from fnroll.aws import AwsOptions, Session
from fnroll.aws.functions import state_of
from fnroll.errors import DeployError

BUSY = ("ResourceConflictException", "An update is in progress for resource: arn", 409)
ROLE = "arn:aws:iam::000000000000:role/fn"


@pytest.fixture
def session() -> Session:
    return Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))


@pytest.fixture
def stub(session: Session) -> Iterator[Any]:
    with Stubber(session.control) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def desired(tmp_path: Path) -> deploy.Desired:
    project = Project(tmp_path, ROLE)
    project.definition["MemorySize"] = 256
    return project.desired()


def there(desired: deploy.Desired, **changes: Any) -> dict[str, Any]:
    """The function as it is before the deploy, less what `changes` says."""
    plain = {key: desired.configuration[key] for key in ("Role", "Runtime", "Handler", "MemorySize", "Timeout")}
    assert desired.package is not None
    plain |= {"FunctionName": "hello", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hello"}
    plain |= {"CodeSha256": desired.package.code_sha256, "State": "Active", "LastUpdateStatus": "Successful"}
    return plain | {"RevisionId": "r1"} | changes


def plan(desired: deploy.Desired, **changes: Any) -> deploy.Plan:
    """The first step alone, of a function that differs by `changes`."""
    whole = deploy.plan(desired, deploy.Actual(state_of(there(desired, **changes), {})), alias="current")
    return deploy.Plan(whole.desired, whole.actual, whole.alias, whole.steps[:1])


def test_an_update_that_left_everything_as_it_was_is_waited_out(
    session: Session, stub: Any, desired: deploy.Desired
) -> None:
    asked = {"FunctionName": "hello", "MemorySize": 256}
    stub.add_client_error("update_function_configuration", *BUSY, expected_params=asked | {"RevisionId": "r1"})
    running = there(desired, MemorySize=128, LastUpdateStatus="InProgress", RevisionId="r1")
    stub.add_response("get_function", {"Configuration": running})
    stub.add_response("get_function", {"Configuration": there(desired, MemorySize=128, RevisionId="r2")})
    stub.add_response("update_function_configuration", there(desired), asked | {"RevisionId": "r2"})
    stub.add_response("get_function", {"Configuration": there(desired, RevisionId="r3")})
    told: list[str] = []
    deploy.apply(plan(desired, MemorySize=128), session, lambda event: told.append(event.text), clock=no_time())
    assert "an update is in progress" in told


def test_our_own_write_whose_answer_was_lost_is_not_sent_again(
    session: Session, stub: Any, desired: deploy.Desired
) -> None:
    stub.add_client_error("update_function_code", *BUSY)
    for _ in range(2):
        stub.add_response("get_function", {"Configuration": there(desired, RevisionId="r2")})
    assert deploy.apply(plan(desired, CodeSha256="old"), session, clock=no_time()).changed


@pytest.mark.parametrize("theirs", [{"CodeSha256": "theirs"}, {"Timeout": 99}], ids=lambda change: next(iter(change)))
def test_what_somebody_else_wrote_stops_the_deploy(
    session: Session, stub: Any, desired: deploy.Desired, theirs: dict[str, Any]
) -> None:
    stub.add_client_error("update_function_code", *BUSY)
    after = there(desired, **{"CodeSha256": "old", "LastModified": "2026-01-02", **theirs})
    for _ in range(2):
        stub.add_response("get_function", {"Configuration": after})
    with pytest.raises(DeployError, match=r"somebody else changed[\s\S]*last modified at 2026-01-02"):
        deploy.apply(plan(desired, CodeSha256="old"), session, clock=no_time())


def test_a_version_is_published_after_the_update_that_was_in_the_way(
    session: Session, stub: Any, desired: deploy.Desired
) -> None:
    stub.add_client_error("publish_version", *BUSY)
    stub.add_response("get_function", {"Configuration": there(desired, RevisionId="r2")})
    asked = {"FunctionName": "hello", "CodeSha256": ANY, "Description": "", "RevisionId": "r2"}
    stub.add_response("publish_version", {"FunctionName": "hello", "Version": "4"}, asked)
    stub.add_response("get_function", {"Configuration": there(desired, Version="4")})
    assert deploy.apply(plan(desired), session, clock=no_time()).version == "4"


def test_a_role_made_a_moment_ago_is_waited_for_by_an_update_too(
    session: Session, stub: Any, desired: deploy.Desired
) -> None:
    refusal = "The role defined for the function cannot be assumed by Lambda."
    stub.add_client_error("update_function_configuration", "InvalidParameterValueException", refusal, 400)
    stub.add_response("update_function_configuration", there(desired))
    stub.add_response("get_function", {"Configuration": there(desired)})
    told: list[str] = []
    old = "arn:aws:iam::000000000000:role/old"
    deploy.apply(plan(desired, Role=old), session, lambda event: told.append(event.text), clock=no_time())
    assert "the role cannot be assumed by Lambda yet (try 1 of 12)" in told


def test_a_url_that_fails_after_the_first_alias_says_what_the_alias_serves(
    session: Session, stub: Any, tmp_path: Path
) -> None:
    project = Project(tmp_path, ROLE)
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    desired = project.desired()
    whole = deploy.plan(desired, deploy.Actual(state_of(there(desired), {})), alias="current")
    stub.add_response("publish_version", {"FunctionName": "hello", "Version": "1"})
    stub.add_response("get_function", {"Configuration": there(desired, Version="1")})
    stub.add_response("tag_resource", {})
    stub.add_response("create_alias", {"Name": "current", "FunctionVersion": "1"})
    stub.add_client_error("create_function_url_config", "AccessDeniedException", "not you", 403)
    with pytest.raises(DeployError, match="alias current is new and serves 1 now") as caught:
        deploy.apply(whole, session, clock=no_time())
    assert "lambda:CreateFunctionUrlConfig" in str(caught.value)


def test_a_lost_race_for_the_alias_says_where_it_is_now(session: Session, stub: Any, desired: deploy.Desired) -> None:
    from fnroll.aws import AliasState

    alias = AliasState("current", "3", {}, "", "a1", "arn")
    served = state_of(there(desired, Version="3", CodeSha256="old"))
    whole = deploy.plan(desired, deploy.Actual(state_of(there(desired), None), alias, served), alias="current")
    assert [step.kind for step in whole.steps] == ["publish-version", "move-alias"]
    stub.add_response("publish_version", {"FunctionName": "hello", "Version": "5"})
    stub.add_response("get_function", {"Configuration": there(desired, Version="5")})
    moving = {"FunctionName": "hello", "Name": "current", "FunctionVersion": "5", "RevisionId": "a1"}
    stub.add_client_error("update_alias", "PreconditionFailedException", "stale", 412, expected_params=moving)
    for _ in ("whether it is ours", "what it serves"):
        stub.add_response("get_alias", {"Name": "current", "FunctionVersion": "4"})
    with pytest.raises(DeployError, match="alias current serves 4 now"):
        deploy.apply(whole, session, clock=no_time())
