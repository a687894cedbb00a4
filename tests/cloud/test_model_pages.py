"""botocore's paginators over lists of several pages: every item once and in order, whatever the size of a page, and
what comes after a marker also where the item that it stands for is gone."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from cloud_support import ROLE, client, make, package, served
from cloud_walk_support import BUILT, PROVIDER, VALUES
from fnroll.cloud import Endpoint

PAGINATORS: Mapping[str, Mapping[str, Any]] = Loader().load_service_model("lambda", "paginators-1")["pagination"]
HELLO = {"FunctionName": "hello"}
LISTS: Mapping[str, Mapping[str, str]] = {
    "ListAliases": HELLO,
    "ListCapacityProviders": {},
    "ListCodeSigningConfigs": {},
    "ListEventSourceMappings": {},
    "ListFunctionEventInvokeConfigs": HELLO,
    "ListFunctionUrlConfigs": HELLO,
    "ListFunctionVersionsByCapacityProvider": {"CapacityProviderName": "b"},
    "ListFunctions": {},
    "ListFunctionsByCodeSigningConfig": {"CodeSigningConfigArn": "config"},
    "ListLayers": {},
    "ListLayerVersions": {"LayerName": "words"},
    "ListProvisionedConcurrencyConfigs": HELLO,
    "ListVersionsByFunction": HELLO,
}
"""Every paginator of an operation that is built, and what its list is of."""

PLACE = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": ROLE},
}

LEAST = 4
"""Items of each list: with those of `several` there are so many or more."""


def several(endpoint: Endpoint) -> str:
    """Make a few of everything. The code signing config that the functions have."""
    api, sqs = client(endpoint), client(endpoint, "sqs")
    made = [
        api.create_code_signing_config(AllowedPublishers=VALUES["AllowedPublishers"])["CodeSigningConfig"]
        for _ in range(LEAST)
    ]
    config: str = made[0]["CodeSigningConfigArn"]
    make(api, Publish=True)
    for name in ("hello", "one", "three", "two"):
        if name != "hello":
            make(api, name)
        api.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=config)
        queue = sqs.create_queue(QueueName=name)["QueueUrl"].rpartition("/")[2]
        source = f"arn:aws:sqs:us-east-1:000000000000:{queue}"
        api.create_event_source_mapping(FunctionName=name, EventSourceArn=source, Enabled=False)
    for number in range(2, 12):  # past 9, where the order of numbers and that of words differ
        api.update_function_configuration(FunctionName="hello", Description=str(number))
        api.publish_version(FunctionName="hello")
    for number, name in enumerate(("a", "b", "C", "d"), 1):
        api.create_capacity_provider(CapacityProviderName=name, **PLACE)
        api.create_alias(FunctionName="hello", Name=name, FunctionVersion=str(number))
        api.create_function_url_config(FunctionName="hello", Qualifier=name, AuthType="NONE")
        api.put_function_event_invoke_config(FunctionName="hello", Qualifier=name, MaximumRetryAttempts=1)
        api.put_provisioned_concurrency_config(FunctionName="hello", Qualifier=name, ProvisionedConcurrentExecutions=1)
        api.publish_layer_version(LayerName=f"layer{name}", Content={"ZipFile": package({"a": name})})
    instances = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": f"{PROVIDER}:b"}}
    make(api, "managed", MemorySize=2048, CapacityProviderConfig=instances)
    for number in range(11):
        api.update_function_configuration(FunctionName="managed", Description=str(number))
        api.publish_version(FunctionName="managed")
        api.publish_layer_version(LayerName="words", Content={"ZipFile": package({"a": str(number)})})
    return config


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    with served(tmp_path_factory.mktemp("state")) as (endpoint, _):
        yield client(endpoint), several(endpoint)


def subject(name: str, config: str) -> dict[str, str]:
    return {key: config if value == "config" else value for key, value in LISTS[name].items()}


def test_every_paginator_of_what_is_built_is_tried() -> None:
    assert LISTS.keys() == PAGINATORS.keys() & set(BUILT)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("name", LISTS)
def test_all_items_once_and_in_order(stocked: tuple[Any, str], name: str, size: int) -> None:
    api, config = stocked
    given, key = subject(name, config), PAGINATORS[name]["result_key"]
    whole = getattr(api, xform_name(name))(**given)
    assert "NextMarker" not in whole
    assert len(whole[key]) >= LEAST
    pages = list(api.get_paginator(xform_name(name)).paginate(**given, PaginationConfig={"PageSize": size}))
    assert [item for page in pages for item in page[key]] == whole[key]
    assert len(pages) == -(-len(whole[key]) // size)
    assert all(len(page[key]) == size for page in pages[:-1])
    assert ["NextMarker" in page for page in pages] == [True] * (len(pages) - 1) + [False]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_goes_on_where_another_client_stopped(stocked: tuple[Any, str], name: str) -> None:
    api, config = stocked
    given, key = subject(name, config), PAGINATORS[name]["result_key"]
    paginator = api.get_paginator(xform_name(name))
    first = paginator.paginate(**given, PaginationConfig={"MaxItems": 3, "PageSize": 2}).build_full_result()
    rest = paginator.paginate(**given, PaginationConfig={"StartingToken": first["NextToken"]}).build_full_result()
    assert first[key] + rest[key] == getattr(api, xform_name(name))(**given)[key]


@pytest.mark.parametrize("marker", ["x", "é", base64.b64encode(b"\xff").decode(), base64.b64encode(b"{}").decode()])
@pytest.mark.parametrize("name", [name for name in LISTS if name != "ListFunctions"])
def test_a_marker_that_is_none(stocked: tuple[Any, str], name: str, marker: str) -> None:
    api, config = stocked
    with pytest.raises(ClientError, match="The provided Marker is invalid"):
        getattr(api, xform_name(name))(**subject(name, config), Marker=marker)


def test_of_more_than_fifty_a_page_has_fifty(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        for number in range(53):
            make(api, f"f{number:02}")
        for given in ({}, {"MaxItems": 10_000}):
            page = api.list_functions(**given)
            assert len(page["Functions"]) == 50
            assert len(api.list_functions(Marker=page["NextMarker"])["Functions"]) == 3


@pytest.mark.parametrize(
    ("name", "key", "delete"),
    [
        ("ListVersionsByFunction", "Version", lambda api, item: api.delete_function(**HELLO, Qualifier=item)),
        ("ListAliases", "Name", lambda api, item: api.delete_alias(**HELLO, Name=item)),
        ("ListFunctions", "FunctionName", lambda api, item: api.delete_function(FunctionName=item)),
        (
            "ListLayerVersions",
            "Version",
            lambda api, item: api.delete_layer_version(LayerName="words", VersionNumber=item),
        ),
        ("ListEventSourceMappings", "UUID", lambda api, item: api.delete_event_source_mapping(UUID=item)),
    ],
)
def test_who_deletes_what_it_lists_sees_all(tmp_path: Path, name: str, key: str, delete: Any) -> None:
    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        given = subject(name, several(endpoint))
        if name == "ListVersionsByFunction":
            for alias in api.list_aliases(**HELLO)["Aliases"]:
                api.delete_alias(**HELLO, Name=alias["Name"])
        whole = [item[key] for item in getattr(api, xform_name(name))(**given)[PAGINATORS[name]["result_key"]]]
        seen = []
        for page in api.get_paginator(xform_name(name)).paginate(**given, PaginationConfig={"PageSize": 2}):
            for item in page[PAGINATORS[name]["result_key"]]:
                seen.append(item[key])
                if item[key] != "$LATEST":
                    delete(api, item[key])
        assert seen == whole
