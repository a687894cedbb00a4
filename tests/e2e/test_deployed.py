"""Commands on what is deployed, as processes: status with drift, versions with pruning, delete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e_support import Fn


@pytest.fixture
def deployed(fn: Fn, hello: Path, cloud: str) -> Path:
    """Four versions on a local cloud that is up."""
    for number in range(1, 5):
        (hello / "data.txt").write_text(f"number {number}")
        fn("deploy", "--local", cwd=hello)
    return hello


def test_status_tells_the_drift_of_the_working_tree(fn: Fn, deployed: Path) -> None:
    assert "Working tree     as deployed" in fn("status", "--local", cwd=deployed).stdout
    (deployed / "data.txt").write_text("changed")
    path = deployed / "function.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"MemorySize": 1024}))
    assert "Working tree     differs in code, MemorySize" in fn("status", "--local", cwd=deployed).stdout
    found = json.loads(fn("status", "--local", "--output", "json", "--qualifier", "1", cwd=deployed).stdout)
    assert (found["version"], found["drift"]["differs_in"]) == ("1", ["code", "MemorySize"])
    assert found["aliases"] == {"current": {"4": 1.0}}
    (deployed / "handler.pl").unlink()
    done = fn("status", "--local", cwd=deployed)
    assert "Working tree     not compared: " in done.stdout and "handler.pl does not exist" in done.stdout
    assert "Working tree" not in fn("status", "--local", "--no-drift", cwd=deployed).stdout


def test_lambroll_weakness_pruning_meets_an_aliased_version(fn: Fn, deployed: Path) -> None:
    """There the whole command fails at it. Here what is in use stays, and so does the way back."""

    def numbers() -> list[str]:
        return [
            row["version"] for row in json.loads(fn("versions", "--local", "--output", "json", cwd=deployed).stdout)
        ]

    fn("rollback", "--local", "--version", "2", cwd=deployed)
    dry = fn("versions", "--local", "--delete", "--keep-versions", "1", "--dry-run", cwd=deployed)
    assert dry.stderr == "would delete 1 version of hello: 3\n"
    assert numbers() == ["1", "2", "3", "4", "$LATEST"]
    refused = fn("versions", "--local", "--delete", "--keep-versions", "1", cwd=deployed, status=2)
    assert "add --yes" in refused.stderr
    fn("versions", "--local", "--delete", "--keep-versions", "1", "--yes", cwd=deployed)
    assert numbers() == ["1", "2", "4", "$LATEST"]
    again = fn("versions", "--local", "--delete", "--keep-versions", "1", "--yes", cwd=deployed)
    assert "nothing to delete" in again.stderr
    assert "needs --keep-versions" in fn("versions", "--delete", cwd=deployed, status=2).stderr
    assert "go with --delete" in fn("versions", "--keep-versions", "3", cwd=deployed, status=2).stderr


def test_versions_say_who_routes_to_them_and_what_was_before(fn: Fn, deployed: Path) -> None:
    rows = [line.split("\t") for line in fn("versions", "--local", "--output", "tsv", cwd=deployed).stdout.splitlines()]
    assert [(row[0], row[1], row[4]) for row in rows] == [
        ("1", "", ""),
        ("2", "", "1"),
        ("3", "", "2"),
        ("4", "current", "3"),
        ("$LATEST", "", ""),
    ]


def test_delete_shows_what_goes_and_asks(fn: Fn, deployed: Path) -> None:
    dry = fn("delete", "--local", "--dry-run", "--output", "json", cwd=deployed)
    assert "goes   the function hello with 4 published versions (1, 2, 3, 4)" in dry.stderr
    assert "goes   the alias current" in dry.stderr
    assert "goes   the URL http" in dry.stderr
    assert "stays  the log group /aws/lambda/hello" in dry.stderr
    found = json.loads(dry.stdout)
    assert (found["versions"], found["deleted"]) == (["1", "2", "3", "4"], False)
    assert "add --yes" in fn("delete", "--local", cwd=deployed, status=2).stderr
    fn("status", "--local", cwd=deployed)
    fn("delete", "--local", "--force", cwd=deployed)
    fn("status", "--local", cwd=deployed, status=1)
