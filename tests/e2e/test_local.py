"""`fn local`: what stays, what is forgotten, and that one state is one cloud's, each through the real process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from e2e_support import Fn


def names(fn: Fn) -> list[str]:
    return [row["name"] for row in json.loads(fn("list", "--local", "--output", "json").stdout)]


@pytest.fixture
def other(fn: Fn, tmp_path: Path) -> Path:
    fn("init", "--runtime", "perl", "other")
    return tmp_path / "other"


def test_an_ephemeral_cloud_begins_with_nothing_and_leaves_nothing(
    fn: Fn, hello: Path, other: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    fn("deploy", "--local", cwd=hello)
    before = (state / "cloud.db").read_bytes()
    fn("local", "up", "--detach", "--port", "0", "--ephemeral")
    try:
        assert json.loads(fn("local", "status", "--output", "json").stdout)["ephemeral"] is True
        assert names(fn) == []
        fn("deploy", "--local", cwd=other)
        assert json.loads(fn("invoke", "--local", "-e", "{}", cwd=other).stdout)
        assert names(fn) == ["other"]
        refused = fn("local", "up", "--port", "0", status=1)
        assert "a local cloud is already up" in refused.stderr
        fn("local", "export", "cloud.zip")
        assert "in use by another local cloud (pid" in fn("local", "reset", "--yes", status=1).stderr
    finally:
        fn("local", "down")
    assert not (state / "ephemeral").exists()
    assert not (state / "endpoint").exists()
    assert (state / "cloud.db").read_bytes() == before
    assert names(fn) == ["hello"]
    fn("local", "import", "cloud.zip", FN_STATE=str(tmp_path / "elsewhere"))
    rows = json.loads(fn("list", "--local", "--output", "json", FN_STATE=str(tmp_path / "elsewhere")).stdout)
    assert [row["name"] for row in rows] == ["other"]


def test_what_a_killed_ephemeral_cloud_left_is_gone_with_the_next(fn: Fn, hello: Path, tmp_path: Path) -> None:
    fn("local", "up", "--detach", "--port", "0", "--ephemeral")
    pid = json.loads(fn("local", "status", "--output", "json").stdout)["pid"]
    fn("deploy", "--local", cwd=hello)
    os.kill(pid, signal.SIGKILL)
    left = tmp_path / "state" / "ephemeral"
    assert (left / "cloud.db").exists()
    assert fn("local", "status", status=1).stderr.startswith("no local cloud is up")
    fn("local", "up", "--detach", "--port", "0", "--ephemeral")
    try:
        assert names(fn) == []
    finally:
        fn("local", "down")
    assert not left.exists()


def test_reset_forgets_all_of_one_state_and_nothing_of_another(fn: Fn, hello: Path, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    fn("deploy", "--local", cwd=hello)
    fn("deploy", "--local", "--state", elsewhere, cwd=hello)
    assert "add --yes" in fn("local", "reset", status=2).stderr
    fn("local", "reset", "--yes")
    assert names(fn) == []
    rows = json.loads(fn("list", "--local", "--output", "json", FN_STATE=elsewhere).stdout)
    assert [row["name"] for row in rows] == ["hello"]
