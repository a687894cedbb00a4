"""What is deployed, for people: a function's status, its versions, what goes when it is deleted. As frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fnroll.aws import Session
from fnroll.aws.aliases import list_aliases
from fnroll.aws.functions import get_function
from fnroll.aws.logs import log_group
from fnroll.aws.settings import list_sources
from fnroll.aws.urls import find_url
from fnroll.aws.versions import list_versions
from fnroll.deploy.record import previous_of, without_record
from fnroll.errors import AwsError

_NOT_BUILT = 501


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """One function, or one of its versions. `aliases`: name -> version -> share of its traffic; `function_url` is the
    alias's, else that of $LATEST; `version`: $LATEST, or the number behind the qualifier."""

    name: str
    arn: str
    version: str
    runtime: str | None
    package_type: str
    architectures: tuple[str, ...]
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
    """One version. `traffic`: alias that routes to it -> the share of the alias's traffic, 0.0 to 1.0; `aliases`: their
    names; `previous`: the version that the alias served before it, as the deploy recorded it."""

    version: str
    aliases: tuple[str, ...]
    last_modified: str
    runtime: str | None
    code_sha256: str
    description: str
    traffic: Mapping[str, float] = field(default_factory=dict)
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a function has. With it go `versions`, `aliases` and `urls` (alias, "" for $LATEST -> URL), and its policy
    and settings; `sources` (UUID -> event source), the log group and layers stay behind."""

    name: str
    versions: tuple[str, ...]
    aliases: tuple[str, ...]
    urls: Mapping[str, str]
    sources: Mapping[str, str]
    log_group: str


def status(session: Session, name: str, alias: str, qualifier: str | None = None) -> FunctionStatus:
    """The state of $LATEST or of what `qualifier` names, every alias, and the URL of `alias`. Raises NotFound."""
    client = session.control
    state = get_function(client, name, qualifier)
    url = find_url(client, name, alias) or find_url(client, name, None)
    return FunctionStatus(
        name=state.name,
        arn=state.arn,
        version=state.version,
        runtime=state.runtime,
        package_type=state.package_type,
        architectures=state.architectures,
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
    bearers: dict[str, dict[str, float]] = {}
    for alias in list_aliases(client, name):
        for version, share in alias.traffic.items():
            bearers.setdefault(version, {})[alias.name] = share
    return tuple(
        VersionRow(
            version=state.version,
            aliases=tuple(bearers.get(state.version, ())),
            last_modified=state.last_modified,
            runtime=state.runtime,
            code_sha256=state.code_sha256,
            description=without_record(state.description),
            traffic=bearers.get(state.version, {}),
            previous=previous_of(state.description),
        )
        for state in list_versions(client, name)
    )


def belongings(session: Session, name: str) -> Belongings:
    """Everything that a deletion touches or leaves behind. Raises NotFound."""
    client = session.control
    latest = get_function(client, name)
    numbers = tuple(row.version for row in list_versions(client, name) if row.version.isdecimal())
    aliases = tuple(row.name for row in list_aliases(client, name))
    urls: dict[str, str] = {}
    sources: dict[str, str] = {}
    for alias in (None, *aliases):
        url = find_url(client, name, alias)
        if url is not None:
            urls[alias or ""] = url.url
        sources |= _sources(session, name, alias)
    return Belongings(name, numbers, aliases, urls, sources, log_group(name, latest))


def _sources(session: Session, name: str, alias: str | None) -> dict[str, str]:
    try:
        found = list_sources(session.control, name, alias)
    except AwsError as error:
        if error.status == _NOT_BUILT:  # a local cloud without event sources has none to leave behind
            return {}
        raise
    return {row["UUID"]: str(row.get("EventSourceArn") or row.get("SelfManagedEventSource") or "") for row in found}
