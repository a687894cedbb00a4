"""A dozen instructions, written down once and encoded for both of Lambda's processors.

Just what the launcher (launcher.py) is made of: 64-bit registers, loads and stores, compare and branch, system calls.
Registers are numbers: A0 to A3 carry a system call's arguments and its result, T0 and T1 survive none, R4 to R10 do.
Encodings: Intel SDM volume 2, Arm Architecture Reference Manual C6.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Condition = Literal["eq", "ne", "lo", "hs"]

A0, A1, A2, A3, R4, R5, R6, R7, R8, R9, R10, T0, T1 = range(13)


@dataclass
class Assembler(ABC):
    """Base of the two: labels, and branches patched when all is known. `origin`: the address of the first byte."""

    origin: int
    code: bytearray = field(default_factory=bytearray)
    _labels: dict[str, int] = field(default_factory=dict)
    _patches: list[tuple[int, str, Callable[[int], bytes]]] = field(default_factory=list)

    def label(self, name: str) -> None:
        self._labels[name] = len(self.code)

    def finish(self) -> bytes:
        for at, name, encode in self._patches:
            patch = encode(self._labels[name] - at)
            self.code[at : at + len(patch)] = patch
        return bytes(self.code)

    def _branch(self, name: str, encode: Callable[[int], bytes]) -> None:
        """`encode` makes the instruction from the distance between itself and the label."""
        self._patches.append((len(self.code), name, encode))
        self.code += encode(0)

    # what a processor knows; see the two below

    @abstractmethod
    def stack(self, to: int) -> None:
        """to = stack pointer"""

    @abstractmethod
    def set_stack(self, source: int) -> None:
        """stack pointer = source, which must be a multiple of 16"""

    @abstractmethod
    def const(self, to: int, value: int) -> None: ...

    @abstractmethod
    def move(self, to: int, source: int) -> None: ...

    @abstractmethod
    def add(self, to: int, source: int) -> None:
        """to += source"""

    @abstractmethod
    def step(self, to: int, amount: int) -> None:
        """to += amount, which lies within 4095 either way"""

    @abstractmethod
    def align(self, to: int) -> None:
        """to rounded down to a multiple of 16"""

    @abstractmethod
    def load(self, to: int, base: int, size: Literal[1, 8] = 8) -> None:
        """to = what lies at base, one byte or eight"""

    @abstractmethod
    def store(self, base: int, source: int, size: Literal[1, 8] = 8) -> None: ...

    @abstractmethod
    def compare(self, left: int, right: int) -> None: ...

    @abstractmethod
    def compare_const(self, left: int, value: int) -> None:
        """`value` from 0 to 4095"""

    @abstractmethod
    def jump(self, name: str, when: Condition | None = None) -> None:
        """To a label; `when`: as the last comparison went (unsigned)."""

    @abstractmethod
    def call(self, name: str) -> None:
        """The system call `name`, arguments in A0 to A3, its result in A0."""


class X86(Assembler):
    """rdi rsi rdx r10 | r8 r9 rbx rbp r13 r14 r15 | rax rcx: neither rsp nor r12, which as a base need a byte more."""

    _REGISTERS = (7, 6, 2, 10, 8, 9, 3, 5, 13, 14, 15, 0, 1)
    _CALLS = {"write": 1, "execve": 59, "exit": 60, "readlink": 89}  # noqa: RUF012 - a table
    _CONDITIONS = {"eq": 0x84, "ne": 0x85, "lo": 0x82, "hs": 0x83}  # noqa: RUF012

    def stack(self, to: int) -> None:
        self._register(0x89, self._REGISTERS[to], 4)

    def set_stack(self, source: int) -> None:
        self._register(0x89, 4, self._REGISTERS[source])

    def const(self, to: int, value: int) -> None:
        number = self._REGISTERS[to]
        self.code += bytes((0x48 | number >> 3, 0xB8 | number & 7)) + struct.pack("<Q", value)

    def move(self, to: int, source: int) -> None:
        self._register(0x89, self._REGISTERS[to], self._REGISTERS[source])

    def add(self, to: int, source: int) -> None:
        self._register(0x01, self._REGISTERS[to], self._REGISTERS[source])

    def step(self, to: int, amount: int) -> None:
        self._register(0x81, self._REGISTERS[to], 0)
        self.code += struct.pack("<i", amount)

    def align(self, to: int) -> None:
        self._register(0x81, self._REGISTERS[to], 4)
        self.code += struct.pack("<i", -16)

    def load(self, to: int, base: int, size: Literal[1, 8] = 8) -> None:
        self._memory((0x8B,) if size == 8 else (0x0F, 0xB6), self._REGISTERS[to], self._REGISTERS[base])

    def store(self, base: int, source: int, size: Literal[1, 8] = 8) -> None:
        self._memory((0x89,) if size == 8 else (0x88,), self._REGISTERS[source], self._REGISTERS[base])

    def compare(self, left: int, right: int) -> None:
        self._register(0x39, self._REGISTERS[left], self._REGISTERS[right])

    def compare_const(self, left: int, value: int) -> None:
        self._register(0x81, self._REGISTERS[left], 7)
        self.code += struct.pack("<i", value)

    def jump(self, name: str, when: Condition | None = None) -> None:
        head = b"\xe9" if when is None else bytes((0x0F, self._CONDITIONS[when]))
        self._branch(name, lambda distance: head + struct.pack("<i", distance - len(head) - 4))

    def call(self, name: str) -> None:
        # rax takes the number and gives the result; rcx and r11 are lost.
        self.code += b"\xb8" + struct.pack("<I", self._CALLS[name]) + b"\x0f\x05"
        self._register(0x89, self._REGISTERS[A0], 0)

    def _register(self, opcode: int, rm: int, reg: int) -> None:
        self.code += bytes((0x48 | (reg >> 3) << 2 | rm >> 3, opcode, 0xC0 | (reg & 7) << 3 | rm & 7))

    def _memory(self, opcode: tuple[int, ...], reg: int, base: int) -> None:
        """[base + 0], with the displacement of a byte that rbp and r13 cannot do without."""
        self.code += bytes((0x48 | (reg >> 3) << 2 | base >> 3, *opcode, 0x40 | (reg & 7) << 3 | base & 7, 0))


class Arm(Assembler):
    """x0 to x3 | x9 to x15 | x4 x5; x8 takes the number of a system call."""

    _REGISTERS = (0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 4, 5)
    _CALLS = {"write": 64, "execve": 221, "exit": 93, "readlink": 78}  # noqa: RUF012
    _CONDITIONS = {"eq": 0, "ne": 1, "lo": 3, "hs": 2}  # noqa: RUF012

    def stack(self, to: int) -> None:
        self._word(0x910003E0 | self._REGISTERS[to])

    def set_stack(self, source: int) -> None:
        self._word(0x9100001F | self._REGISTERS[source] << 5)

    def const(self, to: int, value: int) -> None:
        self._const(self._REGISTERS[to], value)

    def move(self, to: int, source: int) -> None:
        self._word(0xAA0003E0 | self._REGISTERS[source] << 16 | self._REGISTERS[to])

    def add(self, to: int, source: int) -> None:
        number = self._REGISTERS[to]
        self._word(0x8B000000 | self._REGISTERS[source] << 16 | number << 5 | number)

    def step(self, to: int, amount: int) -> None:
        number = self._REGISTERS[to]
        self._word((0x91000000 if amount >= 0 else 0xD1000000) | abs(amount) << 10 | number << 5 | number)

    def align(self, to: int) -> None:
        number = self._REGISTERS[to]
        self._word(0x927CEC00 | number << 5 | number)  # and to, to, #~15

    def load(self, to: int, base: int, size: Literal[1, 8] = 8) -> None:
        self._word((0xF9400000 if size == 8 else 0x39400000) | self._REGISTERS[base] << 5 | self._REGISTERS[to])

    def store(self, base: int, source: int, size: Literal[1, 8] = 8) -> None:
        self._word((0xF9000000 if size == 8 else 0x39000000) | self._REGISTERS[base] << 5 | self._REGISTERS[source])

    def compare(self, left: int, right: int) -> None:
        self._word(0xEB00001F | self._REGISTERS[right] << 16 | self._REGISTERS[left] << 5)

    def compare_const(self, left: int, value: int) -> None:
        self._word(0xF100001F | value << 10 | self._REGISTERS[left] << 5)

    def jump(self, name: str, when: Condition | None = None) -> None:
        if when is None:
            self._branch(name, lambda distance: struct.pack("<I", 0x14000000 | distance >> 2 & 0x3FFFFFF))
        else:
            low = self._CONDITIONS[when]
            self._branch(name, lambda distance: struct.pack("<I", 0x54000000 | (distance >> 2 & 0x7FFFF) << 5 | low))

    def call(self, name: str) -> None:
        if name == "readlink":  # arm64 has readlinkat alone: (directory, path, buffer, size)
            for number in (2, 1, 0):
                self._word(0xAA0003E0 | number << 16 | number + 1)
            self._word(0x92800C60)  # mov x0, #-100 (AT_FDCWD)
        self._const(8, self._CALLS[name])
        self._word(0xD4000001)

    def _const(self, number: int, value: int) -> None:
        for part in range(4):
            head = 0xD2800000 if part == 0 else 0xF2800000
            self._word(head | part << 21 | (value >> 16 * part & 0xFFFF) << 5 | number)

    def _word(self, word: int) -> None:
        self.code += struct.pack("<I", word)
