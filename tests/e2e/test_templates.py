"""Every template as it stands: started, run in a sandbox, deployed to the local cloud, invoked, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e_support import Fn
from fnroll.layers import list_templates
from runtimes_support import missing_for


def ask(url: str, query: str) -> tuple[int, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    try:
        connection.request("GET", f"/?{query}", headers={"Host": parts.netloc})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("name", list_templates())
def test_a_template_answers_as_it_stands(name: str, fn: Fn, tmp_path: Path, cloud: str) -> None:
    if reason := missing_for(name):
        pytest.skip(reason)
    fn("init", "--runtime", name, "greeter")
    project = tmp_path / "greeter"
    if (project / "Makefile").exists():
        subprocess.run(["make"], cwd=project, check=True, capture_output=True)
    ran = fn("run", "--event", "event.json", cwd=project)
    assert "Hello, world" in json.loads(ran.stdout).get("body", json.loads(ran.stdout).get("message"))
    assert "[ERROR]" not in ran.stderr

    fn("deploy", "--local", cwd=project)
    if not name.endswith("-wsgi"):  # which takes requests alone
        answer = json.loads(fn("invoke", "--local", "-e", '{"name": "Ada"}', cwd=project).stdout)
        assert (answer["message"], answer["function"], answer["version"]) == ("Hello, Ada", "greeter", "1")
    url = json.loads(fn("status", "--local", "--output", "json", cwd=project).stdout)["function_url"]
    status, answer = ask(url, "name=Grace")
    assert (status, answer["message"]) == (200, "Hello, Grace")
