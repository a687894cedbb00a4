"""Zip bytes to a directory, for the local cloud: all or nothing, and nothing that the zip says is believed unchecked.

Reading is in three steps. `_members` turns each zip into a table of checked members without writing anything;
`_merge` lays the tables over each other, the last one winning, as Lambda merges layers into /opt; `_write` fills a
fresh directory beside the target and renames it into place at the end.

Why nothing can escape: names are relative, without "..", backslashes or drive letters; nothing lies below a name that
is a file or a link; a link's target goes up only at its start, no higher than the root. What it then passes on its
way down is in the tree, and if that is a link again the same holds for it.

Making a file costs many times what a further name of one costs. So where a tree of a zip much like this one is at hand
(`Like`), what is packed into the same bytes in both is linked from there.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from fnroll.archive import deflate64
from fnroll.archive.limits import MAX_UNZIPPED, human
from fnroll.archive.zipformat import (
    DEFLATED,
    DEFLATED64,
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_STRONG,
    LOCAL,
    LOCAL_MAGIC,
    METHODS,
    STORED,
)
from fnroll.errors import ArchiveError

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_MOST = {STORED: 1, DEFLATED: 1032, DEFLATED64: 29_128}
"""How many bytes one packed byte can become; what claims more is a trap."""

_FEW = 1 << 16
"""Bytes that a member may claim whatever its packed size is: the ratio of a handful of bytes says nothing."""

_ENCRYPTED = FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED
_MADE_BY_UNIX = (3, 19)  # Unix, and macOS
_LONGEST_LINK = 4096
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Member:
    """A checked member. `source`: the place of its zip among those given; `link`: the target of a link."""

    source: int
    info: ZipInfo
    is_dir: bool
    executable: bool
    link: str | None


@dataclass(frozen=True, slots=True)
class Like:
    """A zip that `unpack` has unpacked before, and where; nobody changes the files there."""

    data: bytes
    tree: Path


def unpack(data: bytes, target: Path, like: Like | None = None) -> None:
    """Unpack one zip as `target`, which must not exist or be empty. Files get 0644 or 0755, directories 0755; those
    that are the same in `like` share its files, and must not be changed either.

    Raises ArchiveError: no zip, a member that is refused (and why), more than 262,144,000 bytes unzipped, or a
    target that cannot be written. Nothing is left behind then.
    """
    _unpack((data,), target, like)


def unpack_layers(zips: Sequence[bytes], target: Path) -> None:
    """Unpack several zips over each other as `target`, the last one winning. Raises as `unpack` does."""
    _unpack(zips, target, None)


def _unpack(zips: Sequence[bytes], target: Path, like: Like | None) -> None:
    from zipfile import BadZipFile, ZipFile

    try:
        files = [ZipFile(BytesIO(data)) for data in zips]
        tables = [_members(file, source) for source, file in enumerate(files)]
    except (BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise ArchiveError(f"is no readable zip: {error}") from error
    _check_total(sum(member.info.file_size for table in tables for member in table.values()))
    members = _merge(tables)
    _write(files, members, target, _shared(zips[0], members, like) if like is not None else {})


def _shared(data: bytes, members: dict[str, _Member], like: Like) -> dict[str, str]:
    """The files of `like` that are those of `members` to the last packed byte, by name."""
    from zipfile import BadZipFile, ZipFile

    try:
        before = {info.orig_filename: info for info in ZipFile(BytesIO(like.data)).infolist()}
    except (BadZipFile, NotImplementedError, UnicodeDecodeError):
        return {}
    ours, theirs = memoryview(data), memoryview(like.data)
    shared, base = {}, f"{like.tree}{os.sep}"  # no Path for each of thousands of files
    for name, member in members.items():
        old = before.get(member.info.orig_filename)
        if old is None or member.is_dir or member.link is not None or _said(old) != _said(member.info):
            continue
        if _packed(ours, member.info) == _packed(theirs, old):
            shared[name] = base + name
    return shared


def _said(info: ZipInfo) -> tuple[int, ...]:
    return info.compress_type, info.compress_size, info.file_size, info.CRC, info.external_attr, info.create_system


def _packed(data: memoryview, info: ZipInfo) -> memoryview:
    """The bytes of a member as they lie in the zip; none where its header is not there."""
    head = data[info.header_offset : info.header_offset + LOCAL.size]
    if len(head) < LOCAL.size:
        return head[:0]
    start = info.header_offset + LOCAL.size + sum(LOCAL.unpack(head)[-2:])
    return data[start : start + info.compress_size]


def _check_total(size: int) -> None:
    if size > MAX_UNZIPPED:
        raise ArchiveError(f"unzips to more than the {human(MAX_UNZIPPED)} that Lambda allows for code and layers")


def _members(file: ZipFile, source: int) -> dict[str, _Member]:
    table: dict[str, _Member] = {}
    for info in file.infolist():
        name = _checked_name(info)
        if not name:
            continue  # "./": the root itself
        _check_readable(info, name)
        member = _member(file, info, name, source)
        before = table.get(name)
        if before is not None and not (before.is_dir and member.is_dir):
            raise ArchiveError("is in the zip twice", where=name)
        table[name] = member
    _check_apart(table)
    for name in table:
        for above in _above(name):
            if above in table and not table[above].is_dir:
                kind = "a file" if table[above].link is None else "a link"
                raise ArchiveError(f"lies below {above}, which is {kind} in the same zip", where=name)
    return table


def _check_apart(table: dict[str, _Member]) -> None:
    """No two members share bytes: that is how a small zip becomes an endless tree."""
    end, last = 0, ""
    for start, size, name in sorted((one.info.header_offset, one.info.compress_size, n) for n, one in table.items()):
        if start < 0:
            raise ArchiveError("lies outside the zip", where=name)
        if start < end:
            raise ArchiveError(f"shares its bytes with {last}", where=name)
        end, last = start + LOCAL.size + size, name


def _checked_name(info: ZipInfo) -> str:
    """The member's path without "." and a trailing slash. Raises ArchiveError for one that could lead elsewhere."""
    written = info.orig_filename
    if "\0" in written:
        raise ArchiveError("a member's name holds a NUL", where=repr(written))
    if "\\" in written:
        raise ArchiveError(
            "a member's name holds a backslash",
            where=repr(written),
            hint="zip names use forward slashes; write the zip with another tool",
        )
    parts = [part for part in written.split("/") if part not in ("", ".")]
    if written.startswith("/") or (written[1:2] == ":" and written[0].isalpha()):
        raise ArchiveError("a member's name is absolute", where=repr(written))
    if ".." in parts:
        raise ArchiveError("a member's name leads out of the zip", where=repr(written))
    if not parts and not written.endswith("/"):
        raise ArchiveError("a file without a name", where=repr(written))
    return "/".join(parts)


def _check_readable(info: ZipInfo, name: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError("is encrypted", where=name, hint="write the zip without a password")
    if info.compress_type not in _MOST:
        method = METHODS.get(info.compress_type, "an unknown method")
        raise ArchiveError(
            f"is compressed with {method} (number {info.compress_type})",
            where=name,
            hint="only stored and deflated members can be read",
        )
    if info.file_size > max(_FEW, info.compress_size * _MOST[info.compress_type]):
        raise ArchiveError(
            f"claims {human(info.file_size)} in {info.compress_size} bytes, which no content packs into", where=name
        )


def _member(file: ZipFile, info: ZipInfo, name: str, source: int) -> _Member:
    mode = info.external_attr >> 16 if info.create_system in _MADE_BY_UNIX else 0
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise ArchiveError("is neither file, directory nor link", where=name)
    if kind == stat.S_IFLNK:
        return _Member(source, info, False, False, _checked_link(file, info, name))
    is_dir = info.orig_filename.endswith("/") or kind == stat.S_IFDIR
    return _Member(source, info, is_dir, bool(mode & 0o111), None)


def _checked_link(file: ZipFile, info: ZipInfo, name: str) -> str:
    if info.file_size > _LONGEST_LINK:
        raise ArchiveError("is a link with an endless target", where=name)
    target = b"".join(_content(file, info, name)).decode("utf-8", "surrogateescape")
    depth, descending = name.count("/"), False
    for part in target.split("/"):
        if part == ".." and descending:
            depth = -1  # up after down: what is "down" may be a link, and then this "up" is somewhere else
        elif part == "..":
            depth -= 1
        elif part not in ("", "."):
            descending = True
        if depth < 0:
            break
    if depth < 0 or not target or target.startswith("/") or "\0" in target:
        raise ArchiveError(f"is a link that leads out of the tree: {target!r}", where=name)
    return target


def _merge(tables: Sequence[dict[str, _Member]]) -> dict[str, _Member]:
    """The last one wins, also where a file takes the place of a directory or the other way round."""
    merged: dict[str, _Member] = {}
    directories: set[str] = set()
    for table in tables:
        for name, member in table.items():
            for above in _above(name):
                if above in merged and not merged[above].is_dir:
                    del merged[above]
            if not member.is_dir and name in directories:
                merged = {known: one for known, one in merged.items() if not known.startswith(name + "/")}
                directories = {known for known in directories if not f"{known}/".startswith(name + "/")}
            merged[name] = member
            directories.update(_above(name))
            if member.is_dir:
                directories.add(name)
    return merged


def _above(name: str) -> Iterator[str]:
    """a/b/c -> a/b, a."""
    while name := name.rpartition("/")[0]:
        yield name


def _write(files: Sequence[ZipFile], members: dict[str, _Member], target: Path, shared: Mapping[str, str]) -> None:
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise ArchiveError(
            "is in the way: unpacking needs a path that is free or an empty directory", where=str(target)
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ArchiveError(f"cannot be made: {error.strerror}", where=str(target)) from error
    try:
        _fill(files, members, scratch, shared)
        scratch.chmod(0o755)
        scratch.replace(target)
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, OSError):
            place = os.path.relpath(error.filename, scratch) if error.filename else str(target)
            raise ArchiveError(f"cannot be written: {error.strerror}", where=place) from error
        raise


def _fill(files: Sequence[ZipFile], members: dict[str, _Member], root: Path, shared: Mapping[str, str]) -> None:
    made: set[str] = set()
    written = 0
    base = f"{root}{os.sep}"
    for name in sorted(members):
        member = members[name]
        own = name if member.is_dir else name.rpartition("/")[0]
        if own and own not in made:
            for directory in [*reversed(list(_above(own))), own]:
                if directory not in made:
                    (root / directory).mkdir()
                    (root / directory).chmod(0o755)
                    made.add(directory)
        if member.link is not None:
            (root / name).symlink_to(member.link)
        elif name in shared and _linked(shared[name], base + name):
            continue
        elif not member.is_dir:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(root / name, flags, 0o600), "wb") as out:
                for chunk in _content(files[member.source], member.info, name):
                    written += len(chunk)
                    _check_total(written)
                    out.write(chunk)
                os.fchmod(out.fileno(), 0o755 if member.executable else 0o644)


def _linked(source: str, target: str) -> bool:
    """False where the file system does not link it (any more), or it is not there: then it is written."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False
    return True


def _content(file: ZipFile, info: ZipInfo, name: str) -> Iterator[bytes]:
    """The member's bytes in pieces, checked against its size and CRC."""
    import zlib
    from zipfile import BadZipFile

    if info.compress_type == DEFLATED64:
        yield from _deflated64(file, info, name)
        return
    try:
        with file.open(info) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"cannot be unpacked: {error}", where=name) from error


def _deflated64(file: ZipFile, info: ZipInfo, name: str) -> Iterator[bytes]:
    """As `_content`, for the method that zipfile does not know."""
    import zlib

    assert isinstance(file.fp, BytesIO)
    data = file.fp.getbuffer()
    head = data[info.header_offset : info.header_offset + LOCAL.size]
    if len(head) < LOCAL.size or LOCAL.unpack(head)[0] != LOCAL_MAGIC:
        raise ArchiveError("cannot be unpacked: it has no header of its own", where=name)
    start = info.header_offset + LOCAL.size + sum(LOCAL.unpack(head)[-2:])
    crc, size = 0, 0
    for piece in deflate64.inflated(data[start : start + info.compress_size], name):
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        if size > info.file_size:
            break
        yield piece
    if (crc, size) != (info.CRC, info.file_size):
        raise ArchiveError("cannot be unpacked: its content is not what the zip says", where=name)
