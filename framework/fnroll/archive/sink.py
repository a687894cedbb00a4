"""Where a zip's bytes go while it is written: memory, or a file that vanishes unless it is finished; and copies of it.

The checksums are made on the way, of large pieces, so that they and the writing let other threads compress.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from types import TracebackType

from fnroll.errors import ArchiveError

_PIECE = 1 << 20
_COPIED_AT_ONCE = 16 << 20


class Sink:
    """A context manager: left without `close`, a file is removed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = path.open("xb") if path else None
        self._memory: list[bytes] = []
        self._parts: list[bytes | bytearray | memoryview] = []
        self._pending = 0
        self._sha256 = hashlib.sha256()
        self.crc = 0
        self.size = 0
        """Bytes written so far."""

    @classmethod
    def in_memory(cls) -> Sink:
        return cls(None)

    @classmethod
    def in_file(cls, path: Path) -> Sink:
        """Raises OSError if `path` cannot be made."""
        return cls(path)

    @property
    def path(self) -> Path:
        assert self._path is not None
        return self._path

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._parts.append(data)
        self.size += len(data)
        self._pending += len(data)
        if self._pending >= _PIECE:
            self._flush()

    def sha256(self) -> bytes:
        self._flush()
        return self._sha256.digest()

    def bytes(self) -> bytes:
        """All of it, of a sink in memory."""
        self._flush()
        return b"".join(self._memory)

    def close(self) -> None:
        """The file is whole: let it stay."""
        self._flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        from deflate import crc32

        piece = b"".join(self._parts)
        self._parts.clear()
        self._pending = 0
        self._sha256.update(piece)
        if self._file is not None:
            self.crc = crc32(piece, self.crc)
            self._file.write(piece)
        else:
            self._memory.append(piece)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self.path.unlink(missing_ok=True)


def copied(data: bytes | mmap, dest: Path) -> None:
    """Put `data` at `dest`, all or nothing: nobody ever reads half a zip under this name. Raises ArchiveError."""
    beside = dest.with_name(f".{dest.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                _fill(descriptor, memoryview(data))
            finally:
                os.close(descriptor)
            beside.replace(dest)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArchiveError(f"cannot be written: {error.strerror}", where=str(dest)) from error


def _fill(descriptor: int, data: memoryview) -> None:
    """Write at several places at once: one processor alone copies more slowly than the memory could."""

    def put(start: int) -> None:
        at, end = start, min(start + _COPIED_AT_ONCE, len(data))
        while at < end:
            at += os.pwrite(descriptor, data[at:end], at)

    run(put, range(0, len(data), _COPIED_AT_ONCE))


def run(do: Callable[[int], None], places: range) -> None:
    if len(places) < 2:
        for place in places:
            do(place)
        return
    with ThreadPoolExecutor(min(4, len(places)), thread_name_prefix="copy") as pool:
        list(pool.map(do, places))
