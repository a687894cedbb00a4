"""`fn rollback` as a process: what it says of the way back, and of what stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e_support import Fn


@pytest.fixture
def deployed(fn: Fn, hello: Path, cloud: str) -> Path:
    """Three versions, each with a file of its own, on a local cloud that is up."""
    for number in (1, 2, 3):
        (hello / "data.txt").write_text(f"number {number}")
        fn("deploy", "--local", cwd=hello)
    return hello


def latest_sha(fn: Fn, project: Path) -> str:
    rows = json.loads(fn("versions", "--local", "--output", "json", cwd=project).stdout)
    return str(next(row["code_sha256"] for row in rows if row["version"] == "$LATEST"))


def test_the_history_is_listed_and_followed(fn: Fn, deployed: Path) -> None:
    rows = json.loads(fn("rollback", "--local", "--list", "--output", "json", cwd=deployed).stdout)
    assert [(row["steps"], row["version"]) for row in rows] == [(0, "3"), (1, "2"), (2, "1")]
    assert "serves now" in fn("rollback", "--local", "--list", cwd=deployed).stdout
    dry = fn("rollback", "--local", "--steps", "2", "--dry-run", "--delete-version", cwd=deployed)
    assert dry.stderr.splitlines() == [
        "current would go from version 3 to version 1",
        "$LATEST differs from version 1 in: code; it would stay as it is",
        "version 3 would be deleted",
    ]
    done = fn("rollback", "--local", "--steps", "2", "--output", "json", cwd=deployed)
    assert json.loads(done.stdout) == {
        "function": "hello",
        "alias": "current",
        "version": "1",
        "previous": "3",
        "latest_differs_in": ["code"],
        "latest_restored": False,
        "deleted": None,
    }
    assert "fn rollback --version 1 --restore-latest" in done.stderr
    again = fn("rollback", "--local", cwd=deployed, status=1)
    assert "nothing is known to have been served before version 1" in again.stderr


def test_latest_and_the_version_that_was_left(fn: Fn, deployed: Path) -> None:
    bad = latest_sha(fn, deployed)
    done = fn("rollback", "--local", "--restore-latest", "--delete-version", cwd=deployed)
    assert "current serves version 2 of hello again (was 3)" in done.stderr
    assert "$LATEST is version 2 again" in done.stderr
    assert "version 3 is deleted" in done.stderr
    rows = json.loads(fn("versions", "--local", "--output", "json", cwd=deployed).stdout)
    assert [row["version"] for row in rows] == ["1", "2", "$LATEST"]
    assert latest_sha(fn, deployed) != bad
    (deployed / "data.txt").write_text("number 2")
    assert "no changes" in fn("deploy", "--local", cwd=deployed).stderr


def test_latest_may_be_restored_afterwards(fn: Fn, deployed: Path) -> None:
    fn("rollback", "--local", cwd=deployed)
    words = ("rollback", "--local", "--version", "2", "--restore-latest")
    assert "$LATEST is version 2 again" in fn(*words, cwd=deployed).stderr
    assert "$LATEST is version 2 already" in fn(*words, cwd=deployed).stderr
    assert "serves version 2 already" in fn(*words[:-1], cwd=deployed, status=1).stderr
    assert "cannot be deleted" in fn(*words, "--delete-version", cwd=deployed, status=1).stderr


def test_options_that_exclude_each_other(fn: Fn, hello: Path) -> None:
    done = fn("rollback", "--steps", "2", "--version", "1", "--endpoint", "http://127.0.0.1:1", cwd=hello, status=2)
    assert "--steps and --version exclude each other" in done.stderr
