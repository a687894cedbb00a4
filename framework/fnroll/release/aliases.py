"""The aliases of a function as rows: which versions serve, and with what share of the traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fnroll.aws import Session
from fnroll.aws.aliases import list_aliases


@dataclass(frozen=True, slots=True)
class AliasRow:
    """One alias. `traffic`: version -> share, 0.0 to 1.0; the shares sum to 1."""

    name: str
    traffic: Mapping[str, float]
    description: str
    revision_id: str | None


def list_rows(session: Session, function: str) -> tuple[AliasRow, ...]:
    """Every alias of `function`, by name. Raises NotFound."""
    return tuple(
        AliasRow(row.name, row.traffic, row.description, row.revision_id)
        for row in list_aliases(session.control, function)
    )
