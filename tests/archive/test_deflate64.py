"""Deflate64: read where its package is installed, named where it is not, and `zipfile` stays as it was."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import pytest

from archive_support import patched, zipped
from fnroll.archive import unpack
from fnroll.archive.deflate64 import inflated
from fnroll.errors import ArchiveError

try:
    inflated_once = next(inflated(memoryview(b"\x03\x00"), "probe"), b"")
    INSTALLED = True
except ArchiveError:
    INSTALLED = False

needs_it = pytest.mark.skipif(not INSTALLED, reason="zipfile-deflate64 is not installed (extra deflate64)")

CONTENT = b"a" + b"a" * 1_000


def long_run() -> bytes:
    """CONTENT as one Deflate64 block with fixed codes: "a", then one match of 1,000 at distance 1, which Deflate's
    longest match of 258 could not say: code 285 is 3 plus sixteen more bits here."""
    bits: list[int] = [1, 1, 0]  # the last block, with fixed codes

    def code(value: int, length: int) -> None:
        bits.extend(value >> at & 1 for at in reversed(range(length)))

    code(0x30 + ord("a"), 8)
    code(0b11000101, 8)  # 285
    bits.extend((1_000 - 3) >> at & 1 for at in range(16))
    code(0, 5)  # distance 1
    code(0, 7)  # the end
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bit << at for at, bit in enumerate(bits[start : start + 8])) for start in range(0, len(bits), 8))


def as_deflate64(packed: bytes, content: bytes) -> bytes:
    """A zip with one member `a` that says it is `content` in Deflate64."""
    data = bytearray(patched(zipped(("a", packed)), method=9, size=len(content)))
    for signature, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        start = data.find(signature) + at
        data[start : start + 4] = zlib.crc32(content).to_bytes(4, "little")
    return bytes(data)


@needs_it
def test_it_is_read(tmp_path: Path) -> None:
    unpack(as_deflate64(long_run(), CONTENT), tmp_path / "t")
    assert (tmp_path / "t/a").read_bytes() == CONTENT


@needs_it
@pytest.mark.parametrize(
    ("packed", "content", "words"),
    [
        (long_run()[:-2], CONTENT, "ends too early"),
        (b"\xff" * 40, CONTENT, "cannot be unpacked"),
        (long_run(), CONTENT[:-1], "not what the zip says"),
        (long_run(), CONTENT + b"a", "not what the zip says"),
        (long_run(), bytes(10_000_000), "no content packs into"),
    ],
)
def test_what_is_damaged_is_refused_and_leaves_nothing(
    tmp_path: Path, packed: bytes, content: bytes, words: str
) -> None:
    with pytest.raises(ArchiveError, match=words):
        unpack(as_deflate64(packed, content), tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(INSTALLED, reason="zipfile-deflate64 is installed")
def test_without_its_package_the_way_to_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack(as_deflate64(long_run(), CONTENT), tmp_path / "t")
    assert caught.value.message == "is compressed with Deflate64, which Lambda refuses"
    assert "fnroll[deflate64]" in (caught.value.hint or "")


def test_the_standard_library_does_not_write_it_afterwards(tmp_path: Path) -> None:
    assert not hasattr(zipfile, "ZIP_DEFLATED64")
    with pytest.raises(NotImplementedError):
        zipfile.ZipFile(tmp_path / "x.zip", "w", compression=9)
