"""The process's environment variables, and which bootstrap it starts with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fnroll.emulator.api import FunctionConfig
from fnroll.emulator.entrypoint import Entrypoint, find
from fnroll.emulator.faults import Fault
from fnroll.emulator.variables import build
from fnroll.sandbox.api import Layout

LAMBDA = Layout("/var/task", "/opt", "/tmp", "169.254.100.1:9001")
STREAM = "2026/01/02/[$LATEST]0123"
CONFIG = FunctionConfig(
    name="hello",
    arn="arn:aws:lambda:eu-west-1:000000000000:function:hello",
    version="$LATEST",
    revision="1",
    task=Path("/nowhere"),
    handler="handler.handle",
    region="eu-west-1",
    environment={"STAGE": "test"},
    credentials={"AWS_ACCESS_KEY_ID": "fn", "AWS_SECRET_ACCESS_KEY": "fn", "AWS_SESSION_TOKEN": "fn"},
)

PROVIDED = {
    "AWS_ACCESS_KEY_ID": "fn",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_NAME": "hello",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
    "AWS_LAMBDA_LOG_STREAM_NAME": STREAM,
    "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001",
    "AWS_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "fn",
    "AWS_SESSION_TOKEN": "fn",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LANG": "en_US.UTF-8",
    "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "STAGE": "test",
    "TZ": ":UTC",
    "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
    "_AWS_XRAY_DAEMON_PORT": "2000",
    "_HANDLER": "handler.handle",
}

PYTHON = PROVIDED | {
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "LC_CTYPE": "C.UTF-8",
    "LD_LIBRARY_PATH": "/var/lang/lib:" + PROVIDED["LD_LIBRARY_PATH"],
    "PATH": "/var/lang/bin:" + PROVIDED["PATH"],
    "PWD": "/var/task",
    "PYTHONPATH": "/var/runtime",
    "SHLVL": "0",
}


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [("provided.al2023", PROVIDED), ("provided.al2", PROVIDED), ("python3.13", PYTHON)],
)
def test_the_whole_environment(runtime: str, expected: dict[str, str]) -> None:
    assert build(replace(CONFIG, runtime=runtime), LAMBDA, STREAM) == expected


def test_languages_differ() -> None:
    node = build(replace(CONFIG, runtime="nodejs22.x"), LAMBDA, STREAM)
    assert node["NODE_PATH"] == (
        "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    )
    java = build(replace(CONFIG, runtime="java21"), LAMBDA, STREAM)
    assert "SHLVL" not in java
    assert java["AWS_EXECUTION_ENV"] == "AWS_Lambda_java21"


def test_paths_come_from_the_layout() -> None:
    found = build(CONFIG, Layout("/home/me/task", "/home/me/opt", "/scratch", "127.0.0.1:5"), STREAM)
    assert found["TMPDIR"] == "/scratch"
    assert "TMPDIR" not in build(CONFIG, LAMBDA, STREAM)
    assert found["LAMBDA_TASK_ROOT"] == "/home/me/task"
    assert found["PATH"].endswith(":/home/me/opt/bin")
    assert found["LD_LIBRARY_PATH"].endswith(":/home/me/task:/home/me/task/lib:/home/me/opt/lib")
    assert found["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:5"


@pytest.mark.parametrize("name", ["PATH", "LANG", "LD_LIBRARY_PATH", "STAGE"])
def test_a_customer_may_replace_defaults(name: str) -> None:
    assert build(replace(CONFIG, environment={name: "mine"}), LAMBDA, STREAM)[name] == "mine"


@pytest.mark.parametrize("name", sorted(set(PROVIDED) - {"PATH", "LANG", "LD_LIBRARY_PATH", "STAGE"}))
def test_and_never_what_the_platform_tells(name: str) -> None:
    assert build(replace(CONFIG, environment={name: "mine"}), LAMBDA, STREAM)[name] == PROVIDED[name]


def test_without_a_handler_there_is_no_variable_for_it() -> None:
    assert "_HANDLER" not in build(replace(CONFIG, handler=None), LAMBDA, STREAM)


# bootstrap


def executable(path: Path, content: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(content)
    path.chmod(mode)


MISSING = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, MISSING),
        ({"task": (b"#!/bin/sh\n", 0o755)}, Entrypoint(in_opt=False)),
        ({"opt": (b"\x7fELF\x02", 0o755)}, Entrypoint(in_opt=True)),
        ({"task": (b"#!/bin/sh\n", 0o755), "opt": (b"#!/bin/sh\n", 0o755)}, Entrypoint(in_opt=False)),
        ({"task": (b"#!/bin/sh\n", 0o644)}, "fork/exec /var/task/bootstrap: permission denied"),
        ({"opt": (b"#!/bin/sh\n", 0o600)}, "fork/exec /opt/bootstrap: permission denied"),
        ({"task": (b"echo hello\n", 0o755)}, "fork/exec /var/task/bootstrap: exec format error"),
        ({"task": (b"", 0o755)}, "fork/exec /var/task/bootstrap: exec format error"),
    ],
    ids=["none", "task", "opt", "task-first", "no-x", "no-x-in-opt", "text", "empty"],
)
def test_the_bootstrap_that_is_started(tmp_path: Path, files, expected: Entrypoint | str) -> None:
    for place, (content, mode) in files.items():
        executable(tmp_path / place / "bootstrap", content, mode)
    found = find(tmp_path / "task", tmp_path / "opt")
    if isinstance(expected, str):
        assert isinstance(found, Fault)
        assert (found.type, found.message) == ("Runtime.InvalidEntrypoint", expected)
    else:
        assert found == expected


def test_a_directory_of_that_name_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "task" / "bootstrap").mkdir(parents=True)
    executable(tmp_path / "opt" / "bootstrap")
    assert find(tmp_path / "task", tmp_path / "opt") == Entrypoint(in_opt=True)
    assert isinstance(find(tmp_path / "task", None), Fault)


@pytest.mark.parametrize(
    ("link", "found"),
    [("bin/start", True), ("/opt/bin/start", True), ("/opt/bin/absent", False), ("bootstrap", False)],
    ids=["relative", "as-seen-inside", "dangling", "itself"],
)
def test_links_are_followed_as_the_function_would(tmp_path: Path, link: str, found: bool) -> None:
    executable(tmp_path / "layer" / "bin" / "start")
    (tmp_path / "layer" / "bootstrap").symlink_to(link)
    assert (find(tmp_path / "task", tmp_path / "layer") == Entrypoint(in_opt=True)) == found
