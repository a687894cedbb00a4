"""A .deb to its files, without dpkg: an ar archive (deb(5)) whose member data.tar holds them.

Nothing is run, no owner and no time is kept. What cannot belong into a layer (a device, a path that leads out) is an
error. Names are as on a merged /usr: /bin, /sbin, /lib and /lib64 are written usr/bin and so on, as Debian 12 has them.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

from fnroll.errors import LayerError

_MAGIC = b"!<arch>\n"
_HEADER = 60
_MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})


@dataclass(frozen=True, slots=True)
class File:
    """A member. `name`: below the root, "usr/bin/perl"; `content`: of a regular file, else None; `link`: what a
    symbolic link says; `same`: the name of the file that this is another name of (a hard link)."""

    name: str
    content: bytes | None = None
    executable: bool = False
    link: str | None = None
    same: str | None = None


def files(data: bytes, where: str = "package") -> Iterator[File]:
    """The regular files and links in a .deb, in its order. `where`: how an error names it. Raises LayerError."""
    try:
        with tarfile.open(fileobj=BytesIO(_data_tar(data)), mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                yield _file(archive, member)
    except LayerError as error:
        raise LayerError(error.message, where=where, hint=error.hint) from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise LayerError(f"is no intact .deb: {error}", where=where) from error


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    name = merged(member.name)
    if member.issym():
        return File(name, link=member.linkname)
    if member.islnk():
        return File(name, same=merged(member.linkname))
    stream = archive.extractfile(member) if member.isfile() else None
    if stream is None:
        raise LayerError(f"holds {name}, which is no file and no link")
    return File(name, stream.read(), bool(member.mode & 0o100))


def merged(name: str) -> str:
    """A path of a package below the root, in its place on a merged /usr. Raises LayerError if it leads out."""
    parts = [part for part in PurePosixPath(name.lstrip("/")).parts if part != "."]
    if not parts or ".." in parts or "\0" in name:
        raise LayerError(f"holds a file with the name {name!r}")
    return "/".join(["usr", *parts] if parts[0] in _MERGED and len(parts) > 1 else parts)


def _data_tar(data: bytes) -> bytes:
    if not data.startswith(_MAGIC):
        raise LayerError("is no .deb")
    at = len(_MAGIC)
    while at + _HEADER <= len(data):
        header = data[at : at + _HEADER]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size = int(header[48:58])
        body = data[at + _HEADER : at + _HEADER + size]
        if header[58:60] != b"`\n" or len(body) != size:
            raise LayerError("is no intact .deb")
        if name.startswith("data.tar"):
            return _unpacked(name, body)
        at += _HEADER + size + size % 2
    raise LayerError("is a .deb without data.tar")


def _unpacked(name: str, body: bytes) -> bytes:
    kind = name.removeprefix("data.tar")
    if kind == ".xz":
        return lzma.decompress(body)
    if kind == ".gz":
        return zlib.decompress(body, wbits=31)
    if kind == "":
        return body
    raise LayerError(f"holds {name}; Debian's own packages hold data.tar.xz", hint="use a suite of Debian's")
