"""Much of everything: lists of versions page by page, what a start keeps, and numbers that nothing can have."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import client, make, package, raw, served
from fnroll.cloud import Endpoint

HUGE = "9" * 30


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A cloud with one function, of which every second version of six was deleted."""
    with served(tmp_path_factory.mktemp("state")) as (found, _):
        lambda_ = client(found)
        make(lambda_, Publish=True)
        for number in range(2, 7):
            lambda_.update_function_configuration(FunctionName="hello", Description=str(number))
            lambda_.publish_version(FunctionName="hello")
        for number in ("2", "4", "6"):
            lambda_.delete_function(FunctionName="hello", Qualifier=number)
        yield found


def marker(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 50])
def test_versions_are_listed_page_by_page(endpoint: Endpoint, size: int) -> None:
    pages = client(endpoint).get_paginator("list_versions_by_function")
    found = list(pages.paginate(FunctionName="hello", PaginationConfig={"PageSize": size}))
    assert [each["Version"] for page in found for each in page["Versions"]] == ["$LATEST", "1", "3", "5"]
    assert [len(page["Versions"]) for page in found[:-1]] == [size] * (len(found) - 1)


def test_a_page_goes_on_behind_a_version_that_was_deleted_meanwhile(endpoint: Endpoint) -> None:
    found = client(endpoint).list_versions_by_function(FunctionName="hello", Marker=marker("2"))
    assert [each["Version"] for each in found["Versions"]] == ["3", "5"]


@pytest.mark.parametrize("path", ["/hello/versions", ""])
@pytest.mark.parametrize("text", ["hello", "hello:x", f"hello:{HUGE}"])
def test_a_marker_that_no_page_gave_is_refused(endpoint: Endpoint, path: str, text: str) -> None:
    answer = raw(endpoint, "GET", f"/2015-03-31/functions{path}?Marker={marker(text).replace('=', '%3D')}")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "InvalidParameterValueException")


@pytest.mark.parametrize("number", ["0", HUGE, "9" * 18])
def test_a_version_that_no_function_can_have_is_not_found(endpoint: Endpoint, number: str) -> None:
    lambda_ = client(endpoint)
    for call in (lambda_.get_function, lambda_.invoke, lambda_.get_policy):
        with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
            call(FunctionName="hello", Qualifier=number)
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion=number)
    lambda_.delete_function(FunctionName="hello", Qualifier=number)
    assert lambda_.get_function(FunctionName="hello")["Configuration"]["Version"] == "$LATEST"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/2015-03-31/functions?MaxItems={HUGE}", b""),
        ("GET", f"/2018-10-31/layers/l/versions/{HUGE}", b""),
        ("PUT", "/2015-03-31/functions/hello/configuration", f'{{"Timeout":{HUGE}}}'.encode()),
    ],
)
def test_a_number_beyond_its_type_is_refused(endpoint: Endpoint, method: str, path: str, body: bytes) -> None:
    answer = raw(endpoint, method, path, body)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "SerializationException")


def test_a_layer_version_beyond_all_numbers_is_not_there(endpoint: Endpoint) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        layer = f"arn:aws:lambda:us-east-1:000000000000:layer:l:{HUGE}"
        client(endpoint).update_function_configuration(FunctionName="hello", Layers=[layer])


def test_every_version_keeps_its_package_and_its_layers_over_a_start(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        lambda_ = client(endpoint)
        arns = [publish(lambda_, name) for name in ("a", "b", "c")]
        make(lambda_, Layers=arns[:1], Publish=True)
        lambda_.update_function_configuration(FunctionName="hello", Layers=arns[1:])
        lambda_.update_function_code(FunctionName="hello", ZipFile=package({"second": ""}))
        make(lambda_, "plain", Code={"ZipFile": package({"third": ""})})
        for name in ("a", "b", "c"):
            lambda_.delete_layer_version(LayerName=name, VersionNumber=1)
        called(lambda_)
        before = kept(tmp_path)
    with served(tmp_path) as (endpoint, _):
        assert kept(tmp_path) == before
        called(client(endpoint))


def test_account_settings_add_up_every_version_of_the_region(endpoint: Endpoint) -> None:
    usage = client(endpoint).get_account_settings()["AccountUsage"]
    assert usage == {"TotalCodeSize": 4 * len(package()), "FunctionCount": 1}
    elsewhere = client(endpoint, region="eu-west-1").get_account_settings()["AccountUsage"]
    assert elsewhere == {"TotalCodeSize": 0, "FunctionCount": 0}


def publish(lambda_: Any, name: str) -> str:
    made = lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": package({name: ""})})
    arn: str = made["LayerVersionArn"]
    return arn


def called(lambda_: Any) -> None:
    for name in ("hello:1", "hello", "plain"):
        assert lambda_.invoke(FunctionName=name)["StatusCode"] == 200


def kept(state: Path) -> list[str]:
    """The six packages, and the trees of three codes and of two sets of layers."""
    found = sorted(path.name for place in ("packages", "trees") for path in (state / place).iterdir())
    assert len(found) == 6 + 5
    return found
