"""docs/github-actions.yml: the workflow that users copy. What it runs is run here, over a fresh project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "docs/github-actions.yml"


@pytest.fixture(scope="module")
def steps() -> list[dict[str, Any]]:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert set(workflow) == {"name", True, "permissions", "jobs"}, "`on` is a truth value to YAML 1.1"
    assert set(workflow[True]) == {"push", "pull_request"}
    (job,) = workflow["jobs"].values()
    assert job["runs-on"] == "ubuntu-latest"
    found: list[dict[str, Any]] = job["steps"]
    return found


def test_each_step_is_an_action_of_a_version_or_a_command(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        assert ("uses" in step) != ("run" in step), step
        assert set(step) <= {"uses", "with", "run"}
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
    (python,) = [step["with"]["python-version"] for step in steps if "with" in step]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert isinstance(python, str), "3.10 without quotes would be 3.1"
    assert [int(part) for part in python.split(".")] >= [int(part) for part in wanted.removeprefix(">=").split(".")]


def test_the_page_shows_the_same_steps(steps: list[dict[str, Any]]) -> None:
    text = (ROOT / "docs/testing.md").read_text()
    block = re.search(r"(?m)^    steps:\n(?:    .*\n)+", text)
    assert block is not None
    assert yaml.safe_load(textwrap.dedent(block[0]))["steps"] == steps


def test_what_it_installs_is_what_this_project_is(steps: list[dict[str, Any]]) -> None:
    (install,) = [step["run"] for step in steps if step.get("run", "").startswith("pip install ")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, extras = re.findall(r"'(\w+)\[([\w,]+)\]'", install)[0]
    assert name == project["name"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_its_commands_pass_over_a_fresh_project(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    """All but those that need root, or the package index."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FN_", "PYTEST_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = kept | {"PATH": path, "FN_CACHE": str(tmp_path / "cache"), "FN_STATE": str(tmp_path / "state")}
    project = tmp_path / "hello"
    subprocess.run(["fn", "init", "hello"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    (project / "conftest.py").write_text('pytest_plugins = ["fnroll.testing"]\n')
    (project / "test_hello.py").write_text(
        "def test_it(function):\n    assert function.invoke({'name': 'you'}).payload['message'] == 'Hello, you'\n"
    )
    commands = [step["run"] for step in steps if "run" in step]
    ours = [command for command in commands if command.split()[0] in ("fn", "pytest")]
    assert len(ours) == len(commands) - 2, "pip and sudo are not tried"
    for command in ours:
        done = subprocess.run(
            ["bash", "-e", "-c", command.replace("-n auto", "-n 2")],  # as many as there are, elsewhere
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
