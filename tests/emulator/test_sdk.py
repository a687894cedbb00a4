"""AWS's SDK beside the client of the managed python runtimes: when a function gets it, and that it works from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archive_support import plant
from fnroll.emulator import entrypoint, sdk

CLIENT = {"bootstrap": b"#!/bin/sh\n", "bootstrap.py": b"", "conformance/x.py": b""}

WANTED = [
    ({"app.py": b"import boto3"}, None, True),
    ({"app.py": b"from botocore.config import Config"}, None, True),
    ({"deep/er/mod.py": b"boto3"}, None, True),
    ({"app.py": b"import json"}, None, False),
    ({"app.txt": b"boto3"}, None, False),
    ({"app.py": b"import boto3", "boto3/__init__.py": b""}, None, False),
    ({"app.py": b"import boto3"}, {"python/boto3/__init__.py": b""}, False),
    ({"app.py": b"import helper"}, {"python/helper.py": b"import boto3"}, True),
]


@pytest.mark.parametrize(("task", "opt", "answer"), WANTED)
def test_when_a_function_gets_it(
    tmp_path: Path, task: dict[str, bytes], opt: dict[str, bytes] | None, answer: bool
) -> None:
    plant(tmp_path / "task", task)
    if opt is not None:
        plant(tmp_path / "opt", opt)
    assert sdk.wanted(tmp_path / "task", tmp_path / "opt" if opt is not None else None) is answer


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "cache"))
    return plant(tmp_path / "client", CLIENT)


def test_a_function_that_imports_it_starts_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FN_CACHE", str(tmp_path / "cache"))
    task = plant(tmp_path / "task", {"app.py": b"import boto3"})
    plain = plant(tmp_path / "plain", {"app.py": b"import json"})
    equipped, bare = (entrypoint.find(where, None, "python3.11") for where in (task, plain))
    assert isinstance(equipped, entrypoint.Entrypoint) and isinstance(bare, entrypoint.Entrypoint)
    assert equipped.managed is not None and bare.managed is not None
    made = equipped.managed.directory
    assert not (bare.managed.directory / "boto3").exists()
    assert (made / "bootstrap").read_bytes() == (bare.managed.directory / "bootstrap").read_bytes()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import boto3; print(boto3.__file__, boto3.Session().region_name)"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"AWS_REGION": "x"})
    assert done.stdout.startswith(f"{made}/boto3/__init__.py ")
    assert list((made / "botocore").glob("__pycache__/session.*.pyc"))


def test_client_and_packages_lie_in_one_place_until_one_changes(client: Path) -> None:
    made = sdk.beside(client, Path(sys.executable), ("six",))
    assert (made / "bootstrap.py").is_file() and (made / "six.py").is_file()
    assert not (made / "conformance").exists()
    assert sdk.beside(client, Path(sys.executable), ("six",)) == made
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    (client / "bootstrap.py").write_text("# changed")
    assert sdk.beside(client, Path(sys.executable), ("six",)) != made


def test_without_the_packages_the_client_is_alone(client: Path) -> None:
    assert sdk.beside(client, Path(sys.executable), ("six", "no_such_package")) == client


def test_a_cache_that_cannot_be_written_leaves_the_client_alone(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = client.parent / "file"
    blocked.touch()
    monkeypatch.setenv("FN_CACHE", str(blocked))
    assert sdk.beside(client, Path(sys.executable)) == client
