"""The cloud that every row of the table asks, and the assertions of what the rows share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fnroll.cloud import Endpoint

pytest.register_assert_rewrite("exact.vocabulary")

from cloud_support import client, make, package, served  # noqa: E402
from exact.vocabulary import OTHER_ROLE, QUEUES, weights  # noqa: E402


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """hello with versions 1 and 2, 3 under another role, 4 with a dead-letter queue; its aliases live (1), split (2,
    half of it 1) and newest ($LATEST). reserved with version 1 and a reservation of 2. The layer tools, twice."""
    with served(tmp_path_factory.mktemp("state")) as (endpoint, _):
        api = client(endpoint)
        role = make(api, Publish=True)["Role"]
        for changes in (
            {"Description": "2"},
            {"Role": OTHER_ROLE},
            {"Role": role, "DeadLetterConfig": {"TargetArn": f"{QUEUES}q"}},
        ):
            api.update_function_configuration(FunctionName="hello", **changes)
            api.publish_version(FunctionName="hello")
        api.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        api.create_alias(FunctionName="hello", Name="split", FunctionVersion="2", **weights(v1=0.5))
        api.create_alias(FunctionName="hello", Name="newest", FunctionVersion="$LATEST")
        make(api, "reserved", Publish=True)
        api.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=2)
        permit = {"StatementId": "taken", "Action": "lambda:InvokeFunction", "Principal": "*"}
        api.add_permission(FunctionName="hello:split", **permit)
        for word in ("1", "2"):
            api.publish_layer_version(LayerName="tools", Content={"ZipFile": package({"word": word})})
        yield endpoint


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """A cloud of a test's own."""
    with served(tmp_path) as (found, _):
        yield found
