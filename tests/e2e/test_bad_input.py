"""Bad input: one clear message, exit code 1 or 2, nothing changed."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from e2e_support import Fn
from fnroll import places


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def write(project: Path, **members: object) -> None:
    path = project / "function.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | members, indent=2))


def broken_json(project: Path) -> None:
    (project / "function.json").write_text('{\n  "FunctionName": "hello",\n  "Handler" "handler.handle"\n}\n')


def no_definition(project: Path) -> None:
    (project / "function.json").unlink()


def unknown_key(project: Path) -> None:
    write(project, MemorySze=256)


def missing_handler(project: Path) -> None:
    write(project, Handler="nothere.handle")


def ignored_handler(project: Path) -> None:
    (project / ".lambdaignore").write_text("*.pl\n")


def unknown_runtime(project: Path) -> None:
    write(project, Layers=["runtime:perll"])


CASES = [
    (no_definition, ["no function.json", "fn init"]),
    (broken_json, ["function.json:3:13", "':'"]),
    (unknown_key, ["MemorySze", "MemorySize", "function.json:"]),
    (missing_handler, ["nothere.pl", "nothere.handle"]),
    (ignored_handler, ["handler.pl", ".lambdaignore"]),
    (unknown_runtime, ["perll", "perl"]),
]


@pytest.mark.parametrize("command", [["run", "-e", "{}"], ["deploy", "--local"], ["validate"]], ids=lambda c: c[0])
@pytest.mark.parametrize(("damage", "words"), CASES, ids=[case[0].__name__ for case in CASES])
def test_one_clear_message_and_nothing_changed(fn: Fn, hello: Path, command: list[str], damage, words) -> None:
    damage(hello)
    before = tree(hello)
    done = fn(*command, cwd=hello, status=1)
    for word in words:
        assert word in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    assert tree(hello) == before
    assert json.loads(fn("local", "status", "--output", "json", status=1).stdout)["up"] is False


def test_a_handler_that_does_not_compile_shows_perls_own_words(fn: Fn, hello: Path) -> None:
    (hello / "handler.pl").write_text("use strict;\nsub handle {\n    my $x = ;\n}\n")
    done = fn("run", "-e", "{}", cwd=hello, status=3)
    payload = json.loads(done.stdout)
    assert payload["errorType"] == "Runtime.UserCodeSyntaxError"
    assert "syntax error at" in payload["errorMessage"]
    assert "handler.pl line 3" in payload["errorMessage"]
    assert "handler.pl line 3" in done.stderr


def test_a_port_in_use_is_named(fn: Fn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = fn("local", "up", "--port", str(port), status=1)
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deply"], "Did you mean 'deploy'?"),
        (["deploy", "--local", "--endpoint", "http://127.0.0.1:1"], "exclude each other"),
        (["run", "--env", "novalue"], "NAME=VALUE"),
        (["invoke", "--async", "--stream"], "exclude each other"),
        (["run", "--event", "absent.json"], "absent.json"),
        (["local", "reset"], "--yes"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_exit_code_2(fn: Fn, hello: Path, words: list[str], message: str) -> None:
    assert message in fn(*words, cwd=hello, status=2).stderr


def test_a_runtime_layer_without_a_recipe_goes_nowhere_but_to_the_local_cloud(fn: Fn, hello: Path) -> None:
    own = hello / "runtimes" / "perl"
    shutil.copytree(places.share_dir("runtimes") / "perl", own)
    manifest = json.loads((own / "runtime.json").read_text())
    del manifest["layer"]
    (own / "runtime.json").write_text(json.dumps(manifest))
    done = fn("deploy", "--endpoint", "http://127.0.0.1:9", "--region", "us-east-1", cwd=hello, status=1)
    assert "runtime:perl" in done.stderr
    assert "local cloud" in done.stderr


def test_init_refuses_a_directory_that_holds_something(fn: Fn, hello: Path) -> None:
    before = tree(hello)
    done = fn("init", "hello", status=1)
    assert "hello" in done.stderr
    assert tree(hello) == before
