"""The code signing configuration: put and taken away by calls of its own, and only where it is ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_support import Calls, Project, no_time, on_stage
from fnroll import deploy
from fnroll.aws import Session
from fnroll.aws.functions import state_of
from fnroll.deploy.diff import beside
from fnroll.deploy.ignored import parse
from fnroll.deploy.signing import MEMBER, SIGNING_TAG, signing_steps, untag_steps

ONE, TWO = (f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-{letter * 17}" for letter in "ab")


@pytest.mark.parametrize(
    ("wanted", "there", "tag", "steps"),
    [
        (None, None, None, []),
        (None, ONE, None, []),  # not ours
        (ONE, None, None, ["put-setting"]),
        (ONE, ONE, None, []),
        (ONE, ONE, ONE, []),
        (TWO, ONE, ONE, ["put-setting"]),
        (None, ONE, ONE, ["reset-setting", "untag"]),
        (None, TWO, ONE, ["untag"]),  # somebody's since
        (None, None, ONE, ["untag"]),
    ],
)
def test_the_steps(wanted: str | None, there: str | None, tag: str | None, steps: list[str]) -> None:
    state = state_of({"FunctionName": "f"}, {SIGNING_TAG: tag} if tag else {})
    now = {MEMBER: there} if there else {}
    found = [*signing_steps(wanted, False, state, now), *untag_steps(wanted, False, state)]
    assert [step.kind for step in found] == steps
    assert [*signing_steps(wanted, True, state, now), *untag_steps(wanted, True, state)] == []


@pytest.fixture
def local_stage(tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    with on_stage("cloud", tmp_path) as staged:
        yield staged


def made(session: Session) -> str:
    publisher = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/1"]}
    answer = session.control.create_code_signing_config(AllowedPublishers=publisher)
    return str(answer["CodeSigningConfig"]["CodeSigningConfigArn"])


def carried_out(session: Session, project: Project) -> list[str]:
    """What the deploy wrote, in order, once the diff has shown as much."""
    whole = project.plan(session)
    calls = Calls(session)
    deploy.apply(whole, session, clock=no_time())
    return calls.writes


def test_it_is_put_changed_and_taken_away(local_stage: tuple[Session, Project]) -> None:
    session, project = local_stage
    first, second = made(session), made(session)
    carried_out(session, project)

    project.definition[MEMBER] = first
    project.code("second")
    whole = project.plan(session)
    assert [step.target for step in beside(whole.desired, whole.actual, "current")] == [MEMBER]
    writes = carried_out(session, project)
    assert writes.index("PutFunctionCodeSigningConfig") < writes.index("UpdateFunctionCode")
    assert session.control.get_function_code_signing_config(FunctionName="hello")[MEMBER] == first
    assert carried_out(session, project) == []

    project.definition[MEMBER] = second
    assert [step.kind for step in project.plan(session).steps] == ["put-setting", "tag"]
    assert not project.plan(session, configuration=False).steps
    assert not project.plan(session, ignore=parse(f".{MEMBER}")).steps
    assert carried_out(session, project) == ["PutFunctionCodeSigningConfig", "TagResource"]

    del project.definition[MEMBER]
    assert not project.plan(session, ignore=parse(f".{MEMBER}")).steps
    assert carried_out(session, project) == ["DeleteFunctionCodeSigningConfig", "UntagResource"]
    assert MEMBER not in session.control.get_function_code_signing_config(FunctionName="hello")
    assert carried_out(session, project) == []

    session.control.put_function_code_signing_config(FunctionName="hello", CodeSigningConfigArn=first)
    assert carried_out(session, project) == []


def test_a_new_function_has_it_from_the_start(tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    project.definition[MEMBER] = ONE
    whole = deploy.plan(project.desired(), deploy.Actual(None), alias="current")
    [create] = [step for step in whole.steps if step.kind == "create-function"]
    assert MEMBER in create.sends["Members"]


def test_a_cloud_makes_a_new_function_with_it(local_stage: tuple[Session, Project]) -> None:
    session, project = local_stage
    project.definition[MEMBER] = made(session)
    carried_out(session, project)
    assert session.control.get_function_code_signing_config(FunctionName="hello")[MEMBER] == project.definition[MEMBER]
    assert carried_out(session, project) == []
