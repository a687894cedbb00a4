"""What is deployed: one frozen value, read before the plan is made. The only reads of a deploy that changes nothing.

A function and its tags first; then, side by side, what stands by itself: the alias and the version behind it, layers,
and whatever else the definition manages, one call each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fnroll.aws import AliasState, FunctionState, Session
from fnroll.aws.aliases import get_alias, list_aliases
from fnroll.aws.functions import LATEST, find_function
from fnroll.aws.settings import list_sources, settings_of
from fnroll.aws.urls import find_url, policy_sids
from fnroll.aws.versions import list_versions
from fnroll.aws.waits import UPDATED, Progress, wait_for
from fnroll.deploy.desired import URL_TAG, Desired
from fnroll.deploy.publish import find
from fnroll.deploy.settings import OF_ALIAS, OF_FUNCTION, PERMISSIONS, SOURCES
from fnroll.deploy.signing import MEMBER as SIGNING
from fnroll.deploy.signing import concerns
from fnroll.deploy.steps import Wishes
from fnroll.deploy.urls import Door, concerned, places_of
from fnroll.errors import NotFound
from fnroll.layers import LayerPackage

_AT_ONCE = 8
_NOW = Wishes()


@dataclass(frozen=True, slots=True)
class Actual:
    """A function as it is. `served`: the version behind the alias; `layers`: CodeSha256 of a package -> its ARN. What
    the definition does not manage was not read: `settings`, `sources`, `doors` (by alias or $LATEST) are empty then,
    and so are `versions` and `aliases` where nothing is to be pruned."""

    function: FunctionState | None
    alias: AliasState | None = None
    served: FunctionState | None = None
    doors: Mapping[str, Door] = field(default_factory=dict)
    layers: Mapping[str, str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()
    versions: Sequence[FunctionState] = ()
    aliases: Sequence[AliasState] = ()

    @property
    def our_urls(self) -> frozenset[str]:
        """On which aliases, or on $LATEST, a deploy of ours made the URL."""
        tags = (self.function.tags if self.function else None) or {}
        return places_of(tags.get(URL_TAG, ""))


def read_actual(
    session: Session, desired: Desired, alias: str, wishes: Wishes = _NOW, *, progress: Progress = lambda _: None
) -> Actual:
    """Read all that a plan needs. A function that is being updated is waited for first: no plan would hold."""
    client, name = session.control, desired.name
    function = find_function(client, name)
    if function is None:
        return Actual(None, layers=_published(session, desired, None))
    if function.moving:
        function = wait_for(client, name, UPDATED, progress=progress)
    doors = _doors(desired, alias, function)
    reads: dict[str, Callable[[], Any]] = {
        "served": lambda: _served(session, name, alias),
        "layers": lambda: _published(session, desired, function),
    }
    for place, with_url in doors.items():
        if with_url:
            reads[f"url {place}"] = partial(find_url, client, name, _qualifier(place))
        reads[f"sids {place}"] = partial(policy_sids, client, name, _qualifier(place))
    if SOURCES in desired.settings:
        reads["sources"] = lambda: list_sources(client, name, alias)
    if wishes.keep_versions:
        reads["versions"] = lambda: list_versions(client, name)
        reads["aliases"] = lambda: list_aliases(client, name)
    keys = [key for key in (*OF_FUNCTION, *OF_ALIAS) if key in desired.settings]
    keys += [SIGNING] if concerns(desired.signing, desired.signing_stays, function) else []
    for key, read in zip(keys, settings_of(session, keys, name, alias, desired.log_group), strict=True):
        reads[f"setting {key}"] = read
    found = _side_by_side(reads)
    found["alias"], found["served"] = found.pop("served")
    found["settings"] = dict(found.pop(f"setting {key}") for key in keys)
    found["doors"] = {place: Door(found.pop(f"url {place}", None), found.pop(f"sids {place}")) for place in doors}
    return Actual(function, **found)


def _doors(desired: Desired, alias: str, function: FunctionState) -> dict[str, bool]:
    """Where to look for permissions, and whether for a URL too."""
    places: set[str] = set()
    if not desired.url_stays:
        places |= concerned(alias) & places_of((function.tags or {}).get(URL_TAG, ""))
        places |= {desired.url.at or alias} if desired.url is not None else set()
    return {**({alias: False} if PERMISSIONS in desired.settings else {}), **dict.fromkeys(places, True)}


def _qualifier(place: str) -> str | None:
    return None if place == LATEST else place


def _side_by_side(reads: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = {name: pool.submit(read) for name, read in reads.items()}
        return {name: future.result() for name, future in futures.items()}


def _served(session: Session, name: str, alias: str) -> tuple[AliasState | None, FunctionState | None]:
    try:
        found = get_alias(session.control, name, alias)
    except NotFound:
        return None, None
    return found, find_function(session.control, name, found.version)


def _published(session: Session, desired: Desired, function: FunctionState | None) -> dict[str, str]:
    """The layer versions that hold our packages already: CodeSha256 -> ARN."""
    found = {}
    for layer in desired.layers:
        if isinstance(layer, LayerPackage):
            arn = find(session, layer, function.layers if function else ())
            if arn is not None:
                found[layer.code_sha256] = arn
    return found
