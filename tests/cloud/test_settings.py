"""Settings beside code and configuration: put, read, deleted, refused; reserved concurrency reaches the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import client, make, served

CONFIG = "function_event_invoke_config"
SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("function_concurrency", {"ReservedConcurrentExecutions": 3}, {}),
    ("function_recursion_config", {"RecursiveLoop": "Allow"}, {"RecursiveLoop": "Terminate"}),
    ("runtime_management_config", {"UpdateRuntimeOn": "FunctionUpdate"}, {"UpdateRuntimeOn": "Auto"}),
    (CONFIG, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}, None),
]


@pytest.mark.parametrize(("noun", "value", "none"), SETTINGS)
def test_put_read_and_deleted(noun: str, value: dict[str, Any], none: dict[str, Any] | None, tmp_path: Path) -> None:
    def read(api: Any) -> dict[str, Any]:
        answer = getattr(api, f"get_{noun}")(FunctionName="hello")
        return {key: item for key, item in answer.items() if key in {*value, *(none or {})}}

    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        make(api)
        if none is None:
            with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
                read(api)
        else:
            assert read(api) == none
        getattr(api, f"put_{noun}")(FunctionName="hello", **value)
        assert read(api) == value
    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        assert read(api) == value, "it survives a restart"
        if hasattr(api, f"delete_{noun}"):
            getattr(api, f"delete_{noun}")(FunctionName="hello")
            if none is not None:
                assert read(api) == none


def test_reserved_concurrency_reaches_the_emulator_now_and_at_the_next_start(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, emulator):
        api = client(endpoint)
        arn = make(api)["FunctionArn"]
        api.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=0)
        assert emulator.reserved == {arn: 0}
    with served(tmp_path) as (endpoint, emulator):
        assert emulator.reserved == {arn: 0}
        client(endpoint).delete_function_concurrency(FunctionName="hello")
        assert emulator.reserved == {arn: None}


def test_the_account_keeps_a_hundred(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        api = client(endpoint)
        make(api)
        with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
            api.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=901)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            api.put_function_event_invoke_config(FunctionName="hello", Qualifier="nobody", MaximumRetryAttempts=1)
