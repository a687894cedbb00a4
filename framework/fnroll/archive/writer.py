"""Entries to zip bytes that are a function of names, modes, links and contents alone.

Our own writer, because the standard library's stores what differs between two checkouts and compresses with the zlib
that is at hand. Fixed here: order by name, 1980-01-01 00:00:00, Unix modes 0644 or 0755 (links 0777), UTF-8 names
flagged as such, raw deflate by libdeflate at one level, stored where that is not smaller, sizes in the local header.
Format: PKWARE APPNOTE 6.3.3, sections 4.3.7 (local header), 4.3.12 (central header), 4.3.14 to 16 (end, ZIP64).

No file passes 262,144,000 bytes and neither does their sum, so ZIP64 can be needed for one reason only: more than
65,534 entries. That is why only the end records know it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
from base64 import b64encode
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fnroll.archive.limits import MAX_UNZIPPED, MAX_ZIPPED, human
from fnroll.archive.scan import Entry
from fnroll.errors import ArchiveError

LEVEL = 6
"""libdeflate's level: smaller than zlib 6 at three times its speed. A change of it changes every CodeSha256."""

_INLINE = 1_000_000
"""Bytes up to which starting threads costs more than they save."""

_STORED, _DEFLATED = 0, 8
_NEEDED = 20  # 2.0: deflate
_NEEDED_ZIP64 = 45
_UNIX = 3 << 8
_UTF8_NAME = 0x0800
_DOS_DATE = 0x0021  # 1980-01-01, the first day that a zip can name; the time is 0
_MODE_FILE, _MODE_PROGRAM, _MODE_LINK = 0o100644, 0o100755, 0o120777

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")


@dataclass(frozen=True, slots=True)
class Package:
    """A zip and what identifies it. Sizes in bytes.

    `code_sha256`: base64 of the zip's SHA-256, Lambda's CodeSha256. `tree_digest`: hex SHA-256 over names, modes,
    links and contents, the same whichever compressor wrote the zip.
    """

    data: bytes
    code_sha256: str
    tree_digest: str
    size: int
    unzipped_size: int
    files: int


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    mode: int
    method: int
    crc: int
    size: int
    packed: bytes | bytearray
    digest: bytes


def pack(entries: Iterable[Entry], *, dest: Path | None = None, limit: int | None = MAX_ZIPPED) -> Package:
    """Zip `entries`; with `dest`, write the file there too (replaced in one step).

    `limit` bounds the zip in bytes; None for what does not travel inside a request. Raises ArchiveError: over
    `limit` or over 262,144,000 bytes unzipped, with the ten largest files; a file that cannot be read; a name twice.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    for before, after in pairwise(ordered):
        if before.name == after.name:
            raise ArchiveError(f"two files want the name {after.name}: {before.path} and {after.path}")
    _check_unzipped(ordered, {entry.name: entry.size for entry in ordered})
    members = _compress(ordered)
    # Once more with what was really read: a file may have grown since it was listed.
    _check_unzipped(ordered, {entry.name: member.size for entry, member in zip(ordered, members, strict=True)})
    data = _assemble(members)
    if limit is not None and len(data) > limit:
        packed = {entry.name: len(member.packed) for entry, member in zip(ordered, members, strict=True)}
        raise ArchiveError(
            f"the zip is {human(len(data))}; Lambda takes {human(limit)} in a request. "
            f"The largest files, compressed:\n{_largest(packed)}",
            hint="exclude what the function does not need in .lambdaignore",
        )
    if dest is not None:
        _write(dest, data)
    return Package(
        data=data,
        code_sha256=b64encode(hashlib.sha256(data).digest()).decode(),
        tree_digest=_tree_digest(members),
        size=len(data),
        unzipped_size=sum(member.size for member in members),
        files=len(members),
    )


def _check_unzipped(entries: Sequence[Entry], sizes: dict[str, int]) -> None:
    total = sum(sizes.values())
    if total > MAX_UNZIPPED:
        raise ArchiveError(
            f"{len(entries)} files make {human(total)} unzipped; Lambda allows {human(MAX_UNZIPPED)} "
            f"for code and layers together. The largest:\n{_largest(sizes)}",
            hint="exclude what the function does not need in .lambdaignore",
        )


def _largest(sizes: dict[str, int]) -> str:
    top = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:10]
    return "\n".join(f"  {human(size):>10}  {name}" for name, size in top)


def _compress(entries: Sequence[Entry]) -> list[_Member]:
    workers = min(8, os.cpu_count() or 1, len(entries))
    if workers < 2 or sum(entry.size for entry in entries) <= _INLINE:
        return [_member(entry) for entry in entries]
    # Reading, hashing and deflating all release the interpreter's lock. `map` keeps the order.
    with ThreadPoolExecutor(workers, thread_name_prefix="pack") as pool:
        return list(pool.map(_member, entries))


def _member(entry: Entry) -> _Member:
    from deflate import crc32, deflate_compress

    if entry.link is not None:
        content, mode = os.fsencode(entry.link), _MODE_LINK
    else:
        try:
            content = entry.path.read_bytes()
        except OSError as error:
            raise ArchiveError(f"cannot be read: {error.strerror}", where=str(entry.path)) from error
        mode = _MODE_PROGRAM if entry.executable else _MODE_FILE
    packed: bytes | bytearray = content
    method = _STORED
    if content and entry.link is None:
        deflated = deflate_compress(content, LEVEL)
        if len(deflated) < len(content):
            packed, method = deflated, _DEFLATED
    return _Member(
        name=entry.name.encode(),
        mode=mode,
        method=method,
        crc=crc32(content),
        size=len(content),
        packed=packed,
        digest=hashlib.sha256(content).digest(),
    )


def _tree_digest(members: Iterable[_Member]) -> str:
    """Every part has a fixed or a stated length, so no two trees make the same stream."""
    total = hashlib.sha256()
    for member in members:
        total.update(b"%o %d:%s" % (member.mode, len(member.name), member.name) + member.digest)
    return total.hexdigest()


def _assemble(members: Sequence[_Member]) -> bytes:
    parts: list[bytes | bytearray] = []
    central: list[bytes] = []
    offset = 0
    for member in members:
        name, packed = member.name, member.packed
        shared = (_UTF8_NAME, member.method, 0, _DOS_DATE, member.crc, len(packed), member.size, len(name), 0)
        local = _LOCAL.pack(0x04034B50, _NEEDED, *shared) + name
        central.append(
            _CENTRAL.pack(0x02014B50, _UNIX | _NEEDED, _NEEDED, *shared, 0, 0, 0, member.mode << 16, offset) + name
        )
        parts += (local, packed)
        offset += len(local) + len(packed)
    directory = b"".join(central)
    return b"".join([*parts, directory, _end(len(members), len(directory), offset)])


def _end(count: int, size: int, offset: int) -> bytes:
    if count < 0xFFFF:
        return _END.pack(0x06054B50, 0, 0, count, count, size, offset, 0)
    made = _UNIX | _NEEDED_ZIP64
    end64 = _END64.pack(0x06064B50, _END64.size - 12, made, _NEEDED_ZIP64, 0, 0, count, count, size, offset)
    locator = _LOCATOR64.pack(0x07064B50, 0, offset + size, 1)
    return end64 + locator + _END.pack(0x06054B50, 0, 0, 0xFFFF, 0xFFFF, size, offset, 0)


def _write(dest: Path, data: bytes) -> None:
    """All or nothing: nobody ever reads half a zip under this name."""
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
            temporary.replace(dest)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArchiveError(f"cannot be written: {error.strerror}", where=str(dest)) from error
