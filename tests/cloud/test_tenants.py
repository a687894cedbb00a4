"""Functions that keep tenants apart: each invocation names one, whichever way it comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, ROLE, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint

TENANCY = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}
WITHOUT = (
    "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
)


@pytest.fixture
def tenanted(lambda_: Any) -> Any:
    """hello, which keeps tenants apart, and plain, which does not."""
    make(lambda_, Publish=True, **TENANCY)
    make(lambda_, "plain")
    return lambda_


def test_an_invocation_carries_its_tenant(tenanted: Any, fake: FakeEmulator) -> None:
    assert tenanted.get_function_configuration(FunctionName="hello")["TenancyConfig"] == TENANCY["TenancyConfig"]
    for tenant in ("blue", "green", "blue"):
        tenanted.invoke(FunctionName="hello", TenantId=tenant)
    streamed = tenanted.invoke_with_response_stream(FunctionName="hello:1", TenantId="red")
    assert [event for event in streamed["EventStream"] if "InvokeComplete" in event]
    assert [invocation.tenant_id for _, invocation in fake.seen] == ["blue", "green", "blue", "red"]


def test_an_event_keeps_its_tenant_over_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, fake):
        make(client(endpoint), **TENANCY)
        fake.takes = 3600.0  # what a cloud that ends has not delivered, the next one delivers
        client(endpoint).invoke(FunctionName="hello", TenantId="blue", InvocationType="Event")
    with served(tmp_path) as (endpoint, fake):
        while not fake.seen:
            client(endpoint).get_account_settings()
        assert fake.seen[0][1].tenant_id == "blue"


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_one_without_a_tenant_is_refused_and_one_with_a_tenant_too_many(
    tenanted: Any, fake: FakeEmulator, kind: str
) -> None:
    for _ in range(2):  # the second time by the short way
        with pytest.raises(ClientError) as refused:
            tenanted.invoke(FunctionName="hello", InvocationType=kind)
        error = refused.value.response
        assert (error["Error"]["Code"], error["Error"]["Message"]) == ("InvalidParameterValueException", WITHOUT)
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError, match="is not enabled with tenancy configuration"):
        tenanted.invoke(FunctionName="plain", InvocationType=kind, TenantId="blue")
    with pytest.raises(ClientError, match="failed to satisfy constraint"):
        tenanted.invoke(FunctionName="hello", InvocationType=kind, TenantId="blue!")
    assert fake.seen == []


CAPACITY = {
    "CapacityProviderConfig": {
        "LambdaManagedInstancesCapacityProviderConfig": {
            "CapacityProviderArn": "arn:aws:lambda:us-east-1:000000000000:capacity-provider:mine"
        }
    },
    "MemorySize": 2048,
}


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("A function URL", lambda api: api.create_function_url_config(FunctionName="hello", AuthType="NONE")),
        (
            "Provisioned concurrency",
            lambda api: api.put_provisioned_concurrency_config(
                FunctionName="hello", Qualifier="1", ProvisionedConcurrentExecutions=1
            ),
        ),
        (
            "An event source mapping",
            lambda api: api.create_event_source_mapping(
                FunctionName="hello", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:q"
            ),
        ),
        (
            "SnapStart",
            lambda api: api.update_function_configuration(
                FunctionName="hello", SnapStart={"ApplyOn": "PublishedVersions"}
            ),
        ),
        ("CapacityProviderConfig", lambda api: make(api, "other", **TENANCY, **CAPACITY)),
    ],
)
def test_what_such_a_function_cannot_have(
    tenanted: Any, endpoint: Endpoint, what: str, call: Callable[[Any], Any]
) -> None:
    client(endpoint, "sqs").create_queue(QueueName="q")
    tenanted.create_capacity_provider(
        CapacityProviderName="mine",
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
    )
    with pytest.raises(ClientError) as refused:
        call(tenanted)
    error = refused.value.response["Error"]
    assert error["Message"] == f"{what} is not supported for functions with a tenancy configuration."
    assert error["Code"] == "InvalidParameterValueException"


def test_a_schedule_names_the_tenant_in_its_call(tmp_path: Path) -> None:
    with served(tmp_path, speed=600) as (endpoint, fake):
        make(client(endpoint), **TENANCY)
        given = {"FunctionName": ARN + "hello", "TenantId": "blue", "Payload": '{"n":1}'}
        client(endpoint, "scheduler").create_schedule(
            Name="s",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
                "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
                "Input": json.dumps(given),
            },
        )
        while not fake.seen:
            client(endpoint).get_account_settings()
        assert (fake.seen[0][1].tenant_id, fake.seen[0][1].payload) == ("blue", b'{"n":1}')
