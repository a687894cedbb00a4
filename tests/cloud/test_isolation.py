"""Two accounts, and two regions, of one cloud: neither sees or changes what is the other's, whatever it calls.

Every operation that is built is called from elsewhere, by the names and by the ARNs of what one account has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from cloud_support import ARN, client, served
from cloud_walk_support import BUILT, LAYER, MODEL, arguments, fill

OWN = frozenset(
    {
        "CreateCapacityProvider",
        "CreateCodeSigningConfig",
        "CreateFunction",
        "DeleteLayerVersion",
        "GetAccountSettings",
        "PublishLayerVersion",
    }
)
"""What needs nothing that is there: it makes something of the caller's own, counts that, or finds nothing to delete."""

SHARED = frozenset({"GetLayerVersion", "GetLayerVersionByArn", "Invoke", "InvokeWithResponseStream"})
"""What the policies in that cloud let everybody do."""

NAMES = {"FunctionName": ARN, "LayerName": LAYER.removesuffix("words")}
"""Members that may be ARNs, and what to put before their names."""

ABSENT = frozenset(
    {"CodeSigningConfigNotFoundException", "InvalidParameterValueException", "ResourceNotFoundException"}
)

TABLES = (
    *("function", "version", "alias", "url", "statement", "policy", "source", "code_signing", "capacity_provider"),
    *("layer", "layer_version", "layer_policy"),
)


def named(operation: str) -> set[str]:
    """The members that a call must have."""
    return set(MODEL.operation_model(operation).input_shape.required_members)


class Held:
    """The cloud that is up, and what is in its database."""

    def __init__(self, endpoint: Any, directory: Path, drawn: dict[str, str]) -> None:
        self.endpoint, self.drawn = endpoint, drawn
        self._database = directory / "cloud.db"

    def rows(self) -> set[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._database)) as db:
            found = {(table, *row) for table in TABLES for row in db.execute(f"SELECT * FROM {table}")}
            # How far provisioned concurrency has come is written by the cloud itself.
            kept = "SELECT function_id, qualifier, noun, CASE noun WHEN 'ProvisionedConcurrency' THEN '' ELSE value END"
            return found | {("setting", *row) for row in db.execute(f"{kept} FROM setting")}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    directory = tmp_path_factory.mktemp("state")
    drawn = fill(directory)
    with served(directory) as (endpoint, _):
        client(endpoint, "sqs").create_queue(QueueName="q")
        yield Held(endpoint, directory, drawn)


def elsewhere(held: Held, name: str, where: str) -> Any:
    """A client that is nowhere near: each operation has an account, or a region, for itself."""
    number = BUILT.index(name) + 1
    if where == "account":
        return client(held.endpoint, key=f"{number:012d}")
    return client(held.endpoint, region=f"eu-{'abcdefghij'[number // 10]}-{number % 10}")


@pytest.mark.parametrize("where", ["account", "region"])
@pytest.mark.parametrize("name", BUILT)
def test_what_is_named_is_not_there_elsewhere(held: Held, name: str, where: str) -> None:
    said, before = arguments(name, held.drawn, full=False), held.rows()
    try:
        answer = getattr(elsewhere(held, name, where), xform_name(name))(**said)
    except ClientError as error:
        denied = where == "account" and said.keys() & {"Resource", "ResourceArn", "Arn"}  # ARNs always
        expected = {"AccessDeniedException"} if denied else ABSENT
        assert error.response["Error"]["Code"] in expected, error
        assert name not in OWN, error
    else:
        if name.startswith("List"):
            assert [value for value in answer.values() if isinstance(value, list) and value] == []
        else:
            assert name in OWN or (where == "account" and name in SHARED), answer
    assert before <= held.rows()


@pytest.mark.parametrize("name", [name for name in BUILT if named(name) & NAMES.keys()])
def test_an_arn_does_not_reach_into_another_account(held: Held, name: str) -> None:
    said, before = arguments(name, held.drawn, full=False), held.rows()
    said |= {key: begin + said[key] for key, begin in NAMES.items() if key in said}
    api = elsewhere(held, name, "account")
    if name in SHARED:
        getattr(api, xform_name(name))(**said)
        return
    with pytest.raises(ClientError) as refused:
        getattr(api, xform_name(name))(**said)
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDeniedException", 403)
    assert f"is not authorized to perform: lambda:{name} on resource: arn:aws:lambda:us-east-1:000000000000:" in str(
        refused.value
    )
    assert held.rows() == before


@pytest.mark.parametrize("name", [name for name in BUILT if "FunctionName" in named(name)])
def test_an_arn_does_not_reach_into_another_region(held: Held, name: str) -> None:
    said, before = arguments(name, held.drawn, full=False), held.rows()
    said["FunctionName"] = ARN + said["FunctionName"]
    with pytest.raises(ClientError, match="Functions from 'us-east-1' are not reachable in this region"):
        getattr(client(held.endpoint, region="eu-west-1"), xform_name(name))(**said)
    assert held.rows() == before


def test_what_was_there_is_still_seen_by_its_owner(held: Held) -> None:
    """The counterpart, without which the others would pass on an empty cloud."""
    api = client(held.endpoint)
    empty = [
        name
        for name in BUILT
        if name.startswith("List") and name != "ListTags"
        if not any(getattr(api, xform_name(name))(**arguments(name, held.drawn, full=False)).values())
    ]
    assert empty == []
