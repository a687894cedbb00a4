"""Plans over what other tools, crashes and failures leave behind. Pure; nothing answers here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project
from fnroll import deploy
from fnroll.aws import AliasState, FunctionState, FunctionUrl
from fnroll.aws.functions import state_of
from fnroll.deploy.desired import package_mark
from fnroll.deploy.urls import Door
from fnroll.errors import DeployError

ROLE = "arn:aws:iam::000000000000:role/fn"
TEXT = "words " * 42  # 252 characters: no room for the record beside them


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, ROLE)


def as_deployed(desired: deploy.Desired, version: str = "$LATEST", **changes: Any) -> FunctionState:
    package = desired.package
    assert package is not None
    plain = {key: desired.configuration[key] for key in ("Role", "Runtime", "Handler", "MemorySize", "Timeout")}
    plain |= {"FunctionName": desired.name, "Version": version, "CodeSha256": package.code_sha256}
    plain |= {"Description": desired.description, "State": "Active", "LastUpdateStatus": "Successful"}
    return state_of(
        plain | changes,
        {"fn:package": package_mark(package), **({"fn:url": "current"} if desired.url is not None else {})},
    )


def plan(desired: deploy.Desired, latest: FunctionState, served: FunctionState, **more: Any) -> deploy.Plan:
    alias = AliasState("current", served.version, {}, "", "a1", "arn")
    return deploy.plan(desired, deploy.Actual(latest, alias, served, **more), alias="current")


def kinds(found: deploy.Plan) -> list[str]:
    return [step.kind for step in found.steps]


@pytest.mark.parametrize("key", ["State", "LastUpdateStatus"])
def test_a_failed_function_gets_its_code_again(project: Project, key: str) -> None:
    desired = project.desired()
    failed = as_deployed(desired, **{key: "Failed", "MemorySize": 1, f"{key}Reason": "no such key"})
    found = plan(desired, failed, as_deployed(desired, "1", MemorySize=1))
    assert kinds(found) == ["update-code", "update-configuration", "publish-version", "move-alias"]
    assert "no such key" in found.steps[0].reason


def test_an_alias_at_latest_is_moved_to_a_version(project: Project) -> None:
    desired = project.desired()
    assert kinds(plan(desired, as_deployed(desired), as_deployed(desired))) == ["publish-version", "move-alias"]


def test_a_mark_that_a_killed_deploy_left_behind_is_set_right(project: Project) -> None:
    desired = project.desired()
    latest = state_of(as_deployed(desired).configuration, {"fn:package": "tree-of-before sha-of-before"})
    found = plan(desired, latest, as_deployed(desired, "1"))
    assert kinds(found) == ["tag"]
    assert desired.package is not None
    assert found.steps[0].sends == {"Tags": {"fn:package": package_mark(desired.package)}}


@pytest.mark.parametrize("text", [TEXT, "words", ""], ids=["too long for the record", "short", "none"])
def test_a_description_with_its_record_is_no_difference(project: Project, text: str) -> None:
    project.definition["Description"] = text
    desired = project.desired()
    first = plan(desired, as_deployed(desired), as_deployed(desired, "3", MemorySize=1))
    published = first.steps[0].sends["Description"]
    assert published != text
    assert kinds(plan(desired, as_deployed(desired), as_deployed(desired, "4", Description=published))) == []


def test_another_description_is_a_difference(project: Project) -> None:
    project.definition["Description"] = "new words"
    desired = project.desired()
    served = as_deployed(desired, "4", Description="old words (fn:previous=3)")
    assert kinds(plan(desired, as_deployed(desired), served)) == ["publish-version", "move-alias"]


def test_what_lambda_cannot_change_is_refused_before_anything_is_sent(project: Project) -> None:
    desired = project.desired()
    there = as_deployed(desired, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    with pytest.raises(DeployError, match="TenancyConfig"):
        plan(desired, there, as_deployed(desired, "1"))


@pytest.mark.parametrize(
    ("said", "deployed", "steps"),
    [
        ({"AllowOrigins": ["b", "a"]}, {"AllowOrigins": ["a", "b"], "AllowCredentials": False, "MaxAge": 0}, []),
        ({"AllowHeaders": ["X-One"]}, {"AllowHeaders": ["x-one"]}, []),
        ({"AllowOrigins": ["a"]}, {}, ["update-url"]),
        (None, {"AllowOrigins": ["a"]}, ["update-url"]),
        ({"MaxAge": 5}, {"MaxAge": 6}, ["update-url"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_cors_is_compared_by_what_it_says(
    project: Project, said: dict[str, Any] | None, deployed: dict[str, Any], steps: list[str]
) -> None:
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "AWS_IAM"} | ({} if said is None else {"Cors": said})}
    desired = project.desired()
    url = FunctionUrl("https://x/", "AWS_IAM", deployed, "BUFFERED")
    found = plan(desired, as_deployed(desired), as_deployed(desired, "1"), doors={"current": Door(url)})
    assert kinds(found) == steps
    assert all("Cors" in step.sends for step in found.steps), "an update without Cors would keep the old one"


def test_no_secret_is_in_the_repr_of_a_plan(project: Project) -> None:
    project.definition["Environment"] = {"Variables": {"TOKEN": "s3cr3t"}}
    desired = project.desired()
    found = plan(desired, as_deployed(desired), as_deployed(desired, "1"))
    assert kinds(found)[0] == "update-configuration"
    assert "s3cr3t" not in repr(found)


def test_tags_of_aws_and_our_own_are_left_when_the_file_has_none(project: Project) -> None:
    project.definition["Tags"] = {}
    desired = project.desired()
    latest = as_deployed(desired)
    tags = {**(latest.tags or {}), "aws:cloudformation:stack-name": "x", "team": "gone"}
    found = plan(desired, state_of(latest.configuration, tags), as_deployed(desired, "1"))
    assert [(step.kind, step.sends) for step in found.steps] == [("untag", {"TagKeys": ["team"]})]
