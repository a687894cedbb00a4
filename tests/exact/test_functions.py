"""Functions that really run, fail and are asked who they are, through Invoke of a served cloud."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from cloud_support import ARN, Raw, client, make, package
from exact.functions import NATIVE, NODE, PYTHON, TABLE, Real, platform
from exact.vocabulary import FUNCTIONS, ask
from fnroll import cloud
from fnroll.cloud import Endpoint

NEEDS = {NATIVE: ("curl",), PYTHON: (), NODE: ("node",)}
TASK = re.compile(r'[^"( ]*/(?=handler\.(?:py|js)\b)')
"""The directory of the code, where the tier has no /var/task."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A cloud over the machine's own sandbox."""
    with cloud.embedded(tmp_path_factory.mktemp("state")) as endpoint:
        yield endpoint


def deploy(endpoint: Endpoint, name: str, text: str, **given: Any) -> Any:
    """A Python function of that name."""
    return make(client(endpoint), name, Code={"ZipFile": package({"handler.py": text}, mode=0o755)}, **given)


def invoke(endpoint: Endpoint, name: str, event: Any = None, **sent: str) -> Raw:
    return ask(endpoint, "POST", f"{FUNCTIONS}/{name}/invocations", event, sent)


def log_of(answer: Raw) -> str:
    return base64.b64decode(answer.headers["x-amz-log-result"]).decode()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.fact}: {row.name}".replace(" ", "-"))
def test_a_function(running: Endpoint, row: Real) -> None:
    if lacking := [program for program in NEEDS[row.runtime] if shutil.which(program) is None]:
        pytest.skip(f"this machine has no {lacking[0]}")
    name = f"{row.fact}-{row.name}".replace(" ", "-").replace(".", "-")
    make(
        client(running),
        name,
        Runtime=row.runtime,
        Handler=row.handler,
        Code={"ZipFile": package(row.files, mode=row.mode)},
        **{"Timeout": 20, **row.config},
    )
    got = invoke(running, name, row.event)
    assert (got.status, got.headers.get("x-amz-function-error")) == (200, row.error), got.body
    assert got.headers["x-amz-executed-version"] == "$LATEST"
    assert "x-amzn-errortype" not in got.headers
    text = TASK.sub("/var/task/", got.body.decode().replace(got.headers["x-amzn-requestid"], "ID"))
    if isinstance(row.answer, str):
        assert text == row.answer
    else:
        assert row.answer.fullmatch(text), text


def test_out_of_memory_is_killed_and_reported(running: Endpoint) -> None:
    """The fact "emulators 2.5 killed", where the machine limits memory."""
    if any("memory limit" in gap for gap in running.missing):
        pytest.skip("this machine does not limit memory")
    deploy(running, "grows", "def handle(event, context): return len(bytearray(1 << 30))\n", Timeout=20)
    got = invoke(running, "grows", {}, **{"X-Amz-Log-Type": "Tail"})
    told = platform("Runtime.ExitError", "Runtime exited with error: signal: killed")
    assert got.body.decode().replace(got.headers["x-amzn-requestid"], "ID") == told
    report = log_of(got).splitlines()[-1]
    assert re.fullmatch(
        r"REPORT RequestId: .+\tMemory Size: 128 MB\tMax Memory Used: 128 MB\t(Init Duration: .+ ms\t)?"
        r"Status: error\tError Type: Runtime\.OutOfMemory\t?",
        report,
    ), report


COUNTS = """
import os, pathlib
count = 0
def handle(event, context):
    global count
    count += 1
    kept = pathlib.Path(os.environ.get("TMPDIR", "/tmp"), "kept")
    if event.get("exit"):
        kept.write_text("kept")
        os._exit(1)
    return [count, kept.exists()]
"""


def test_after_a_crash_the_process_is_new_and_tmp_is_kept(running: Endpoint) -> None:
    """The fact "emulators 2.5 after a crash"."""
    deploy(running, "counts", COUNTS, Timeout=20)
    bodies = [invoke(running, "counts", {"exit": exit_}).body.decode() for exit_ in (0, 0, 1, 0, 0)]
    assert (bodies[:2], bodies[3:]) == (["[1, false]", "[2, false]"], ["[1, true]", "[2, true]"])
    assert json.loads(bodies[2])["errorType"] == "Runtime.ExitError"


ABOUT = """
import os
def handle(event, context):
    return [context.function_version, os.environ["AWS_LAMBDA_FUNCTION_VERSION"], context.log_stream_name,
            context.invoked_function_arn]
"""


@pytest.mark.parametrize(("asked", "version"), [("", "$LATEST"), (":$LATEST", "$LATEST"), (":1", "1"), (":live", "1")])
def test_who_ran(running: Endpoint, asked: str, version: str) -> None:
    """The facts "release 2.1 who ran" and "emulators 2.6 invoked ARN"."""
    api = client(running)
    if not any(item["FunctionName"] == "about" for item in api.list_functions()["Functions"]):
        deploy(running, "about", ABOUT, Timeout=20, Publish=True)
        api.create_alias(FunctionName="about", Name="live", FunctionVersion="1")
    got = invoke(running, f"about{asked}", {}, **{"X-Amz-Log-Type": "Tail"})
    function_version, variable, stream, arn = json.loads(got.body)
    assert got.headers["x-amz-executed-version"] == function_version == variable == version
    assert f"START RequestId: {got.headers['x-amzn-requestid']} Version: {version}\n" in log_of(got)
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/\[{re.escape(version)}\][0-9a-f]{{32}}", stream)
    assert arn == f"{ARN}about{asked}"


def settled(api: Any, name: str) -> Any:
    while True:
        found = api.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        if found["Status"] != "IN_PROGRESS":
            return found


@pytest.mark.parametrize(
    ("name", "text", "status", "reason"),
    [
        ("ready", "def handle(event, context): return 1\n", "READY", None),
        ("never", "raise SystemExit(1)\n", "FAILED", "FUNCTION_ERROR_INIT_FAILURE"),
    ],
)
def test_provisioned_concurrency(running: Endpoint, name: str, text: str, status: str, reason: str | None) -> None:
    """The fact "emulators 2.7 provisioned concurrency"."""
    deploy(running, name, text, Timeout=20, Publish=True)
    path = f"/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier=1"
    got = ask(running, "PUT", path, {"ProvisionedConcurrentExecutions": 1})
    began = json.loads(got.body)
    assert (got.status, began["Status"], began["AllocatedProvisionedConcurrentExecutions"]) == (202, "IN_PROGRESS", 0)
    assert "StatusReason" not in began
    found = settled(client(running), name)
    assert (found["Status"], found.get("StatusReason")) == (status, reason)
    assert found["RequestedProvisionedConcurrentExecutions"] == 1
    assert found["AvailableProvisionedConcurrentExecutions"] == (1 if status == "READY" else 0)


def test_no_concurrency_is_throttled_by_the_emulator_itself(running: Endpoint) -> None:
    """The fact "emulators 2.6 throttled"."""
    deploy(running, "idle", "def handle(event, context): return 1\n")
    client(running).put_function_concurrency(FunctionName="idle", ReservedConcurrentExecutions=0)
    got = invoke(running, "idle", {})
    assert (got.status, got.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert got.body == (
        b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'
    )
