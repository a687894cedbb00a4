"""What the deploy tests share: definitions and packages made by hand, a moto server, and a count of the calls sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from fnroll import cloud, definition, deploy
from fnroll.archive import load_rules, pack, scan
from fnroll.aws import AwsOptions, Clock, Session
from fnroll.aws.aliases import get_alias
from fnroll.aws.functions import find_function

REGION = "us-east-1"
READS = ("Get", "List")


class Calls:
    """The operations that a session's control client sent, in order; `wire`: method and size of what went out."""

    def __init__(self, session: Session) -> None:
        self.sent: list[str] = []
        self.wire: list[tuple[str, int]] = []
        session.control.meta.events.register("before-call.lambda", self._note)
        session.control.meta.events.register("before-send.lambda", self._send)

    def _send(self, request: Any, **_: Any) -> None:
        self.wire.append((request.method, len(request.body or b"")))

    def _note(self, model: Any, **_: Any) -> None:
        self.sent.append(model.name)

    @property
    def writes(self) -> list[str]:
        return [name for name in self.sent if not name.startswith(READS)]


class Project:
    """A function on disk that deploys anywhere: a bootstrap of its own, no layers unless given."""

    def __init__(self, directory: Path, role: str) -> None:
        self.directory = directory
        self.definition: dict[str, Any] = {
            "FunctionName": "hello",
            "Role": role,
            "Runtime": "provided.al2023",
            "Handler": "h.h",
        }
        self.code("first")

    def code(self, text: str) -> None:
        (self.directory / "bootstrap").write_text(f"#!/bin/sh\n# {text}\n")
        (self.directory / "bootstrap").chmod(0o755)

    def save(self) -> None:
        (self.directory / "function.json").write_text(json.dumps(self.definition))

    def desired(self) -> deploy.Desired:
        self.save()
        loaded = definition.load(self.directory, env={})
        return deploy.wanted(loaded, loaded.layers, pack(scan(self.directory, load_rules(self.directory))))

    def plan(self, session: Session, **wishes: Any) -> deploy.Plan:
        desired, wished = self.desired(), deploy.Wishes(**wishes)
        actual = deploy.read_actual(session, desired, "current", wished)
        return deploy.plan(desired, actual, alias="current", wishes=wished)

    def deploy(self, session: Session, **wishes: Any) -> deploy.Result:
        return deploy.apply(self.plan(session, **wishes), session, clock=no_time())


def no_time() -> Clock:
    """A clock whose sleeps pass at once."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    return Clock(now=lambda: passed[0], sleep=sleep)


def outcome(session: Session) -> dict[str, Any]:
    """What a deploy comes to, without what differs from run to run: code, configuration, and who serves them."""
    client = session.control
    alias = get_alias(client, "hello", "current")
    served = find_function(client, "hello", alias.version)
    latest = find_function(client, "hello")
    assert served is not None and latest is not None
    kept = ("CodeSha256", "MemorySize", "Timeout", "Handler", "Environment", "Runtime")
    return {
        "served": {key: served.configuration.get(key) for key in kept},
        "latest": {key: latest.configuration.get(key) for key in kept},
        "tags": latest.tags,
        "weights": dict(alias.weights),
    }


@contextmanager
def on_stage(kind: str, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    """A session on our local cloud (`cloud`) or on a moto server (`moto`), and a project to deploy there."""
    opened = cloud_session(tmp_path / "state") if kind == "cloud" else moto_session()
    with opened as (session, role):
        (tmp_path / "project").mkdir()
        yield session, Project(tmp_path / "project", role)


@contextmanager
def moto_session() -> Iterator[tuple[Session, str]]:
    """A session on a moto server of its own, and the ARN of a role that exists there."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    try:
        # moto keeps its state per process, not per server.
        urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        iam: Any = boto3.client("iam", **keys)
        trust = {"Version": "2012-10-17", "Statement": []}
        role = iam.create_role(RoleName="fn", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        # `local` makes up credentials; moto takes any, as the local cloud does.
        yield Session(AwsOptions(region=REGION, endpoint=endpoint, local=True)), role
    finally:
        server.stop()


@contextmanager
def cloud_session(state: Path) -> Iterator[tuple[Session, str]]:
    """A session on a local cloud of its own."""
    with cloud.embedded(state, tier="process") as endpoint:
        yield Session(AwsOptions(endpoint=endpoint.url, local=True)), "arn:aws:iam::000000000000:role/fn"
