"""Stock clients against the local cloud: the newest boto3 and AWS CLI, the AWS SDKs for JavaScript and for Go.

Each comes from its package index into a directory of the test's own, and tells the same story (`stock/`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cloud_support import package, served
from conformance.toolchains import asked_for
from fnroll.cloud import Endpoint

asked_for()
pytestmark = pytest.mark.timeout(900)

STORY = Path(__file__).with_name("stock")
MISSING = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"
SEEN = {
    "version": "1",
    "payload": {"version": "1", "event": {"n": 1}},
    "tail": True,
    "event": 202,
    "refused": MISSING,
    "names": ["stock"],
}


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
    return {**keys, **config, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint.url}


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


@pytest.mark.parametrize("make", [python, node, go], ids=lambda make: make.__name__)
def test_a_client_tells_the_story(make: Callable[[Path], list[str | Path]], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    command = make(work)
    (tmp_path / "code.zip").write_bytes(package())
    # Signatures too: each client signs in its own way.
    with served(tmp_path / "state", signatures=True) as (endpoint, _):
        assert json.loads(step([*command, tmp_path / "code.zip"], work, **surroundings(endpoint))) == SEEN


def test_the_aws_cli(tmp_path: Path) -> None:
    step([sys.executable, "-m", "venv", tmp_path / "venv"], tmp_path)
    step([tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", "awscli"], tmp_path)
    (tmp_path / "code.zip").write_bytes(package())
    with served(tmp_path / "state", signatures=True) as (endpoint, _):

        def aws(*words: str) -> Any:
            said = step([tmp_path / "venv/bin/aws", *words], tmp_path, **surroundings(endpoint))
            return json.loads(said) if said.strip() else None

        role = "arn:aws:iam::000000000000:role/stock"
        which = ("--function-name", "stock")
        create = ("--runtime", "python3.13", "--handler", "h.h", "--role", role, "--zip-file", "fileb://code.zip")
        aws("lambda", "create-function", *which, *create)
        aws("lambda", "wait", "function-active-v2", *which)
        assert aws("lambda", "publish-version", *which)["Version"] == "1"
        aws("lambda", "create-alias", *which, "--name", "live", "--function-version", "1")
        answer = aws("lambda", "invoke", *which, "--qualifier", "live", "--payload", '{"n":1}', "out.json")
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "1")
        assert json.loads((tmp_path / "out.json").read_text()) == SEEN["payload"]
        assert [each["FunctionName"] for each in aws("lambda", "list-functions")["Functions"]] == ["stock"]
        aws("s3api", "create-bucket", "--bucket", "bucket")
        aws("sts", "get-caller-identity")
        aws("lambda", "delete-function", *which)
