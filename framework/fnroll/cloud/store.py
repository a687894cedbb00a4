"""Zips on disk, by content: the packages that calls upload, and the directories unpacked from them.

A package is written, synced and renamed before the row that names it is committed, so a row never points at nothing.
A tree is a cache entry: unpacked beside its final name and renamed into place, each once, however many invocations
wait for it or however the process dies.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from fnroll import archive
from fnroll.cloud.faults import Fault, invalid
from fnroll.cloud.state import make_removable, write_whole
from fnroll.errors import ArchiveError

MAX_ZIPPED = 52_428_800
MAX_UNZIPPED = 262_144_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A package in the store. `key` is the hex SHA-256; `code_sha256` the same in base64, as Lambda gives it."""

    key: str
    size: int
    unzipped: int

    @property
    def code_sha256(self) -> str:
        return base64.b64encode(bytes.fromhex(self.key)).decode()


class Store:
    def __init__(self, directory: Path) -> None:
        self._packages = directory / "packages"
        self._trees = directory / "trees"
        for place in (self._packages, self._trees):
            place.mkdir(exist_ok=True)
        self._pending: dict[str, asyncio.Future[Path]] = {}

    def add(self, data: bytes, *, direct: bool = True) -> Stored:
        """Check a zip as Lambda does and keep it; `direct` if it came within the request rather than from S3.

        Faults: InvalidParameterValue, RequestEntityTooLarge.
        """
        stored = self.examine(data, direct=direct)
        path = self.path(stored.key)
        if not path.exists():
            write_whole(path, data)
        return stored

    def examine(self, data: bytes, *, direct: bool = True) -> Stored:
        """What `add` would store, without storing it."""
        if direct and len(data) > MAX_ZIPPED:
            raise Fault("RequestEntityTooLargeException", f"Zipped size must be smaller than {MAX_ZIPPED} bytes")
        return Stored(hashlib.sha256(data).hexdigest(), len(data), _unzipped_size(io.BytesIO(data)))

    def path(self, key: str) -> Path:
        return self._packages / f"{key}.zip"

    def unzipped(self, key: str) -> int:
        """Bytes of a package when unpacked."""
        return _unzipped_size(self.path(key))

    def prune(self, packages: set[str], layers: set[tuple[str, ...]]) -> None:
        """Remove every package and tree but those named: packages, and the layer packages merged for a version.

        For the start of a cloud, when no call can be about to name one.
        """
        kept = packages | {_merged_name(keys) for keys in layers}
        for path in self._packages.iterdir():
            if path.name.removesuffix(".zip") not in packages:
                path.unlink()
        for tree in self._trees.iterdir():
            if tree.name not in kept:
                make_removable(tree)
                shutil.rmtree(tree, ignore_errors=True)

    async def code(self, key: str, before: str | None = None) -> Path:
        """The directory of a function's package, unpacked. `before`: a package that it is likely to be much like."""
        return await self._tree(
            key, lambda target: archive.unpack(self.path(key).read_bytes(), target, self._like(before))
        )

    def _like(self, key: str | None) -> archive.Like | None:
        data = read_package(self.path(key)) if key is not None and (self._trees / key).is_dir() else None
        return None if key is None or data is None else archive.Like(data, self._trees / key)

    async def layers(self, keys: Sequence[str]) -> Path:
        """The directory of some layers merged in order, later over earlier."""
        return await self._tree(
            _merged_name(keys),
            lambda target: archive.unpack_layers([self.path(key).read_bytes() for key in keys], target),
        )

    async def _tree(self, name: str, fill: Callable[[Path], object]) -> Path:
        final = self._trees / name
        if final.is_dir():
            return final
        pending = self._pending.get(name)
        if pending is None:
            pending = asyncio.ensure_future(asyncio.to_thread(self._make, final, fill))
            self._pending[name] = pending
            pending.add_done_callback(lambda _: self._pending.pop(name, None))
        return await asyncio.shield(pending)

    def _make(self, final: Path, fill: Callable[[Path], object]) -> Path:
        beside = Path(mkdtemp(prefix=".", dir=self._trees))
        try:
            fill(beside / "tree")
            (beside / "tree").rename(final)
        except ArchiveError as error:
            raise invalid(f"Could not unzip uploaded file. {error}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return final


def _merged_name(keys: Sequence[str]) -> str:
    return "opt-" + hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _unzipped_size(package: Path | io.BytesIO) -> int:
    try:
        with zipfile.ZipFile(package) as opened:
            size = sum(entry.file_size for entry in opened.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, UnicodeDecodeError):
        raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
    if size >= MAX_UNZIPPED:
        raise invalid(f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes")
    return size


def read_package(path: Path) -> bytes | None:
    """A package's bytes, or None if it is not there."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def is_key(text: str) -> bool:
    """Whether `text` can be a package's key, so that it cannot name any other file."""
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)
