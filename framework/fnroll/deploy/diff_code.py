"""The package beside the deployed one, file by file.

The deployed zip is read by the archive's own reader, into a directory of its own that ends with the comparison. Both
sides are what the function would find under /var/task: names, contents, executable bits, links.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fnroll.archive import Entry, unpack


@dataclass(frozen=True, slots=True)
class File:
    """One file of a package. `size` in bytes; `digest`: of its content, or the target of a link."""

    size: int
    digest: str
    executable: bool = False
    link: bool = False


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs; None on the side where there is none."""

    name: str
    deployed: File | None
    wanted: File | None

    @property
    def word(self) -> str:
        """added, removed, changed, or mode where the executable bit alone differs."""
        if self.deployed is None:
            return "added"
        if self.wanted is None:
            return "removed"
        same = self.deployed.digest == self.wanted.digest and self.deployed.link == self.wanted.link
        return "mode" if same else "changed"


@dataclass(frozen=True, slots=True)
class CodeDiff:
    """The code of both sides: CodeSha256 each ("" where there is none), and the files that differ.

    `unread`: why the deployed package could not be looked into, if it could not; then only the hashes are known.
    """

    deployed: str
    wanted: str
    files: tuple[FileChange, ...] = ()
    unread: str | None = None


def file_changes(deployed: Mapping[str, File], wanted: Mapping[str, File]) -> tuple[FileChange, ...]:
    """By name; pure."""
    names = sorted({*deployed, *wanted})
    changes = (FileChange(name, deployed.get(name), wanted.get(name)) for name in names)
    return tuple(change for change in changes if change.deployed != change.wanted)


def files_of(entries: Iterable[Entry]) -> dict[str, File]:
    """What is to be packed. Raises OSError if a file cannot be read."""
    return {
        entry.name: File(entry.size, _text(entry.link), link=True)
        if entry.link is not None
        else _file(entry.path, entry.executable)
        for entry in entries
    }


def files_in(zipped: bytes) -> dict[str, File]:
    """What a zip holds. Raises ArchiveError for one that cannot be read."""
    with tempfile.TemporaryDirectory(prefix="fn-diff-") as scratch:
        root = Path(scratch) / "code"
        unpack(zipped, root)
        found = {}
        for path in (Path(above) / name for above, below, names in os.walk(root) for name in (*names, *below)):
            name = path.relative_to(root).as_posix()
            if path.is_symlink():
                target = str(path.readlink())
                found[name] = File(len(os.fsencode(target)), _text(target), link=True)
            elif path.is_file():
                found[name] = _file(path, bool(path.stat().st_mode & 0o100))
        return found


def _file(path: Path, executable: bool) -> File:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return File(opened.tell(), digest, executable)


def _text(target: str) -> str:
    return hashlib.sha256(os.fsencode(target)).hexdigest()
