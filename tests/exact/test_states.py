"""Functions on their way: what is shown, refused, and waited for (facts/release.md 2.3, emulators.md 2.6 and 2.7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support import ARN, FakeEmulator, Held, Raw, client, make, served
from exact.invoking import STREAM
from exact.management import ZIP
from exact.vocabulary import FUNCTIONS, HELLO, INVOKE, ask, compact, new_function, user
from fnroll.cloud import Endpoint

CANNOT = "The operation cannot be performed at this time."
PENDING = f"{CANNOT} The function is currently in the following state: Pending"
BUSY = f"{CANNOT} An update is in progress for resource: {ARN}hello"
CREATING = {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}
DONE = {"State": "Active", "LastUpdateStatus": "Successful"}
UPDATING = {
    "State": "Active",
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}


class Cloud:
    """A cloud that takes Lambda's time, by a clock that the test moves."""

    def __init__(self, endpoint: Endpoint, fake: FakeEmulator, clock: Held) -> None:
        self.endpoint = endpoint
        self.fake = fake
        self.clock = clock

    def ask(self, method: str, path: str, body: Any = None, **sent: str) -> Raw:
        return ask(self.endpoint, method, path, body, {key.replace("_", "-"): value for key, value in sent.items()})

    def shown(self, qualifier: str = "$LATEST") -> dict[str, Any]:
        found = json.loads(self.ask("GET", f"{HELLO}/configuration?Qualifier={qualifier}").body)
        return {key: value for key, value in found.items() if key.startswith(("State", "LastUpdate"))}

    def arrive(self) -> None:
        while self.shown() != DONE:
            self.clock.pass_time()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Cloud]:
    clock = Held()
    with served(tmp_path, realistic=True, clock=clock) as (endpoint, fake):
        yield Cloud(endpoint, fake, clock)


def refused(got: Raw, message: str) -> None:
    assert (got.status, got.headers["x-amzn-errortype"]) == (409, "ResourceConflictException")
    assert got.body.decode() == compact(user(message))


WRITES = (
    ("PUT", f"{HELLO}/code", {"ZipFile": ZIP}),
    ("PUT", f"{HELLO}/configuration", {"Timeout": 9}),
    ("POST", f"{HELLO}/versions", {}),
)


def test_a_new_function(slow: Cloud) -> None:
    """The facts "release 2.3 create", "release 2.3 refused while pending" and "emulators 2.6 pending"."""
    made = json.loads(slow.ask("POST", FUNCTIONS, new_function(FunctionName="hello")).body)
    assert {key: made[key] for key in CREATING} == CREATING
    assert slow.shown() == CREATING
    for method, path, body in (*WRITES, ("POST", INVOKE, {}), ("POST", STREAM, {})):
        refused(slow.ask(method, path, body), PENDING)
    for kind in ("Event", "DryRun"):
        refused(slow.ask("POST", INVOKE, {}, X_Amz_Invocation_Type=kind), PENDING)
    slow.arrive()
    assert slow.ask("POST", INVOKE, {}).status == 200


def test_an_update(slow: Cloud) -> None:
    """The facts "release 2.3 update", "release 2.3 refused while in progress", "emulators 2.7 update in progress"."""
    slow.ask("POST", FUNCTIONS, new_function(FunctionName="hello"))
    slow.arrive()
    slow.ask("PUT", f"{HELLO}/configuration", {"MemorySize": 256})
    assert slow.shown() == UPDATING
    for method, path, body in WRITES:
        refused(slow.ask(method, path, body), BUSY)
    assert slow.ask("POST", INVOKE, {}).status == 200
    slow.arrive()
    assert slow.ask("POST", INVOKE, {}).status == 200
    assert [config.memory_mb for config, _ in slow.fake.seen] == [128, 256]


def test_a_version_of_an_active_function(slow: Cloud) -> None:
    """The fact "release 2.3 publish of active"."""
    slow.ask("POST", FUNCTIONS, new_function(FunctionName="hello"))
    slow.arrive()
    made = json.loads(slow.ask("POST", f"{HELLO}/versions", {}).body)
    assert (made["Version"], made["State"], made["LastUpdateStatus"]) == ("1", "Active", "Successful")
    assert slow.shown("1") == DONE


WAITERS = {
    "function_exists": ("GetFunction", 1, 20),
    "function_active_v2": ("GetFunction", 1, 300),
    "function_updated_v2": ("GetFunction", 1, 300),
    "function_active": ("GetFunctionConfiguration", 5, 60),
    "function_updated": ("GetFunctionConfiguration", 5, 60),
    "published_version_active": ("GetFunctionConfiguration", 5, 312),
}


def test_the_waiters_are_those_of_the_facts(endpoint: Endpoint) -> None:
    """The fact "release 2.3 waiters"; tests/cloud/test_model_waiters.py waits with each."""
    api = client(endpoint)
    found = {name: api.get_waiter(name).config for name in api.waiter_names}
    assert {name: (it.operation, it.delay, it.max_attempts) for name, it in found.items()} == WAITERS
    make(api)
    for name in WAITERS:
        api.get_waiter(name).wait(FunctionName="hello", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
