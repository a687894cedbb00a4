"""The commit that a working tree stands at, read from git's own files: no git is needed."""

from __future__ import annotations

import re
from pathlib import Path

from fnroll.errors import FnError

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_DEEPEST = 5
"""Symbolic references that point to each other."""


def commit_of(directory: Path) -> str:
    """The commit's hexadecimal digits. Raises FnError outside a repository, and in one without a commit."""
    for parent in (directory.absolute(), *directory.absolute().parents):
        if (parent / ".git").exists():
            return _head(_git_directory(parent / ".git"), str(parent))
    raise FnError("stands in no git repository", where=str(directory), hint="git_sha names the commit of one")


def _git_directory(path: Path) -> Path:
    """A worktree's or a submodule's `.git` is a file that names the directory."""
    if path.is_dir():
        return path
    return (path.parent / _text(path).removeprefix("gitdir:").strip()).resolve()


def _head(git: Path, where: str) -> str:
    common = git / _text(git / "commondir").strip() if (git / "commondir").is_file() else git
    name = "HEAD"
    for _ in range(_DEEPEST):
        said = next((_text(place / name).strip() for place in (git, common) if (place / name).is_file()), "")
        if not said:
            said = _packed(common, name)
        if _SHA.fullmatch(said):
            return said
        if not said.startswith("ref:"):
            break
        name = said.removeprefix("ref:").strip()
    raise FnError("has no commit yet", where=where, hint="git commit makes one")


def _packed(common: Path, name: str) -> str:
    for line in _text(common / "packed-refs").splitlines() if (common / "packed-refs").is_file() else ():
        sha, _, ref = line.partition(" ")
        if ref == name:
            return sha
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FnError(f"cannot be read: {error}", where=str(path)) from error
