"""Values of one metric in one minute: kept exactly where they are summed, to three digits where they are ranked. Pure.

A minute that is over is packed: twenty thousand of them must not be what a cloud weighs. Packed, a metric is its number
in `NAMES`, a count and a value where all were the same, else sums and bounds, and how often each value came. A value is
two bytes, its three digits and the place of its point.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

NAMES: Final = (
    "Invocations",
    "Errors",
    "Throttles",
    "Duration",
    "ConcurrentExecutions",
    "*",
    "UnreservedConcurrentExecutions",
    "ProvisionedConcurrencyInvocations",
    "ProvisionedConcurrencySpilloverInvocations",
    "ProvisionedConcurrentExecutions",
    "ProvisionedConcurrencyUtilization",
    "PostRuntimeExtensionsDuration",
    "AsyncEventsReceived",
    "AsyncEventAge",
    "AsyncEventsDropped",
    "DeadLetterErrors",
    "DestinationDeliveryFailures",
    "IteratorAge",
    "UrlRequestCount",
    "Url4xxCount",
    "Url5xxCount",
    "UrlRequestLatency",
    "PolledEventCount",
    "FilteredOutEventCount",
    "InvokedEventCount",
    "FailedInvokeEventCount",
    "DroppedEventCount",
    "OnFailureDestinationDeliveredEventCount",
    "DeletedEventCount",
)
"""Every metric that is counted here; `*` is how many invocations of all functions run."""

UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("Duration", "PostRuntimeExtensionsDuration", "AsyncEventAge", "IteratorAge", "UrlRequestLatency"),
        "Milliseconds",
    ),
    "ProvisionedConcurrencyUtilization": "None",
}
"""The others are Count."""


@dataclass(slots=True)
class Datum:
    """`several`: how often each value came, at three significant digits; None as long as all were the same, and for
    sums that somebody else has made."""

    count: float = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    several: dict[float, float] | None = None

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        several = self.several
        if several is None:
            if value == self.least or self.count == 1:
                self.least = self.most = value
                return
            several = self.several = {_near(self.least): self.count - 1}
        if value < self.least:
            self.least = value
        elif value > self.most:
            self.most = value
        key = value if value in several else _near(value)
        several[key] = several.get(key, 0) + 1

    def spread(self) -> dict[float, float]:
        """How often each value came; empty where nobody knows."""
        if self.several is not None:
            return dict(self.several)
        return {_near(self.least): self.count} if self.count and self.least == self.most else {}

    def merge(self, other: Datum) -> None:
        if not other.count:
            return
        if self.count and (self.several is not None or other.several is not None or self.least != other.most):
            mine = self.spread()
            for value, count in other.spread().items():
                mine[value] = mine.get(value, 0) + count
            self.several = mine
        elif not self.count:
            self.several = None if other.several is None else dict(other.several)
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)


Row = dict[str, Datum]
"""What was counted for one resource in one minute, by metric."""


def _near(value: float) -> float:
    return float(f"{value:.3g}")


# Packing

_SAME: Final = struct.Struct("<BId")
_SEVERAL: Final = struct.Struct("<BHIddd")
_IS_SEVERAL: Final = 0x80
_IS_OFTEN: Final = 0x40
_NUMBERS: Final = {name: number for number, name in enumerate(NAMES)}
_LOWEST: Final = -20
"""The power of ten below which a value is packed as nothing."""


def pack(row: Mapping[str, Datum]) -> bytes:
    parts = []
    for name, datum in row.items():
        number = _NUMBERS[name]
        if datum.several is None:
            parts.append(_SAME.pack(number, int(datum.count), datum.least))
            continue
        counts = [int(count) for count in datum.several.values()]
        often = max(counts) > 0xFF
        head = number | _IS_SEVERAL | (_IS_OFTEN if often else 0)
        parts.append(_SEVERAL.pack(head, len(counts), int(datum.count), datum.total, datum.least, datum.most))
        parts.append(array("H", map(_code, datum.several)).tobytes())
        parts.append(array("I" if often else "B", counts).tobytes())
    return b"".join(parts)


def unpack(data: bytes, only: str | None = None) -> Row:
    """The row, or one metric of it."""
    row: Row = {}
    for name, start, end in _metrics(data):
        if only is not None and name != only:
            continue
        if not data[start] & _IS_SEVERAL:
            _, count, value = _SAME.unpack_from(data, start)
            row[name] = Datum(count, count * value, value, value)
            continue
        head, length, count, total, least, most = _SEVERAL.unpack_from(data, start)
        middle = start + _SEVERAL.size + 2 * length
        codes = array("H", data[middle - 2 * length : middle])
        counts = array("I" if head & _IS_OFTEN else "B", data[middle:end])
        row[name] = Datum(count, total, least, most, dict(zip(map(_value, codes), counts, strict=True)))
    return row


def packed_names(data: bytes) -> list[str]:
    return [name for name, _, _ in _metrics(data)]


def _metrics(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Each metric's name, and where it begins and ends."""
    start = 0
    while start < len(data):
        head = data[start]
        end = start + _SAME.size
        if head & _IS_SEVERAL:
            _, length, *_ = _SEVERAL.unpack_from(data, start)
            end = start + _SEVERAL.size + length * (2 + (4 if head & _IS_OFTEN else 1))
        yield NAMES[head & ~(_IS_SEVERAL | _IS_OFTEN)], start, end
        start = end


def _code(value: float) -> int:
    """Two bytes: 12.3 is the digits 123 and the power 1."""
    digits, _, power = f"{value:.2e}".partition("e")
    if value <= 0 or int(power) < _LOWEST:
        return 0
    return (int(power) - _LOWEST) * 1000 + int(digits.replace(".", ""))


@lru_cache(maxsize=4096)
def _value(code: int) -> float:
    power, digits = divmod(code, 1000)
    return float(f"{digits}e{power + _LOWEST - 2}")
