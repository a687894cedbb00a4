"""Stock clients against the local cloud: the newest boto3 and AWS CLI, the AWS SDKs for JavaScript, Go and Rust.

Each comes from its package index into a directory of the test's own, and tells the same story (`stock/`). The cloud
checks every signature, takes a moment for each function and each update, and throttles, as AWS does: waiters wait, and
retries retry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud_support import Failure, Streamed, echo, package, served
from conformance.toolchains import asked_for
from fnroll import places
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation

asked_for()
pytestmark = pytest.mark.timeout(1500)

STORY = Path(__file__).with_name("stock")
ROLE = "arn:aws:iam::000000000000:role/stock"
SPEED = 10.0
MISSING = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"
STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
SEEN = {
    "states": ["Pending", "Active"],
    "layer": [1, 1],
    "taken": [409, "Function already exist: stock"],
    "missing": [404, MISSING],
    "updated": ["InProgress", "Successful", True],
    "stale": [412, STALE],
    "versions": ["$LATEST", "1", "2"],
    "executed": ["2", "1"],
    "payload": {"version": "2", "event": {"n": 1}},
    "tail": "x" * 8,
    "statuses": [200, 202, 204],
    "failed": ["Unhandled", {"errorType": "Failure", "errorMessage": "broken"}],
    "streamed": ["application/vnd.amazon.eventstream", "one two", True],
    "tags": {"team": "b"},
    "url": ["NONE", ["https://example.com"], True],
    "names": ["another", "stock"],
    "left": 0,
}


def behave(config: FunctionConfig, invocation: Invocation) -> Any:
    event = json.loads(invocation.payload)
    if "fail" in event:
        raise Failure(event["fail"])
    return Streamed("text/plain", (b"one ", b"two")) if "stream" in event else echo(config, invocation)


@contextmanager
def cloud(state: Path) -> Iterator[Endpoint]:
    with served(state, behave, signatures=True, realistic=True, speed=SPEED) as (endpoint, _):
        yield endpoint


def zips(place: Path) -> list[Path]:
    """Two packages."""
    made = [place / "code.zip", place / "second.zip"]
    made[0].write_bytes(package())
    made[1].write_bytes(package({"second.py": ""}))
    return made


def needed(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")


def step(command: Sequence[str | Path], where: Path, **environment: str) -> str:
    """What a command prints. It must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=where,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def surroundings(endpoint: Endpoint) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "stock", "AWS_SECRET_ACCESS_KEY": "stock", "AWS_REGION": "us-east-1"}
    config = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_PAGER": ""}
    # Refused by the rate limit ten times over is what no test should wait for.
    retries = {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "10"}
    return {**keys, **config, **retries, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint.url}


def python(place: Path) -> list[str | Path]:
    step([sys.executable, "-m", "venv", place / "venv"], place)
    step([place / "venv/bin/python", "-m", "pip", "install", "--quiet", "boto3"], place)
    return [place / "venv/bin/python", STORY / "story.py"]


def node(place: Path) -> list[str | Path]:
    needed("node", "npm")
    shutil.copy(STORY / "story.mjs", place)
    step(["npm", "init", "--yes"], place)
    step(["npm", "install", "--no-audit", "--no-fund", "@aws-sdk/client-lambda"], place)
    return ["node", "story.mjs"]


def go(place: Path) -> list[str | Path]:
    needed("go")
    shutil.copy(STORY / "main.go", place)
    step(["go", "mod", "init", "stock"], place)
    for module in ("config", "service/lambda"):
        step(["go", "get", f"github.com/aws/aws-sdk-go-v2/{module}@latest"], place)
    step(["go", "build", "-o", "stock", "."], place)
    return [place / "stock"]


def rust(place: Path) -> list[str | Path]:
    """What it is made of stays built in the cache: minutes."""
    needed("cargo", "cc")
    shutil.copytree(STORY / "rust", place, dirs_exist_ok=True)
    target = places.cache_dir() / "conformance" / "stock-rust"
    step(["cargo", "build", "--quiet"], place, CARGO_TARGET_DIR=str(target))
    shutil.copy(target / "debug" / "stock", place)
    return [place / "stock"]


@pytest.mark.parametrize("make", [python, node, go, rust], ids=lambda make: make.__name__)
def test_a_client_tells_the_story(make: Callable[[Path], list[str | Path]], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    command = make(work)
    with cloud(tmp_path / "state") as endpoint:
        assert json.loads(step([*command, *zips(tmp_path)], work, **surroundings(endpoint))) == SEEN


class Cli:
    """The AWS CLI, against a cloud."""

    def __init__(self, place: Path, endpoint: Endpoint) -> None:
        self.place, self._environment = place, surroundings(endpoint)

    def __call__(self, *words: str) -> Any:
        said = step([self.place / "venv/bin/aws", *words], self.place, **self._environment)
        return json.loads(said) if said.strip() else None

    def refusal(self, *words: str) -> str:
        """What it says of a call that must be refused."""
        command = [str(self.place / "venv/bin/aws"), *words]
        environment = {**os.environ, **self._environment}
        done = subprocess.run(command, cwd=self.place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode and "An error occurred (" in done.stderr, done.stdout + done.stderr
        return done.stderr.strip()


def test_the_aws_cli(tmp_path: Path) -> None:
    step([sys.executable, "-m", "venv", tmp_path / "venv"], tmp_path)
    step([tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", "awscli"], tmp_path)
    zips(tmp_path)
    with cloud(tmp_path / "state") as endpoint:
        aws = Cli(tmp_path, endpoint)
        makes_and_updates(aws)
        invokes(aws)
        decorates(aws)
        aws("s3api", "create-bucket", "--bucket", "bucket")
        assert aws("sts", "get-caller-identity")["Account"] == "000000000000"
        aws("lambda", "delete-function", *NAMED)
        assert aws("lambda", "list-functions") == {"Functions": []}


NAMED = ("--function-name", "stock")


def makes_and_updates(aws: Cli) -> None:
    layer = aws("lambda", "publish-layer-version", "--layer-name", "stock", "--zip-file", "fileb://code.zip")
    create = ("create-function", *NAMED, "--runtime", "python3.13", "--handler", "h.h", "--role", ROLE)
    create = (*create, "--zip-file", "fileb://code.zip", "--layers", layer["LayerVersionArn"])
    assert aws("lambda", *create, "--tags", "team=a,stage=test")["State"] == "Pending"
    aws("lambda", "wait", "function-active-v2", *NAMED)
    assert "(ResourceConflictException)" in aws.refusal("lambda", *create)
    assert aws.refusal("lambda", "get-function", "--function-name", "nobody").endswith(MISSING)
    assert aws("lambda", "publish-version", *NAMED)["Version"] == "1"
    changed = aws("lambda", "update-function-code", *NAMED, "--zip-file", "fileb://second.zip")
    assert changed["LastUpdateStatus"] == "InProgress"
    aws("lambda", "wait", "function-updated-v2", *NAMED)
    stale = aws.refusal("lambda", "update-function-configuration", *NAMED, "--revision-id", "none")
    assert "(PreconditionFailedException)" in stale
    assert aws("lambda", "publish-version", *NAMED)["Version"] == "2"
    listed = aws("lambda", "list-versions-by-function", *NAMED, "--page-size", "1")["Versions"]
    assert [each["Version"] for each in listed] == SEEN["versions"]


def invokes(aws: Cli) -> None:
    weights = ("--routing-config", "AdditionalVersionWeights={2=1.0}")
    aws("lambda", "create-alias", *NAMED, "--name", "live", "--function-version", "1", *weights)
    live = ("lambda", "invoke", *NAMED, "--qualifier", "live")
    answer = aws(*live, "--log-type", "Tail", "--payload", '{"n":1}', "out.json")
    assert (answer["StatusCode"], answer["ExecutedVersion"], len(answer["LogResult"]) > 8) == (200, "2", True)
    assert json.loads((aws.place / "out.json").read_text()) == SEEN["payload"]
    aws("lambda", "update-alias", *NAMED, "--name", "live", "--routing-config", "AdditionalVersionWeights={}")
    assert aws(*live, "out.json")["ExecutedVersion"] == "1"
    for kind, status in (("Event", 202), ("DryRun", 204)):
        assert aws(*live, "--invocation-type", kind, "out.json")["StatusCode"] == status
    assert aws(*live, "--payload", '{"fail":"broken"}', "out.json")["FunctionError"] == "Unhandled"


def decorates(aws: Cli) -> None:
    arn = aws("lambda", "get-function-configuration", *NAMED)["FunctionArn"]
    aws("lambda", "tag-resource", "--resource", arn, "--tags", "team=b")
    aws("lambda", "untag-resource", "--resource", arn, "--tag-keys", "stage")
    assert aws("lambda", "list-tags", "--resource", arn) == {"Tags": {"team": "b"}}
    url = aws("lambda", "create-function-url-config", *NAMED, "--qualifier", "live", "--auth-type", "NONE")
    assert aws("lambda", "get-function-url-config", *NAMED, "--qualifier", "live")["FunctionUrl"] == url["FunctionUrl"]
    aws("lambda", "delete-function-url-config", *NAMED, "--qualifier", "live")
    aws("lambda", "delete-alias", *NAMED, "--name", "live")
    listed = aws("lambda", "list-functions", "--page-size", "1")["Functions"]
    assert [each["FunctionName"] for each in listed] == ["stock"]
