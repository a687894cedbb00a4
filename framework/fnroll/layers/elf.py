"""What an ELF file says of itself: for which processor, which libraries it needs, which versions of glibc's symbols.

Our own reader, of the program headers alone: they are what the loader goes by, and stripped files have no others that
can be counted on. 64-bit little-endian, which both of Lambda's architectures are. System V ABI, chapters 4 and 5;
symbol versions: the LSB core specification, 10.7.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fnroll.errors import LayerError

MACHINES = {"x86_64": 62, "arm64": 183}
TRIPLETS = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}

_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
_VERNEED, _VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_VERDEF, _VERDEFNUM = 0x6FFFFFFC, 0x6FFFFFFD


def of_this_machine() -> str | None:
    """This machine's architecture, as Lambda calls it; None for one that it has not."""
    machine = platform.machine()
    return {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(machine)


@dataclass(frozen=True, slots=True)
class Elf:
    """`machine`: e_machine; `needed`: DT_NEEDED in order; `interpreter`: the loader it names, None for a library or a
    static program; `wants`: library -> the versions of its symbols that are needed; `gives`: those it defines."""

    machine: int
    needed: tuple[str, ...]
    soname: str | None
    interpreter: str | None
    rpath: str | None
    wants: dict[str, tuple[str, ...]]
    gives: frozenset[str]

    @property
    def architecture(self) -> str | None:
        """As Lambda calls it; None for one that it has not."""
        return next((name for name, number in MACHINES.items() if number == self.machine), None)

    @property
    def glibc(self) -> tuple[int, ...]:
        """The newest version of glibc that it needs, (2, 34); () if none."""
        found = [name.removeprefix("GLIBC_") for names in self.wants.values() for name in names]
        numbers = [tuple(map(int, name.split("."))) for name in found if name.replace(".", "").isdecimal()]
        return max(numbers, default=())


def is_elf(head: bytes) -> bool:
    return head[:4] == b"\x7fELF"


def read(data: bytes, where: str = "file") -> Elf | None:
    """None for what is no ELF file. Raises LayerError for one that is damaged, or not 64-bit little-endian."""
    if not is_elf(data):
        return None
    if data[4:6] != b"\x02\x01":
        raise LayerError("is an ELF file of a kind that Lambda cannot run: not 64-bit little-endian", where=where)
    try:
        return _Reader(data).elf()
    except (struct.error, ValueError, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise LayerError(f"is a damaged ELF file: {error}", where=where) from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        (self.machine,) = struct.unpack_from("<H", data, 18)
        (table,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, table + number * size) for number in range(count)]

    def elf(self) -> Elf:
        dynamic = list(self._dynamic())
        first = dict(reversed(dynamic))  # the first of several counts
        strings = self._offset(first[_STRTAB]) if _STRTAB in first else 0

        def text(at: int) -> str:
            begin = strings + at
            return self.data[begin : self.data.index(b"\0", begin)].decode()

        interpreter = next((segment for segment in self.segments if segment[0] == _INTERP), None)
        rpath = first.get(_RUNPATH, first.get(_RPATH))
        return Elf(
            machine=self.machine,
            needed=tuple(text(value) for tag, value in dynamic if tag == _NEEDED),
            soname=text(first[_SONAME]) if _SONAME in first else None,
            interpreter=None
            if interpreter is None
            else self.data[interpreter[2] : interpreter[2] + interpreter[5]].rstrip(b"\0").decode(),
            rpath=None if rpath is None else text(rpath),
            wants={
                text(library): tuple(map(text, names))
                for library, names in self._wants(first.get(_VERNEED), first.get(_VERNEEDNUM, 0))
            },
            gives=frozenset(map(text, self._gives(first.get(_VERDEF), first.get(_VERDEFNUM, 0)))),
        )

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        for kind, _, offset, _, _, size, *_ in self.segments:
            if kind == _DYNAMIC:
                for at in range(offset, offset + size, 16):
                    tag, value = struct.unpack_from("<qQ", self.data, at)
                    if tag == 0:
                        return
                    yield tag, value

    def _offset(self, address: int) -> int:
        """Where in the file that lies which is loaded at `address`."""
        for kind, _, offset, start, _, size, *_ in self.segments:
            if kind == _LOAD and start <= address < start + size:
                return int(offset + address - start)
        raise ValueError(f"nothing is loaded at {address:#x}")

    def _wants(self, address: int | None, count: int) -> Iterator[tuple[int, list[int]]]:
        """(library, names of versions), as places in the string table."""
        at = 0 if address is None else self._offset(address)
        for _ in range(count if address is not None else 0):
            _, names, library, first, following = struct.unpack_from("<HHIII", self.data, at)
            found, each = [], at + first
            for _ in range(names):
                _, _, _, name, step = struct.unpack_from("<IHHII", self.data, each)
                found.append(name)
                each += step
            yield library, found
            at += following

    def _gives(self, address: int | None, count: int) -> Iterator[int]:
        at = 0 if address is None else self._offset(address)
        for _ in range(count if address is not None else 0):
            _, _, _, _, _, first, following = struct.unpack_from("<HHHHIII", self.data, at)
            name, _ = struct.unpack_from("<II", self.data, at + first)
            yield name
            at += following
