"""Flag, option file, variable, default: what counts, seen from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e_support import Fn

DEFINITION = "{{ env `A` `unset` }}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "function.json").write_text(json.dumps({"FunctionName": "f", "Description": DEFINITION}))
    (directory / "other.json").write_text(json.dumps({"FunctionName": "other"}))
    return directory


def name(fn: Fn, project: Path, *words: str, **env: str) -> str:
    found: str = json.loads(fn("render", *words, cwd=project, **env).stdout)["FunctionName"]
    return found


def test_a_flag_counts_more_than_the_file_and_that_more_than_a_variable(fn: Fn, project: Path) -> None:
    (project / "o.json").write_text('{"function": "other.json"}')
    assert name(fn, project) == "f"
    assert name(fn, project, LAMBROLL_FUNCTION="other.json") == "other"
    assert name(fn, project, "--option", "o.json", FN_FUNCTION="function.json") == "other"
    assert name(fn, project, "--option", "o.json", "--function", "function.json") == "f"
    assert name(fn, project, LAMBROLL_OPTION="o.json") == "other"


def test_a_commands_own_options(fn: Fn, project: Path) -> None:
    (project / "o.json").write_text('{"validate": {"output": "json"}, "diff": {"external": "false"}}')
    found = fn("--option", "o.json", "validate", cwd=project, status=1)
    assert json.loads(found.stdout)["valid"] is False
    assert fn("validate", "--option", "o.json", "--output", "table", cwd=project, status=1).stdout == ""


def test_environment_files_reach_templates_and_the_options(fn: Fn, project: Path) -> None:
    (project / "e.env").write_text("A=from the file\nFN_FUNCTION=function.json")
    for words in (["--envfile", "e.env", "render"], ["render", "--envfile=e.env"]):
        done = fn(*words, cwd=project, A="from outside", FN_FUNCTION="other.json")
        assert json.loads(done.stdout)["Description"] == "from the file"


def test_external_variables_are_laid_over_the_files_name_by_name(fn: Fn, project: Path) -> None:
    pytest.importorskip("_gojsonnet")
    (project / "function.json").unlink()
    (project / "function.jsonnet").write_text(
        "{FunctionName: std.extVar('a') + std.extVar('b') + std.extVar('n'), MemorySize: std.extVar('m')}"
    )
    (project / "o.json").write_text('{"ext_str": {"a": "a", "b": "b"}, "ext_code": {"m": "64 * 2", "n": "1"}}')
    words = ["--ext-str", "b=B", "--ext-code=n=local x = 2; x + 1"]
    found = json.loads(fn("--option", "o.json", "render", *words, cwd=project).stdout)
    assert found == {"FunctionName": "aB3", "MemorySize": 128}
    env = {"LAMBROLL_EXTSTR": "a=x;b=y", "LAMBROLL_EXTCODE": "m=1;n=2"}
    assert json.loads(fn("render", cwd=project, **env).stdout) == {"FunctionName": "xy2", "MemorySize": 1}


def test_how_much_is_said_and_as_what(fn: Fn, project: Path) -> None:
    (project / "function.json").write_text('{"FunctionName": "f", "Description": "{{ env `A` }}"}')
    assert "warning" in fn("render", cwd=project).stderr
    assert fn("render", "--log-level", "error", cwd=project).stderr == ""
    (record,) = map(json.loads, fn("render", "--log-format", "json", cwd=project).stderr.splitlines())
    assert (record["level"], "A is unset" in record["message"]) == ("warn", True)


def test_states_and_what_is_looked_up_is_told_on_request(fn: Fn, project: Path) -> None:
    state = {"version": 4, "outputs": {"x": {"value": "v", "type": "string"}}, "resources": []}
    (project / "terraform.tfstate").write_text(json.dumps(state))
    (project / "function.json").write_text(
        '{"FunctionName": "{{ tfstate `output.x` }}{{ up_tfstatef `output.%s` `x` }}"}'
    )
    words = ["--tfstate", "terraform.tfstate", "--prefixed-tfstate", "up_=terraform.tfstate"]
    done = fn("render", *words, "--log-level=debug", cwd=project)
    assert json.loads(done.stdout)["FunctionName"] == "vv"
    assert done.stderr.startswith("looked up state terraform.tfstate in ")
    done = fn("render", cwd=project, LAMBROLL_TFSTATE="no.tfstate", LAMBROLL_PREFIXED_TFSTATE="up_=x;z=y", status=1)
    assert "no.tfstate: cannot be read: No such file" in done.stderr


def test_lookups_of_the_local_cloud(fn: Fn, project: Path) -> None:
    (project / "function.json").write_text('{"FunctionName": "f{{ caller_identity.Account }}"}')
    assert json.loads(fn("render", "--local", cwd=project).stdout)["FunctionName"] == "f000000000000"
