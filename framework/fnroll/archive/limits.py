"""Lambda's limits on packages, and how sizes are written in messages. Constants and pure functions, nothing else."""

from __future__ import annotations

from collections.abc import Iterable

MAX_ZIPPED = 52_428_800
"""Bytes of a zip sent inside a request (CreateFunction, UpdateFunctionCode, PublishLayerVersion)."""

MAX_UNZIPPED = 262_144_000
"""Bytes of a function's code together with all its layers, unzipped."""


def human(size: int) -> str:
    """1536 -> "1.5 KiB"; whole bytes below 1 KiB."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} GiB"


def largest(sizes: Iterable[tuple[str, int]]) -> str:
    """The ten largest of (name, bytes), one a line, for an error that says what to look at."""
    top = sorted(sizes, key=lambda item: (-item[1], item[0]))[:10]
    return "\n".join(f"  {human(size):>10}  {name}" for name, size in top)
