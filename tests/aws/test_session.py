"""Clients as a session makes them, by what they send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

import fnroll
from deploy_support import no_time
from fnroll.aws import AwsOptions, Pacer, Session
from fnroll.aws.functions import get_function
from fnroll.aws.invoke import invoke
from fnroll.errors import AwsError, NoCredentials

PROFILES = """
[profile work]
region = eu-central-1
"""


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "config").write_text(PROFILES)


class Wire:
    """Answers in place of the network and keeps what was sent."""

    def __init__(self, client: Any, status: int = 200, body: bytes = b"{}") -> None:
        self.sent: list[Any] = []
        self.status, self.body = status, body
        client.meta.events.register("before-send.lambda", self)

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.sent.append(request)
        return AWSResponse(request.url, self.status, {}, _Raw(self.body))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._parts = [body]

    def stream(self, *_: Any, **__: Any) -> Any:
        yield from self._parts

    def read(self, *_: Any) -> bytes:
        return self._parts.pop() if self._parts else b""


def test_the_local_cloud_needs_nothing_configured_not_even_the_profile_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-is-nowhere")
    session = Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))
    wire = Wire(session.control, body=b'{"Configuration": {"FunctionName": "hello"}}')
    assert get_function(session.control, "hello").name == "hello"
    headers = wire.sent[0].headers
    assert b"Credential=fn/" in headers["Authorization"]
    assert session.region == "us-east-1"
    assert f"fnroll/{fnroll.__version__}" in headers["User-Agent"].decode()


def test_the_region_comes_from_the_option_else_from_the_profile() -> None:
    assert Session(AwsOptions(profile="work")).region == "eu-central-1"
    assert Session(AwsOptions(profile="work", region="ap-northeast-1")).region == "ap-northeast-1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (AwsOptions(), "no AWS region is set"),
        (AwsOptions(profile="absent"), "absent"),
    ],
    ids=["no region", "no such profile"],
)
def test_what_is_missing_is_said(options: AwsOptions, words: str) -> None:
    with pytest.raises(NoCredentials, match=words) as caught:
        _ = Session(options).control
    assert caught.value.hint


def test_no_credentials_are_said_with_the_way_out() -> None:
    with pytest.raises(NoCredentials, match="no AWS credentials were found"):
        get_function(Session(AwsOptions(region="us-east-1")).control, "hello")


def test_every_request_of_the_control_plane_passes_the_pacer_and_an_invocation_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    clock = no_time()
    session = Session(AwsOptions(region="us-east-1"), pacer=Pacer(clock))
    wire = Wire(session.control)
    for _ in range(30):
        session.control.get_alias(FunctionName="hello", Name="current")
    assert len(wire.sent) == 30
    assert 30 / clock.now() < 15
    before = clock.now()
    Wire(session.invoker)
    for _ in range(30):
        invoke(session.invoker, "hello", b"{}")
    assert clock.now() == before


def test_an_event_is_never_sent_twice() -> None:
    session = Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))
    wire = Wire(session.invoker, status=503)
    with pytest.raises(AwsError):
        invoke(session.invoker, "hello", b"{}")
    assert len(wire.sent) == 1


def test_nobody_listening_is_said_with_the_address() -> None:
    session = Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))
    with pytest.raises(AwsError, match=r"127\.0\.0\.1:1") as caught:
        invoke(session.invoker, "hello", b"{}")
    assert "--endpoint" in (caught.value.hint or "")
