"""The pytest plugin, used as its users do: pytest in a process of its own, over a project of theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from cloud_support import client, make, served
from fnroll.cloud import carry

BOOTSTRAP = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(tr -d '\\r' </tmp/head | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  echo "heard $event" >&2
  case $event in
    *fail*) curl -sS -o /tmp/out "$api/$id/error" -d '{"errorType":"No","errorMessage":"asked to"}' ;;
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


def test_the_fixtures_deploy_and_invoke(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    definition = {
        "FunctionName": "hello",
        "Runtime": "provided.al2023",
        "Handler": "x",
        "Role": "arn:aws:iam::000000000000:role/x",
        "Timeout": 20,
        "Fn": {"FunctionUrl": {"AuthType": "NONE"}},
    }
    (project / "function.json").write_text(json.dumps(definition))
    (project / "bootstrap").write_text(BOOTSTRAP)
    (project / "bootstrap").chmod(0o755)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["fnroll.testing"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\nfn_directory = project\nfn_cloud = carried.zip\n")
    with served(tmp_path / "before") as (endpoint, _):
        make(client(endpoint), "carried")
    carry.export(tmp_path / "before", tmp_path / "carried.zip")
    (tmp_path / "test_hello.py").write_text(TESTS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FN_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=kept | {"FN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
