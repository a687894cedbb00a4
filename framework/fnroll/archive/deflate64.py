"""Deflate64, which Windows writes for large trees and Lambda refuses: the one place that knows zipfile-deflate64.

The package decodes, and patches `zipfile` when it is imported: from then on `zipfile` would accept to write the method
and write damaged archives. So the patches are taken back at once, and its decoder is used directly.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

from fnroll.errors import ArchiveError

_PATCHED = ((zipfile, "_check_compression"), (zipfile, "_get_decompressor"), (zipfile.ZipExtFile, "__init__"))
_CHUNK = 1 << 10
"""Packed bytes at a time: each may be 29,000 unpacked."""


def inflated(data: memoryview, name: str) -> Iterator[bytes]:
    """The content of the member `name`, whose packed bytes are `data`, in pieces. Raises ArchiveError: it is damaged,
    or the package is not installed."""
    decoder = _decoder(name)
    try:
        for start in range(0, len(data), _CHUNK):
            if not decoder.eof:
                yield decoder.decompress(bytes(data[start : start + _CHUNK]))
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ArchiveError(f"cannot be unpacked: {error}", where=name) from error
    if not decoder.eof:
        raise ArchiveError("cannot be unpacked: its data ends too early", where=name)


def _decoder(name: str) -> Any:
    before = [(host, attribute, getattr(host, attribute)) for host, attribute in _PATCHED]
    try:
        from zipfile_deflate64 import deflate64
    except ImportError as error:
        raise ArchiveError(
            "is compressed with Deflate64, which Lambda refuses",
            where=name,
            hint="pip install 'fnroll[deflate64]' reads it, so that it is sent in a form that Lambda takes; "
            "or pack the directory with fn archive",
        ) from error
    finally:
        for host, attribute, original in before:
            setattr(host, attribute, original)
        if hasattr(zipfile, "ZIP_DEFLATED64"):
            del zipfile.ZIP_DEFLATED64
    return deflate64.Deflate64()
