"""inotify(7) by ctypes: which names in which directories have changed. Linux alone; `open_inotify` says where not.

Mechanism only. What is worth looking at, and when to look again, is watching.py's business.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _ATTRIB = 0x8, 0x40, 0x80, 0x100, 0x200, 0x4
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_OVERFLOW, _IGNORED, _ISDIR = 0x4000, 0x8000, 0x4000_0000
_ONLYDIR = 0x0100_0000
_MASK: Final = (
    _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ATTRIB | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
)
_HEAD: Final = struct.Struct("iIII")
_BUFFER: Final = 1 << 16


class Change(NamedTuple):
    """`path` was made, written, renamed, removed, or its mode was changed."""

    path: str
    is_dir: bool


class Overflow(Exception):
    """The kernel has dropped changes: anything may have happened."""


class Inotify:
    """One inotify descriptor. Raises OSError where the kernel gives no more watches (ENOSPC)."""

    def __init__(self, libc: ctypes.CDLL, descriptor: int) -> None:
        self._libc = libc
        self._descriptor = descriptor
        self._paths: dict[int, str] = {}
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def watch(self, directories: Iterable[str]) -> None:
        """Watch exactly these from now on; those that are not there (any more) are left out."""
        paths: dict[int, str] = {}
        for path in directories:
            number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), _MASK)
            if number >= 0:
                paths.setdefault(number, path)  # the kernel knows one directory by two names as one
            elif (code := ctypes.get_errno()) not in (2, 13, 20, 40):  # gone, closed, replaced by a file, a loop
                raise OSError(code, os.strerror(code), path)
        for number in self._paths.keys() - paths.keys():
            self._libc.inotify_rm_watch(self._descriptor, number)  # an error: the kernel has dropped it already
        self._paths = paths

    def read(self, seconds: float) -> list[Change]:
        """The changes since the last call; waits for one so long. Raises Overflow."""
        if not self._poll.poll(max(seconds, 0) * 1000):
            return []
        with suppress(BlockingIOError):
            return list(self._changes(os.read(self._descriptor, _BUFFER)))
        return []

    def _changes(self, data: bytes) -> Iterable[Change]:
        at = 0
        while at < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, at)
            name = data[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
            at += _HEAD.size + length
            if mask & _OVERFLOW:
                raise Overflow
            path = self._paths.get(number)
            if path is None or mask & _IGNORED:
                continue
            is_dir = bool(mask & (_ISDIR | _DELETE_SELF | _MOVE_SELF))
            yield Change(f"{path}{os.sep}{os.fsdecode(name)}" if name else path, is_dir)

    def close(self) -> None:
        os.close(self._descriptor)


def open_inotify() -> Inotify | None:
    """None where there is no such thing, or this process may have no more of them."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    return Inotify(libc, descriptor) if descriptor >= 0 else None
