"""What a row cannot say of the control plane: what it makes, defaults, runtimes, deletion."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cloud_support import ARN, ROLE, client, make
from exact.vocabulary import FUNCTIONS, HELLO, ask, new_function
from fnroll.cloud import Endpoint

DRAWN = {
    "RevisionId": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "LastModified": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000",
    "CodeSha256": r"[A-Za-z0-9+/]{43}=",
    "ConfigSha256": r"[A-Za-z0-9+/]{43}=",
}
"""Members whose values are new each time, and what they look like."""


def test_the_defaults_of_a_new_function(endpoint: Endpoint) -> None:
    """The fact "emulators 2.7 defaults"."""
    got = ask(endpoint, "POST", FUNCTIONS, new_function())
    made: dict[str, Any] = json.loads(got.body)
    for member, pattern in DRAWN.items():
        assert re.fullmatch(pattern, made.pop(member)), member
    assert (got.status, made.pop("CodeSize") > 0) == (201, True)
    assert made == {
        "FunctionName": "new",
        "FunctionArn": f"{ARN}new",
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/new"},
        "Runtime": "python3.13",
        "Handler": "handler.handle",
        "Role": ROLE,
    }


RUNTIMES = (
    *(f"python3.{minor}" for minor in range(8, 15)),
    *(f"nodejs{major}.x" for major in (16, 18, 20, 22, 24)),
    "java8.al2",
    *(f"java{major}" for major in (11, 17, 21, 25)),
    *(f"dotnet{major}" for major in (6, 8, 10)),
    *(f"ruby3.{minor}" for minor in (2, 3, 4)),
    "provided.al2",
    "provided.al2023",
)


def test_the_recorded_runtimes(endpoint: Endpoint) -> None:
    """The fact "emulators 2.7 runtimes"."""
    for number, runtime in enumerate(RUNTIMES):
        got = ask(endpoint, "POST", FUNCTIONS, new_function(FunctionName=f"f{number}", Runtime=runtime))
        assert (got.status, json.loads(got.body)["Runtime"]) == (201, runtime)


def test_deleting_a_function(endpoint: Endpoint) -> None:
    """The fact "emulators 2.7 delete function": of a version and of the whole."""
    make(client(endpoint), Publish=True)
    for path in (f"{HELLO}?Qualifier=1", f"{HELLO}?Qualifier=1", HELLO):
        assert ask(endpoint, "DELETE", path).status == 200
    assert ask(endpoint, "DELETE", HELLO).status == 404


@pytest.mark.parametrize("left", [0, 1])
def test_the_least_that_stays_unreserved(endpoint: Endpoint, left: int) -> None:
    """The facts "emulators 2.7 reserves too much" and "release 2.1 provisioned quota": one quota of 1,000, of which 100
    stay; what is provisioned counts as what is reserved does."""
    api = client(endpoint)
    make(api, Publish=True)
    make(api, "other", Publish=True)
    api.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=800 - left)
    path = "/2019-09-30/functions/hello/provisioned-concurrency?Qualifier=1"
    got = ask(endpoint, "PUT", path, {"ProvisionedConcurrentExecutions": 101})
    assert got.status == (202 if left else 400)
    if not left:
        assert json.loads(got.body)["message"] == (
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            "minimum value of [100]."
        )
    reserves = {"ReservedConcurrentExecutions": 901}
    assert ask(endpoint, "PUT", "/2017-10-31/functions/other/concurrency", reserves).status == 400
