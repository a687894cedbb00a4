"""One file's content to what a zip holds of it: read, hash, compress or store. A pure function of the content.

One compressor on every machine, libdeflate through the `deflate` wheel, at one level. Content that is compressed
already is recognised by samples of itself, never by its name, so that what is stored for a content is the same under
any name: the cache goes by content alone.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fnroll.archive.zipformat import DEFLATED, STORED
from fnroll.errors import ArchiveError

if TYPE_CHECKING:
    from fnroll.archive.scan import Entry

LEVEL = 6
"""libdeflate's level: smaller than zlib 6 at three times its speed. A change of it changes every CodeSha256."""

_SAMPLE = 16_384
_SAMPLES = 4
_HOPELESS = 0.98
"""What is left of content that is compressed already, by libdeflate's fastest level: more than this share of it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A content as a zip holds it. `digest`: its SHA-256; `size`: its bytes, unpacked; `data`: as it lies there."""

    digest: bytes
    crc: int
    size: int
    method: int
    data: bytes | bytearray | memoryview


@cache
def compressor() -> str:
    """What decides the bytes besides the content: the wheel's version and the level. Part of the cache's names."""
    import deflate

    return f"deflate-{deflate.__version__}-{LEVEL}"


def read(entry: Entry) -> bytes:
    """The content of an entry; of a link that is kept, its target. Raises ArchiveError."""
    if entry.link is not None:
        return os.fsencode(entry.link)
    try:
        descriptor = os.open(entry.source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.read(descriptor, entry.size + 1)
            if len(content) == entry.size:
                return content  # one byte more was asked for, and there was none
            parts = [content]
            while more := os.read(descriptor, 1 << 20):
                parts.append(more)
            return b"".join(parts)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror}", where=str(entry.source)) from error


def compress(content: bytes, digest: bytes) -> Packed:
    """Deflate, or store where that is not smaller or would take long for nothing."""
    from deflate import crc32, deflate_compress

    size, crc = len(content), crc32(content)
    if size and not _is_hopeless(content):
        deflated = deflate_compress(content, LEVEL)
        if len(deflated) < size:
            return Packed(digest, crc, size, DEFLATED, deflated)
    return Packed(digest, crc, size, STORED, content)


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _is_hopeless(content: bytes) -> bool:
    """Whether four samples of 16 KiB, spread evenly, all but do not shrink."""
    from deflate import deflate_compress

    if len(content) < 2 * _SAMPLES * _SAMPLE:
        return False
    step = (len(content) - _SAMPLE) // (_SAMPLES - 1)
    samples = (content[number * step : number * step + _SAMPLE] for number in range(_SAMPLES))
    return sum(len(deflate_compress(sample, 1)) for sample in samples) > _HOPELESS * _SAMPLES * _SAMPLE
