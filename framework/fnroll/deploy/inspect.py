"""What is deployed, for people: the status of a function and the list of its versions, as frozen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fnroll.aws import Session
from fnroll.aws.aliases import list_aliases
from fnroll.aws.functions import get_function
from fnroll.aws.urls import find_url
from fnroll.aws.versions import list_versions
from fnroll.deploy.plan import without_record


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """One function. `aliases`: name -> version -> share of its traffic; `function_url` is the alias's."""

    name: str
    arn: str
    runtime: str | None
    package_type: str
    state: str
    last_update_status: str
    reason: str
    code_sha256: str
    code_size: int
    memory_mb: int
    timeout: int
    layers: tuple[str, ...]
    last_modified: str
    aliases: Mapping[str, Mapping[str, float]]
    function_url: str | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version, and the aliases that route traffic to it."""

    version: str
    aliases: tuple[str, ...]
    last_modified: str
    runtime: str | None
    code_sha256: str
    description: str


def status(session: Session, name: str, alias: str) -> FunctionStatus:
    """$LATEST's state, every alias, and the URL of `alias`. Raises NotFound."""
    client = session.control
    state = get_function(client, name)
    url = find_url(client, name, alias)
    return FunctionStatus(
        name=state.name,
        arn=state.arn,
        runtime=state.runtime,
        package_type=state.package_type,
        state=state.state,
        last_update_status=state.last_update_status,
        reason=state.reason,
        code_sha256=state.code_sha256,
        code_size=int(state.configuration.get("CodeSize", 0)),
        memory_mb=int(state.configuration.get("MemorySize", 0)),
        timeout=int(state.configuration.get("Timeout", 0)),
        layers=state.layers,
        last_modified=state.last_modified,
        aliases={row.name: row.traffic for row in list_aliases(client, name)},
        function_url=url.url if url else None,
    )


def versions(session: Session, name: str) -> tuple[VersionRow, ...]:
    """Every version, oldest first, $LATEST last. Raises NotFound."""
    client = session.control
    bearers: dict[str, list[str]] = {}
    for alias in list_aliases(client, name):
        for version in alias.traffic:
            bearers.setdefault(version, []).append(alias.name)
    return tuple(
        VersionRow(
            version=state.version,
            aliases=tuple(bearers.get(state.version, ())),
            last_modified=state.last_modified,
            runtime=state.runtime,
            code_sha256=state.code_sha256,
            description=without_record(state.description),
        )
        for state in list_versions(client, name)
    )
