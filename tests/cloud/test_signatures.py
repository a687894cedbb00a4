"""SigV4: what botocore's signer signs is right, everything else is wrong; API calls and function URLs that want it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cloud_support import Raw, client, make, raw, served
from fnroll.cloud import Endpoint, sigv4
from fnroll.cloud.sigv4 import MISMATCH, SignatureError
from fnroll.emulator.wire import Request

HOST = "localhost:9000"
Signers = {"header": SigV4Auth, "query": SigV4QueryAuth, "s3": S3SigV4Auth}


def signed(
    kind: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, key: str = "test"
) -> Request:
    """A request as botocore signs and sends it."""
    made = AWSRequest(method, f"http://{HOST}{target}", data=body, headers=headers or {})
    if kind == "s3":
        made.context["payload_signing_enabled"] = True
    service = "s3" if kind == "s3" else "lambda"
    Signers[kind](Credentials(key, "secret"), service, "us-east-1").add_auth(made)
    prepared = made.prepare()
    parts = urlsplit(prepared.url)
    found = [
        (name.lower(), value if isinstance(value, str) else value.decode()) for name, value in prepared.headers.items()
    ]
    sent = parts.path + (f"?{parts.query}" if parts.query else "")
    return Request(method, sent, [("host", HOST), *found], body)


def verdict(request: Request, secret: str = "secret", now: datetime | None = None) -> str:
    """`right`, or the code of the refusal."""
    try:
        signature = sigv4.read(request)
        assert signature is not None
        sigv4.check(request, signature, secret, now or datetime.now(UTC))
    except SignatureError as error:
        return error.code
    return "right"


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=12)
NAMES = st.sampled_from(["x-amz-meta", "x-other", "content-type"])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@given(
    kind=st.sampled_from(sorted(Signers)),
    segments=st.lists(TEXT, max_size=3),
    query=st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=3),
    body=st.binary(max_size=30),
    headers=st.dictionaries(NAMES, VALUES, max_size=3),
)
def test_what_botocore_signs_is_right_and_any_change_is_wrong(
    kind: str, segments: list[str], query: list[tuple[str, str]], body: bytes, headers: dict[str, str]
) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments if segment not in (".", ".."))
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    body = b"" if kind == "query" else body
    request = signed(kind, "POST", path + (f"?{pairs}" if pairs else ""), body, headers)
    assert verdict(request) == "right"
    assert verdict(request, secret="other") == "InvalidSignatureException"
    assert verdict(replace(request, method="PUT")) == "InvalidSignatureException"
    assert verdict(replace(request, target="/changed" + request.target)) == "InvalidSignatureException"
    if kind != "query":
        assert verdict(replace(request, body=body + b"x")) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("kind", "later", "code"),
    [
        ("header", timedelta(minutes=4), "right"),
        ("header", timedelta(minutes=6), "InvalidSignatureException"),
        ("header", timedelta(minutes=-6), "InvalidSignatureException"),
        ("query", timedelta(minutes=59), "right"),
        ("query", timedelta(minutes=61), "InvalidSignatureException"),
    ],
)
def test_signatures_grow_old(kind: str, later: timedelta, code: str) -> None:
    assert verdict(signed(kind, "GET", "/"), now=datetime.now(UTC) + later) == code


def without(request: Request, name: str) -> Request:
    return replace(request, headers=[item for item in request.headers if item[0] != name])


def changed(request: Request, old: str, new: str) -> Request:
    headers = [(name, value.replace(old, new) if name == "authorization" else value) for name, value in request.headers]
    return replace(request, headers=headers)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("SignedHeaders=", "Nothing=", "IncompleteSignatureException"),
        ("Signature=", "Nothing=", "IncompleteSignatureException"),
        ("/aws4_request", "", "IncompleteSignatureException"),
        ("SignedHeaders=host;", "SignedHeaders=", "InvalidSignatureException"),
        ("/us-east-1/", "/eu-west-1/", "InvalidSignatureException"),
        ("Credential=test/2", "Credential=test/1", "InvalidSignatureException"),
    ],
)
def test_half_a_signature(old: str, new: str, code: str) -> None:
    assert verdict(changed(signed("header", "GET", "/"), old, new)) == code


def test_a_signature_without_a_date() -> None:
    assert verdict(without(signed("header", "GET", "/"), "x-amz-date")) == "IncompleteSignatureException"


# Through the port


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with served(tmp_path_factory.mktemp("state"), signatures=True) as (endpoint, _):
        make(client(endpoint))
        yield endpoint


def caller(endpoint: Endpoint, key: str, secret: str, service: str = "lambda", token: str | None = None) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        ("test", "test", None),
        ("anybody", "anybody", None),
        ("test", "wrong", "InvalidSignatureException"),
        ("AKIA" + "A" * 16, "AKIA" + "A" * 16, "UnrecognizedClientException"),
    ],
)
def test_a_call_signed_by_a_key(strict: Endpoint, key: str, secret: str, code: str | None) -> None:
    lambda_ = caller(strict, key, secret)
    if code is None:
        assert lambda_.invoke(FunctionName="arn:aws:lambda:us-east-1:000000000000:function:hello")["StatusCode"] == 200
        assert lambda_.list_functions(MaxItems=5)["Functions"]
        return
    with pytest.raises(ClientError) as refused:
        lambda_.list_functions()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_keys_that_iam_and_sts_made_sign_with_their_secrets(strict: Endpoint) -> None:
    iam = client(strict, "iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    assert caller(strict, key["AccessKeyId"], key["SecretAccessKey"]).list_functions()["Functions"]
    role = client(strict, "sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="session")
    made = role["Credentials"]
    words = made["AccessKeyId"], made["SecretAccessKey"]
    assert caller(strict, *words, token=made["SessionToken"]).list_functions()["Functions"]
    with pytest.raises(ClientError, match="security token"):
        caller(strict, *words, token="other").list_functions()


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sqs", "list_queues", "InvalidSignatureException"),
        ("sns", "list_topics", "SignatureDoesNotMatch"),
    ],
)
def test_other_services_refuse_in_their_own_form(strict: Endpoint, service: str, call: str, code: str) -> None:
    getattr(caller(strict, "test", "test", service), call)()
    with pytest.raises(ClientError) as refused:
        getattr(caller(strict, "test", "wrong", service), call)()
    assert refused.value.response["Error"]["Code"] == code


def test_objects_of_s3_are_signed_too(strict: Endpoint) -> None:
    s3 = caller(strict, "test", "test", "s3")
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="a b/ü+1", Body=b"hello")
    assert s3.get_object(Bucket="signed", Key="a b/ü+1")["Body"].read() == b"hello"
    newer = Config(signature_version="s3v4")
    presigner = boto3.client(  # type: ignore[call-overload]
        "s3",
        endpoint_url=strict.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=newer,
    )
    url = presigner.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "a b/ü+1"})
    target = url.removeprefix(strict.url)
    host = {"Host": urlsplit(strict.url).netloc}
    assert raw(strict, "GET", target, headers=host).body == b"hello"
    assert raw(strict, "GET", target.replace("Signature=", "Signature=0"), headers=host).status == 403


def test_a_call_that_is_not_signed(strict: Endpoint) -> None:
    answer = raw(strict, "GET", "/2015-03-31/functions")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    assert json.loads(answer.body) == {"message": "Missing Authentication Token"}
    assert raw(strict, "GET", "/.fn/health").status == 200


def url_call(endpoint: Endpoint, url: str, body: bytes, *, secret: str = "test", service: str = "lambda") -> Raw:
    made = AWSRequest("POST", url + "a%20b?x=1&y=%2F", data=body, headers={"content-type": "text/plain"})
    SigV4Auth(Credentials("test", secret), service, "us-east-1").add_auth(made)
    parts = urlsplit(made.url)
    headers = {**dict(made.headers.items()), "Host": parts.netloc}
    return raw(endpoint, "POST", f"{parts.path}?{parts.query}", body, headers)


def test_a_url_of_auth_type_iam_wants_a_signature(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    url = lambda_.create_function_url_config(FunctionName="hello", AuthType="AWS_IAM")["FunctionUrl"]
    answer = url_call(endpoint, url, b"body")
    assert answer.status == 200, answer.body
    context = json.loads(answer.body)["event"]["requestContext"]
    assert context["accountId"] == "000000000000"
    assert context["authorizer"]["iam"]["accessKey"] == "test"
    wrong = url_call(endpoint, url, b"body", secret="wrong")
    assert (wrong.status, json.loads(wrong.body)) == (403, {"message": MISMATCH})
    assert url_call(endpoint, url, b"body", service="execute-api").status == 403
    host = {"Host": urlsplit(url).netloc}
    unsigned = raw(endpoint, "POST", "/", b"body", host)
    assert (unsigned.status, unsigned.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")


def test_a_state_is_the_same_with_and_without(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        make(client(endpoint))
    with served(tmp_path, signatures=True) as (endpoint, _):
        assert client(endpoint).get_function(FunctionName="hello")["Configuration"]["FunctionName"] == "hello"
