"""Verbs on published versions: publish, list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
from fnroll.aws.functions import FunctionState, state_of

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def publish_version(
    client: LambdaClient,
    name: str,
    *,
    code_sha256: str | None = None,
    description: str | None = None,
    revision_id: str | None = None,
) -> FunctionState:
    """PublishVersion: $LATEST as a numbered version.

    If code and configuration equal the last published version, AWS answers 201 with that one, its old Description
    included. Raises PreconditionFailed, Conflict, AwsError if $LATEST's code is not `code_sha256`.
    """
    given = {"CodeSha256": code_sha256, "Description": description, "RevisionId": revision_id}
    more: Any = {key: value for key, value in given.items() if value is not None}
    with border("PublishVersion", name):
        return state_of(client.publish_version(FunctionName=name, **more))


def list_versions(client: LambdaClient, name: str) -> tuple[FunctionState, ...]:
    """ListVersionsByFunction, all pages: numbered versions in ascending order, then $LATEST. Raises NotFound."""
    with border("ListVersionsByFunction", name):
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        found = [state_of(row) for page in pages for row in page["Versions"]]
    return tuple(sorted(found, key=lambda row: (0, int(row.version)) if row.version.isdecimal() else (1, 0)))
