"""A directory to the list of its files: sorted, links settled, nothing that a zip cannot hold.

Links: a link to a file, wherever it points, becomes that file's content. A link to a directory is followed if the
directory lies in the tree; its files then stand under the link's own name too. With `keep_links` every link is kept
as a link instead. A broken link, a directory link out of the tree or into itself, a socket or a device is refused by
name, unless a rule excludes it: nothing is left out of a package silently. Excluded directories are never opened.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from fnroll.archive.ignore import IgnoreRules, Rule
from fnroll.errors import ArchiveError

_SPECIAL = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a named pipe", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}

_SETTLED = 2_000_000_000
"""Nanoseconds after which a file's times tell a further change: no file system's clock ticks more slowly."""

Stamp = tuple[int, int, int, int]
"""A file's mtime and ctime in nanoseconds, inode and device. What has the same stamp and size has not changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a package. `name`: as in the zip, with forward slashes; `source`: where its content is read.

    `size` in bytes; `executable`: the owner may execute it; `link`: the target as written, for a link kept as one;
    `stamp`: None where it is not known, or where the file was changed so lately that the times say nothing yet.
    """

    name: str
    source: str | Path
    size: int
    executable: bool = False
    link: str | None = None
    stamp: Stamp | None = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> Path:
        return Path(self.source)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a rule kept out. `size` in bytes; None for a directory: what lies below it was not looked at."""

    name: str
    size: int | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class Survey:
    """A tree as `scan` sees it: what goes into the package, and what a rule kept out; both sorted by name."""

    entries: tuple[Entry, ...]
    dropped: tuple[Dropped, ...]


def scan(root: Path, rules: IgnoreRules, *, keep_links: bool = False, now: int | None = None) -> tuple[Entry, ...]:
    """Every file under `root` that `rules` let in, sorted by name. Empty directories vanish, as they do on Lambda.

    Raises ArchiveError: `root` is no directory; something cannot be read or cannot be packed (see above).
    """
    return survey(root, rules, keep_links=keep_links, now=now).entries


def survey(root: Path, rules: IgnoreRules, *, keep_links: bool = False, now: int | None = None) -> Survey:
    """As `scan`, with what was kept out. `now`: nanoseconds since the epoch, by which a file's times are judged."""
    if not root.is_dir():
        raise ArchiveError("is not a directory" if root.exists() else "no such directory", where=str(root))
    walk = _Walk(Path(os.path.realpath(root)), rules, keep_links, (time.time_ns() if now is None else now) - _SETTLED)
    walk.directory(str(root), "", (str(walk.real_root),))
    walk.entries.sort(key=lambda entry: entry.name)
    walk.dropped.sort(key=lambda dropped: dropped.name)
    return Survey(tuple(walk.entries), tuple(walk.dropped))


@dataclass(slots=True)
class _Walk:
    real_root: Path
    rules: IgnoreRules
    keep_links: bool
    settled: int
    entries: list[Entry] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def directory(self, path: str, prefix: str, above: tuple[str, ...]) -> None:
        """Take in what lies below `path`. `above`: the real paths of the directories that this walk is inside of."""
        try:
            with os.scandir(path) as found:
                children = list(found)
        except OSError as error:
            raise ArchiveError(f"cannot read the directory: {error.strerror}", where=path) from error
        for child in children:
            name = prefix + child.name
            try:
                self._child(child, name, above)
            except UnicodeEncodeError as error:
                raise ArchiveError(
                    f"the name {os.fsencode(name)!r} is not UTF-8, which a zip's names are",
                    where=path,
                    hint="rename the file, or exclude it in .lambdaignore",
                ) from error
            except OSError as error:
                raise ArchiveError(f"cannot be read: {error.strerror}", where=child.path) from error

    def _child(self, child: os.DirEntry[str], name: str, above: tuple[str, ...]) -> None:
        is_link = child.is_symlink()
        is_dir = _is_dir(child, follow=not (is_link and self.keep_links))
        decision = self.rules.decide_here(name, is_dir)
        if not decision.included:
            assert decision.rule is not None
            size = None if is_dir else child.stat(follow_symlinks=False).st_size
            self.dropped.append(Dropped(name + "/" if is_dir else name, size, decision.rule))
            return
        name.encode()
        if is_link and self.keep_links:
            target = os.readlink(child.path)  # noqa: PTH115 - as written; Path would tidy it
            stamp = self._stamp(child.stat(follow_symlinks=False))
            self.entries.append(Entry(name, child.path, len(os.fsencode(target)), False, target, stamp))
        elif is_dir:
            real = os.path.realpath(child.path) if is_link else f"{above[-1]}{os.sep}{child.name}"
            if is_link:
                self._check_followed(child.path, real, above)
            self.directory(child.path, name + "/", (*above, real))
        else:
            self.entries.append(self._file(child, name, is_link))

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

    def _file(self, child: os.DirEntry[str], name: str, is_link: bool) -> Entry:
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
        executable = bool(status.st_mode & stat.S_IXUSR)
        return Entry(name, child.path, status.st_size, executable, None, self._stamp(status))

    def _stamp(self, status: os.stat_result) -> Stamp | None:
        mtime, ctime = status.st_mtime_ns, status.st_ctime_ns
        return (mtime, ctime, status.st_ino, status.st_dev) if max(mtime, ctime) < self.settled else None


def _is_dir(child: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return child.is_dir(follow_symlinks=follow)
    except OSError:
        # A link that leads round in a circle. A rule may still exclude it; if none does, `_file` says what is wrong.
        return False
