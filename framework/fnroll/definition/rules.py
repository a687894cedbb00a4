"""What the service model cannot say about a CreateFunction request: rules between members, as a table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def broken(value: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Each broken rule as (JSON pointer, message, hint)."""
    if "Role" not in value:
        yield "", "Role is missing", "the ARN of the role that the function runs as"
