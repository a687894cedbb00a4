"""What this machine has for environments: memory and open files. The I/O beside policy.capacity."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

from fnroll.emulator.policy import capacity

_MOST_DESCRIPTORS = 1 << 20
"""Enough for anything here; some systems name a hard limit that they then refuse."""

_MODEST_DESCRIPTORS = 10_240
"""What macOS takes at most, whatever it names as its hard limit."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one, for this process and those it starts; the limit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    for wanted in (most, _MODEST_DESCRIPTORS):
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            break
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return most if soft == resource.RLIM_INFINITY else soft


def available_memory() -> int:
    """Bytes that programs could have now without swapping; 0 where the system does not tell (not Linux)."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return 0


class CpuIdleness:
    """Asked now and then: the part of this machine's CPU that was idle since the last time; 0 where nothing tells."""

    def __init__(self) -> None:
        self._last = (0, 0)

    def __call__(self) -> float:
        try:
            with Path("/proc/stat").open() as file:
                ticks = [int(word) for word in file.readline().split()[1:9]]
        except (OSError, ValueError):
            return 0.0
        before, self._last = self._last, (ticks[3] + ticks[4], sum(ticks))
        passed = self._last[1] - before[1]
        return (self._last[0] - before[0]) / passed if passed > 0 else 0.0


def environments_that_fit() -> int:
    """How many environments an emulator opened now may keep; raises the limit of open files."""
    return capacity(available_memory(), raise_descriptor_limit())
