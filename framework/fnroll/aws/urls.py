"""Verbs on function URLs and on the resource policy that lets callers through them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
from fnroll.errors import NotFound

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """A function URL. `cors` in the API's shape, empty for none; `invoke_mode` BUFFERED or RESPONSE_STREAM."""

    url: str
    auth_type: str
    cors: Mapping[str, Any]
    invoke_mode: str


def find_url(client: LambdaClient, function: str, qualifier: str | None) -> FunctionUrl | None:
    """GetFunctionUrlConfig of an alias (None: of $LATEST); None where there is none."""
    try:
        with border("GetFunctionUrlConfig", _at(function, qualifier)):
            return _url(client.get_function_url_config(FunctionName=function, **_qualified(qualifier)))
    except NotFound:
        return None


def create_url(client: LambdaClient, function: str, qualifier: str | None, config: Mapping[str, Any]) -> FunctionUrl:
    """CreateFunctionUrlConfig. Raises Conflict if it exists, NotFound without the alias."""
    with border("CreateFunctionUrlConfig", _at(function, qualifier)):
        arguments: Any = {**config, "FunctionName": function, **_qualified(qualifier)}
        return _url(client.create_function_url_config(**arguments))


def update_url(client: LambdaClient, function: str, qualifier: str | None, config: Mapping[str, Any]) -> FunctionUrl:
    """UpdateFunctionUrlConfig; an empty Cors ends it. Raises NotFound."""
    with border("UpdateFunctionUrlConfig", _at(function, qualifier)):
        arguments: Any = {**config, "FunctionName": function, **_qualified(qualifier)}
        return _url(client.update_function_url_config(**arguments))


def delete_url(client: LambdaClient, function: str, qualifier: str | None) -> None:
    """DeleteFunctionUrlConfig. Raises NotFound."""
    with border("DeleteFunctionUrlConfig", _at(function, qualifier)):
        client.delete_function_url_config(FunctionName=function, **_qualified(qualifier))


def policy_sids(client: LambdaClient, function: str, qualifier: str | None) -> frozenset[str]:
    """The Sids of the resource policy of an alias (None: of the function); empty where there is no policy."""
    statements = policy_statements(client, function, qualifier)
    return frozenset(statement["Sid"] for statement in statements if "Sid" in statement)


def policy_statements(client: LambdaClient, function: str, qualifier: str | None) -> tuple[Mapping[str, Any], ...]:
    """The statements of the resource policy of an alias (None: of the function), in the form of IAM's policies."""
    try:
        with border("GetPolicy", _at(function, qualifier)):
            answer = client.get_policy(FunctionName=function, **_qualified(qualifier))
    except NotFound:
        return ()
    return tuple(json.loads(answer["Policy"]).get("Statement", []))


def add_permission(client: LambdaClient, function: str, qualifier: str | None, statement: Mapping[str, Any]) -> None:
    """AddPermission. Raises Conflict if the StatementId is taken."""
    with border("AddPermission", _at(function, qualifier)):
        arguments: Any = {**statement, "FunctionName": function, **_qualified(qualifier)}
        client.add_permission(**arguments)


def remove_permission(client: LambdaClient, function: str, qualifier: str | None, sid: str) -> None:
    """RemovePermission. Raises NotFound."""
    with border("RemovePermission", _at(function, qualifier)):
        client.remove_permission(FunctionName=function, StatementId=sid, **_qualified(qualifier))


def _qualified(qualifier: str | None) -> Any:
    return {} if qualifier is None else {"Qualifier": qualifier}


def _at(function: str, qualifier: str | None) -> str:
    return function if qualifier is None else f"{function}:{qualifier}"


def _url(answer: Mapping[str, Any]) -> FunctionUrl:
    return FunctionUrl(
        url=answer["FunctionUrl"],
        auth_type=answer["AuthType"],
        cors=dict(answer.get("Cors") or {}),
        invoke_mode=str(answer.get("InvokeMode") or "BUFFERED").upper(),
    )
