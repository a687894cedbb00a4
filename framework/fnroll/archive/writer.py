"""Entries to zip bytes that are a function of names, modes, links and contents alone.

Our own writer, because the standard library's stores what differs between two checkouts and compresses with the zlib
that is at hand. Fixed here: order by name, 1980-01-01 00:00:00, Unix modes 0644 or 0755 (links 0777), UTF-8 names
flagged as such, raw deflate by libdeflate at one level, stored where that is not smaller, sizes in the local header.

    pipeline.py   the entries, read and compressed on all cores, in order and within bounded memory
    sink.py       where the bytes go: memory, a file, the cache
    cache.py      what need not be read or compressed again

No file passes 262,144,000 bytes and neither does their sum, so ZIP64 can be needed for one reason only: more than
65,534 entries. That is why only the end records know it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from mmap import mmap
from pathlib import Path

from fnroll.archive import zipformat as z
from fnroll.archive.cache import Cache, Kept
from fnroll.archive.limits import MAX_UNZIPPED, MAX_ZIPPED, human, largest
from fnroll.archive.pipeline import Progress, compressed, silent
from fnroll.archive.scan import Entry
from fnroll.archive.sink import Sink, copied
from fnroll.errors import ArchiveError

_EXCLUDE = "exclude what the function does not need in .lambdaignore"

Record = tuple[bytes, int, int, int, int, int]
"""Of one member: its content's SHA-256, CRC, size, packed size, the offset of its packed bytes, method."""


@dataclass(frozen=True, slots=True)
class Package:
    """A zip and what identifies it. Sizes in bytes.

    `data`: the zip, in memory or mapped from the cache; `code_sha256`: base64 of its SHA-256, Lambda's CodeSha256;
    `tree_digest`: hex SHA-256 over names, modes, links and contents, the same whichever compressor wrote the zip.
    """

    data: bytes | mmap = field(repr=False, compare=False)
    code_sha256: str
    tree_digest: str
    size: int
    unzipped_size: int
    files: int


def pack(
    entries: Iterable[Entry],
    *,
    dest: Path | None = None,
    limit: int | None = MAX_ZIPPED,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Package:
    """Zip `entries`; with `dest`, write the file there too (replaced in one step).

    `limit`: the zip must be smaller, in bytes; None for what does not travel inside a request. `cache`: what earlier
    packages know; it does not change the bytes. `workers`: threads that compress, as many as there are processors if
    None. `progress` is told the bytes read so far, and of how many.

    Memory: some 64 MiB of content at a time, or the largest file if that is larger, and the zip itself unless it is
    in the cache. Raises ArchiveError: at or over `limit`, or 262,144,000 bytes unzipped, with the ten largest files;
    a file that cannot be read; a name twice.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    for before, after in pairwise(ordered):
        if before.name == after.name:
            raise ArchiveError(f"two files want the name {after.name}: {before.path} and {after.path}")
    total = check_unzipped([(entry.name, entry.size) for entry in ordered])
    if cache is not None and total >= cache.smallest:
        try:
            return _with_cache(ordered, dest, limit, cache, workers, progress)
        except OSError:
            pass  # a cache that cannot be used is none
    with Sink.in_memory() as sink:
        written = _written(ordered, sink, limit, None, (), workers, progress)
        data = sink.bytes()
    if dest is not None:
        copied(data, dest)
    return written.package(data)


def check_unzipped(sizes: Sequence[tuple[str, int]]) -> int:
    """The sum of (name, bytes). Raises ArchiveError where Lambda would not unpack it, naming the ten largest."""
    total = sum(size for _, size in sizes)
    if total >= MAX_UNZIPPED:
        raise ArchiveError(
            f"{len(sizes)} files make {human(total)} unzipped; Lambda allows less than {human(MAX_UNZIPPED)} "
            f"for code and layers together. The largest:\n{largest(sizes)}",
            hint=_EXCLUDE,
        )
    return total


def _with_cache(
    ordered: Sequence[Entry],
    dest: Path | None,
    limit: int | None,
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> Package:
    """Raises OSError where the cache cannot be used."""
    memory = cache.recall(ordered)
    kept = memory.whole
    if kept is not None:
        if limit is not None and kept.size >= limit:
            raise _too_large([(e.name, r[3]) for e, r in zip(ordered, kept.records(), strict=True)], kept.size, limit)
    else:
        with Sink.in_file(cache.temporary()) as sink:
            written = _written(ordered, sink, limit, cache, memory.digests, workers, progress)
            sink.close()
            kept = cache.keep(
                sink.path,
                ordered,
                written.records,
                crc=sink.crc,
                unzipped=written.unzipped,
                code_sha256=written.sha256,
                tree_digest=written.tree_digest,
            )
        if kept is None:
            raise OSError("the package that was just written cannot be read")
    if dest is not None:
        copied(kept.zip, dest)
    return _of(kept)


def _of(kept: Kept) -> Package:
    return Package(
        data=kept.zip,
        code_sha256=b64encode(kept.code_sha256).decode(),
        tree_digest=kept.tree_digest.hex(),
        size=kept.size,
        unzipped_size=kept.unzipped,
        files=sum(1 for _ in kept.records()),
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """What `_written` knows in the end."""

    records: Sequence[Record]
    sha256: bytes
    tree_digest: bytes
    size: int
    unzipped: int

    def package(self, data: bytes) -> Package:
        return Package(
            data=data,
            code_sha256=b64encode(self.sha256).decode(),
            tree_digest=self.tree_digest.hex(),
            size=self.size,
            unzipped_size=self.unzipped,
            files=len(self.records),
        )


def _written(
    entries: Sequence[Entry],
    sink: Sink,
    limit: int | None,
    cache: Cache | None,
    digests: Sequence[bytes | None],
    workers: int | None,
    progress: Progress,
) -> _Written:
    """Write the zip of `entries`, which are in order, into `sink`."""
    tree = hashlib.sha256()
    records: list[Record] = []
    central: list[bytes] = []
    unzipped = 0
    for entry, packed in zip(entries, compressed(entries, cache, digests, workers, progress), strict=True):
        name, data = entry.name.encode(), packed.data
        mode = z.MODE_LINK if entry.link is not None else z.MODE_PROGRAM if entry.executable else z.MODE_FILE
        size = len(data)
        shared = (z.FLAG_UTF8, packed.method, 0, z.DOS_DATE, packed.crc, size, packed.size, len(name), 0)
        local = z.LOCAL.pack(z.LOCAL_MAGIC, z.NEEDED, *shared) + name
        central.append(
            z.CENTRAL.pack(z.CENTRAL_MAGIC, z.UNIX | z.NEEDED, z.NEEDED, *shared, 0, 0, 0, mode << 16, sink.size) + name
        )
        sink.write(local)
        records.append((packed.digest, packed.crc, packed.size, size, sink.size, packed.method))
        sink.write(data)
        unzipped += packed.size
        # Every part has a fixed or a stated length, so no two trees make the same stream.
        tree.update(b"%o %d:%s" % (mode, len(name), name) + packed.digest)
    # Once more with what was really read: a file may have grown since it was listed.
    check_unzipped([(entry.name, record[2]) for entry, record in zip(entries, records, strict=True)])
    directory = b"".join(central)
    sink.write(directory + _end(len(entries), len(directory), sink.size))
    if limit is not None and sink.size >= limit:
        raise _too_large([(e.name, r[3]) for e, r in zip(entries, records, strict=True)], sink.size, limit)
    return _Written(records, sink.sha256(), tree.digest(), sink.size, unzipped)


def _too_large(sizes: Sequence[tuple[str, int]], size: int, limit: int) -> ArchiveError:
    return ArchiveError(
        f"the zip is {human(size)}; Lambda takes less than {human(limit)} in a request. "
        f"The largest files, compressed:\n{largest(sizes)}",
        hint=f"{_EXCLUDE}, or let it go by way of a bucket: Code.S3Bucket and Code.S3Key in function.json",
    )


def _end(count: int, size: int, offset: int) -> bytes:
    if count < 0xFFFF:
        return z.END.pack(z.END_MAGIC, 0, 0, count, count, size, offset, 0)
    made = z.UNIX | z.NEEDED_ZIP64
    end64 = z.END64.pack(z.END64_MAGIC, z.END64.size - 12, made, z.NEEDED_ZIP64, 0, 0, count, count, size, offset)
    locator = z.LOCATOR64.pack(z.LOCATOR64_MAGIC, 0, offset + size, 1)
    return end64 + locator + z.END.pack(z.END_MAGIC, 0, 0, 0xFFFF, 0xFFFF, size, offset, 0)
