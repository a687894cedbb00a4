"""A /tmp that outlives the sandboxes which use it one after another: a mount (linux), a directory (other tiers)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fnroll.sandbox.supervise import remove


class MountedScratch:
    """A tmpfs that the fork server holds under `key`."""

    def __init__(self, key: int, drop: Callable[[int], None]) -> None:
        self.key = key
        self._drop = drop
        self._closed = False

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._drop(self.key)


class DirectoryScratch:
    """A directory on the host's disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def close(self) -> None:
        remove(str(self.path))
