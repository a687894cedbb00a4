"""The commit of a working tree, compared with git's own word for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fnroll.errors import FnError
from fnroll.lookups.git import commit_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    return tmp_path


def test_of_a_branch_a_packed_one_a_detached_head_and_a_directory_below(repository: Path) -> None:
    wanted = git(repository, "rev-parse", "HEAD")
    (repository / "a" / "b").mkdir(parents=True)
    assert commit_of(repository / "a" / "b") == commit_of(repository) == wanted
    git(repository, "pack-refs", "--all")
    assert commit_of(repository) == wanted
    git(repository, "checkout", "-q", "--detach")
    assert commit_of(repository) == wanted


def test_of_a_worktree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    beside = tmp_path_factory.mktemp("beside") / "tree"
    git(repository, "worktree", "add", "-q", "-b", "other", str(beside))
    git(beside, "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_of(beside) == git(beside, "rev-parse", "HEAD") != git(repository, "rev-parse", "HEAD")


def test_outside_a_repository_and_before_the_first_commit(tmp_path: Path) -> None:
    with pytest.raises(FnError, match="stands in no git repository"):
        commit_of(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(FnError, match="has no commit yet"):
        commit_of(tmp_path)
