"""lambroll's function_url.json: where the URL stands, who may call it, and what goes when the file says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project, no_time, on_stage
from fnroll import definition, deploy
from fnroll.aws import FunctionUrl, Session
from fnroll.aws.functions import find_function, state_of
from fnroll.aws.urls import find_url, policy_sids
from fnroll.deploy.desired import URL_TAG, undeployed
from fnroll.deploy.diff import beside
from fnroll.deploy.url_file import url_of
from fnroll.deploy.urls import Door, Url, as_tag, places_of, url_statements
from fnroll.errors import DefinitionError, UsageError

OAC = {"Principal": "cloudfront.amazonaws.com", "SourceArn": "arn:aws:cloudfront::1:distribution/A"}


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    with on_stage(request.param, tmp_path) as opened:
        yield opened


def read(directory: Path, document: Any) -> Url:
    path = directory / "function_url.json"
    path.write_text(json.dumps(document))
    rendered = definition.render(path, {})
    return url_of(rendered.value, rendered.places, "hello")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"Config": {"AuthType": "NONE"}}, Url({"AuthType": "NONE"}, "$LATEST", None, True)),
        (
            {"Config": {"AuthType": "AWS_IAM", "Qualifier": "live", "FunctionName": "hello"}, "Permissions": [OAC]},
            Url({"AuthType": "AWS_IAM"}, "live", (OAC,), True),
        ),
        ({"Config": {"AuthType": "NONE"}, "Permissions": []}, Url({"AuthType": "NONE"}, "$LATEST", None, True)),
    ],
)
def test_what_the_file_says(document: Any, expected: Url, tmp_path: Path) -> None:
    assert read(tmp_path, document) == expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, 'missing key "Config"'),
        ({"Config": {}}, 'missing key "AuthType"'),
        ({"Config": {"AuthType": "IAM"}}, 'AuthType "IAM" is not known'),
        ({"Config": {"AuthType": "NONE", "InvokeMode": "X"}}, 'InvokeMode "X" is not known'),
        ({"Config": {"AuthType": "NONE", "Corz": {}}}, "Corz"),
        ({"Config": {"AuthType": "NONE", "FunctionName": "other"}}, "is not the function's name"),
        ({"Config": {"AuthType": "NONE"}, "Permissions": [{"SourceArn": "x"}]}, 'missing key "Principal"'),
        ([], "object"),
    ],
)
def test_what_is_wrong_in_it_is_said(document: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=said) as raised:
        read(tmp_path, document)
    assert "function_url.json:1" in str(raised.value)


def test_a_url_defined_twice_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    (tmp_path / "function.json").write_text(json.dumps(project.definition))
    loaded = definition.load(tmp_path, env={})
    with pytest.raises(UsageError, match="defined twice"):
        deploy.wanted(loaded, (), None, Url({"AuthType": "NONE"}))


def test_an_ignored_url_stays_as_it_is(tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    state = state_of({"FunctionName": "hello"}, {URL_TAG: "current"})
    desired = undeployed(project.desired(), state, {}, deploy.parse_ignored(".Fn.FunctionUrl"))
    doors = {"current": Door(FunctionUrl("https://x/", "AWS_IAM", {}, "BUFFERED"), frozenset({"fn-url-1"}))}
    found = [step.kind for step in beside(desired, deploy.Actual(state, doors=doors), "current")]
    assert found == []


def test_each_caller_gets_both_statements() -> None:
    found = url_statements("AWS_IAM", [OAC])
    assert [(one["Action"], one["SourceArn"]) for one in found] == [
        ("lambda:InvokeFunctionUrl", OAC["SourceArn"]),
        ("lambda:InvokeFunction", OAC["SourceArn"]),
    ]
    assert found[0]["FunctionUrlAuthType"] == "AWS_IAM"
    assert found[1]["InvokedViaFunctionUrl"] is True


def test_the_tag_holds_what_a_tag_may_hold() -> None:
    places = frozenset({"$LATEST", "live", "current"})
    assert as_tag(places) == "@LATEST current live"
    assert places_of(as_tag(places)) == places
    assert places_of("") == frozenset()


def plan(session: Session, project: Project, url: Url | None, **more: Any) -> deploy.Plan:
    desired = replace(project.desired(), url=url, **more)
    return deploy.plan(desired, deploy.read_actual(session, desired, "current"), alias="current")


def steps(found: deploy.Plan) -> list[tuple[str, str]]:
    return [(step.kind, step.target) for step in found.steps]


def carry_out(session: Session, found: deploy.Plan) -> deploy.Result:
    return deploy.apply(found, session, clock=no_time())


def tag(session: Session) -> str | None:
    state = find_function(session.control, "hello")
    assert state is not None
    return (state.tags or {}).get(URL_TAG)


def test_a_lambroll_url_keeps_its_address_and_lambrolls_grants_become_ours(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.deploy(session)
    made = session.control.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"]
    for sid in ("lambroll-1", "s3"):
        session.control.add_permission(
            FunctionName="hello", StatementId=sid, Action="lambda:InvokeFunctionUrl", Principal="*",
            FunctionUrlAuthType="NONE",
        )  # fmt: skip
    url = Url({"AuthType": "NONE"}, "$LATEST", None, True)
    found = plan(session, project, url)
    assert steps(found) == [("tag", ""), *[(kind, "$LATEST") for kind in ("allow", "allow", "disallow")]]
    assert carry_out(session, found).function_url == made
    sids = policy_sids(session.control, "hello", None)
    assert {"s3"} < sids and "lambroll-1" not in sids and len(sids) == 3
    assert tag(session) == "@LATEST"
    assert plan(session, project, url).steps == ()


def test_a_url_that_moves_to_the_alias_stands_there_before_the_old_one_goes(tmp_path: Path) -> None:
    # Not on moto: it has one URL for a function, whatever the qualifier.
    with on_stage("cloud", tmp_path) as (session, project):
        move_to_the_alias(session, project)


def move_to_the_alias(session: Session, project: Project) -> None:
    carry_out(session, plan(session, project, Url({"AuthType": "AWS_IAM"}, "$LATEST")))
    assert find_url(session.control, "hello", None) is not None
    on_alias = Url({"AuthType": "AWS_IAM"}, "current")
    found = plan(session, project, on_alias)
    assert steps(found) == [("tag", ""), ("create-url", "current"), ("delete-url", "$LATEST"), ("tag", "")]
    there = carry_out(session, found).function_url
    alias_url = find_url(session.control, "hello", "current")
    assert alias_url is not None and there == alias_url.url
    assert find_url(session.control, "hello", None) is None
    assert tag(session) == "current"
    assert plan(session, project, on_alias).steps == ()
    assert plan(session, project, None, url_stays=True).steps == ()
    gone = plan(session, project, None)
    assert steps(gone) == [("delete-url", "current"), ("untag", "")]
    carry_out(session, gone)
    assert plan(session, project, None).steps == ()


def test_without_an_alias_a_url_of_latest_does_not_wait(stage: tuple[Session, Project]) -> None:
    session, project = stage
    wishes = deploy.Wishes(publish=False)
    desired = replace(project.desired(), url=Url({"AuthType": "NONE"}, "$LATEST"))
    found = deploy.plan(
        desired, deploy.read_actual(session, desired, "current", wishes), alias="current", wishes=wishes
    )
    assert (found.notes, [step.kind for step in found.steps]) == (
        (),
        ["create-function", "create-url", "allow", "allow"],
    )
