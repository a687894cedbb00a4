"""Verbs on layers: find a version by what its Description says, read one, publish one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
from fnroll.errors import NotFound

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One version of a layer. `arn` names the version; `code_sha256` is base64, None where a list left it out."""

    arn: str
    version: int
    description: str
    code_sha256: str | None = None
    architectures: tuple[str, ...] = ()
    created: str = ""

    @property
    def name(self) -> str:
        """The layer's."""
        return self.arn.split(":")[-2]


def layer_versions(client: LambdaClient, name: str) -> Iterator[LayerVersion]:
    """ListLayerVersions, newest first, page by page as they are asked for; nothing if there is no such layer."""
    with border("ListLayerVersions", name):
        pages = iter(client.get_paginator("list_layer_versions").paginate(LayerName=name))
    while True:
        try:
            with border("ListLayerVersions", name):
                page = next(pages, None)
        except NotFound:
            return
        if page is None:
            return
        yield from (_version(row) for row in page.get("LayerVersions", ()))


def layers(client: LambdaClient) -> Iterator[LayerVersion]:
    """ListLayers: the newest version of each layer of the account."""
    with border("ListLayers", "the account"):
        pages = list(client.get_paginator("list_layers").paginate())
    for page in pages:
        for row in page.get("Layers", ()):
            yield _version(row["LatestMatchingVersion"])


def find_layer_version(client: LambdaClient, name: str, version: int) -> LayerVersion | None:
    """GetLayerVersion, CodeSha256 included; None where there is none (any more)."""
    try:
        with border("GetLayerVersion", f"{name}:{version}"):
            return _version(client.get_layer_version(LayerName=name, VersionNumber=version))
    except NotFound:
        return None


def publish_layer_version(client: LambdaClient, name: str, request: Mapping[str, Any]) -> LayerVersion:
    """PublishLayerVersion with Content and what else `request` holds. Always makes a new version."""
    with border("PublishLayerVersion", name):
        arguments: Any = {**request, "LayerName": name}
        return _version(client.publish_layer_version(**arguments))


def _version(answer: Mapping[str, Any]) -> LayerVersion:
    return LayerVersion(
        arn=answer["LayerVersionArn"],
        version=answer["Version"],
        description=answer.get("Description") or "",
        code_sha256=(answer.get("Content") or {}).get("CodeSha256"),
        architectures=tuple(answer.get("CompatibleArchitectures") or ()),
        created=answer.get("CreatedDate") or "",
    )
