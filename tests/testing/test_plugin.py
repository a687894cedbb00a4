"""The pytest plugin, used as its users do: pytest in a process of its own, over a project of theirs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cloud_support import client, make, served
from fnroll.cloud import carry

DOCS = Path(__file__).resolve().parents[2] / "docs/testing.md"

BOOTSTRAP = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(tr -d '\\r' </tmp/head | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  echo "heard $event" >&2
  case $event in
    *fail*) curl -sS -o /tmp/out "$api/$id/error" -d '{"errorType":"No","errorMessage":"asked to"}' ;;
    *cloud*) curl -sS "$AWS_ENDPOINT_URL/.fn/health" | curl -sS -o /tmp/out "$api/$id/response" -d @- ;;
    *) curl -sS -o /tmp/out "$api/$id/response" -d "{\\"got\\":$event}" ;;
  esac
done
"""

TESTS = """
def test_it_answers(function):
    answer = function.invoke({"n": 1})
    assert (answer.payload, answer.error, answer.version) == ({"got": {"n": 1}}, None, "1")
    assert 'heard {"n": 1}' in answer.log
    assert function.url.startswith("http://")
    assert function.invoke(b'{"n":2}', qualifier="$LATEST").version == "$LATEST"

def test_an_error_is_told(function):
    answer = function.invoke("fail")
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "No")

def test_other_services_are_there(local_cloud, function):
    assert local_cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    assert local_cloud.client("lambda").get_function(FunctionName="carried")
    assert local_cloud.environment["AWS_ENDPOINT_URL"] == local_cloud.url
    groups = local_cloud.client("logs").describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/aws/lambda/hello"]
"""


def project(directory: Path, name: str, **members: Any) -> Path:
    directory.mkdir(parents=True)
    definition = {
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "x",
        "Role": "arn:aws:iam::000000000000:role/x",
        "Timeout": 20,
        **members,
    }
    (directory / "function.json").write_text(json.dumps(definition))
    (directory / "bootstrap").write_text(BOOTSTRAP)
    (directory / "bootstrap").chmod(0o755)
    return directory


class Ran:
    def __init__(self, root: Path, *words: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FN_", "PYTEST_"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *words],
            cwd=root,
            env=kept | {"FN_CACHE": str(root / "cache"), "FN_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        self.status, self.output = done.returncode, done.stdout + done.stderr

    def passed(self, number: int) -> None:
        assert self.status == 0 and f"{number} passed" in self.output, self.output


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh directory with the plugin switched on and no settings."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["fnroll.testing"]\n')
    return tmp_path


def test_the_fixtures_deploy_and_invoke(root: Path) -> None:
    project(root / "project", "hello", Fn={"FunctionUrl": {"AuthType": "NONE"}})
    (root / "pytest.ini").write_text("[pytest]\nfn_directory = project\nfn_cloud = carried.zip\n")
    with served(root / "before") as (endpoint, _):
        make(client(endpoint), "carried")
    carry.export(root / "before", root / "carried.zip")
    (root / "test_hello.py").write_text(TESTS)
    Ran(root).passed(3)


def documented() -> dict[str, str]:
    """The files that docs/testing.md shows, by the name in their first line."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", DOCS.read_text(), re.MULTILINE)
    parts = re.split(r"(?m)^# (\w+\.py)\n", "".join(textwrap.dedent(block) for block in blocks if "# " in block))
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name: text.partition("\nsteps:")[0] for name, text in found.items()}


@pytest.mark.parametrize("runtime", ["perl", "python"])
def test_what_the_documentation_shows_works_as_it_stands(tmp_path: Path, runtime: str) -> None:
    files = documented()
    assert list(files) == ["conftest.py", "test_hello.py", "test_both.py"]
    root = tmp_path / "hello"
    for home, name in ((tmp_path, "hello"), (root, "worker")):
        init = [sys.executable, "-m", "fnroll", "init", "--runtime", runtime, name]
        done = subprocess.run(init, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for name, text in files.items():
        (root / name).write_text(text)
    Ran(root).passed(2)


def test_every_worker_of_xdist_has_a_cloud_of_its_own(root: Path) -> None:
    project(root / "project", "hello")
    (root / "pytest.ini").write_text("[pytest]\nfn_directory = project\n")
    (root / "test_apart.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_it(function, local_cloud, number):\n"
        "    assert function.invoke({'n': number}).payload == {'got': {'n': number}}\n"
        "    assert function.invoke({}).version == '1', 'nobody else has deployed here'\n"
        "    pathlib.Path('urls').joinpath(os.environ['PYTEST_XDIST_WORKER']).write_text(local_cloud.url)\n"
    )
    (root / "urls").mkdir()
    Ran(root, "-n", "2", "--dist", "each").passed(8)
    urls = [path.read_text() for path in (root / "urls").iterdir()]
    assert len(urls) == len(set(urls)) == 2


def test_a_function_reaches_the_cloud_if_it_may(root: Path) -> None:
    project(root / "project", "hello")
    (root / "pytest.ini").write_text("[pytest]\nfn_directory = project\nfn_network = host\n")
    (root / "test_it.py").write_text(
        "def test_it(function, local_cloud):\n    assert function.invoke('cloud').payload['url'] == local_cloud.url\n"
    )
    Ran(root).passed(1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("fn_directory = project", r"function\.json:1:\d+: .*Timeuot.*\n(.*\n)*.*Timeout"),
        ("fn_directory = nowhere", "no function.json in "),
        ("fn_directory = project\nfn_cloud = missing.zip", "fn_cloud: .*missing.zip"),
    ],
)
def test_what_is_wrong_is_told_as_fn_tells_it(root: Path, settings: str, said: str) -> None:
    project(root / "project", "hello", Timeuot=3)
    (root / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
    (root / "test_it.py").write_text("def test_it(function):\n    pass\n")
    ran = Ran(root)
    assert ran.status == 1 and "1 error" in ran.output
    assert re.search(said, ran.output), ran.output
    assert "Traceback" not in ran.output and "framework/fnroll" not in ran.output


def test_a_test_that_deploys_something_wrong_is_shown_at_its_line(root: Path) -> None:
    project(root / "project", "hello", Timeuot=3)
    (root / "test_it.py").write_text(
        "from pathlib import Path\ndef test_it(local_cloud):\n    local_cloud.deploy(Path('project'))\n"
    )
    ran = Ran(root)
    assert ran.status == 1 and "1 failed" in ran.output
    assert "test_it.py:3: DefinitionError" in ran.output, ran.output
    assert "Timeuot" in ran.output and "fnroll/" not in ran.output
