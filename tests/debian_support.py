"""A Debian archive of three packages, made of what lies on this machine: a shell, its libc, an empty dependency."""

from __future__ import annotations

import hashlib
import io
import lzma
import shutil
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from fnroll.layers import elf

ARCHITECTURE = elf.of_this_machine() or ""
DEBIAN = {"x86_64": "amd64", "arm64": "arm64"}.get(ARCHITECTURE, "")


def why_not() -> str | None:
    """Why there is nothing to test here: no dynamically linked shell for one of Lambda's processors."""
    if not DEBIAN:
        return "no processor of Lambda's"
    program = shell()
    if program is None or not library(elf.LOADERS[ARCHITECTURE]) or not library("libc.so.6"):
        return "no shell that is linked with glibc"
    return None


def shell() -> Path | None:
    """A shell that needs libc alone: dash."""
    found = shutil.which("dash")
    if found is None:
        return None
    parsed = elf.read(Path(found).resolve().read_bytes())
    return Path(found).resolve() if parsed is not None and parsed.needed == ("libc.so.6",) else None


def library(name: str) -> Path | None:
    triplet = elf.TRIPLETS[ARCHITECTURE]
    homes = (f"/usr/lib/{triplet}", f"/lib/{triplet}", "/lib64", "/usr/lib64", "/usr/lib", "/lib")
    return next((path for home in homes if (path := Path(home) / name).is_file()), None)


def deb(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, compression: str = "xz") -> bytes:
    """A .deb of these files (executable if they are ELF) and symbolic links, with names as given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if elf.is_elf(content) else 0o644
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    data = buffer.getvalue()
    packed = lzma.compress(data, preset=0) if compression == "xz" else data
    suffix = ".xz" if compression == "xz" else ""
    return b"!<arch>\n" + b"".join(
        _member(name, content)
        for name, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", b""), (f"data.tar{suffix}", packed))
    )


def _member(name: str, content: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
    return head + content + b"\n" * (len(content) % 2)


@cache
def packages() -> dict[str, bytes]:
    program, loader, libc = shell(), library(elf.LOADERS[ARCHITECTURE]), library("libc.so.6")
    assert program and loader and libc
    home = f"./lib/{elf.TRIPLETS[ARCHITECTURE]}"
    return {
        "shell": deb(
            {
                "./usr/bin/dash": program.read_bytes(),
                "./usr/share/shell/profile": b"greeting=hello\n",
                "./usr/share/shell/manual.pod": b"words",
                "./usr/share/doc/shell/copyright": b"the shell's licence\n",
            },
            {"./bin/sh": "dash"},
        ),
        "libc6": deb(
            {
                f"{home}/libc-2.so": libc.read_bytes(),
                f"{home}/{loader.name}": loader.read_bytes(),
                "./usr/share/doc/libc6/copyright": b"the libc's licence\n",
            },
            {f"{home}/libc.so.6": "libc-2.so"},
        ),
        "nothing": deb({"./usr/share/doc/nothing/copyright": b"none\n"}),
    }


DEPENDS = {"shell": "libc6 (>= 0.9), nothing | anything, dpkg", "libc6": "", "nothing": ""}


def mirror(root: Path, version: str = "1.0-1") -> Path:
    """The archive below `root`, suite bookworm, with no signature. Its URL is root.as_uri()."""
    rows = []
    for name, data in packages().items():
        prefix = name[:4] if name.startswith("lib") else name[0]
        path = f"pool/main/{prefix}/{name}/{name}_{version}_{DEBIAN}.deb"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        depends = f"Depends: {DEPENDS[name]}\n" if DEPENDS[name] else ""
        rows.append(
            f"Package: {name}\nVersion: {version}\n{depends}Filename: {path}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    index = lzma.compress("\n".join(rows).encode())
    name = f"main/binary-{DEBIAN}/Packages.xz"
    (root / "dists/bookworm" / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "dists/bookworm" / name).write_bytes(index)
    until = (datetime.now(UTC) + timedelta(days=365)).strftime("%a, %d %b %Y %H:%M:%S UTC")
    release = (
        f"Suite: oldstable\nCodename: bookworm\nValid-Until: {until}\nSHA256:\n"
        f" {hashlib.sha256(index).hexdigest()} {len(index)} {name}\n"
    )
    (root / "dists/bookworm/InRelease").write_text(
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{release}-----BEGIN PGP SIGNATURE-----\n\nx\n"
    )
    return root
