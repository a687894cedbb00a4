"""A built layer to a layer version: the one that holds its bytes already, or a new one.

Content decides: a version's Description tells the digest of its files, so it is found without a read for each version,
and its CodeSha256 proves it. Nobody else may use a version unless somebody says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fnroll.aws import Session
from fnroll.aws.layers import find_layer_version, layer_versions, publish_layer_version
from fnroll.layers import LayerPackage


def find(session: Session, layer: LayerPackage, used: Sequence[str] = ()) -> str | None:
    """The ARN of a version with these bytes. `used`: ARNs that are looked at first: in an unchanged deploy that is the
    one read for each layer. Raises AwsError."""
    client = session.control
    for arn in used:
        *_, name, version = arn.split(":")
        if name != layer.name:
            continue
        # A function goes on with a layer version that was deleted since; that one is not found again.
        there = find_layer_version(client, name, int(version))
        if there is not None and there.arn == arn and there.code_sha256 == layer.code_sha256:
            return arn
    for row in layer_versions(client, layer.name):
        if row.description == layer.description:
            proven = find_layer_version(client, layer.name, row.version)
            if proven is not None and proven.code_sha256 == layer.code_sha256:
                return row.arn
    return None


def publish(session: Session, layer: LayerPackage) -> str:
    """A new version; its ARN. Raises AwsError."""
    request: dict[str, Any] = {"Content": {"ZipFile": layer.data}, "Description": layer.description}
    if layer.license is not None:
        request["LicenseInfo"] = layer.license
    if layer.runtime is not None:
        request["CompatibleRuntimes"] = [layer.runtime.base]
    if layer.architecture is not None:
        request["CompatibleArchitectures"] = [layer.architecture]
    return publish_layer_version(session.control, layer.name, request).arn
