"""Provisioned concurrency: refused as Lambda refuses it, carried out by the emulator, told as it comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig
from fnroll.errors import EmulatorError


@pytest.fixture
def published(lambda_: Any) -> Any:
    """hello with versions 1 and 2 and the alias live at 1."""
    make(lambda_, Publish=True)
    lambda_.update_function_configuration(FunctionName="hello", Description="2")
    lambda_.publish_version(FunctionName="hello")
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    return lambda_


def put(lambda_: Any, qualifier: str, count: int = 3) -> Any:
    return lambda_.put_provisioned_concurrency_config(
        FunctionName="hello", Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def settled(lambda_: Any, qualifier: str) -> dict[str, Any]:
    while True:
        answer = lambda_.get_provisioned_concurrency_config(FunctionName="hello", Qualifier=qualifier)
        if answer["Status"] != "IN_PROGRESS":
            return dict(answer)


def until(condition: Callable[[], bool], lambda_: Any) -> None:
    while not condition():
        lambda_.get_account_settings()


def test_it_is_in_progress_until_the_environments_are_there(published: Any, fake: FakeEmulator) -> None:
    go = threading.Event()

    async def slowly(config: FunctionConfig, count: int) -> None:
        await asyncio.to_thread(go.wait)

    fake.provisioning = slowly
    answer = put(published, "live")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (answer["Status"], answer["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 3)
    again = published.get_provisioned_concurrency_config(FunctionName="hello", Qualifier="live")
    assert (again["Status"], again["AvailableProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 0)
    go.set()
    ready = settled(published, "live")
    assert (ready["Status"], ready["AllocatedProvisionedConcurrentExecutions"]) == ("READY", 3)
    assert fake.provisioned == {(ARN + "hello", "1"): 3}


def test_environments_follow_the_alias_and_its_weights(published: Any, fake: FakeEmulator) -> None:
    put(published, "live", 10)
    settled(published, "live")
    weights = {"AdditionalVersionWeights": {"2": 0.2}}
    published.update_alias(FunctionName="hello", Name="live", RoutingConfig=weights)
    until(lambda: fake.provisioned == {(ARN + "hello", "1"): 8, (ARN + "hello", "2"): 2}, published)
    published.update_alias(
        FunctionName="hello", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    until(lambda: fake.provisioned == {(ARN + "hello", "1"): 0, (ARN + "hello", "2"): 10}, published)
    assert settled(published, "live")["AvailableProvisionedConcurrentExecutions"] == 10
    published.delete_alias(FunctionName="hello", Name="live")
    until(lambda: fake.provisioned[ARN + "hello", "2"] == 0, published)


def test_an_init_that_fails_is_told(published: Any, fake: FakeEmulator) -> None:
    async def fails(config: FunctionConfig, count: int) -> None:
        raise EmulatorError("a provisioned environment failed to initialise: FUNCTION_ERROR_INIT_FAILURE")

    fake.provisioning = fails
    put(published, "1")
    failed = settled(published, "1")
    assert (failed["Status"], failed["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")


def test_it_is_there_again_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        make(client(endpoint), Publish=True)
        put(client(endpoint), "1")
        settled(client(endpoint), "1")
    with served(tmp_path) as (endpoint, fake):
        until(lambda: fake.provisioned == {(ARN + "hello", "1"): 3}, client(endpoint))
        assert settled(client(endpoint), "1")["Status"] == "READY"


def test_it_is_listed_and_deleted(published: Any, fake: FakeEmulator) -> None:
    put(published, "live")
    put(published, "2", 1)
    settled(published, "2")
    listed = published.list_provisioned_concurrency_configs(FunctionName="hello")["ProvisionedConcurrencyConfigs"]
    assert [each["FunctionArn"] for each in listed] == [ARN + "hello:2", ARN + "hello:live"]
    published.delete_provisioned_concurrency_config(FunctionName="hello", Qualifier="2")
    published.delete_provisioned_concurrency_config(FunctionName="hello", Qualifier="2")
    with pytest.raises(ClientError, match="No Provisioned Concurrency Config found for this function") as refused:
        published.get_provisioned_concurrency_config(FunctionName="hello", Qualifier="2")
    assert refused.value.response["Error"]["Code"] == "ProvisionedConcurrencyConfigNotFoundException"
    until(lambda: fake.provisioned[ARN + "hello", "2"] == 0, published)


@pytest.mark.parametrize(
    ("qualifier", "before", "code", "message"),
    [
        ("$LATEST", None, "InvalidParameterValueException", "cannot be applied to unpublished function versions"),
        ("9", None, "ResourceNotFoundException", "Function not found: .*:hello:9"),
        ("nope", None, "ResourceNotFoundException", "Cannot find alias arn: .*:hello:nope"),
        ("1", "live", "ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias"),
        ("live", "1", "ResourceConflictException", "on an already Provisioned version"),
    ],
)
def test_what_lambda_refuses(published: Any, qualifier: str, before: str | None, code: str, message: str) -> None:
    if before is not None:
        put(published, before)
    with pytest.raises(ClientError, match=message) as refused:
        put(published, qualifier)
    assert refused.value.response["Error"]["Code"] == code


def test_no_more_than_is_reserved_or_left(published: Any, endpoint: Endpoint) -> None:
    published.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=2)
    with pytest.raises(ClientError, match="should not be greater than the reservedConcurrentExecution for function"):
        put(published, "live", 3)
    assert published.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 998
    assert published.get_function(FunctionName="hello")["Concurrency"] == {"ReservedConcurrentExecutions": 2}
    published.delete_function_concurrency(FunctionName="hello")
    with pytest.raises(ClientError, match="below its minimum value of"):
        put(published, "live", 901)
