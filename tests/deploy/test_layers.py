"""Layers of ours: published when their content is new, found again otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy_support import Calls, Project, cloud_session, moto_session, no_time
from fnroll import definition, deploy
from fnroll.archive import load_rules, pack, scan
from fnroll.aws import Session
from fnroll.aws.functions import get_function
from fnroll.aws.layers import layers
from fnroll.deploy import publish
from fnroll.errors import DeployError
from fnroll.layers import build


class Layered(Project):
    """A project with a directory as its layer."""

    def __init__(self, directory: Path, role: str) -> None:
        super().__init__(directory, role)
        (directory / "tools").mkdir()
        (directory / ".lambdaignore").write_text("tools/\n")
        self.definition["Layers"] = ["./tools"]
        self.tool("first")

    def tool(self, text: str) -> None:
        (self.directory / "tools" / "tool").write_text(text)

    def desired(self) -> deploy.Desired:
        super().desired()
        loaded = definition.load(self.directory, env={})
        package = pack(scan(self.directory, load_rules(self.directory)))
        return deploy.wanted(loaded, tuple(build(entry, self.directory) for entry in loaded.layers), package)


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Layered]]:
    opened = cloud_session(tmp_path / "state") if request.param == "cloud" else moto_session()
    with opened as (session, role):
        (tmp_path / "project").mkdir()
        yield session, Layered(tmp_path / "project", role)


def used(session: Session) -> list[str]:
    """The layer versions of $LATEST as NAME:VERSION."""
    return [arn.partition(":layer:")[2] for arn in get_function(session.control, "hello").layers]


def test_new_content_is_published_and_old_content_found(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    project.deploy(session)
    assert used(session) == ["tools:1"]
    project.tool("second")
    calls = Calls(session)
    project.deploy(session)
    assert used(session) == ["tools:2"]
    assert calls.writes[:2] == ["PublishLayerVersion", "UpdateFunctionConfiguration"]
    calls.sent.clear()
    project.tool("first")
    project.deploy(session)
    assert used(session) == ["tools:1"]
    assert "PublishLayerVersion" not in calls.writes


def test_an_unchanged_layer_costs_one_read(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    project.deploy(session)
    calls = Calls(session)
    assert project.deploy(session).changed is False
    assert calls.sent.count("GetLayerVersion") == 1
    assert len(calls.sent) == 4


def test_killed_after_the_layer_was_published_it_is_not_published_again(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    project.deploy(session)
    project.tool("second")
    plan = project.plan(session)
    deploy.apply(replace(plan, steps=plan.steps[:1]), session, clock=no_time())
    calls = Calls(session)
    project.deploy(session)
    assert "PublishLayerVersion" not in calls.writes
    assert used(session) == ["tools:2"]


def test_a_layer_version_deleted_under_the_function_is_published_anew(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    project.deploy(session)
    session.control.delete_layer_version(LayerName="tools", VersionNumber=1)
    assert project.plan(session).steps[0].kind == "publish-layer"


def test_a_layer_taken_out_of_the_file_is_taken_off_the_function(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    project.deploy(session)
    del project.definition["Layers"]
    project.deploy(session)
    assert used(session) == []


def test_a_layer_that_needs_this_machine_is_refused_off_the_local_cloud(tmp_path: Path) -> None:
    desired = Layered(tmp_path, "arn:aws:iam::000000000000:role/fn").desired()
    (layer,) = desired.layers
    assert not isinstance(layer, str)
    bound = replace(desired, layers=(replace(layer, self_contained=False),))
    deploy.refuse_host_runtimes(desired, local=False)
    deploy.refuse_host_runtimes(bound, local=True)
    with pytest.raises(DeployError, match="local cloud only"):
        deploy.refuse_host_runtimes(bound, local=False)


def test_a_layer_is_published_once_by_its_content(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    layer = build("./tools", project.directory)
    assert publish.find(session, layer) is None
    arn = publish.publish(session, layer)
    assert publish.find(session, layer) == arn
    assert [(one.name, one.version, one.arn) for one in layers(session.control)] == [("tools", 1, arn)]
    project.tool("other")
    assert publish.find(session, build("./tools", project.directory)) is None


def test_what_a_runtimes_layer_says_of_itself(stage: tuple[Session, Layered]) -> None:
    session, project = stage
    layer = replace(build("runtime:bash", project.directory), architecture="arm64")
    name, version = publish.publish(session, layer).split(":")[-2:]
    found = session.control.get_layer_version(LayerName=name, VersionNumber=int(version))
    assert found["LicenseInfo"] == "MIT"
    assert found["CompatibleRuntimes"] == ["provided.al2023"]
    assert found["CompatibleArchitectures"] == ["arm64"]
