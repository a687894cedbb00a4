"""What a function is made of on disk, and which of several functions a change concerns.

`Inputs.concerns` is the rule, and pure: a file of the package or of a layer's directory, as the ignore rules have it,
or one that the definition reads. `Watcher` asks it about what inotify tells, as soon as nothing more happens. Not every
file system tells (network shares, other machines' mounts), and macOS has no inotify: so the trees are compared with
what they were, too, seldom where inotify works and all the time where it does not.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fnroll.cli.inotify import Inotify, Overflow, open_inotify

if TYPE_CHECKING:
    from fnroll.archive import IgnoreRules

SETTLE: Final = 0.01
"""Seconds without a change after which whoever writes is taken to be done: editors and compilers write in steps."""

SETTLE_LIMIT: Final = 1.0
"""Seconds after which somebody who never stops writing is not waited for."""

COMPARE_EVERY: Final = 2.0
"""Seconds between two comparisons where inotify tells of changes."""

LOOK_EVERY: Final = 0.08
"""Seconds between two comparisons where nothing else tells of them."""

_EDITORS: Final = re.compile(
    r"\..*\.sw[a-z]|4913|.*~|\.?#.*#?|.*___jb_(?:tmp|old)___|\.goutputstream-.*|\..*\.kate-swp"
)
"""What editors put beside a file while they write it, or while it is open."""


@dataclass(frozen=True, slots=True)
class Source:
    """A directory whose files count, as its rules have it."""

    root: str
    rules: IgnoreRules

    def concerns(self, path: str, is_dir: bool) -> bool:
        if path == self.root or self.root.startswith(f"{path}{os.sep}"):
            return True
        if not path.startswith(f"{self.root}{os.sep}"):
            return False
        return self.rules.decide(path[len(self.root) + 1 :], is_dir).included


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that one function is made of. `files`: those that count whatever the rules say, there or not."""

    sources: tuple[Source, ...] = ()
    files: frozenset[str] = frozenset()

    def concerns(self, path: str, is_dir: bool) -> bool:
        """Whether a change of `path` (absolute, of real names) may change the function."""
        if path in self.files:
            return True
        if _EDITORS.fullmatch(path.rpartition(os.sep)[2]):
            return False
        return any(source.concerns(path, is_dir) for source in self.sources)


@dataclass(slots=True)
class Seen:
    """What a walk over the inputs has met: the directories to watch, and what tells one state from another."""

    directories: set[str] = field(default_factory=set)
    stamps: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    """Where links lead to: files whose content is the function's."""


def walk(inputs: Inputs, *, stamps: bool = True) -> Seen:
    """Look at everything that counts. What cannot be read or is just vanishing is passed over."""
    seen = Seen()
    for source in inputs.sources:
        seen.directories.add(_parent(source.root))
        _walk(source, source.root, "", (source.root,), seen, stamps)
    for path in inputs.files:
        seen.directories.add(_parent(path))
        if stamps:
            _stamp(path, seen)
    return seen


def _parent(path: str) -> str:
    return path.rpartition(os.sep)[0] or os.sep


def _walk(source: Source, path: str, prefix: str, above: tuple[str, ...], seen: Seen, stamps: bool) -> None:
    """`above`: the real names of the directories that this one lies in, itself the last."""
    try:
        with os.scandir(path) as found:
            children = list(found)
    except OSError:
        return
    seen.directories.add(path)
    for child in children:
        with suppress(OSError):
            name, is_dir, is_link = prefix + child.name, child.is_dir(), child.is_symlink()
            if not source.rules.decide_here(name, is_dir).included or _EDITORS.fullmatch(child.name):
                continue
            real = os.path.realpath(child.path) if is_link else f"{above[-1]}{os.sep}{child.name}"
            if is_dir:
                # A link out of the tree or round in a circle is refused when the tree is packed: nothing to follow.
                if not is_link or (real.startswith(f"{above[0]}{os.sep}") and real not in above):
                    _walk(source, child.path, name + "/", (*above, real), seen, stamps)
                continue
            if is_link:
                seen.elsewhere.add(real)
                seen.directories.add(_parent(real))
            if stamps:
                _stamp(child.path, seen)


def _stamp(path: str, seen: Seen) -> None:
    with suppress(OSError):
        said = os.stat(path)  # noqa: PTH116 - thousands of them: a Path for each would double what it takes
        seen.stamps[path] = (said.st_mtime_ns, said.st_size, said.st_mode, said.st_ino)


class Watcher:
    """Tells which of several functions may have changed. `cover` before they are read, then `wait` again and again."""

    def __init__(self, inotify: Inotify | None) -> None:
        self._inotify = inotify
        self._inputs: list[Inputs] = []
        self._elsewhere: list[set[str]] = []
        self._before: list[dict[str, tuple[int, int, int, int]] | None] = []
        self._compared = time.monotonic()
        self._pause = 0.0

    @classmethod
    def open(cls) -> Watcher:
        return cls(open_inotify())

    def cover(self, inputs: Sequence[Inputs]) -> None:
        """From now on these, and their changes from now on. Cheap where nothing is new."""
        if list(inputs) == self._inputs:
            return
        before = dict(zip(self._inputs, self._before, strict=True))
        self._inputs = list(inputs)
        self._before = [before.get(one) for one in self._inputs]
        self._look_around()
        if self._inotify is None:
            for number, one in enumerate(self._inputs):
                if self._before[number] is None:
                    self._before[number] = walk(one).stamps

    def wait(self, seconds: float | None = None) -> set[int]:
        """The places in `cover`'s list of those that something has happened to; empty when `seconds` are over."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            found = self._told(until) if self._inotify is not None else self._pass(until)
            if not found and time.monotonic() >= self._compared + self._pause:
                found = self._differing()
            if found:
                self._settle(found)
                return found
            if until is not None and time.monotonic() >= until:
                return set()

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    # what inotify tells

    def _told(self, until: float | None) -> set[int]:
        rest = self._compared + self._pause - time.monotonic()
        return self._read(rest if until is None else min(rest, until - time.monotonic()))

    def _read(self, seconds: float) -> set[int]:
        assert self._inotify is not None
        try:
            changes = self._inotify.read(seconds)
        except Overflow:
            self._look_around()
            return set(range(len(self._inputs)))
        found, moved = set(), False
        for path, is_dir in changes:
            for number, inputs in enumerate(self._inputs):
                if inputs.concerns(path, is_dir) or path in self._elsewhere[number]:
                    found.add(number)
                    moved |= is_dir
        if moved:
            self._look_around()
        for number in found:
            self._before[number] = None
        return found

    def _settle(self, found: set[int]) -> None:
        """Until a moment has passed in which nothing happened; what happens meanwhile belongs to it."""
        until = time.monotonic() + SETTLE_LIMIT
        while time.monotonic() < until:
            if self._inotify is None:
                time.sleep(SETTLE)
                more = self._differing()
            else:
                more = self._read(SETTLE)
            if not more:
                return
            found |= more

    def _look_around(self) -> None:
        """Watch the directories that there are now."""
        seen = [walk(inputs, stamps=False) for inputs in self._inputs]
        self._elsewhere = [one.elsewhere for one in seen]
        if self._inotify is None:
            return
        try:
            self._inotify.watch(directory for one in seen for directory in sorted(one.directories))
        except OSError:
            self.close()  # no more watches to be had: then by looking
            self._pause = LOOK_EVERY

    # what comparing tells

    def _pass(self, until: float | None) -> set[int]:
        rest = max(self._compared + self._pause - time.monotonic(), 0.0)
        time.sleep(rest if until is None else min(rest, max(until - time.monotonic(), 0.0)))
        return set()

    def _differing(self) -> set[int]:
        """Those whose files are not what they were when they were last compared."""
        began = time.monotonic()
        found = set()
        for number, inputs in enumerate(self._inputs):
            now = walk(inputs).stamps
            before, self._before[number] = self._before[number], now
            if before is not None and before != now:
                found.add(number)
        self._compared = time.monotonic()
        every = COMPARE_EVERY if self._inotify is not None else LOOK_EVERY
        self._pause = max(every, 4 * (self._compared - began))
        if found:
            self._look_around()
        return found


def named_files(path: Path, text: str) -> Iterator[str]:
    """The files that a definition's text names, there or in what it imports: Jsonnet's imports, file_sha256 and the
    like. Whatever stands in quotes and is a file beside it counts."""
    waiting, met = [(path, text)], {str(path)}
    while waiting:
        home, written = waiting.pop()
        for name in _quoted(written):
            with suppress(OSError, ValueError):
                found = Path(os.path.normpath(home.parent / name))
                if str(found) in met or not found.is_file():
                    continue
                met.add(str(found))
                yield str(found)
                if found.suffix in (".jsonnet", ".libsonnet"):
                    waiting.append((found, found.read_text(encoding="utf-8", errors="replace")))


def _quoted(text: str) -> Iterator[str]:
    """What stands between quotes of any kind, also inside of others: a template's in JSON's."""
    for quote in "\"'`":
        yield from re.findall(rf"(?<={quote})[^\n\"'`\\]{{1,200}}(?=\\?{quote})", text)
