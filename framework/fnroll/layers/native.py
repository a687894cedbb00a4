"""What of a package is native: a program of the user's own as `bootstrap`, libraries. Pure but for reading the files.

Asked before anything is sent, since on Lambda all one learns is Runtime.InvalidEntrypoint, or a line of the loader's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fnroll.archive import Entry
from fnroll.errors import LayerError
from fnroll.layers import elf
from fnroll.layers.bases import GLIBC

if TYPE_CHECKING:
    from fnroll.definition import Definition

_LIBRARY = re.compile(r"\.(so|node)(\.[0-9.]+)?$")


def check_program(definition: Definition, entries: Sequence[Entry], architecture: str) -> None:
    """Raises LayerError for a `bootstrap` in the package that cannot run on `architecture` under its Runtime."""
    base = definition.request.get("Runtime", "")
    entry = next((one for one in entries if one.name == "bootstrap"), None)
    if entry is None or base not in GLIBC:
        return
    check_executable(entry, base, architecture)


def foreign_libraries(entries: Sequence[Entry], architecture: str) -> tuple[str, ...]:
    """Shared libraries (Perl's XS, Python's and Node's extensions) that are for another processor, by name.

    No error: a package may bring each library for several. Only heads are read."""
    found = []
    for entry in entries:
        if entry.link is None and _LIBRARY.search(entry.name):
            with entry.path.open("rb") as file:
                head = file.read(20)
            if elf.is_elf(head) and int.from_bytes(head[18:20], "little") != elf.MACHINES[architecture]:
                found.append(entry.name)
    return tuple(found)


def check_executable(entry: Entry, base: str, architecture: str, *, script: bool = True) -> None:
    """Raises LayerError for a program that cannot run on `architecture` over the image `base`. `script`: one that is no
    ELF file may be one."""
    where = str(entry.path)
    if not entry.executable:
        raise LayerError(
            "is not executable, so Lambda cannot start it", where=where, hint=f"chmod +x {entry.path.name}"
        )
    program = elf.read(entry.path.read_bytes(), where)
    if program is None and not script:
        raise LayerError("is no program: not an ELF file", where=where)
    if program is None:
        return
    if program.architecture != architecture:
        built = program.architecture or f"processor {program.machine}"
        raise LayerError(
            f"is a program for {built}, and the function runs on {architecture}",
            where=where,
            hint=f'build it for {architecture}, or say "Architectures": ["{built}"]'
            if program.architecture
            else f"build it for {architecture}",
        )
    if base in GLIBC and program.glibc > GLIBC[base]:
        wanted, has = (".".join(map(str, version)) for version in (program.glibc, GLIBC[base]))
        raise LayerError(
            f"needs glibc {wanted}, and {base} has {has}",
            where=where,
            hint="link it statically, or build it against an older glibc",
        )
