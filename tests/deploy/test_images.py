"""Functions that are container images: a given Code.ImageUri, and what a zip function can never become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy_support import cloud_session, no_time
from fnroll import definition, deploy
from fnroll.aws import AliasState, FunctionState
from fnroll.aws.functions import state_of
from fnroll.errors import DeployError

URI = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello:{}"


def wanted(directory: Path, **members: Any) -> deploy.Desired:
    base = {"FunctionName": "hello", "Role": "arn:aws:iam::123456789012:role/fn"}
    (directory / "function.json").write_text(json.dumps(base | members))
    return deploy.wanted(definition.load(directory, env={}), (), None)


def image(directory: Path, tag: str = "1", **members: Any) -> deploy.Desired:
    return wanted(directory, PackageType="Image", Code={"ImageUri": URI.format(tag)}, **members)


def answered(tag: str = "1", version: str = "$LATEST", **changes: Any) -> FunctionState:
    configuration = {"FunctionName": "hello", "Version": version, "PackageType": "Image", "State": "Active"}
    configuration |= {"Role": "arn:aws:iam::123456789012:role/fn", "CodeSha256": "the resolved digest"}
    return state_of(configuration | changes, {}, URI.format(tag))


def plan(desired: deploy.Desired, latest: FunctionState | None, served: FunctionState | None = None) -> deploy.Plan:
    alias = AliasState("current", served.version, {}, "", "a1", "arn") if served else None
    return deploy.plan(desired, deploy.Actual(latest, alias, served), alias="current")


def test_it_is_created_from_its_address(tmp_path: Path) -> None:
    found = plan(image(tmp_path), None)
    assert [step.kind for step in found.steps] == ["create-function", "publish-version", "create-alias"]
    assert found.steps[0].sends["Code"] == {"ImageUri": URI.format("1")}
    assert "Handler" not in found.steps[0].sends["Members"]


def test_the_same_address_is_no_difference_and_another_is_the_code(tmp_path: Path) -> None:
    desired = image(tmp_path)
    assert plan(desired, answered(), answered(version="1")).steps == ()
    found = plan(image(tmp_path, "2"), answered(), answered(version="1"))
    assert [step.kind for step in found.steps] == ["update-code", "publish-version", "move-alias"]
    assert found.steps[0].sends["Code"] == {"ImageUri": URI.format("2")}


def test_what_starts_it_is_reset_when_it_is_taken_out_of_the_file(tmp_path: Path) -> None:
    there = {"ImageConfigResponse": {"ImageConfig": {"Command": ["a.b"]}}}
    said = image(tmp_path, ImageConfig={"Command": ["a.b"]})
    assert plan(said, answered(**there), answered(version="1", **there)).steps == ()
    found = plan(image(tmp_path), answered(**there), answered(version="1", **there))
    assert [(step.kind, step.sends) for step in found.steps][:1] == [("update-configuration", {"ImageConfig": {}})]


@pytest.mark.parametrize(
    ("deployed", "becomes"), [("Zip", "an image"), ("Image", "a zip")], ids=["zip to image", "image to zip"]
)
def test_one_does_not_become_the_other_and_the_way_out_is_said(deployed: str, becomes: str, tmp_path: Path) -> None:
    zipped = {"Runtime": "provided.al2023", "Handler": "h.h", "Code": {"S3Bucket": "bucket", "S3Key": "key"}}
    desired = image(tmp_path) if becomes == "an image" else wanted(tmp_path, **zipped)
    with pytest.raises(DeployError, match=f"is a {deployed} function; Lambda cannot change that") as caught:
        plan(desired, answered(PackageType=deployed))
    assert caught.value.hint == "delete the function first, or give this one another name"


def test_an_image_function_is_deployed_and_changed(tmp_path: Path) -> None:
    # Not on moto: it looks the image up in its own registry, which wants manifests and layers put there first.
    with cloud_session(tmp_path / "state") as (session, _):
        for tag in ("1", "2"):
            desired = image(tmp_path, tag, ImageConfig={"Command": [f"app.{tag}"]})
            found = deploy.plan(desired, deploy.read_actual(session, desired, "current"), alias="current")
            assert deploy.apply(found, session, clock=no_time()).version == tag
            actual = deploy.read_actual(session, desired, "current")
            assert deploy.plan(desired, actual, alias="current").steps == ()
            assert actual.served is not None and actual.served.image_uri == URI.format(tag)
