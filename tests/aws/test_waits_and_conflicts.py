"""What moto never does: conflicts, waits, failures, a role that is too new. Answers recorded in botocore's Stubber."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from deploy_support import Project, no_time
from fnroll import deploy
from fnroll.aws import AwsOptions, Session
from fnroll.aws.functions import state_of, update_code
from fnroll.aws.waits import ACTIVE, UPDATED, Wait, WaitEnded, WaitTimedOut, wait_for
from fnroll.errors import Conflict, DeployError, NotFound, PreconditionFailed

ARN = "arn:aws:lambda:us-east-1:000000000000:function:hello"


@pytest.fixture
def session() -> Session:
    return Session(AwsOptions(region="us-east-1", endpoint="http://127.0.0.1:1", local=True))


@pytest.fixture
def stub(session: Session) -> Iterator[Any]:
    with Stubber(session.control) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def state(**changes: Any) -> dict[str, Any]:
    defaults = {"FunctionName": "hello", "FunctionArn": ARN, "State": "Active", "LastUpdateStatus": "Successful"}
    return {"Configuration": {**defaults, "RevisionId": "r1", **changes}}


def test_a_wait_polls_until_it_is_done_and_says_why_it_waits(session: Session, stub: Any) -> None:
    for _ in range(2):  # what has not changed is told once
        stub.add_response("get_function", state(State="Pending", StateReason="The function is being created."))
    stub.add_response("get_function", state(LastUpdateStatus="InProgress"))
    stub.add_response("get_function", state(RevisionId="r9"))
    words: list[str] = []
    done = wait_for(session.control, "hello", UPDATED, clock=no_time(), progress=words.append)
    assert done.revision_id == "r9"
    assert "State Pending" in words[0]
    assert "The function is being created." in words[0]
    assert len(words) == 2


@pytest.mark.parametrize("dead", ["Failed", "Inactive", "Deactivated", "Deleting"])
def test_a_state_that_time_does_not_end_ends_the_wait_with_its_reason(session: Session, stub: Any, dead: str) -> None:
    stub.add_response("get_function", state(State=dead, StateReason="because"))
    with pytest.raises(WaitEnded, match="because"):
        wait_for(session.control, "hello", ACTIVE, clock=no_time())


def test_a_failed_update_ends_the_wait(session: Session, stub: Any) -> None:
    stub.add_response("get_function", state(LastUpdateStatus="Failed", LastUpdateStatusReason="bad image"))
    with pytest.raises(WaitEnded, match="bad image"):
        wait_for(session.control, "hello", UPDATED, clock=no_time())


def test_a_wait_has_a_limit(session: Session, stub: Any) -> None:
    wait = Wait("a long time", UPDATED.judge, 0.1)
    for _ in range(2):
        stub.add_response("get_function", state(State="Pending"))
    with pytest.raises(WaitTimedOut, match="a long time"):
        wait_for(session.control, "hello", wait, clock=no_time())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ResourceConflictException", 409, Conflict),
        ("PreconditionFailedException", 412, PreconditionFailed),
        ("ResourceNotFoundException", 404, NotFound),
    ],
)
def test_aws_errors_become_ours_at_the_border(
    session: Session, stub: Any, code: str, status: int, kind: type[Exception]
) -> None:
    stub.add_client_error("update_function_code", code, "no", status)
    with pytest.raises(kind, match="UpdateFunctionCode: no"):
        update_code(session.control, "hello", {"ZipFile": b""}, "r1")


def planned(tmp_path: Path) -> deploy.Plan:
    """A change of code and configuration, planned on revision r1."""
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    project.definition["MemorySize"] = 256
    desired = project.desired()
    there = state_of(state(CodeSha256="old", MemorySize=128)["Configuration"], {})
    return deploy.plan(desired, deploy.Actual(there), alias="current")


@pytest.mark.parametrize("code", ["ResourceConflictException", "PreconditionFailedException"])
def test_a_refused_write_stops_the_deploy_and_says_what_was_done(
    session: Session, stub: Any, tmp_path: Path, code: str
) -> None:
    stub.add_client_error("update_function_code", code, "no", 409)
    stub.add_response("get_function", state(CodeSha256="theirs", MemorySize=128))
    stub.add_response("get_function", state(LastModified="2026-01-02T03:04:05.000+0000"))
    with pytest.raises(DeployError) as caught:
        deploy.apply(planned(tmp_path), session, clock=no_time())
    said = str(caught.value)
    assert "somebody else changed the function" in said
    assert "done: nothing; not done: update-code, update-configuration" in said
    assert "last modified at 2026-01-02T03:04:05.000+0000" in said


def test_every_write_carries_the_revision_that_was_read_last(session: Session, stub: Any, tmp_path: Path) -> None:
    plan = planned(tmp_path)
    package = plan.desired.package
    assert package is not None
    code = {"FunctionName": "hello", "ZipFile": package.data, "RevisionId": "r1"}
    stub.add_response("update_function_code", state()["Configuration"], code)
    stub.add_response("get_function", state(LastUpdateStatus="InProgress", RevisionId="r2"))
    stub.add_response("get_function", state(CodeSha256=package.code_sha256, MemorySize=128, RevisionId="r3"))
    stub.add_client_error(
        "update_function_configuration",
        "PreconditionFailedException",
        "moved",
        412,
        expected_params={
            "FunctionName": "hello",
            "MemorySize": 256,
            "Role": plan.desired.configuration["Role"],
            "Runtime": "provided.al2023",
            "Handler": "h.h",
            "RevisionId": "r3",
        },
    )
    with pytest.raises(DeployError, match="done: update-code; not done: update-configuration"):
        deploy.apply(plan, session, clock=no_time())


def test_somebody_elses_code_between_our_write_and_our_read_is_seen(
    session: Session, stub: Any, tmp_path: Path
) -> None:
    stub.add_response("update_function_code", state()["Configuration"])
    stub.add_response("get_function", state(CodeSha256="theirs"))
    with pytest.raises(DeployError, match="which is not ours"):
        deploy.apply(planned(tmp_path), session, clock=no_time())


def test_a_role_made_a_moment_ago_is_tried_again_with_a_reason(session: Session, stub: Any, tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    plan = deploy.plan(project.desired(), deploy.Actual(None), alias="current")
    refusal = "The role defined for the function cannot be assumed by Lambda."
    for _ in range(2):
        stub.add_client_error("create_function", "InvalidParameterValueException", refusal, 400)
    stub.add_client_error("create_function", "InvalidParameterValueException", "something else", 400)
    told: list[str] = []
    with pytest.raises(DeployError, match="something else"):
        deploy.apply(plan, session, lambda event: told.append(event.text), clock=no_time())
    assert [text for text in told if "cannot be assumed" in text] == [
        "the role cannot be assumed by Lambda yet (try 1 of 12)",
        "the role cannot be assumed by Lambda yet (try 2 of 12)",
    ]


def test_the_alias_does_not_move_to_a_version_that_failed(session: Session, stub: Any, tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    desired = project.desired()
    package = desired.package
    assert package is not None
    sent = {key: value for key, value in desired.configuration.items() if value not in ("", [])}
    for block in ("VpcConfig", "DeadLetterConfig", "Environment"):
        sent.pop(block)
    there = state_of(state(CodeSha256=package.code_sha256, **sent)["Configuration"], {"fn:package": "x x"})
    plan = deploy.plan(desired, deploy.Actual(there), alias="current")
    assert [step.kind for step in plan.steps] == ["publish-version", "tag", "create-alias"]
    stub.add_response("publish_version", {"FunctionName": "hello", "Version": "7", "State": "Pending"})
    stub.add_response("get_function", state(State="Failed", StateReason="snapshot failed"))
    with pytest.raises(DeployError, match=r"snapshot failed[\s\S]*not done: publish-version, tag, create-alias"):
        deploy.apply(plan, session, clock=no_time())
