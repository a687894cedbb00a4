"""Helpers for tests of archives: trees on disk from a mapping, and zips that no honest writer makes."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

REGULAR = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777


def plant(root: Path, files: Mapping[str, bytes]) -> Path:
    """Make `root` with these files, in the mapping's order; a name ending in "/" is an empty directory."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def harvest(root: Path) -> dict[str, bytes]:
    """Every regular file below `root` with its content."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def zipped(*members: tuple[str, bytes] | tuple[str, bytes, int], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of (name, content[, Unix mode]) exactly as given, whatever the name."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content, *mode in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = info.orig_filename = name
            info.create_system = 3
            info.external_attr = (mode[0] if mode else REGULAR) << 16
            info.compress_type = method
            file.NameToInfo.clear()  # or a name given twice would be warned about
            file.writestr(info, content)
    return buffer.getvalue()


def patched(data: bytes, *, method: int | None = None, flags: int | None = None, size: int | None = None) -> bytes:
    """`data` with these fields of every local and central header overwritten."""
    changed = bytearray(data)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(signature)
        while start >= 0:
            if flags is not None:
                struct.pack_into("<H", changed, start + at, flags)
            if method is not None:
                struct.pack_into("<H", changed, start + at + 2, method)
            if size is not None:
                struct.pack_into("<I", changed, start + at + 16, size)
            start = data.find(signature, start + 4)
    return bytes(changed)
