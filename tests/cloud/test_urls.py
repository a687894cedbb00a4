"""Function URLs: who may call, what the handler gets, what its result becomes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_support import Failure, client, make, raw, served
from fnroll.cloud import Endpoint, url_events
from fnroll.cloud.names import Home
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.emulator.wire import Request

FORBIDDEN = {
    "Message": "Forbidden. For troubleshooting Function URL authorization issues, "
    "see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
}
URL_ACTION = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
CALL_ACTION = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}


def publish(lambda_: Any, *, open_: bool = True, **config: Any) -> str:
    """A function hello with a URL; its id."""
    make(lambda_)
    url = lambda_.create_function_url_config(FunctionName="hello", **{"AuthType": "NONE", **config})["FunctionUrl"]
    if open_:
        for sid, action in (("url", URL_ACTION), ("call", CALL_ACTION)):
            lambda_.add_permission(FunctionName="hello", StatementId=sid, Principal="*", **action)
    return str(url).removeprefix("http://").partition(".")[0]


def test_the_url_itself_works_by_host_and_by_path(lambda_: Any, endpoint: Endpoint) -> None:
    url_id = publish(lambda_)
    url = lambda_.get_function_url_config(FunctionName="hello")["FunctionUrl"]
    assert url == f"http://{url_id}.lambda-url.us-east-1.localhost:{endpoint.port}/"
    host = url.removeprefix("http://").rstrip("/")
    by_host = json.loads(raw(endpoint, "GET", "/a/b?c=d", headers={"Host": host}).body)["event"]
    by_path = json.loads(raw(endpoint, "GET", f"/.fn/url/{url_id}/a/b?c=d").body)["event"]
    for event in (by_host, by_path):
        assert (event["rawPath"], event["rawQueryString"]) == ("/a/b", "c=d")
        assert event["requestContext"]["domainName"] == f"{url_id}.lambda-url.us-east-1.localhost"
    assert json.loads(raw(endpoint, "GET", f"/.fn/url/{url_id}").body)["event"]["rawPath"] == "/"


def test_the_event_is_payload_format_2(lambda_: Any, endpoint: Endpoint) -> None:
    url_id = publish(lambda_)
    answer = raw(
        endpoint,
        "POST",
        f"/.fn/url/{url_id}/a%20b?x=1&x=2&y=",
        b'{"k":"\xc3\xa9"}',
        {"Content-Type": "application/json", "Cookie": "a=1; b=2", "X-One": "1", "User-Agent": "agent"},
    )
    event = json.loads(answer.body)["event"]
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a b")
    assert (event["rawQueryString"], event["queryStringParameters"]) == ("x=1&x=2&y=", {"x": "1,2", "y": ""})
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]
    assert event["headers"]["x-one"] == "1"
    assert (event["body"], event["isBase64Encoded"]) == ('{"k":"é"}', False)
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/a b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "agent",
    }
    assert (context["accountId"], context["apiId"], context["domainPrefix"]) == ("anonymous", url_id, url_id)
    assert (context["routeKey"], context["stage"]) == ("$default", "$default")
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    when = datetime.strptime(context["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert int(when.timestamp()) == context["timeEpoch"] // 1000


def arrival(headers: list[tuple[str, str]], body: bytes) -> url_events.Arrival:
    request = Request("POST", "/", headers, body)
    return url_events.Arrival(
        request, "/", "id", Home("000000000000", "us-east-1"), "127.0.0.1", "r", "t", datetime.now(UTC)
    )


@pytest.mark.parametrize(
    ("kind", "body", "encoded"),
    [
        ("text/plain", b"x", False),
        ("text/html; charset=utf-8", b"x", False),
        ("application/vnd.api+json", b"{}", False),
        ("application/json", b"\xff", True),
        ("application/octet-stream", b"x", True),
        ("application/x-www-form-urlencoded", b"a=b", True),
        (None, b"x", True),
    ],
)
def test_a_body_is_text_or_base64(kind: str | None, body: bytes, encoded: bool) -> None:
    event = url_events.event(arrival([("content-type", kind)] if kind else [], body))
    assert event["isBase64Encoded"] is encoded
    found = event["body"]
    assert (base64.b64decode(found) if encoded else found.encode()) == body


def test_repeated_headers_are_joined() -> None:
    event = url_events.event(arrival([("x-a", "1"), ("x-a", "2")], b""))
    assert event["headers"]["x-a"] == "1,2"
    assert "body" not in event


BAD = (502, b"Internal Server Error")


@pytest.mark.parametrize(
    ("result", "status", "body", "headers"),
    [
        ({"a": [1, 2]}, 200, b'{"a":[1,2]}', {"Content-Type": "application/json"}),
        ("text", 200, b"text", {"Content-Type": "application/json"}),
        (5, 200, b"5", {"Content-Type": "application/json"}),
        (True, 200, b"true", {"Content-Type": "application/json"}),
        (None, 200, b"null", {"Content-Type": "application/json"}),
        ({"statusCode": 201}, 201, b"", {"Content-Type": "application/json"}),
        ({"statusCode": "404", "body": "no"}, 404, b"no", {"Content-Type": "application/json"}),
        (
            {"statusCode": 200, "headers": {"content-type": "text/plain", "X-N": 5}, "body": "é"},
            200,
            "é".encode(),
            {"content-type": "text/plain", "X-N": "5"},
        ),
        (
            {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True},
            200,
            b"\x00\xff",
            {"Content-Type": "application/json"},
        ),
        ({"statusCode": 200, "body": {"a": 1}}, 200, b'{"a":1}', {"Content-Type": "application/json"}),
        ({"statusCode": "x"}, *BAD, {"Content-Type": "application/json"}),
        ({"statusCode": 99}, *BAD, {"Content-Type": "application/json"}),
        ({"statusCode": 200, "headers": {"a": "b\r\nset-cookie: c"}}, *BAD, {"Content-Type": "application/json"}),
        ({"statusCode": 200, "headers": ["a"]}, *BAD, {"Content-Type": "application/json"}),
        ({"statusCode": 200, "body": "!", "isBase64Encoded": True}, *BAD, {"Content-Type": "application/json"}),
    ],
)
def test_a_result_becomes_an_answer(result: Any, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    answer = url_events.answer(json.dumps(result).encode())
    assert (answer.status, answer.body, dict(answer.headers)) == (status, body, headers)


@given(
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["statusCode", "headers", "body", "cookies", "isBase64Encoded", "x"]), inner
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_no_result_breaks_the_answer(payload: bytes) -> None:
    answer = url_events.answer(payload)
    assert 100 <= answer.status <= 599
    assert all("\n" not in name + value and "\r" not in name + value for name, value in answer.headers)


def test_cookies_become_set_cookie_headers(tmp_path: Path) -> None:
    def handle(config: FunctionConfig, invocation: Invocation) -> Any:
        return {"statusCode": 200, "cookies": ["a=1", "b=2"]}

    with served(tmp_path, handle) as (endpoint, _):
        url_id = publish(client(endpoint))
        assert raw(endpoint, "GET", f"/.fn/url/{url_id}/").headers["set-cookie"] == "a=1|b=2"


def test_an_error_of_the_function_is_a_502(tmp_path: Path) -> None:
    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    with served(tmp_path, fail) as (endpoint, _):
        url_id = publish(client(endpoint))
        answer = raw(endpoint, "GET", f"/.fn/url/{url_id}/")
        assert (answer.status, answer.body) == BAD


def forbidden(endpoint: Endpoint, url_id: str) -> bool:
    answer = raw(endpoint, "GET", f"/.fn/url/{url_id}/")
    if answer.status == 200:
        return False
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert json.loads(answer.body) == FORBIDDEN
    return True


def test_a_url_that_does_not_exist_is_forbidden(endpoint: Endpoint) -> None:
    assert forbidden(endpoint, "0" * 32)


def test_a_public_url_wants_both_statements(lambda_: Any, endpoint: Endpoint) -> None:
    url_id = publish(lambda_, open_=False)
    assert forbidden(endpoint, url_id)
    lambda_.add_permission(FunctionName="hello", StatementId="url", Principal="*", **URL_ACTION)
    assert forbidden(endpoint, url_id)
    lambda_.add_permission(FunctionName="hello", StatementId="call", Principal="*", **CALL_ACTION)
    assert not forbidden(endpoint, url_id)
    lambda_.remove_permission(FunctionName="hello", StatementId="url")
    assert forbidden(endpoint, url_id)


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": "000000000000", **URL_ACTION},
        {"Principal": "*", "SourceAccount": "000000000000", **URL_ACTION},
        {"Principal": "*", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "AWS_IAM"},
        {"Principal": "*", "Action": "lambda:GetFunction"},
    ],
    ids=["an-account", "a-condition", "the-other-auth-type", "another-action"],
)
def test_a_statement_for_somebody_else_opens_nothing(lambda_: Any, endpoint: Endpoint, statement: Any) -> None:
    url_id = publish(lambda_, open_=False)
    lambda_.add_permission(FunctionName="hello", StatementId="call", Principal="*", **CALL_ACTION)
    lambda_.add_permission(FunctionName="hello", StatementId="url", **statement)
    assert forbidden(endpoint, url_id)


def test_a_url_of_auth_type_iam_is_forbidden(lambda_: Any, endpoint: Endpoint) -> None:
    url_id = publish(lambda_, AuthType="AWS_IAM")
    assert forbidden(endpoint, url_id)


def test_a_url_of_an_alias_serves_the_alias(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_, Publish=True)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    named = {"FunctionName": "hello", "Qualifier": "live"}
    url = lambda_.create_function_url_config(**named, AuthType="NONE")["FunctionUrl"]
    for sid, action in (("url", URL_ACTION), ("call", CALL_ACTION)):
        lambda_.add_permission(**named, StatementId=sid, Principal="*", **action)
    host = url.removeprefix("http://").rstrip("/")
    assert json.loads(raw(endpoint, "GET", "/", headers={"Host": host}).body)["version"] == "1"


CORS = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["PUT"], "AllowHeaders": ["x-h"], "MaxAge": 7}


def test_a_preflight_is_answered_without_the_function(lambda_: Any, endpoint: Endpoint, fake: Any) -> None:
    url_id = publish(lambda_, Cors=CORS)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    answer = raw(endpoint, "OPTIONS", f"/.fn/url/{url_id}/", headers=asked)
    assert (answer.status, fake.seen) == (200, [])
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "x-h"
    assert answer.headers["access-control-max-age"] == "7"


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://a.example", "https://a.example"), ("https://b.example", None)]
)
def test_answers_carry_cors_headers_for_allowed_origins(
    lambda_: Any, endpoint: Endpoint, origin: str, allowed: str | None
) -> None:
    url_id = publish(lambda_, Cors=CORS)
    answer = raw(endpoint, "GET", f"/.fn/url/{url_id}/", headers={"Origin": origin})
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (200, allowed)
