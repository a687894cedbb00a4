"""A directory to the list of its files: sorted, links settled, nothing that a zip cannot hold.

Links: a link to a file, wherever it points, becomes that file's content. A link to a directory is followed if the
directory lies in the tree; its files then stand under the link's own name too. With `keep_links` every link is kept
as a link instead. A broken link, a directory link out of the tree or into itself, a socket or a device is refused by
name, unless a rule excludes it: nothing is left out of a package silently. Excluded directories are never opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fnroll.archive.ignore import IgnoreRules
from fnroll.errors import ArchiveError

_SPECIAL = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a named pipe", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a package. `name`: as in the zip, with forward slashes; `path`: where its content is read.

    `size` in bytes; `executable`: the owner may execute it; `link`: the target as written, for a link kept as one.
    """

    name: str
    path: Path
    size: int
    executable: bool = False
    link: str | None = None


def scan(root: Path, rules: IgnoreRules, *, keep_links: bool = False) -> tuple[Entry, ...]:
    """Every file under `root` that `rules` let in, sorted by name. Empty directories vanish, as they do on Lambda.

    Raises ArchiveError: `root` is no directory; something cannot be read or cannot be packed (see above).
    """
    if not root.is_dir():
        raise ArchiveError("is not a directory" if root.exists() else "no such directory", where=str(root))
    walk = _Walk(Path(os.path.realpath(root)), rules, keep_links)
    return tuple(sorted(walk.directory(root, "", (str(walk.real_root),)), key=lambda entry: entry.name))


@dataclass(frozen=True, slots=True)
class _Walk:
    real_root: Path
    rules: IgnoreRules
    keep_links: bool

    def directory(self, path: Path, prefix: str, above: tuple[str, ...]) -> Iterator[Entry]:
        """The files below `path`. `above`: the real paths of the directories that this walk is inside of."""
        try:
            with os.scandir(path) as found:
                children = list(found)
        except OSError as error:
            raise ArchiveError(f"cannot read the directory: {error.strerror}", where=str(path)) from error
        for child in children:
            name = prefix + child.name
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise ArchiveError(
                    f"the name {os.fsencode(name)!r} is not UTF-8, which a zip's names are",
                    where=str(path),
                    hint="rename the file, or exclude it in .lambdaignore",
                ) from error
            yield from self._child(child, name, above)

    def _child(self, child: os.DirEntry[str], name: str, above: tuple[str, ...]) -> Iterator[Entry]:
        try:
            is_link = child.is_symlink()
            is_dir = _is_dir(child, follow=not (is_link and self.keep_links))
            if not self.rules.decide_here(name, is_dir).included:
                return
            if is_link and self.keep_links:
                target = os.readlink(child.path)  # noqa: PTH115 - as written; Path would tidy it
                yield Entry(name, Path(child.path), len(os.fsencode(target)), link=target)
            elif is_dir:
                real = os.path.realpath(child.path) if is_link else os.path.join(above[-1], child.name)  # noqa: PTH118
                if is_link:
                    self._check_followed(child.path, real, above)
                yield from self.directory(Path(child.path), name + "/", (*above, real))
            else:
                yield _file(child, name, is_link)
        except OSError as error:
            raise ArchiveError(f"cannot be read: {error.strerror}", where=child.path) from error

    def _check_followed(self, link: str, real: str, above: tuple[str, ...]) -> None:
        if not Path(real).is_relative_to(self.real_root):
            raise ArchiveError(
                f"links to a directory outside the tree: {real}",
                where=link,
                hint="copy the directory in, exclude the link in .lambdaignore, or keep links as links (--symlink)",
            )
        if real in above:
            raise ArchiveError(
                f"links to a directory that it lies in: {real}",
                where=link,
                hint="exclude the link in .lambdaignore, or keep links as links (--symlink)",
            )


def _is_dir(child: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return child.is_dir(follow_symlinks=follow)
    except OSError:
        # A link that leads round in a circle. A rule may still exclude it; if none does, `_file` says what is wrong.
        return False


def _file(child: os.DirEntry[str], name: str, is_link: bool) -> Entry:
    try:
        status = child.stat()
    except FileNotFoundError as error:
        if not is_link:
            raise
        raise ArchiveError(
            f"is a broken link: {Path(child.path).readlink()} does not exist",
            where=child.path,
            hint="mend or delete it, or exclude it in .lambdaignore",
        ) from error
    if not stat.S_ISREG(status.st_mode):
        kind = _SPECIAL.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise ArchiveError(
            f"is {kind}, which a package cannot hold",
            where=child.path,
            hint="delete it, or exclude it in .lambdaignore",
        )
    # The owner's bit alone: git keeps only that one, and group and other depend on the umask.
    return Entry(name, Path(child.path), status.st_size, bool(status.st_mode & stat.S_IXUSR))
