"""What is deployed: one frozen value, read before the plan is made. The only reads of a deploy that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fnroll.aws import AliasState, FunctionState, FunctionUrl, Session
from fnroll.aws.aliases import get_alias
from fnroll.aws.functions import find_function
from fnroll.aws.layers import find_layer_version, layer_versions
from fnroll.aws.urls import find_url, policy_sids
from fnroll.aws.waits import UPDATED, Progress, wait_for
from fnroll.deploy.desired import Desired
from fnroll.errors import NotFound
from fnroll.layers import LayerPackage


@dataclass(frozen=True, slots=True)
class Actual:
    """A function as it is. `served`: the version behind the alias; `layers`: CodeSha256 of a package -> its ARN."""

    function: FunctionState | None
    alias: AliasState | None = None
    served: FunctionState | None = None
    url: FunctionUrl | None = None
    sids: frozenset[str] = frozenset()
    layers: Mapping[str, str] | None = None


def read_actual(session: Session, desired: Desired, alias: str, *, progress: Progress = lambda _: None) -> Actual:
    """Read all that a plan needs. A function that is being updated is waited for first: no plan would hold."""
    client = session.control
    function = find_function(client, desired.name)
    layers = _published(session, desired, function)
    if function is None:
        return Actual(None, layers=layers)
    if function.moving:
        function = wait_for(client, desired.name, UPDATED, progress=progress)
    try:
        found = get_alias(client, desired.name, alias)
    except NotFound:
        return Actual(function, layers=layers)
    served = find_function(client, desired.name, found.version)
    if desired.url is None:
        return Actual(function, found, served, layers=layers)
    url = find_url(client, desired.name, alias)
    sids = policy_sids(client, desired.name, alias)
    return Actual(function, found, served, url, sids, layers)


def _published(session: Session, desired: Desired, function: FunctionState | None) -> dict[str, str]:
    """The layer versions that hold our packages already: CodeSha256 -> ARN."""
    found = {}
    for layer in desired.layers:
        if isinstance(layer, LayerPackage):
            arn = _find(session, layer, function)
            if arn is not None:
                found[layer.code_sha256] = arn
    return found


def _find(session: Session, layer: LayerPackage, function: FunctionState | None) -> str | None:
    """What the function uses now is looked at first: in an unchanged deploy that is the one read per layer."""
    client = session.control
    for arn in function.layers if function else ():
        *_, name, version = arn.split(":")
        if name != layer.name:
            continue
        # A function goes on with a layer version that was deleted since; that one is not found again.
        used = find_layer_version(client, name, int(version))
        if used is not None and used.arn == arn and used.code_sha256 == layer.code_sha256:
            return arn
    for row in layer_versions(client, layer.name):
        # The Description finds it without a read per version; CodeSha256 proves it.
        if row.description == layer.description:
            proven = find_layer_version(client, layer.name, row.version)
            if proven is not None and proven.code_sha256 == layer.code_sha256:
                return row.arn
    return None
