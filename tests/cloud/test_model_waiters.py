"""botocore's waiters, every one: each waits as long as it must, and gives up on what will not come.

`fn` has no function whose State or LastUpdateStatus is Failed; what a waiter makes of that is botocore's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError
from botocore.loaders import Loader

from cloud_support import Held, client, make, package, served

ACTIVE = ("function_active", "function_active_v2", "published_version_active")
UPDATED = ("function_updated", "function_updated_v2")
EVERY = ("function_exists", *ACTIVE, *UPDATED)


class Slow:
    """A cloud in which time passes only when it is polled, and from the `after`th poll on."""

    def __init__(self, api: Any, clock: Held) -> None:
        self.api = api
        self.clock = clock
        self.polls = 0
        self.after: int | None = None
        self.then: Callable[[], object] = clock.pass_time
        for operation in ("GetFunction", "GetFunctionConfiguration"):
            api.meta.events.register(f"before-call.lambda.{operation}", self._polled)

    def _polled(self, **_: Any) -> None:
        self.polls += 1
        if self.after is not None and self.polls >= self.after:
            self.then()

    def wait(self, name: str, attempts: int = 60, **given: str) -> None:
        self.polls = 0
        config = {"Delay": 0, "MaxAttempts": attempts}
        self.api.get_waiter(name).wait(FunctionName="hello", WaiterConfig=config, **given)

    def make(self) -> None:
        """hello and its version 1, both Pending."""
        make(self.api, Publish=True)

    def settle(self) -> None:
        self.after = 1
        self.wait("function_updated_v2")
        self.after = None


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    clock = Held()
    with served(tmp_path, realistic=True, clock=clock) as (endpoint, _):
        yield Slow(client(endpoint), clock)


def test_these_are_all() -> None:
    waiters = Loader().load_service_model("lambda", "waiters-2")["waiters"]
    assert {name.replace("_", "") for name in EVERY} == {name.lower() for name in waiters}


@pytest.mark.parametrize("name", ACTIVE)
def test_it_waits_until_the_function_is_active(slow: Slow, name: str) -> None:
    slow.make()
    slow.after = 4
    qualifier = {"Qualifier": "1"} if name == "published_version_active" else {}
    slow.wait(name, **qualifier)
    assert slow.polls >= 4
    assert slow.api.get_function(FunctionName="hello", **qualifier)["Configuration"]["State"] == "Active"


@pytest.mark.parametrize("name", UPDATED)
@pytest.mark.parametrize(
    "update",
    [
        lambda api: api.update_function_configuration(FunctionName="hello", Timeout=9),
        lambda api: api.update_function_code(FunctionName="hello", ZipFile=package({"a": "b"})),
    ],
    ids=["configuration", "code"],
)
def test_it_waits_until_the_update_is_done(slow: Slow, name: str, update: Any) -> None:
    slow.make()
    slow.settle()
    update(slow.api)
    slow.after = 4
    slow.wait(name)
    assert slow.polls >= 4
    assert slow.api.get_function(FunctionName="hello")["Configuration"]["LastUpdateStatus"] == "Successful"


def test_it_waits_until_the_function_is_there(slow: Slow) -> None:
    def come() -> None:
        slow.after = None
        slow.make()

    slow.after, slow.then = 4, come
    slow.wait("function_exists")
    assert slow.polls == 4


@pytest.mark.parametrize("name", EVERY)
def test_it_gives_up_after_its_attempts(slow: Slow, name: str) -> None:
    """What is Pending, or not there, stays so while no time passes."""
    if name != "function_exists":
        slow.make()
    if name in UPDATED:
        slow.settle()
        slow.api.update_function_configuration(FunctionName="hello", Timeout=9)
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        slow.wait(name, attempts=3)
    assert slow.polls == 3


@pytest.mark.parametrize("name", [name for name in EVERY if name != "function_exists"])
def test_it_does_not_wait_for_what_is_not_there(slow: Slow, name: str) -> None:
    with pytest.raises(WaiterError, match="Function not found"):
        slow.wait(name)
    assert slow.polls == 1


@pytest.mark.parametrize("name", ACTIVE)
def test_it_ends_when_the_function_is_deleted_meanwhile(slow: Slow, name: str) -> None:
    def delete() -> None:
        slow.after = None
        slow.api.delete_function(FunctionName="hello")

    slow.make()
    slow.after, slow.then = 3, delete
    with pytest.raises(WaiterError, match="Function not found"):
        slow.wait(name)
    with pytest.raises(ClientError):
        slow.api.get_function(FunctionName="hello")
