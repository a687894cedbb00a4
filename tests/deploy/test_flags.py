"""lambroll's flags as they are typed, on the local cloud: those that no other test types.

docs/lambroll.md names the test of each flag; tests/house compares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project
from fnroll.cli.main import run

Said = tuple[str, str]
Command = Callable[..., Said]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    made = Project(tmp_path / "project", "arn:aws:iam::000000000000:role/fn")
    made.save()
    return made


@pytest.fixture
def fn(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`fn` in this process, in the project's directory: what it printed, on stdout and on stderr."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FN_", "LAMBROLL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(project.directory)

    def call(*words: str, status: int = 0) -> Said:
        capsys.readouterr()
        code = run([*words, "--local"])
        said = capsys.readouterr()
        assert code == status, said.err
        return said.out, said.err

    return call


def planned(fn: Command, *words: str) -> list[str]:
    return [step["kind"] for step in json.loads(fn("deploy", "--dry-run", "--output", "json", *words)[0])["steps"]]


def test_the_file_of_the_function_url_by_flag_and_beside_the_definition(fn: Command, project: Project) -> None:
    url: dict[str, Any] = {"Config": {"AuthType": "NONE"}}
    (project.directory / "urls").mkdir()
    (project.directory / "urls" / "f.json").write_text('{"Config": {"AuthType": "{{ env `A` `AWS_IAM` }}"}}')
    (project.directory / ".lambdaignore").write_text("urls\n")
    assert planned(fn, "--function-url", "urls/f.json") == [
        "create-function", "publish-version", "create-alias", "create-url",
    ]  # fmt: skip
    (project.directory / "function_url.json").write_text(json.dumps(url))
    done = json.loads(fn("deploy", "--output", "json")[0])
    assert done["function_url"] and done["steps"][-3:] == ["create-url", "allow", "allow"]
    assert planned(fn) == []
    (project.directory / "function_url.json").write_text('{"Config": {"AuthType": "NONE", "Qualifier": "current"}}')
    assert "create-url current: " in fn("deploy", "--dry-run")[0]
    assert "delete-url $LATEST: " in fn("deploy", "--dry-run")[0]
    (project.directory / "function_url.json").write_text(json.dumps(url))
    host = json.loads(fn("status", "--output", "json")[0])["function_url"].rpartition(":")[0]
    assert done["function_url"].startswith(f"{host}:"), "each command's own cloud has another port"
    assert fn("diff", "--exit-code")[0] == ""
    url["Config"]["Cors"] = {"AllowOrigins": ["*"]}
    (project.directory / "function_url.json").write_text(json.dumps(url))
    assert "update-url" in fn("diff", "--exit-code", status=2)[0]
    fn("deploy", "--skip-function")
    assert fn("diff", "--exit-code", "--function-url", "function_url.json")[0] == ""
    assert "missing.json" in fn("deploy", "--function-url", "missing.json", status=2)[1]


def test_what_of_a_deploy_is_left_out_and_where_the_alias_goes(fn: Command, project: Project) -> None:
    fn("deploy")
    project.code("second")
    project.definition["MemorySize"] = 512
    project.save()
    assert planned(fn, "--skip-configuration") == ["update-code", "publish-version", "tag", "move-alias"]
    assert planned(fn, "--no-publish") == ["update-code", "update-configuration", "tag"]
    assert planned(fn, "--alias-to-latest") == ["update-code", "update-configuration", "tag", "move-alias"]
    assert planned(fn, "--ignore", ".MemorySize") == ["update-code", "publish-version", "tag", "move-alias"]
    assert planned(fn, "--alias", "live")[-1] == "create-alias"


def test_code_and_source_of_a_diff(fn: Command, project: Project, tmp_path: Path) -> None:
    fn("deploy")
    assert fn("diff", "--exit-code", "--src", ".")[0] == ""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "bootstrap").write_text("other")
    assert "bootstrap" in fn("diff", "--code", "--exit-code", "--src", str(tmp_path / "other"), status=2)[0]
    assert fn("diff", "--no-code", "--exit-code", "--src", str(tmp_path / "other"))[0] == ""
    (project.directory / "rules").write_text("nothing\n")
    assert "rules" in fn("diff", "--exit-code", status=2)[0]
    (project.directory / "rules").write_text("rules\n")
    assert fn("diff", "--exit-code", "--exclude-file", "rules")[0] == ""


def test_an_alias_of_its_own_is_rolled_back(fn: Command, project: Project) -> None:
    fn("deploy", "--alias", "live")
    project.code("second")
    fn("deploy", "--alias", "live")
    assert "live would go from version 2 to version 1" in fn("rollback", "--alias", "live", "--dry-run")[1]
    fn("rollback", "--alias", "live")
    assert json.loads(fn("status", "--alias", "live", "--output", "json")[0])["aliases"] == {"live": {"1": 1.0}}


def test_what_an_archive_leaves_out_and_how_it_keeps_links(fn: Command, project: Project) -> None:
    from zipfile import ZipFile

    (project.directory / "link").symlink_to("bootstrap")
    (project.directory / "notes").write_text("x")
    (project.directory / "rules").write_text("notes\nrules\n*.zip\n")
    fn("archive", "--exclude-file", "rules", "--symlink", "--dest", "a.zip")
    with ZipFile(project.directory / "a.zip") as packed:
        assert sorted(packed.namelist()) == ["bootstrap", "link"]
        assert packed.read("link") == b"bootstrap"
