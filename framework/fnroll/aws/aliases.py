"""Verbs on aliases: read, list, create, move."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from fnroll.aws.errors import border

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

CANARY_MARK: Final = "(fn:canary "
"""How the record of a canary begins that a Description ends in; `release` writes and reads it."""


@dataclass(frozen=True, slots=True)
class AliasState:
    """One alias. `weights`: the additional versions and their share of traffic, 0.0 to 1.0; empty: all to `version`."""

    name: str
    version: str
    weights: Mapping[str, float]
    description: str
    revision_id: str | None
    arn: str

    @property
    def traffic(self) -> dict[str, float]:
        """Each version that serves and its share; `version` has what the others leave."""
        rest = round(1.0 - sum(self.weights.values()), 10)
        return {self.version: rest, **self.weights}

    @property
    def under_canary(self) -> bool:
        """Whether a canary's record stands in its Description, whatever its weights are."""
        return CANARY_MARK in self.description and self.description.endswith(")")


def get_alias(client: LambdaClient, function: str, alias: str) -> AliasState:
    """GetAlias. Raises NotFound."""
    with border("GetAlias", f"{function}:{alias}"):
        return _alias(client.get_alias(FunctionName=function, Name=alias))


def look_at_alias(client: LambdaClient, function: str, alias: str) -> tuple[AliasState, float]:
    """GetAlias, and AWS's own time at that moment in epoch seconds (its Date header; this machine's if there is none).
    Raises NotFound."""
    with border("GetAlias", f"{function}:{alias}"):
        answer = client.get_alias(FunctionName=function, Name=alias)
    return _alias(answer), _date(answer)


def _date(answer: Any) -> float:
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError):
        return time.time()


def list_aliases(client: LambdaClient, function: str) -> tuple[AliasState, ...]:
    """ListAliases, all pages, by name. Raises NotFound."""
    with border("ListAliases", function):
        pages = client.get_paginator("list_aliases").paginate(FunctionName=function)
        found = [_alias(row) for page in pages for row in page["Aliases"]]
    return tuple(sorted(found, key=lambda row: row.name))


def create_alias(client: LambdaClient, function: str, alias: str, version: str) -> AliasState:
    """CreateAlias. Raises Conflict if it exists, NotFound if the version does not."""
    with border("CreateAlias", f"{function}:{alias}"):
        return _alias(client.create_alias(FunctionName=function, Name=alias, FunctionVersion=version))


def move_alias(
    client: LambdaClient,
    function: str,
    alias: str,
    version: str,
    revision_id: str | None,
    *,
    clear_weights: bool = False,
) -> AliasState:
    """UpdateAlias to another version; its Description stays, and its weights too unless they are cleared.

    Raises PreconditionFailed if the alias is no longer at `revision_id`, NotFound.
    """
    more: Any = {} if revision_id is None else {"RevisionId": revision_id}
    if clear_weights:
        more["RoutingConfig"] = {"AdditionalVersionWeights": {}}
    with border("UpdateAlias", f"{function}:{alias}"):
        return _alias(client.update_alias(FunctionName=function, Name=alias, FunctionVersion=version, **more))


def route_alias(
    client: LambdaClient,
    function: str,
    alias: AliasState,
    version: str,
    weights: Mapping[str, float],
    description: str | None = None,
) -> AliasState:
    """UpdateAlias of exactly this alias (its RevisionId): all traffic to `version` but what `weights` take.
    `description` None: it stays. Raises PreconditionFailed, NotFound, AwsError for what Lambda refuses."""
    more: Any = {} if alias.revision_id is None else {"RevisionId": alias.revision_id}
    if description is not None:
        more["Description"] = description
    routing: Any = {"AdditionalVersionWeights": dict(weights)}
    with border("UpdateAlias", f"{function}:{alias.name}"):
        return _alias(
            client.update_alias(
                FunctionName=function, Name=alias.name, FunctionVersion=version, RoutingConfig=routing, **more
            )
        )


def delete_alias(client: LambdaClient, function: str, alias: str) -> None:
    """DeleteAlias; one that is not there is no error to Lambda."""
    with border("DeleteAlias", f"{function}:{alias}"):
        client.delete_alias(FunctionName=function, Name=alias)


def _alias(answer: Mapping[str, Any]) -> AliasState:
    return AliasState(
        name=answer["Name"],
        version=answer["FunctionVersion"],
        weights=dict((answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}),
        description=answer.get("Description") or "",
        revision_id=answer.get("RevisionId"),
        arn=answer.get("AliasArn", ""),
    )
