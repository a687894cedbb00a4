"""Function URLs, payload format 2.0: an HTTP request to an event, a handler's result to an HTTP answer. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from fnroll.cloud.names import Home
from fnroll.cloud.protocol import Answer
from fnroll.emulator.wire import Request

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml", "image/svg+xml"})

FORBIDDEN = Answer(
    403,
    [("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException")],
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, '
    b'see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}',
)
BAD_GATEWAY = Answer(502, [("Content-Type", "application/json")], b"Internal Server Error")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request: the access key, and the account that it is of."""

    key_id: str
    account: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to a URL: `path` and query as they stand after the URL itself, the rest of what the event tells."""

    request: Request
    path: str
    url_id: str
    home: Home
    source_ip: str
    request_id: str
    trace_id: str
    now: datetime
    caller: Signer | None = None
    """At a URL of auth type AWS_IAM."""


def event(arrival: Arrival) -> dict[str, Any]:
    """The event that a handler gets."""
    request = arrival.request
    joined: dict[str, str] = {}
    for name, value in request.headers:
        if name != "cookie":
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    joined |= {
        "x-amzn-trace-id": arrival.trace_id,
        "x-forwarded-for": arrival.source_ip,
        "x-forwarded-port": joined.get("host", "").rpartition(":")[2] if ":" in joined.get("host", "") else "80",
        "x-forwarded-proto": "http",
    }
    cookies = [c.strip() for name, value in request.headers if name == "cookie" for c in value.split(";") if c.strip()]
    queries: dict[str, str] = {}
    for name, value in parse_qsl(request.query_string, keep_blank_values=True):
        queries[name] = f"{queries[name]},{value}" if name in queries else value
    path = unquote(arrival.path)
    result: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query_string,
        "headers": joined,
        "requestContext": _context(arrival, path, joined.get("user-agent", "")),
        "isBase64Encoded": False,
    }
    if cookies:
        result["cookies"] = cookies
    if queries:
        result["queryStringParameters"] = queries
    if request.body:
        result["body"], result["isBase64Encoded"] = _body(request)
    return result


def _context(arrival: Arrival, path: str, user_agent: str) -> dict[str, Any]:
    caller: dict[str, Any] = {"accountId": "anonymous"}
    if arrival.caller is not None:
        key_id, account = arrival.caller.key_id, arrival.caller.account
        user = {"accessKey": key_id, "accountId": account, "callerId": account, "cognitoIdentity": None}
        arn = {"principalOrgId": None, "userArn": f"arn:aws:iam::{account}:root", "userId": account}
        caller = {"accountId": arrival.home.account, "authorizer": {"iam": {**user, **arn}}}
    return {
        **caller,
        "apiId": arrival.url_id,
        "domainName": f"{arrival.url_id}.lambda-url.{arrival.home.region}.localhost",
        "domainPrefix": arrival.url_id,
        "http": {
            "method": arrival.request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": arrival.source_ip,
            "userAgent": user_agent,
        },
        "requestId": arrival.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": arrival.now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(arrival.now.timestamp() * 1000),
    }


def _body(request: Request) -> tuple[str, bool]:
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def answer(payload: bytes) -> Answer:
    """The HTTP answer that a handler's result stands for; 502 for one that stands for none."""
    try:
        result = json.loads(payload)
    except ValueError:
        return BAD_GATEWAY
    if not isinstance(result, dict) or "statusCode" not in result:
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        return Answer(200, [("Content-Type", "application/json")], text.encode())
    try:
        status = int(result["statusCode"])
        if not 100 <= status <= 599:
            return BAD_GATEWAY
        return Answer(status, checked_headers(result), _answered_body(result))
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return BAD_GATEWAY


def checked_headers(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Headers and cookies of a result. Raises ValueError and TypeError for what HTTP cannot carry."""
    headers = [(str(name), _word(value)) for name, value in (result.get("headers") or {}).items()]
    # The server states the length and the connection itself.
    headers = [item for item in headers if item[0].lower() not in ("content-length", "connection", "transfer-encoding")]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    cookies = [("Set-Cookie", str(cookie)) for cookie in result.get("cookies") or ()]
    for name, value in (*headers, *cookies):
        if not name or any(letter in name + value for letter in "\r\n\0") or not (name + value).isprintable():
            raise ValueError("a header that HTTP cannot carry")
        (name + value).encode("latin-1")
    return [*headers, *cookies]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError("a header's value is a string or a number")


def _answered_body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    if result.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    return bytes(body.encode())


def preflight(cors: Mapping[str, Any], request: Request) -> Answer | None:
    """The answer to a CORS preflight, or None if the request is none."""
    if request.method != "OPTIONS" or request.header("access-control-request-method") is None:
        return None
    headers = list(cors_headers(cors, request))
    if headers:
        headers += [
            (name, ",".join(cors[key]))
            for name, key in (
                ("Access-Control-Allow-Methods", "AllowMethods"),
                ("Access-Control-Allow-Headers", "AllowHeaders"),
            )
            if cors.get(key)
        ]
        if "MaxAge" in cors:
            headers.append(("Access-Control-Max-Age", str(cors["MaxAge"])))
    return Answer(200, headers, b"")


def cors_headers(cors: Mapping[str, Any], request: Request) -> Sequence[tuple[str, str]]:
    """What to add to an answer for the Origin of the request; nothing if that is not allowed."""
    origin, allowed = request.header("origin"), cors.get("AllowOrigins", ())
    if origin is None or not (origin in allowed or "*" in allowed):
        return ()
    credentials = cors.get("AllowCredentials", False)
    headers = [
        ("Access-Control-Allow-Origin", "*" if "*" in allowed and not credentials else origin),
        ("Vary", "Origin"),
    ]
    if credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if cors.get("ExposeHeaders"):
        headers.append(("Access-Control-Expose-Headers", ",".join(cors["ExposeHeaders"])))
    return headers
