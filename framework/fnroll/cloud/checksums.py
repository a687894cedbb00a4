"""The checksums that S3 knows: what zlib and hashlib compute, and two CRCs that nothing in the library does. Pure.

CRC-32C and CRC-64/NVME are remainders of polynomials over GF(2). A byte at a time, Python would take a minute for a
package of 250 MB. But a remainder stays the same if the front half of the message is multiplied by what its place is
worth and added to the back half; on integers of any size that is a few dozen shifts and exclusive ors, each as fast as
memory. Halved so again and again, little is left for the loop over bytes.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final

BLOCK: Final = 262_144
"""Bytes that are halved at a time: so much stays near the processor."""

SHORT: Final = 256
"""Bytes at which halving no longer pays."""

MAX_WORTHS: Final = 64
"""Powers that are remembered: those of whole blocks, and of a few others."""


class Crc:
    """A reflected CRC whose register begins and ends inverted. `polynomial` without its highest term, reflected."""

    def __init__(self, width: int, polynomial: int) -> None:
        self._width, self._polynomial = width, polynomial
        self._ones = (1 << width) - 1
        self._worths: dict[int, tuple[int, ...]] = {}
        self._table = [self._stepped(byte, 8) for byte in range(256)]

    def of(self, data: bytes) -> bytes:
        """Big-endian, as it is sent."""
        register = self._ones
        for begin in range(0, len(data), BLOCK):
            register = self._block(data[begin : begin + BLOCK], register)
        return (register ^ self._ones).to_bytes(self._width // 8, "big")

    def _block(self, data: bytes, register: int) -> int:
        """The register after a block."""
        if len(data) < SHORT:
            return self._looped(data, register)
        # What the register holds counts as added to the first bits; the rest then begins with an empty one.
        message, length = int.from_bytes(data, "little") ^ register, len(data) * 8
        while length >= SHORT * 8:
            front = (length - self._width) // 16 * 8  # whole bytes
            back = length - front
            head, message = message & ((1 << front) - 1), message >> front
            for power in self._worth(back):
                message ^= head << (back - front - power)
            length = back
        return self._looped(message.to_bytes(length // 8, "little"), 0)

    def _looped(self, data: bytes, register: int) -> int:
        table = self._table
        for byte in data:
            register = table[(register ^ byte) & 0xFF] ^ register >> 8
        return register

    def _worth(self, power: int) -> tuple[int, ...]:
        """What x to this power is when reduced: the powers of x whose sum it is."""
        known = self._worths.get(power)
        if known is None:
            result = 1 << (self._width - 1)  # one: the coefficient of x^j is the bit width-1-j
            for bit in bin(power)[2:]:
                result = self._times(result, result)
                if bit == "1":
                    result = self._stepped(result, 1)
            known = tuple(each for each in range(self._width) if result >> (self._width - 1 - each) & 1)
            if len(self._worths) < MAX_WORTHS:
                self._worths[power] = known
        return known

    def _times(self, one: int, other: int) -> int:
        result = 0
        for place in range(self._width - 1, -1, -1):
            if other >> place & 1:
                result ^= one
            one = self._stepped(one, 1)
        return result

    def _stepped(self, value: int, times: int) -> int:
        """Multiplied by x so many times."""
        for _ in range(times):
            value = value >> 1 ^ (self._polynomial if value & 1 else 0)
        return value


CRC32C: Final = Crc(32, 0x82F63B78)
CRC64NVME: Final = Crc(64, 0x9A6C9329AC4BC9B5)

CHECKSUMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": CRC32C.of,
    "crc64nvme": CRC64NVME.of,
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
"""By the end of `x-amz-checksum-…`."""
