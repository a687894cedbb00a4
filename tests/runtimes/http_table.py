"""Events of HTTP and what CGI calls them: the one table that every adapter is tested against (facts/runtimes.md 5).

A row is an event and the variables that a program must see; `body` is what it reads. The second table is of answers.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

BINARY = bytes(range(256))


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(frozen=True)
class Row:
    name: str
    event: dict[str, Any]
    env: dict[str, str]
    absent: tuple[str, ...] = ()
    body: bytes = b""
    scheme: str = "https"


def v2(method: str = "GET", path: str = "/", query: str = "", **changes: Any) -> dict[str, Any]:
    """Payload 2.0: a function URL or an HTTP API."""
    context = {
        "domainName": "abc.lambda-url.us-east-1.on.aws",
        "stage": "$default",
        "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "curl"},
        **changes.pop("context", {}),
    }
    headers = {"host": "abc.lambda-url.us-east-1.on.aws", "x-forwarded-port": "443", "x-forwarded-proto": "https"}
    headers |= changes.pop("headers", {})
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
        **changes,
    }


def v1(method: str = "GET", path: str = "/", **changes: Any) -> dict[str, Any]:
    """Payload 1.0: a REST API, at its stage `prod`."""
    context = {
        "path": f"/prod{path}",
        "stage": "prod",
        "protocol": "HTTP/1.1",
        "domainName": "x.execute-api.us-east-1.amazonaws.com",
        "identity": {"sourceIp": "192.0.2.8"},
        **changes.pop("context", {}),
    }
    headers = {"Host": ["x.execute-api.us-east-1.amazonaws.com"], "X-Forwarded-Proto": ["https"]}
    headers |= changes.pop("headers", {})
    return {
        "httpMethod": method,
        "path": path,
        "multiValueHeaders": headers,
        "headers": {name: values[-1] for name, values in headers.items()},
        "requestContext": context,
        "body": None,
        "isBase64Encoded": False,
        **changes,
    }


def alb(method: str = "GET", path: str = "/", *, multi: bool = True, **changes: Any) -> dict[str, Any]:
    headers = {
        "host": ["lb.example.com"],
        "x-forwarded-for": ["203.0.113.9, 192.0.2.9"],
        "x-forwarded-port": ["80"],
        "x-forwarded-proto": ["http"],
        **changes.pop("headers", {}),
    }
    query = changes.pop("query", {})
    made = {
        "httpMethod": method,
        "path": path,
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a/b"}},
        "body": "",
        "isBase64Encoded": False,
        **changes,
    }
    if multi:
        return {**made, "multiValueHeaders": headers, "multiValueQueryStringParameters": query}
    single = {name: values[-1] for name, values in headers.items()}
    return {**made, "headers": single, "queryStringParameters": {name: values[-1] for name, values in query.items()}}


REQUESTS = (
    Row(
        "v2-get",
        v2("GET", "/a b/ü", "x=1&y=%20z"),
        {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/a b/ü",
            "QUERY_STRING": "x=1&y=%20z",
            "REQUEST_URI": "/a%20b/%C3%BC?x=1&y=%20z",
            "SERVER_NAME": "abc.lambda-url.us-east-1.on.aws",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": "abc.lambda-url.us-east-1.on.aws",
        },
        ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_COOKIE"),
    ),
    Row("v2-root", v2(), {"PATH_INFO": "/", "QUERY_STRING": "", "REQUEST_URI": "/"}),
    Row("v2-query-verbatim", v2(query="a=1&a=2&b"), {"QUERY_STRING": "a=1&a=2&b", "REQUEST_URI": "/?a=1&a=2&b"}),
    Row(
        "v2-stage",
        v2(path="/test/hello", context={"stage": "test"}),
        {"SCRIPT_NAME": "", "PATH_INFO": "/hello", "REQUEST_URI": "/test/hello"},
    ),
    Row("v2-stage-root", v2(path="/test", context={"stage": "test"}), {"PATH_INFO": "/"}),
    Row("v2-not-the-stage", v2(path="/testing", context={"stage": "test"}), {"PATH_INFO": "/testing"}),
    Row("v2-cookies", v2(cookies=["a=1", "b=2; c"]), {"HTTP_COOKIE": "a=1; b=2; c"}),
    Row(
        "v2-headers",
        v2(headers={"x-many": "a,b", "content-type": "text/plain", "user-agent": "é"}),
        {"HTTP_X_MANY": "a,b", "CONTENT_TYPE": "text/plain", "HTTP_USER_AGENT": "é"},
        ("HTTP_CONTENT_TYPE",),
    ),
    Row("v2-no-proxy-variable", v2(headers={"proxy": "evil:1"}), {}, ("HTTP_PROXY",)),
    Row(
        "v2-text-body",
        v2("POST", body="größer", headers={"content-length": "6"}),
        {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "8"},
        ("HTTP_CONTENT_LENGTH",),
        "größer".encode(),
    ),
    Row(
        "v2-binary-body",
        v2("PUT", body=base64_of(BINARY), isBase64Encoded=True),
        {"CONTENT_LENGTH": "256"},
        body=BINARY,
    ),
    Row("v2-empty-body", v2("POST", body=""), {"CONTENT_LENGTH": "0"}),
    Row(
        "v2-plain-http",
        v2(headers={"host": "127.0.0.1:9000", "x-forwarded-port": "9000", "x-forwarded-proto": "http"}),
        {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "9000", "HTTP_HOST": "127.0.0.1:9000"},
        scheme="http",
    ),
    Row(
        "v1-get",
        v1(path="/hello"),
        {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "/prod",
            "PATH_INFO": "/hello",
            "REQUEST_URI": "/prod/hello",
            "QUERY_STRING": "",
            "SERVER_NAME": "x.execute-api.us-east-1.amazonaws.com",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.8",
        },
        ("CONTENT_LENGTH",),
    ),
    Row("v1-own-domain", v1(path="/hello", context={"path": "/hello"}), {"SCRIPT_NAME": "", "PATH_INFO": "/hello"}),
    Row(
        "v1-query-encoded-anew",
        v1(multiValueQueryStringParameters={"b": ["1 &", "ü"], "a": ["x"]}),
        {"QUERY_STRING": "a=x&b=1%20%26&b=%C3%BC", "REQUEST_URI": "/prod/?a=x&b=1%20%26&b=%C3%BC"},
    ),
    Row("v1-single-query", v1(queryStringParameters={"q": "a+b"}), {"QUERY_STRING": "q=a%2Bb"}),
    Row(
        "v1-headers",
        v1(headers={"X-Many": ["a", "b"], "Cookie": ["a=1", "b=2"], "Content-Type": ["text/xml"]}),
        {"HTTP_X_MANY": "a,b", "HTTP_COOKIE": "a=1; b=2", "CONTENT_TYPE": "text/xml"},
    ),
    Row("v1-body", v1("POST", body="x=1"), {"CONTENT_LENGTH": "3"}, body=b"x=1"),
    Row(
        "alb-get",
        alb(path="/a%20b/%FF", query={"q": ["a%20b", "c+d"], "n": ["%C3%BC"]}),
        {
            "SCRIPT_NAME": "",
            "PATH_INFO": "/a b/\udcff",
            "REQUEST_URI": "/a%20b/%FF?n=%C3%BC&q=a%20b&q=c+d",
            "QUERY_STRING": "n=%C3%BC&q=a%20b&q=c+d",
            "SERVER_NAME": "lb.example.com",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.9",
        },
        scheme="http",
    ),
    Row(
        "alb-single-values",
        alb("POST", multi=False, query={"q": ["1%2F2"]}, body=base64_of(b"\0\1"), isBase64Encoded=True),
        {"QUERY_STRING": "q=1%2F2", "HTTP_HOST": "lb.example.com", "CONTENT_LENGTH": "2"},
        body=b"\0\1",
        scheme="http",
    ),
)
"""Values are what the bytes of a variable say as UTF-8, with surrogates for bytes that are none."""


@dataclass(frozen=True)
class Reply:
    """`given`: status, headers (names and values) and body of the program; `answer`: what the handler returns."""

    name: str
    event: dict[str, Any]
    answer: dict[str, Any]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain"),)
    body: bytes = field(default=b"hi")


_TWO_COOKIES = (
    ("Content-Type", "text/plain"),
    ("Set-Cookie", "a=1"),
    ("set-cookie", "b=2"),
    ("X-A", "1"),
    ("x-a", "2"),
)
_PLAIN = {"statusCode": 200, "isBase64Encoded": False, "body": "hi"}

REPLIES = (
    Reply("v2", v2(), {**_PLAIN, "headers": {"content-type": "text/plain"}}),
    Reply(
        "v2-cookies-and-repeated",
        v2(),
        {**_PLAIN, "headers": {"content-type": "text/plain", "x-a": "1, 2"}, "cookies": ["a=1", "b=2"]},
        headers=_TWO_COOKIES,
    ),
    Reply(
        "v2-text-beyond-ascii",
        v2(),
        {**_PLAIN, "headers": {"content-type": "application/octet-stream"}, "body": "größer 😀"},
        headers=(("Content-Type", "application/octet-stream"),),
        body="größer 😀".encode(),
    ),
    Reply(
        "v2-binary",
        v2(),
        {
            "statusCode": 200,
            "isBase64Encoded": True,
            "body": base64_of(BINARY),
            "headers": {"content-type": "text/plain"},
        },
        body=BINARY,
    ),
    Reply(
        "v2-empty",
        v2(),
        {"statusCode": 204, "isBase64Encoded": False, "body": "", "headers": {"x-a": "b"}},
        204,
        (("X-A", "b"),),
        b"",
    ),
    Reply(
        "v1-many",
        v1(),
        {
            **_PLAIN,
            "statusCode": 201,
            "multiValueHeaders": {"content-type": ["text/plain"], "set-cookie": ["a=1", "b=2"], "x-a": ["1", "2"]},
        },
        201,
        _TWO_COOKIES,
    ),
    Reply(
        "alb",
        alb(),
        {
            **_PLAIN,
            "statusCode": 404,
            "statusDescription": "404 Not Found",
            "multiValueHeaders": {"content-type": ["text/plain"]},
        },
        404,
    ),
    Reply(
        "alb-single-values",
        alb(multi=False),
        {**_PLAIN, "statusDescription": "200 OK", "headers": {"content-type": "text/plain"}},
    ),
)
