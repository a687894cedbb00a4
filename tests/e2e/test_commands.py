"""The smaller commands, each through the real process: what they print, where, and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from e2e_support import Fn


def test_render_prints_the_definition_as_it_would_be_sent(fn: Fn, hello: Path) -> None:
    done = fn("render", cwd=hello, FN_ROLE="arn:aws:iam::111111111111:role/mine")
    assert json.loads(done.stdout)["Role"] == "arn:aws:iam::111111111111:role/mine"


def test_validate_as_json_lists_every_finding_with_its_place(fn: Fn, hello: Path) -> None:
    path = hello / "function.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"MemorySze": 1, "Timeout": "x"}, indent=2))
    found = json.loads(fn("validate", "--output", "json", cwd=hello, status=1).stdout)
    assert found["valid"] is False
    assert {finding["file"] for finding in found["findings"]} == {"function.json"}
    assert len(found["findings"]) == 2


def test_schema_knows_lambdas_members_and_ours(fn: Fn, tmp_path: Path) -> None:
    schema = json.loads(fn("schema").stdout)
    assert {"FunctionName", "MemorySize", "Fn"} <= schema["properties"].keys()
    fn("schema", "--write")
    assert json.loads((tmp_path / "function.schema.json").read_text()) == schema


def test_archive_writes_the_same_bytes_twice(fn: Fn, hello: Path) -> None:
    fn("archive", "--dest", "one.zip", cwd=hello)
    (hello / "handler.pl").touch()
    (hello / "one.zip").rename(hello.parent / "one.zip")
    fn("archive", "--dest", "../two.zip", cwd=hello)
    assert (hello.parent / "one.zip").read_bytes() == (hello.parent / "two.zip").read_bytes()
    assert zipfile.ZipFile(hello.parent / "two.zip").namelist() == ["handler.pl"]
    listed = json.loads(fn("archive", "--list", "--output", "json", cwd=hello).stdout)
    assert [row["name"] for row in listed if row["in"] == "yes"] == ["handler.pl"]
    assert {row["rule"] for row in listed if row["name"] == "event.json"} == {".lambdaignore:3 (/event.json)"}


def test_runtimes_of_the_project_stand_beside_ours(fn: Fn, hello: Path) -> None:
    rows = json.loads(fn("runtime", "list", "--output", "json", cwd=hello).stdout)
    assert {"bash", "perl"} <= {row["name"] for row in rows}


def test_invoke_of_a_failing_function_is_exit_code_3(fn: Fn, hello: Path, cloud: str) -> None:
    (hello / "handler.pl").write_text('sub handle { die "no luck\\n" }\n')
    fn("deploy", "--local", cwd=hello)
    done = fn("invoke", "--local", "-e", "{}", cwd=hello, status=3)
    assert json.loads(done.stdout)["errorMessage"] == "no luck"
    assert "answered with an error" in done.stderr
    accepted = fn("invoke", "--local", "--async", "-e", "{}", cwd=hello)
    assert accepted.stdout == ""
    assert "202" in accepted.stderr
    aliases = json.loads(fn("alias", "list", "--local", "--output", "json", cwd=hello).stdout)
    assert [(row["name"], row["traffic"]) for row in aliases] == [("current", {"1": 1.0})]


def test_invoke_of_what_is_not_there_is_lambdas_own_404(fn: Fn, hello: Path, cloud: str) -> None:
    done = fn("invoke", "--local", cwd=hello, status=1)
    assert "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello" in done.stderr


def test_the_local_cloud_comes_up_once_and_goes_down(fn: Fn, cloud: str) -> None:
    status = json.loads(fn("local", "status", "--output", "json").stdout)
    assert (status["up"], status["url"]) == (True, cloud)
    assert "already up" in fn("local", "up", "--port", "0", status=1).stderr
    assert fn("local", "reset", "--yes", status=1).stderr.startswith("error: ")
    fn("local", "down")
    assert fn("local", "down").stderr == "no local cloud is up\n"
    fn("local", "reset", "--yes")


def test_state_survives_down_and_up_and_not_a_reset(fn: Fn, hello: Path) -> None:
    fn("deploy", "--local", cwd=hello)
    fn("status", "--local", cwd=hello)
    fn("local", "reset", "--yes")
    fn("status", "--local", cwd=hello, status=1)


def test_global_options_stand_before_or_after_the_command(fn: Fn, hello: Path, tmp_path: Path) -> None:
    for words in (("-C", str(hello), "render"), ("render", "-C", str(hello))):
        assert json.loads(fn(*words, cwd=tmp_path).stdout)["FunctionName"] == "hello"


def test_a_traceback_is_shown_only_on_request(fn: Fn, tmp_path: Path) -> None:
    assert "Traceback" not in fn("render", status=1).stderr
    assert "Traceback" in fn("render", "--debug", status=1).stderr


def test_a_closed_pipe_is_no_error(environment: dict[str, str], hello: Path) -> None:
    line = f"{sys.executable} -m fnroll schema | head -c 10"
    done = subprocess.run(line, shell=True, cwd=hello, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_layers_are_published_by_content_and_listed(fn: Fn, hello: Path, cloud: str) -> None:
    (hello / "tools").mkdir()
    (hello / "tools" / "tool").write_text("x")
    (first,) = json.loads(fn("layer", "publish", "./tools", "--local", "--output", "json", cwd=hello).stdout)
    (again,) = json.loads(fn("layer", "publish", "./tools", "--local", "--output", "json", cwd=hello).stdout)
    assert (first["state"], again["state"], first["arn"]) == ("published", "is there already", again["arn"])
    (row,) = json.loads(fn("layer", "list", "--local", "--output", "json", cwd=hello).stdout)
    assert (row["name"], row["version"], row["arn"]) == ("tools", 1, first["arn"])
    refused = fn("layer", "publish", "./tools", "--arch", "arm64", cwd=hello, status=2)
    assert "--arch is for runtimes" in refused.stderr


def test_init_from_another_tools_project(fn: Fn, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  Shop:\n    Type: AWS::Serverless::Function\n"
        "    Properties: {CodeUri: src, Handler: a.b, Runtime: python3.13, Curious: 1}\n"
    )
    done = fn("init", "--from", "sam")
    assert "Shop: Curious has no counterpart" in done.stderr
    assert json.loads((tmp_path / "src" / "function.json").read_text())["FunctionName"] == "Shop"
    assert "there already; nothing was written" in fn("init", "--from", "sam", status=2).stderr
    (tmp_path / "function.json").write_text("{}")
    (tmp_path / ".lambdaignore").write_text("secret*\n")
    fn("init", "--from", "lambroll")
    assert (tmp_path / ".lambdaignore").read_text() == "# ignore-style: lambroll\nsecret*\n"
