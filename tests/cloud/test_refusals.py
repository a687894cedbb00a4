"""What this cloud does not have is refused by name. What Lambda itself refuses stands in tests/exact."""

from __future__ import annotations

import json

from cloud_support import raw
from fnroll.cloud import Endpoint
from fnroll.cloud.control import OPERATIONS
from fnroll.cloud.data_plane import INVOKING
from fnroll.definition import service


def test_an_operation_that_is_not_built_names_itself(endpoint: Endpoint) -> None:
    answer = raw(endpoint, "GET", "/2025-12-01/durable-executions/x")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (501, "NotImplementedException")
    assert "GetDurableExecution" in json.loads(answer.body)["message"]


def test_every_operation_of_the_model_is_built_or_refused_by_name(endpoint: Endpoint) -> None:
    """None falls through to another answer: each route of the model finds its own operation."""
    for operation in service.operations().values():
        if operation.name in OPERATIONS or operation.name in INVOKING:
            continue
        path = operation.uri.replace("{", "").replace("+}", "").replace("}", "")
        answer = raw(endpoint, operation.method, path)
        assert answer.status == 501, operation.name
        assert f"The operation {operation.name} is not built" in json.loads(answer.body)["message"]
