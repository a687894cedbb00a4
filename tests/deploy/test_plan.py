"""The plan as a table: what is wanted, what is there, which steps. Pure; nothing answers here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project
from fnroll import deploy
from fnroll.archive import Package
from fnroll.aws import AliasState, FunctionState
from fnroll.aws.functions import state_of
from fnroll.deploy.desired import differences, package_mark
from fnroll.deploy.plan import previous_of, with_record, without_record
from fnroll.deploy.urls import Door
from fnroll.errors import DeployError

ROLE = "arn:aws:iam::000000000000:role/fn"


@pytest.fixture
def desired(tmp_path: Path) -> deploy.Desired:
    return Project(tmp_path, ROLE).desired()


def deployed(desired: deploy.Desired, version: str = "$LATEST", **changes: Any) -> FunctionState:
    """A function as AWS would answer it after a deploy of `desired`, with changes; empty blocks are left out."""
    package = desired.package
    assert package is not None
    configuration: dict[str, Any] = {
        "FunctionName": desired.name,
        "Version": version,
        "CodeSha256": package.code_sha256,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "RevisionId": "r1",
        **{key: value for key, value in desired.configuration.items() if value not in ("", [])},
    }
    for block in ("VpcConfig", "DeadLetterConfig", "Environment"):
        configuration.pop(block)
    configuration["SnapStart"] = {"ApplyOn": "None", "OptimizationStatus": "Off"}
    return state_of(configuration | changes, {"fn:package": package_mark(package)})


def alias(version: str = "1", weights: Mapping[str, float] | None = None) -> AliasState:
    return AliasState("current", version, weights or {}, "", "a1", "arn")


def kinds(desired: deploy.Desired, actual: deploy.Actual) -> list[str]:
    return [step.kind for step in deploy.plan(desired, actual, alias="current").steps]


def test_nothing_there(desired: deploy.Desired) -> None:
    assert kinds(desired, deploy.Actual(None)) == ["create-function", "publish-version", "create-alias"]


def test_nothing_to_do(desired: deploy.Desired) -> None:
    actual = deploy.Actual(deployed(desired), alias(), deployed(desired, "1"))
    assert kinds(desired, actual) == []


@pytest.mark.parametrize(
    ("latest", "served", "steps"),
    [
        ({"CodeSha256": "x"}, {"CodeSha256": "x"}, ["update-code", "publish-version", "move-alias"]),
        ({"MemorySize": 1}, {"MemorySize": 1}, ["update-configuration", "publish-version", "move-alias"]),
        ({}, {"MemorySize": 1}, ["publish-version", "move-alias"]),
        ({"MemorySize": 1}, {}, ["update-configuration"]),
        ({"Environment": {"Variables": {"GONE": "1"}}}, {}, ["update-configuration"]),
        ({"VpcConfig": {"SubnetIds": ["s"], "SecurityGroupIds": [], "VpcId": "v"}}, {}, ["update-configuration"]),
        ({"Layers": [{"Arn": "arn:aws:lambda:r:a:layer:l:1"}]}, {}, ["update-configuration"]),
        ({"Architectures": ["arm64"]}, {"Architectures": ["arm64"]}, []),
        ({}, {"Description": "(fn:previous=7)"}, []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_differs_is_updated_and_nothing_else(
    desired: deploy.Desired, latest: dict[str, Any], served: dict[str, Any], steps: list[str]
) -> None:
    actual = deploy.Actual(deployed(desired, **latest), alias(), deployed(desired, "1", **served))
    assert kinds(desired, actual) == steps


def test_the_alias_moves_last_and_its_url_before_it(tmp_path: Path) -> None:
    project = Project(tmp_path, ROLE)
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    desired = project.desired()
    old = {"CodeSha256": "x"}
    actual = deploy.Actual(deployed(desired, **old), alias(), deployed(desired, "1", **old))
    found = kinds(desired, actual)
    assert found[-1] == "move-alias"
    assert found[-4:-1] == ["create-url", "allow", "allow"]


def test_permissions_of_others_are_never_touched(tmp_path: Path) -> None:
    project = Project(tmp_path, ROLE)
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "AWS_IAM"}}
    desired = project.desired()
    actual = deploy.Actual(
        deployed(desired),
        alias(),
        deployed(desired, "1"),
        doors={"current": Door(sids=frozenset({"s3-event", "fn-url-old", "lambroll-1"}))},
    )
    plan = deploy.plan(desired, actual, alias="current")
    removed = [step.sends["StatementId"] for step in plan.steps if step.kind == "disallow"]
    assert removed == ["fn-url-old"]


def test_a_new_compressor_uploads_nothing(desired: deploy.Desired) -> None:
    package = desired.package
    assert package is not None
    old = replace(package, code_sha256="old-compressor")
    before = state_of({**deployed(desired).configuration, "CodeSha256": "old-compressor"}, {"fn:package": mark(old)})
    served = replace(before, version="1", tags=None)
    assert kinds(desired, deploy.Actual(before, alias(), served)) == []


def mark(package: Package) -> str:
    return package_mark(package)


def test_a_zip_function_does_not_become_an_image(desired: deploy.Desired) -> None:
    state = deployed(desired, PackageType="Image")
    with pytest.raises(DeployError, match="Image function"):
        deploy.plan(desired, deploy.Actual(state), alias="current")


def test_what_the_api_adds_is_no_difference(desired: deploy.Desired) -> None:
    answered = {**deployed(desired).configuration, "TracingConfig": {"Mode": "PassThrough", "New": 1}}
    assert differences(desired, answered) == {}


@pytest.mark.parametrize(
    ("description", "previous", "record"),
    [
        ("", None, ""),
        ("words", None, "words"),
        ("", "3", "(fn:previous=3)"),
        ("words", "12", "words (fn:previous=12)"),
        ("x" * 300, "3", "x" * 240 + " (fn:previous=3)"),
        ("words", "$LATEST", "words"),
    ],
)
def test_the_record_of_what_was_served_before(description: str, previous: str | None, record: str) -> None:
    written = with_record(description, previous)
    assert written == record
    assert len(written) <= 300 if previous is None else len(written) <= 256
    assert previous_of(written) == (previous if previous != "$LATEST" else None)
    assert without_record(written) == description[: len(without_record(written))]
