"""The lookups over the real protocol: SSM, Secrets Manager, STS, CloudFormation, layers, S3 (moto)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import moto_session
from fnroll.aws import Session
from fnroll.errors import FnError, NotFound
from fnroll.lookups import lookups

TEMPLATE = {
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {"Name": {"Value": "q", "Export": {"Name": "shared-name"}}, "Other": {"Value": "o"}},
}
STATE = {"version": 4, "outputs": {"x": {"value": "from s3", "type": "string"}}, "resources": []}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with moto_session() as (opened, _):
        ssm = opened.service("ssm")
        ssm.put_parameter(Name="/plain", Value="p", Type="String")
        ssm.put_parameter(Name="/secret", Value="s", Type="SecureString")
        ssm.put_parameter(Name="/list", Value="a,b", Type="StringList")
        opened.service("secretsmanager").create_secret(Name="db", SecretString="x")
        opened.service("cloudformation").create_stack(StackName="net", TemplateBody=json.dumps(TEMPLATE))
        opened.service("s3").create_bucket(Bucket="states")
        opened.service("s3").put_object(Bucket="states", Key="dir/k", Body=json.dumps(STATE).encode())
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("x", "y")
        for _ in range(2):
            opened.control.publish_layer_version(LayerName="lib", Content={"ZipFile": content.getvalue()})
        yield opened


@pytest.fixture
def table(session: Session, tmp_path: Path) -> dict[str, Callable[..., Any]]:
    return lookups(lambda: session, {}, tmp_path)


def test_parameters_of_each_type(table: dict[str, Callable[..., Any]]) -> None:
    assert table["parameter"]("/plain") == ("String", "p")
    assert table["parameter"]("/secret") == ("SecureString", "s")
    assert table["parameter"]("/list") == ("StringList", "a,b")


def test_the_caller(table: dict[str, Callable[..., Any]]) -> None:
    assert table["caller_identity"]().keys() == {"Account", "Arn", "UserId"}


def test_outputs_and_exports_of_stacks(table: dict[str, Callable[..., Any]]) -> None:
    assert table["stack_outputs"]("net") == {"Name": "q", "Other": "o"}
    assert table["stack_exports"]()["shared-name"] == "q"


def test_a_secrets_arn_and_a_layers(table: dict[str, Callable[..., Any]]) -> None:
    assert ":secret:db-" in table["secret_arn"]("db")
    assert table["layer_arn"]("lib", None).endswith(":layer:lib:2")
    assert table["layer_arn"]("lib", 1).endswith(":layer:lib:1")


def test_a_state_on_s3(table: dict[str, Callable[..., Any]]) -> None:
    assert table["state"]("s3://states/dir/k").lookup("output.x") == "from s3"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("parameter", ("/none",), "GetParameter: Parameter /none not found"),
        ("secret_arn", ("none",), "DescribeSecret: .*ResourceNotFoundException"),
        ("stack_outputs", ("none",), "DescribeStacks: .*does not exist"),
        ("layer_arn", ("none", None), "there is no such layer"),
        ("layer_arn", ("lib", 9), "there is no version 9"),
        ("state", ("s3://states/none",), "GetObject: .*NoSuchKey"),
        ("state", ("s3://nobucket/none",), "GetObject: .*NoSuchBucket"),
    ],
)
def test_what_is_not_there(
    name: str, arguments: tuple[Any, ...], words: str, table: dict[str, Callable[..., Any]]
) -> None:
    with pytest.raises(FnError, match=words) as caught:
        table[name](*arguments)
    assert isinstance(caught.value, NotFound) or name == "state"


def test_each_lookup_is_told(session: Session, tmp_path: Path) -> None:
    said: list[str] = []
    made = lookups(lambda: session, {}, tmp_path, said.append)
    made["parameter"]("/plain")
    with pytest.raises(NotFound):
        made["layer_arn"]("none", None)
    assert [line.partition(" in ")[0] for line in said] == ["looked up parameter /plain", "looked up layer_arn none"]
