"""A cloud that takes Lambda's time: what a function on its way shows, refuses and runs, until it has arrived."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, Held, client, make, package, served

PENDING = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
BUSY = f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}hello"


class Realistic:
    """A cloud whose functions stay on their way until `arrive`."""

    def __init__(self, lambda_: Any, clock: Held) -> None:
        self.lambda_ = lambda_
        self._clock = clock

    def shown(self, **given: str) -> dict[str, Any]:
        found = self.lambda_.get_function_configuration(FunctionName="hello", **given)
        return {key: value for key, value in found.items() if key.startswith(("State", "LastUpdate"))}

    def arrive(self) -> None:
        """Seconds pass: the states are polled as any client does."""
        while self.shown().get("LastUpdateStatus") != "Successful":
            self._clock.pass_time()

    def refused(self, operation: str, **given: Any) -> str:
        with pytest.raises(ClientError) as caught:
            getattr(self.lambda_, operation)(FunctionName="hello", **given)
        assert caught.value.response["Error"]["Code"] == "ResourceConflictException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
        message: str = caught.value.response["Error"]["Message"]
        return message

    def ran(self, **given: str) -> Any:
        return json.loads(self.lambda_.invoke(FunctionName="hello", **given)["Payload"].read())


@contextmanager
def realistic(state: Path) -> Iterator[Realistic]:
    clock = Held()

    def told(config: Any, _: Any) -> Any:
        return [config.memory_mb, sorted(path.name for path in config.task.iterdir())]

    with served(state, told, realistic=True, clock=clock) as (endpoint, _):
        yield Realistic(client(endpoint), clock)


def test_a_new_function_is_pending_until_it_is_active(tmp_path: Path) -> None:
    with realistic(tmp_path) as cloud:
        made = make(cloud.lambda_, Publish=True)
        assert (made["Version"], made["State"], made["StateReasonCode"]) == ("1", "Pending", "Creating")
        assert "LastUpdateStatus" not in made
        assert cloud.shown() == {
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
        }
        for operation, given in (
            ("invoke", {}),
            ("invoke", {"InvocationType": "Event"}),
            ("invoke", {"Qualifier": "1"}),
            ("update_function_code", {"ZipFile": package({"b": "1"})}),
            ("update_function_configuration", {"MemorySize": 256}),
            ("publish_version", {}),
        ):
            assert cloud.refused(operation, **given) == PENDING
        before = cloud.lambda_.get_function_configuration(FunctionName="hello")["RevisionId"]
        cloud.arrive()
        assert cloud.shown() == cloud.shown(Qualifier="1") == {"State": "Active", "LastUpdateStatus": "Successful"}
        assert cloud.lambda_.get_function_configuration(FunctionName="hello")["RevisionId"] != before
        assert cloud.ran() == cloud.ran(Qualifier="1") == [128, ["handler.py"]]


def test_an_update_is_in_progress_and_the_old_serves_meanwhile(tmp_path: Path) -> None:
    with realistic(tmp_path) as cloud:
        make(cloud.lambda_)
        cloud.arrive()
        cloud.lambda_.update_function_code(FunctionName="hello", ZipFile=package({"new.py": "1"}))
        assert cloud.shown() == {
            "State": "Active",
            "LastUpdateStatus": "InProgress",
            "LastUpdateStatusReason": "The function is being created.",
            "LastUpdateStatusReasonCode": "Creating",
        }
        for operation, given in (
            ("update_function_code", {"ZipFile": package({"b": "1"})}),
            ("update_function_configuration", {"MemorySize": 256}),
            ("publish_version", {}),
        ):
            assert cloud.refused(operation, **given) == BUSY
        assert cloud.ran() == [128, ["handler.py"]]
        cloud.arrive()
        assert cloud.ran() == [128, ["new.py"]]
        cloud.lambda_.update_function_configuration(FunctionName="hello", MemorySize=256)
        assert cloud.lambda_.get_function_configuration(FunctionName="hello")["MemorySize"] == 256
        assert cloud.ran() == [128, ["new.py"]]
        cloud.arrive()
        assert cloud.ran() == [256, ["new.py"]]
        assert cloud.lambda_.publish_version(FunctionName="hello")["State"] == "Active"


def test_a_restart_finds_everything_arrived(tmp_path: Path) -> None:
    with realistic(tmp_path) as cloud:
        make(cloud.lambda_)
    with realistic(tmp_path) as cloud:
        assert cloud.shown() == {"State": "Active", "LastUpdateStatus": "Successful"}
        cloud.lambda_.update_function_code(FunctionName="hello", ZipFile=package({"new.py": "1"}))
    with realistic(tmp_path) as cloud:
        assert cloud.ran() == [128, ["new.py"]]


def test_waiters_wait_and_one_that_is_deleted_on_its_way_is_gone(tmp_path: Path) -> None:
    with served(tmp_path, realistic=True, speed=100) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_)
        lambda_.get_waiter("function_active_v2").wait(FunctionName="hello", WaiterConfig={"Delay": 0})
        lambda_.update_function_configuration(FunctionName="hello", MemorySize=256)
        lambda_.get_waiter("function_updated_v2").wait(FunctionName="hello", WaiterConfig={"Delay": 0})
        lambda_.publish_version(FunctionName="hello")
        lambda_.get_waiter("published_version_active").wait(
            FunctionName="hello", Qualifier="1", WaiterConfig={"Delay": 0}
        )
        make(lambda_, "other")
        lambda_.delete_function(FunctionName="other")
        with pytest.raises(ClientError, match="Function not found"):
            lambda_.get_function(FunctionName="other")
