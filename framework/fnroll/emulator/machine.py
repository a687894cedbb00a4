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


def environments_that_fit() -> int:
    """How many environments an emulator opened now may keep; raises the limit of open files."""
    return capacity(available_memory(), raise_descriptor_limit())
