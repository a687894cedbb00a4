"""The files of a package laid out as Lambda unpacks them: what `fn run` puts at /var/task, without a zip between.

A copy and not the working tree itself, so that the function sees what would be shipped and nothing else, with the
modes it would have there, and so that an edit during a run does not reach it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from fnroll.archive.scan import Entry
from fnroll.errors import ArchiveError


def stage(entries: Iterable[Entry], target: Path) -> None:
    """Copy `entries` into the new directory `target`: files 0644 or 0755, directories 0755, links as links.

    Raises ArchiveError naming the file that could not be read or written.
    """
    target.mkdir(mode=0o755)
    target.chmod(0o755)
    made = {target}
    for entry in entries:
        place = target / entry.name
        try:
            _directories(place.parent, made)
            if entry.link is not None:
                place.symlink_to(entry.link)
            else:
                shutil.copyfile(entry.path, place)
                place.chmod(0o755 if entry.executable else 0o644)
        except OSError as error:
            raise ArchiveError(f"cannot be laid out to run: {error.strerror}", where=str(entry.path)) from error


def _directories(path: Path, made: set[Path]) -> None:
    if path in made:
        return
    _directories(path.parent, made)
    path.mkdir(mode=0o755)
    path.chmod(0o755)
    made.add(path)
