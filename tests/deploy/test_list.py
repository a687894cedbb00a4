"""Listing functions: pages, tags, and a definition of each, from answers of botocore's Stubber and from servers."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from deploy_support import Project, cloud_session, moto_session
from fnroll import definition, deploy
from fnroll.aws import AwsOptions, Session
from fnroll.aws.functions import find_function, list_functions, list_tags
from fnroll.cli import main
from fnroll.deploy.described import described
from fnroll.deploy.inspect import belongings


def stage(where: str, tmp_path: Path) -> AbstractContextManager[tuple[Session, str]]:
    return cloud_session(tmp_path / "state") if where == "cloud" else moto_session()


def test_lambroll_weakness_list_of_more_than_fifty_functions_loops_for_ever() -> None:
    session = Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))
    first = [{"FunctionName": f"f{number}"} for number in range(50)]
    with Stubber(session.control) as stub:
        stub.add_response("list_functions", {"Functions": first, "NextMarker": "m"}, {})
        stub.add_response("list_functions", {"Functions": [{"FunctionName": "last"}]}, {"Marker": "m"})
        names = [state.name for state in list_functions(session.control)]
        stub.assert_no_pending_responses()
    assert names == [*(f"f{number}" for number in range(50)), "last"]


@pytest.fixture(autouse=True)
def a_user_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "FN_", "LAMBROLL_"))]:
        monkeypatch.delenv(name)
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def run(endpoint: str, *words: str, status: int = 0) -> str:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main.run(["list", "--endpoint", endpoint, *words])
    assert code == status, err.getvalue()
    return out.getvalue() if status == 0 else err.getvalue()


@pytest.mark.parametrize("where", ["cloud", "moto"])
def test_functions_are_found_by_name_runtime_and_tag(where: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with stage(where, tmp_path) as (session, role):
        project = Project(tmp_path / "project", role)
        for name, runtime, tags in (
            ("api-one", "provided.al2023", {"team": "a"}),
            ("api-two", "python3.12", {"team": "b"}),
            ("worker", "python3.13", {}),
        ):
            project.definition |= {"FunctionName": name, "Runtime": runtime, "Tags": tags}
            project.deploy(session)
        endpoint = session.options.endpoint or ""

        def names(*words: str) -> list[str]:
            return [row["name"] for row in json.loads(run(endpoint, "--output", "json", *words))]

        assert names() == ["api-one", "api-two", "worker"]
        assert names("api-*") == ["api-one", "api-two"]
        assert names("worker", "api-one") == ["api-one", "worker"]
        assert names("--runtime", "python*") == ["api-two", "worker"]
        assert names("--tag", "team") == ["api-one", "api-two"]
        assert names("--tag", "team=b", "--runtime", "python*") == ["api-two"]
        assert names("nothing") == []
        assert [line.split("\t")[0] for line in run(endpoint, "--output", "tsv").splitlines()] == names()
        assert "has no key" in run(endpoint, "--tag", "=x", status=2)


@pytest.mark.parametrize("where", ["cloud", "moto"])
def test_a_listed_definition_deploys_without_a_difference(where: str, tmp_path: Path) -> None:
    """--output definitions, lambroll's format: what is printed is a function.json of what is deployed."""
    (tmp_path / "project").mkdir()
    with stage(where, tmp_path) as (session, role):
        project = Project(tmp_path / "project", role)
        project.definition |= {
            "Description": "mine",
            "MemorySize": 256,
            "Environment": {"Variables": {"KEY": "", "OTHER": "x"}},
            "Tags": {"team": "a", "empty": ""},
        }
        project.deploy(session)
        listed = json.loads(run(session.options.endpoint or "", "--output", "definitions"))
        assert listed["Description"] == "mine"
        assert listed["Environment"] == {"Variables": {"KEY": "", "OTHER": "x"}}
        project.definition = listed
        definition.load(project.directory, env={})
        assert project.plan(session).steps == ()


def test_what_aws_adds_by_itself_is_no_part_of_a_definition() -> None:
    answered: dict[str, Any] = {
        "FunctionName": "f",
        "FunctionArn": "arn",
        "Description": "words (fn:previous=3)",
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "Layers": [{"Arn": "arn:layer:1", "CodeSize": 3}],
        "ImageConfigResponse": {"ImageConfig": {"Command": ["x"]}},
        "Environment": {"Variables": {"A": ""}, "Error": {"ErrorCode": "x"}},
        "State": "Active",
        "CodeSha256": "x",
    }
    assert described(answered, {"team": "a", "aws:cloudformation:stack-name": "s"}) == {
        "FunctionName": "f",
        "Description": "words",
        "SnapStart": {"ApplyOn": "None"},
        "Layers": ["arn:layer:1"],
        "ImageConfig": {"Command": ["x"]},
        "Environment": {"Variables": {"A": ""}},
        "Tags": {"team": "a"},
    }


@pytest.mark.parametrize("where", ["cloud", "moto"])
def test_what_a_deletion_takes_and_leaves(where: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with stage(where, tmp_path) as (session, role):
        project = Project(tmp_path / "project", role)
        project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
        if where == "cloud":  # moto knows no LoggingConfig
            project.definition["LoggingConfig"] = {"LogGroup": "mine"}
        project.deploy(session)
        found = belongings(session, "hello")
        assert (found.versions, found.aliases) == (("1",), ("current",))
        # moto has one URL a function, whatever the qualifier
        assert list(found.urls) == (["current"] if where == "cloud" else ["", "current"])
        assert found.sources == {}
        state = find_function(session.control, "hello")
        assert state is not None and "fn:package" in list_tags(session.control, state.arn)
        assert found.log_group == ("mine" if where == "cloud" else "/aws/lambda/hello")


@pytest.mark.parametrize("where", ["cloud", "moto"])
def test_status_of_a_version_is_that_versions(where: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with stage(where, tmp_path) as (session, role):
        project = Project(tmp_path / "project", role)
        project.deploy(session)
        project.definition["MemorySize"] = 512
        project.deploy(session)
        then, now = deploy.status(session, "hello", "current", "1"), deploy.status(session, "hello", "current")
        assert (then.version, then.memory_mb, now.version, now.memory_mb) == ("1", 128, "$LATEST", 512)
        rows = {row.version: row for row in deploy.versions(session, "hello")}
        assert (rows["2"].traffic, rows["2"].previous, rows["1"].previous) == ({"current": 1.0}, "1", None)
