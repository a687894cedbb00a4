"""Functions of managed instances: capacity providers, $LATEST.PUBLISHED, scaling configs. By table: what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, ROLE, FakeEmulator, client, make, package, served
from fnroll.errors import EmulatorError

PUBLISHED = "$LATEST.PUBLISHED"
PROVIDER = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:"
PLACE = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": ROLE},
}


def on(name: str, **more: Any) -> dict[str, Any]:
    """What puts a function on the capacity provider `name`."""
    inner = {"CapacityProviderArn": PROVIDER + name, **more}
    return {"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": inner}, "MemorySize": 2048}


@pytest.fixture
def managed(lambda_: Any) -> Any:
    """hello on the capacity provider mine, four invocations to an environment; plain beside it."""
    lambda_.create_capacity_provider(CapacityProviderName="mine", **PLACE)
    make(lambda_, **on("mine", PerExecutionEnvironmentMaxConcurrency=4))
    make(lambda_, "plain", Publish=True)
    return lambda_


def republish(lambda_: Any) -> Any:
    return lambda_.publish_version(FunctionName="hello", PublishTo="LATEST_PUBLISHED")


def scale(lambda_: Any, qualifier: str = PUBLISHED, **bounds: int) -> Any:
    return lambda_.put_function_scaling_config(FunctionName="hello", Qualifier=qualifier, FunctionScalingConfig=bounds)


def scaling(lambda_: Any, qualifier: str = PUBLISHED) -> Any:
    return lambda_.get_function_scaling_config(FunctionName="hello", Qualifier=qualifier)


def until(condition: Callable[[], bool], lambda_: Any) -> None:
    while not condition():
        lambda_.get_account_settings()


def test_a_name_without_a_qualifier_means_what_was_published_last(managed: Any, fake: FakeEmulator) -> None:
    with pytest.raises(ClientError, match=r"Function not found: .*:hello:\$LATEST\.PUBLISHED") as refused:
        managed.invoke(FunctionName="hello")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    published = republish(managed)
    assert (published["Version"], published["FunctionArn"]) == (PUBLISHED, f"{ARN}hello:{PUBLISHED}")
    managed.update_function_code(FunctionName="hello", ZipFile=package({"other.py": "x"}))
    answered = managed.invoke(FunctionName="hello")
    assert answered["ExecutedVersion"] == PUBLISHED
    old, _ = fake.seen[-1]
    republish(managed)
    managed.invoke(FunctionName="hello", Qualifier=PUBLISHED)
    new, invocation = fake.seen[-1]
    assert (new.version, invocation.arn) == (PUBLISHED, f"{ARN}hello:{PUBLISHED}")
    assert new.revision != old.revision


def test_publishing_again_what_has_not_changed_changes_nothing(managed: Any) -> None:
    first, again = republish(managed), republish(managed)
    assert again["RevisionId"] == first["RevisionId"]
    managed.update_function_configuration(FunctionName="hello", Description="new")
    changed = republish(managed)
    assert changed["Description"] == "new"
    assert changed["RevisionId"] != first["RevisionId"]
    versions = managed.list_versions_by_function(FunctionName="hello")["Versions"]
    assert [each["Version"] for each in versions] == [PUBLISHED, "$LATEST"]


def test_lists_go_on_past_it(managed: Any) -> None:
    republish(managed)
    managed.publish_version(FunctionName="hello")
    pages = managed.get_paginator("list_versions_by_function").paginate(
        FunctionName="hello", PaginationConfig={"PageSize": 1}
    )
    assert [each["Version"] for page in pages for each in page["Versions"]] == [PUBLISHED, "$LATEST", "1"]
    pages = managed.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 1})
    listed = [each["FunctionArn"].removeprefix(ARN) for page in pages for each in page["Functions"]]
    assert listed == [f"hello:{PUBLISHED}", "hello:$LATEST", "hello:1", "plain:$LATEST", "plain:1"]


def test_making_and_updating_a_function_publish_to_it_too(managed: Any) -> None:
    made = make(managed, "other", PublishTo="LATEST_PUBLISHED", **on("mine"))
    assert (made["Version"], made["State"]) == (PUBLISHED, "Active")
    updated = managed.update_function_code(
        FunctionName="other", ZipFile=package({"other.py": "x"}), PublishTo="LATEST_PUBLISHED"
    )
    assert updated["Version"] == PUBLISHED
    assert updated["CodeSha256"] != made["CodeSha256"]


def test_latest_itself_is_not_for_invocations_and_says_so(managed: Any) -> None:
    republish(managed)
    assert managed.get_function_configuration(FunctionName="hello")["State"] == "ActiveNonInvocable"
    assert managed.get_function_configuration(FunctionName="hello", Qualifier=PUBLISHED)["State"] == "Active"
    assert managed.get_function_configuration(FunctionName="plain")["State"] == "Active"


def test_an_alias_may_point_at_it_and_then_it_stays(managed: Any) -> None:
    republish(managed)
    managed.create_alias(FunctionName="hello", Name="live", FunctionVersion=PUBLISHED)
    assert managed.invoke(FunctionName="hello:live")["ExecutedVersion"] == PUBLISHED
    with pytest.raises(ClientError, match=r"the following aliases reference it: \[live\]"):
        managed.delete_function(FunctionName="hello", Qualifier=PUBLISHED)
    managed.delete_alias(FunctionName="hello", Name="live")
    managed.delete_function(FunctionName="hello", Qualifier=PUBLISHED)
    with pytest.raises(ClientError, match="Function not found"):
        managed.invoke(FunctionName="hello")


def test_the_least_environments_are_kept_ready_and_the_most_are_a_limit(managed: Any, fake: FakeEmulator) -> None:
    republish(managed)
    answer = scale(managed, MinExecutionEnvironments=2, MaxExecutionEnvironments=3)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["FunctionState"]) == (202, "Active")
    place = (ARN + "hello", PUBLISHED)
    until(lambda: "MinExecutionEnvironments" in scaling(managed)["AppliedFunctionScalingConfig"], managed)
    found = scaling(managed)
    assert found["AppliedFunctionScalingConfig"] == found["RequestedFunctionScalingConfig"]
    assert found["FunctionArn"] == f"{ARN}hello:{PUBLISHED}"
    assert (fake.provisioned, fake.limits) == ({place: 2}, {place: 12})
    managed.update_function_configuration(FunctionName="hello", **on("mine", PerExecutionEnvironmentMaxConcurrency=1))
    republish(managed)
    assert fake.limits == {place: 3}
    scale(managed)
    until(lambda: fake.provisioned == {place: 0}, managed)
    assert fake.limits == {place: None}


def test_what_is_published_anew_is_what_is_kept_ready(managed: Any, fake: FakeEmulator) -> None:
    kept: list[str] = []

    async def keep(config: Any, count: int) -> None:
        kept.append(config.revision)

    fake.provisioning = keep
    republish(managed)
    scale(managed, MinExecutionEnvironments=1)
    until(lambda: len(kept) == 1, managed)
    managed.update_function_code(FunctionName="hello", ZipFile=package({"other.py": "x"}))
    republish(managed)
    until(lambda: len(kept) == 2, managed)
    assert kept[0] != kept[1]


def test_what_cannot_be_started_is_not_applied(managed: Any, fake: FakeEmulator) -> None:
    tried: list[int] = []

    async def fails(config: Any, count: int) -> None:
        tried.append(count)
        raise EmulatorError("no room")

    fake.provisioning = fails
    republish(managed)
    scale(managed, MinExecutionEnvironments=5)
    until(lambda: tried == [5], managed)
    assert scaling(managed)["AppliedFunctionScalingConfig"] == {}


def test_no_environment_at_most_deactivates_a_version(managed: Any) -> None:
    republish(managed)
    assert scale(managed, MinExecutionEnvironments=0, MaxExecutionEnvironments=0)["FunctionState"] == "Deactivated"
    assert managed.get_function_configuration(FunctionName="hello", Qualifier=PUBLISHED)["State"] == "Deactivated"
    with pytest.raises(ClientError, match="currently in the following state: Deactivated") as refused:
        managed.invoke(FunctionName="hello")
    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"
    scale(managed, MaxExecutionEnvironments=1)
    assert managed.invoke(FunctionName="hello")["StatusCode"] == 200


def test_it_is_all_there_again_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        api.create_capacity_provider(CapacityProviderName="mine", Tags={"a": "b"}, **PLACE)
        make(api, PublishTo="LATEST_PUBLISHED", **on("mine"))
        scale(api, MinExecutionEnvironments=1, MaxExecutionEnvironments=2)
    with served(tmp_path) as (endpoint, fake):
        api, place = client(endpoint), (ARN + "hello", PUBLISHED)
        until(lambda: fake.provisioned == {place: 1}, api)
        assert fake.limits == {place: 20}
        assert api.get_capacity_provider(CapacityProviderName="mine")["CapacityProvider"]["State"] == "Active"
        assert api.invoke(FunctionName="hello")["ExecutedVersion"] == PUBLISHED


def test_a_deleted_function_leaves_no_limit_to_its_successor(managed: Any, fake: FakeEmulator) -> None:
    republish(managed)
    scale(managed, MaxExecutionEnvironments=1)
    managed.delete_function(FunctionName="hello")
    assert fake.limits == {(ARN + "hello", PUBLISHED): None}


def test_a_provider_is_changed_listed_and_deleted_when_nobody_uses_it(managed: Any) -> None:
    managed.create_capacity_provider(CapacityProviderName="another", **PLACE)
    policies = [{"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 50.0}]
    wanted = {"ScalingMode": "Manual", "ScalingPolicies": policies}
    changed = managed.update_capacity_provider(
        CapacityProviderName=PROVIDER + "mine", CapacityProviderScalingConfig=wanted
    )["CapacityProvider"]
    assert changed["CapacityProviderScalingConfig"] == wanted
    assert changed["VpcConfig"] == PLACE["VpcConfig"]
    assert managed.get_capacity_provider(CapacityProviderName="mine")["CapacityProvider"] == changed
    listed = managed.list_capacity_providers(State="Active")["CapacityProviders"]
    assert [each["CapacityProviderArn"] for each in listed] == [PROVIDER + "another", PROVIDER + "mine"]
    republish(managed)
    used = managed.list_function_versions_by_capacity_provider(CapacityProviderName="mine")["FunctionVersions"]
    assert used == [
        {"FunctionArn": f"{ARN}hello:$LATEST", "State": "ActiveNonInvocable"},
        {"FunctionArn": f"{ARN}hello:{PUBLISHED}", "State": "Active"},
    ]
    managed.delete_function(FunctionName="hello")
    gone = managed.delete_capacity_provider(CapacityProviderName="mine")["CapacityProvider"]
    assert gone["State"] == "Deleting"
    assert managed.list_capacity_providers()["CapacityProviders"][0]["CapacityProviderArn"] == PROVIDER + "another"


def test_a_provider_has_tags(managed: Any) -> None:
    managed.tag_resource(Resource=PROVIDER + "mine", Tags={"a": "b", "c": "d"})
    managed.untag_resource(Resource=PROVIDER + "mine", TagKeys=["c"])
    assert managed.list_tags(Resource=PROVIDER + "mine")["Tags"] == {"a": "b"}
    with pytest.raises(ClientError, match="Capacity provider not found"):
        managed.list_tags(Resource=PROVIDER + "none")


def test_a_realistic_cloud_takes_its_time_for_a_provider(tmp_path: Path) -> None:
    with served(tmp_path, realistic=True, speed=1e-6) as (endpoint, _):
        api = client(endpoint)
        made = api.create_capacity_provider(CapacityProviderName="mine", **PLACE)["CapacityProvider"]
        assert made["State"] == "Pending"
        with pytest.raises(ClientError, match="currently in the following state: Pending"):
            api.delete_capacity_provider(CapacityProviderName="mine")
        assert api.list_capacity_providers(State="Active")["CapacityProviders"] == []


def test_a_provider_takes_a_hundred_versions(managed: Any) -> None:
    for number in range(100):
        managed.update_function_configuration(FunctionName="hello", Description=str(number))
        managed.publish_version(FunctionName="hello")
    managed.update_function_configuration(FunctionName="hello", Description="one more")
    with pytest.raises(ClientError) as refused:
        managed.publish_version(FunctionName="hello")
    assert refused.value.response["Error"]["Code"] == "FunctionVersionsPerCapacityProviderLimitExceededException"


REFUSALS: list[tuple[str, dict[str, Any], int, str, str]] = [
    (
        "put_function_scaling_config",
        {"FunctionName": "plain", "Qualifier": "1", "FunctionScalingConfig": {"MinExecutionEnvironments": 1}},
        403,
        "AccessDeniedException",
        "The function provided by the arn does not contain a capacity provider configuration",
    ),
    (
        "put_function_scaling_config",
        {"FunctionName": "hello", "Qualifier": PUBLISHED},
        404,
        "ResourceNotFoundException",
        f"Function not found: {ARN}hello:{PUBLISHED}",
    ),
    (
        "put_function_scaling_config",
        {
            "FunctionName": "hello",
            "Qualifier": "1",
            "FunctionScalingConfig": {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 2},
        },
        400,
        "InvalidParameterValueException",
        "MinExecutionEnvironments (3) cannot be greater than MaxExecutionEnvironments (2).",
    ),
    (
        "put_function_scaling_config",
        {"FunctionName": "hello", "Qualifier": "1", "FunctionScalingConfig": {"MinExecutionEnvironments": 15001}},
        400,
        "ValidationException",
        "1 validation error detected: Value '15001' at 'functionScalingConfig.minExecutionEnvironments' failed to "
        "satisfy constraint: Member must have value less than or equal to 15000",
    ),
    (
        "get_function_scaling_config",
        {"FunctionName": "hello", "Qualifier": "live"},
        400,
        "ValidationException",
        "1 validation error detected: Value 'live' at 'qualifier' failed to satisfy constraint: Member must satisfy "
        r"regular expression pattern: (\$LATEST\.PUBLISHED|[0-9]+)",
    ),
    (
        "get_function_scaling_config",
        {"FunctionName": "none", "Qualifier": "1"},
        404,
        "ResourceNotFoundException",
        f"Function not found: {ARN}none:1",
    ),
    (
        "publish_version",
        {"FunctionName": "plain", "PublishTo": "LATEST_PUBLISHED"},
        400,
        "InvalidParameterValueException",
        "PublishTo is supported only for functions that have a CapacityProviderConfig.",
    ),
    (
        "update_function_configuration",
        {"FunctionName": "plain", **on("mine")},
        400,
        "InvalidParameterValueException",
        "CapacityProviderConfig isn't supported for Lambda Default functions.",
    ),
    (
        "update_function_configuration",
        {"FunctionName": "hello", **on("none")},
        404,
        "ResourceNotFoundException",
        f"Capacity provider not found: {PROVIDER}none",
    ),
    (
        "update_function_configuration",
        {"FunctionName": "hello", "MemorySize": 1024},
        400,
        "ValidationException",
        "Lambda Managed Instance functions must have memory size greater than or equal to 2048",
    ),
    (
        "create_capacity_provider",
        {"CapacityProviderName": "mine", **PLACE},
        409,
        "ResourceConflictException",
        f"Capacity provider already exists: {PROVIDER}mine",
    ),
    (
        "create_capacity_provider",
        {"CapacityProviderName": "arn:aws:lambda:us-east-1:123456789012:capacity-provider:theirs", **PLACE},
        400,
        "InvalidParameterValueException",
        "arn:aws:lambda:us-east-1:123456789012:capacity-provider:theirs is not a capacity provider of this account and "
        "region.",
    ),
    (
        "update_capacity_provider",
        {
            "CapacityProviderName": "mine",
            "CapacityProviderScalingConfig": {
                "ScalingPolicies": [
                    {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 50.0}
                ]
            },
        },
        400,
        "InvalidParameterValueException",
        "A scaling policy can't be specified when the scalingMode is set to Auto",
    ),
    (
        "delete_capacity_provider",
        {"CapacityProviderName": "mine"},
        409,
        "ResourceConflictException",
        f"Capacity provider {PROVIDER}mine cannot be deleted: it is in use by a Lambda function.",
    ),
    *(
        (
            operation,
            {"CapacityProviderName": "none"},
            404,
            "ResourceNotFoundException",
            f"Capacity provider not found: {PROVIDER}none",
        )
        for operation in (
            "get_capacity_provider",
            "update_capacity_provider",
            "delete_capacity_provider",
            "list_function_versions_by_capacity_provider",
        )
    ),
]


@pytest.mark.parametrize(
    ("operation", "given", "status", "code", "message"),
    REFUSALS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_and_changes_nothing(
    managed: Any, operation: str, given: dict[str, Any], status: int, code: str, message: str
) -> None:
    managed.publish_version(FunctionName="hello")
    before = managed.get_function_configuration(FunctionName="hello")
    with pytest.raises(ClientError) as refused:
        getattr(managed, operation)(**given)
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert answer["Error"]["Message"] == message
    after = managed.get_function_configuration(FunctionName="hello")
    assert after["RevisionId"] == before["RevisionId"]
    assert managed.get_capacity_provider(CapacityProviderName="mine")["CapacityProvider"]["State"] == "Active"
