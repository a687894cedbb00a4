"""What earlier packages of this machine know already: compressed entries by content, and which file held which content.

    packages/TREE-COMPRESSOR.zip+   a whole package: the zip, then an index of its entries by the SHA-256 of their
                                    contents, then a footer. Entries of any later package are taken from there
    trees/ROOT                      of one directory, packed before: each file's size, times and content digest

Everything may be deleted at any time, and everything is believed only after its checksum. Files are written beside
their names and renamed, so a process that is killed leaves at most a file that nobody reads (swept after a day), and
two processes at once write the same bytes under the same name. Over `bound` bytes the files that were not used for the
longest time go. A cache that cannot be written or read is no cache, and no error.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import secrets
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from fnroll.archive.compress import Packed, compressor
from fnroll.archive.scan import Entry

BOUND = 1 << 30
"""Bytes that the cache may take."""

SMALLEST = 1_000_000
"""Bytes of content below which packing anew is quicker than any bookkeeping."""

_LOOKED_AT = 8
"""How many packages of other trees are searched for an entry, the last used first."""

_LEFT_BEHIND = 86_400
_RECORD = struct.Struct("<32sIQQQB")
_FOOTER = struct.Struct("<8sQIIIQ32s32s")
_MAGIC = b"fnpkg\x00\x01\n"
_TREE_MAGIC = b"fntree\x02\n"


@dataclass(frozen=True, slots=True)
class Kept:
    """A package in the cache. `zip` stays readable though its file is deleted meanwhile."""

    zip: mmap
    key: str
    size: int
    unzipped: int
    code_sha256: bytes
    tree_digest: bytes
    index: bytes

    def records(self) -> Iterator[tuple[bytes, int, int, int, int, int]]:
        """Digest, CRC, size, packed size, offset of the packed bytes and method of each entry, in the zip's order."""
        return _RECORD.iter_unpack(self.index)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of some entries before any of them is read. `digests`: by place, None where it must be read;
    `whole`: the package of exactly these entries, if it is there still."""

    digests: Sequence[bytes | None]
    whole: Kept | None


@dataclass(slots=True)
class Cache:
    """The cache in `directory`, in the hands of whoever packs `tree`; one object for one package."""

    directory: Path
    tree: Path
    bound: int = BOUND
    smallest: int = SMALLEST
    _near: str | None = None
    _known: dict[bytes, tuple[Kept, int, int, int, int, int]] = field(default_factory=dict)

    def recall(self, entries: Sequence[Entry]) -> Memory:
        """What an earlier packing of `tree` knows of `entries`."""
        loaded = self._load_tree()
        if loaded is None:
            return Memory([None] * len(entries), None)
        self._near, rows, digests = loaded
        now = _rows(entries)
        if now == rows and all(row[0] is not None for row in rows):
            return Memory(digests, self._load(self._packages / self._near))
        then = {row[1]: (row, digest) for row, digest in zip(rows, digests, strict=True)}
        found: list[bytes | None] = []
        for row in now:
            before, digest = then.get(row[1], (None, None))
            same = before is not None and row[0] is not None and row == before
            found.append(digest if same else None)
        return Memory(found, None)

    def open(self) -> None:
        """Make ready what `find` looks in: the packages used last, that of `tree` before all."""
        for path in self._candidates():
            kept = self._load(path)
            if kept is not None:
                for record in kept.records():
                    self._known.setdefault(record[0], (kept, *record[1:]))

    def find(self, digest: bytes) -> Packed | None:
        """The entry of this content, from any package that `open` found. Safe to call in threads."""
        known = self._known.get(digest)
        if known is None:
            return None
        kept, crc, size, packed, offset, method = known
        return Packed(digest, crc, size, method, memoryview(kept.zip)[offset : offset + packed])

    def temporary(self) -> Path:
        """A fresh name beside the packages, for the zip that is being written. Raises OSError."""
        self._packages.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._packages / f".{os.getpid()}-{secrets.token_hex(6)}"

    def keep(
        self, written: Path, entries: Sequence[Entry], index: Sequence[tuple[bytes, int, int, int, int, int]], **of: Any
    ) -> Kept | None:
        """Make the zip at `written` a package of the cache, and remember the tree. None if that cannot be done.

        `of`: crc, unzipped, code_sha256 and tree_digest of the zip.
        """
        from deflate import crc32

        key = f"{of['tree_digest'].hex()}-{compressor()}.zip+"
        records = b"".join(_RECORD.pack(*record) for record in index)
        size = written.stat().st_size
        counts = size, len(index), of["crc"], crc32(records), of["unzipped"]
        with written.open("ab") as file:
            file.write(records + _FOOTER.pack(_MAGIC, *counts, of["code_sha256"], of["tree_digest"]))
        target = self._packages / key
        written.replace(target)
        self._save_tree(key, _rows(entries), [record[0] for record in index])
        kept = self._load(target, checked=True)
        self.sweep(spared=target)
        return kept

    def sweep(self, spared: Path | None = None) -> None:
        """Bring the cache below its bound, and remove what killed processes left behind a day ago."""
        files = []
        for path in [*self._packages.glob("*"), *self._trees.glob("*")]:
            try:
                status = path.stat()
            except OSError:
                continue
            if path.name.startswith("."):
                if status.st_mtime < time.time() - _LEFT_BEHIND:
                    path.unlink(missing_ok=True)
                continue
            files.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files, key=lambda file: file[0]):
            if total <= self.bound:
                break
            if path != spared:
                path.unlink(missing_ok=True)
                total -= size

    # files

    @property
    def _packages(self) -> Path:
        return self.directory / "packages"

    @property
    def _trees(self) -> Path:
        return self.directory / "trees"

    def _candidates(self) -> list[Path]:
        found = []
        for path in self._packages.glob(f"*-{compressor()}.zip+"):
            try:
                found.append((path.name != self._near, -path.stat().st_mtime_ns, path))
            except OSError:
                continue
        return [path for *_, path in sorted(found)[:_LOOKED_AT]]

    def _load(self, path: Path, *, checked: bool = False) -> Kept | None:
        """The package at `path`; None if it is not there or not whole. Using it makes it the last to go."""
        from deflate import crc32

        try:
            with path.open("rb") as file:
                end = file.seek(-_FOOTER.size, os.SEEK_END)
                magic, size, count, crc, index_crc, unzipped, sha256, tree = _FOOTER.unpack(file.read())
                length = count * _RECORD.size
                if magic != _MAGIC or size + length != end:
                    raise ValueError("damaged")
                file.seek(size)
                index = file.read(length)
                data = mmap(file.fileno(), size, access=ACCESS_READ)
            if crc32(index) != index_crc or not (checked or crc32(data) == crc):
                raise ValueError("damaged")
            os.utime(path)
            return Kept(data, path.name, size, unzipped, sha256, tree, index)
        except ValueError:
            path.unlink(missing_ok=True)
        except (OSError, struct.error):
            pass
        return None

    @property
    def _tree_file(self) -> Path:
        return self._trees / hashlib.sha256(f"{os.path.realpath(self.tree)} {compressor()}".encode()).hexdigest()[:40]

    def _load_tree(self) -> tuple[str, list[tuple[Any, ...]], list[bytes]] | None:
        from deflate import crc32

        try:
            data = self._tree_file.read_bytes()
            if data[:8] != _TREE_MAGIC or crc32(data[12:]) != int.from_bytes(data[8:12], "little"):
                return None
            os.utime(self._tree_file)
            loaded: tuple[str, list[tuple[Any, ...]], list[bytes]] = marshal.loads(data[12:])
            return loaded
        except (OSError, ValueError, EOFError, TypeError):
            return None

    def _save_tree(self, key: str, rows: list[tuple[Any, ...]], digests: list[bytes]) -> None:
        from deflate import crc32

        data = marshal.dumps((key, rows, digests))
        self._trees.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._trees / f".{os.getpid()}-{secrets.token_hex(6)}"
        beside.write_bytes(_TREE_MAGIC + crc32(data).to_bytes(4, "little") + data)
        beside.replace(self._tree_file)


def _rows(entries: Sequence[Entry]) -> list[tuple[Any, ...]]:
    """The stamp first: what has none is not believed."""
    return [(e.stamp, e.name, e.executable, e.link, e.size) for e in entries]
