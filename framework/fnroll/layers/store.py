"""The user's cache of what builds fetch and make, by content: what is found there is what was put there, or nothing.

A file's name is the SHA-256 of its content. It is written beside its place and renamed into it, so a process that is
killed leaves a stray temporary file and never half a file under a name; and it is hashed again when it is read, so
what a full disk or a power cut left is thrown away, not used. Any number of processes may share a cache.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path

from fnroll.errors import LayerError

_STRAY_AFTER = 24 * 3600
"""Seconds after which a temporary file cannot be anybody's any more."""


class Store:
    """Files by the SHA-256 of their content, below `root`, which is made when something is put there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def get(self, digest: str) -> bytes | None:
        """The content, proven; None if it is not here. What is damaged is removed."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LayerError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if hashlib.sha256(data).hexdigest() == digest:
            return data
        path.unlink(missing_ok=True)
        return None

    def put(self, data: bytes) -> str:
        """Keep `data`; its digest. Raises LayerError where it cannot be written."""
        digest = hashlib.sha256(data).hexdigest()
        write_whole(self.path(digest), data)
        return digest


def write_whole(path: Path, data: bytes) -> None:
    """All or nothing: nobody ever reads half of it under this name. Raises LayerError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LayerError(f"cannot be written: {error.strerror}", where=str(path)) from error


def sweep(directory: Path, now: float | None = None) -> None:
    """Remove what killed processes left in `directory` a day ago or earlier. Never fails: it is only tidying."""
    horizon = (time.time() if now is None else now) - _STRAY_AFTER
    try:
        strays = [path for path in directory.iterdir() if path.name.startswith(".")]
    except OSError:
        return
    for path in strays:
        try:
            if path.is_file() and path.stat().st_mtime < horizon:
                path.unlink()
        except OSError:
            pass
