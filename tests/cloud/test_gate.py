"""The one port: hosts, origins, who a request is for, moto behind it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import client, make, package, raw, served
from fnroll.cloud import Endpoint
from fnroll.cloud.gate import scope_of
from fnroll.cloud.others import Others
from fnroll.emulator.wire import Request


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:9000", 200),
        ("[::1]:9000", 200),
        ("bucket.s3.localhost", 200),
        ("attacker.example", 403),
        ("attacker.example:9000", 403),
        ("localhost.attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("notlocalhost", 403),
        ("192.168.0.1", 403),
        ("", 403),
    ],
)
def test_only_names_of_this_machine_are_answered(endpoint: Endpoint, host: str, status: int) -> None:
    assert raw(endpoint, "GET", "/.fn/health", headers={"Host": host}).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://attacker.example", 403),
        ("http://localhost.attacker.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_may_not_call_the_control_plane(endpoint: Endpoint, origin: str, status: int) -> None:
    assert raw(endpoint, "GET", "/2015-03-31/functions", headers={"Origin": origin}).status == status


def test_health_tells_the_process(endpoint: Endpoint) -> None:
    answer = raw(endpoint, "GET", "/.fn/health")
    assert json.loads(answer.body) == {"pid": endpoint.pid, "url": endpoint.url}


@pytest.mark.parametrize("path", ["/.fn/x", "/.fn/package/../cloud.db", "/.fn/package/" + "0" * 64, "/.fn/package/x"])
def test_nothing_else_is_served_from_the_state(endpoint: Endpoint, path: str) -> None:
    assert raw(endpoint, "GET", path).status == 404


def authorization(service: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential=AKID/20250101/eu-west-1/{service}/aws4_request, SignedHeaders=h, Signature=0"


@pytest.mark.parametrize(
    ("target", "headers", "scope"),
    [
        ("/", [("authorization", authorization("s3"))], ("eu-west-1", "s3")),
        ("/?X-Amz-Credential=AKID%2F20250101%2Feu-west-1%2Flambda%2Faws4_request", [], ("eu-west-1", "lambda")),
        ("/", [("authorization", "Bearer x")], (None, None)),
        ("/", [], (None, None)),
    ],
)
def test_the_scope_of_a_signature(target: str, headers: list[tuple[str, str]], scope: tuple[str, str]) -> None:
    found = scope_of(Request("GET", target, headers, b""))
    assert (found.region, found.service) == scope


def test_a_path_of_lambdas_signed_for_s3_is_not_lambdas(endpoint: Endpoint) -> None:
    s3 = client(endpoint, "s3")
    s3.create_bucket(Bucket="2015-03-31")
    s3.put_object(Bucket="2015-03-31", Key="functions", Body=b"mine")
    assert s3.get_object(Bucket="2015-03-31", Key="functions")["Body"].read() == b"mine"


def test_other_services_are_motos(endpoint: Endpoint) -> None:
    s3 = client(endpoint, "s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="a b/ü", Body=b"hello", Metadata={"m": "1"})
    found = s3.get_object(Bucket="bucket", Key="a b/ü")
    assert (found["Body"].read(), found["Metadata"]) == (b"hello", {"m": "1"})
    assert s3.head_object(Bucket="bucket", Key="a b/ü")["ContentLength"] == 5
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="bucket", Key="no")
    queue = client(endpoint, "sqs").create_queue(QueueName="q")["QueueUrl"]
    client(endpoint, "sqs").send_message(QueueUrl=queue, MessageBody="m")
    table = client(endpoint, "dynamodb")
    table.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(TableName="t", Item={"k": {"S": "1"}})
    assert table.get_item(TableName="t", Key={"k": {"S": "1"}})["Item"] == {"k": {"S": "1"}}


def test_sts_and_lambda_agree_on_the_account(endpoint: Endpoint, lambda_: Any) -> None:
    account = client(endpoint, "sts").get_caller_identity()["Account"]
    assert make(lambda_)["FunctionArn"].split(":")[4] == account


def test_code_and_layers_come_from_the_local_s3(endpoint: Endpoint, lambda_: Any) -> None:
    s3 = client(endpoint, "s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="a b.zip", Body=package())
    created = make(lambda_, Code={"S3Bucket": "code", "S3Key": "a b.zip"})
    assert created["CodeSize"] == len(package())
    layer = lambda_.publish_layer_version(LayerName="l", Content={"S3Bucket": "code", "S3Key": "a b.zip"})
    assert layer["Content"]["CodeSize"] == len(package())
    with pytest.raises(ClientError, match="S3 Error Code: NoSuchKey"):
        make(lambda_, "other", Code={"S3Bucket": "code", "S3Key": "no"})


def test_without_moto_the_refusal_names_the_extra(tmp_path: Path) -> None:
    import asyncio

    def missing() -> Any:
        raise ImportError("no moto")

    others = Others(missing)
    request = Request("GET", "/", [("authorization", authorization("sqs"))], b"")
    answer = asyncio.run(others.answer(request, "sqs", "000000000000"))
    assert answer.status == 501
    assert b"fnroll[local]" in answer.body
    others.close()


def test_a_service_that_moto_does_not_know_is_refused_by_name(endpoint: Endpoint, capfd: Any) -> None:
    answer = raw(endpoint, "GET", "/", headers={"Authorization": authorization("nosuchservice")})
    assert answer.status == 501
    assert b"nosuchservice" in answer.body
    assert capfd.readouterr().out == ""


def test_an_invocation_does_not_wait_for_moto_to_load(tmp_path: Path) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        loading.set()
        go_on.wait()
        raise ImportError("no moto")

    with served(tmp_path, others=Others(slow)) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_)
        other = threading.Thread(target=raw, args=(endpoint, "GET", "/", b"", {"Authorization": authorization("s3")}))
        other.start()
        assert loading.wait(30)
        assert lambda_.invoke(FunctionName="hello")["StatusCode"] == 200
        go_on.set()
        other.join()


@pytest.mark.parametrize("path", ["/2015-03-31/functions", "/2015-03-31/functions/hello/code"])
def test_a_control_plane_call_that_is_too_large(endpoint: Endpoint, path: str) -> None:
    method, name = ("POST", "CreateFunction") if path.endswith("s") else ("PUT", "UpdateFunctionCode")
    answer = raw(endpoint, method, path, b" " * 70_167_212)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    words = f"Request must be smaller than 70167211 bytes for the {name} operation"
    assert json.loads(answer.body) == {"Type": "User", "message": words}
