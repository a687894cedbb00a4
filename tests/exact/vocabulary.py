"""How a row of the exact table is written: a request, and every byte that matters of the answer.

`fact` is a key of facts.py, so that a reader can go from AWS's recorded answer to the row that holds it. A row's
request changes nothing that another row asks for: refusals, reads, and dry runs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud_support import ROLE, Raw, package, raw
from fnroll.cloud import Endpoint

FUNCTIONS = "/2015-03-31/functions"
HELLO = f"{FUNCTIONS}/hello"
INVOKE = f"{HELLO}/invocations"
ALIASES = f"{HELLO}/aliases"
LIVE = f"{ALIASES}/live"
PROVISIONED = "/2019-09-30/functions/hello/provisioned-concurrency"
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:tools"
OTHER_ROLE = "arn:aws:iam::000000000000:role/other"
QUEUES = "arn:aws:sqs:us-east-1:000000000000:"

STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
BEYOND = "beyond the facts"
"""The fact of a row that none of the pages has: Lambda's text from elsewhere, or this cloud's own."""


@dataclass(frozen=True, slots=True)
class Row:
    """`body` of the request: bytes as they are, else JSON. `answer`: the whole body, text or JSON in the order of its
    members. `says`: further headers, exactly; None: not there."""

    fact: str
    name: str
    method: str
    path: str
    body: Any
    status: int
    error: str | None
    answer: str | Mapping[str, Any]
    sent: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str | None] = field(default_factory=dict)


def ask(endpoint: Endpoint, method: str, path: str, body: Any = None, sent: Mapping[str, str] | None = None) -> Raw:
    """One request. `body`: bytes as they are, None for none, else JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return raw(endpoint, method, path, data, sent)


def compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def check(row: Row, got: Raw) -> None:
    """The answer is the row's: status, error type, request id, the headers named, and every byte of the body."""
    expected = row.answer if isinstance(row.answer, str) else compact(row.answer)
    assert (got.status, got.headers.get("x-amzn-errortype"), got.body.decode()) == (row.status, row.error, expected)
    assert len(got.headers["x-amzn-requestid"]) == 36
    if row.error is not None:
        assert got.headers["content-type"] == "application/json"
    for name, value in row.says.items():
        assert got.headers.get(name.lower()) == value, name


def user(message: str, member: str = "message") -> Mapping[str, str]:
    """The body of most refusals."""
    return {"Type": "User", member: message}


def bad(fact: str, name: str, method: str, path: str, body: Any, message: str, *, typed: bool = True) -> Row:
    answer = user(message) if typed else {"message": message}
    return Row(fact, name, method, path, body, 400, "InvalidParameterValueException", answer)


def missing(fact: str, name: str, method: str, path: str, body: Any, message: str) -> Row:
    return Row(fact, name, method, path, body, 404, "ResourceNotFoundException", user(message, "Message"))


def unfit(fact: str, name: str, method: str, path: str, body: Any, *findings: str) -> Row:
    """A ValidationException of these findings, joined as Lambda joins them."""
    errors = "error" if len(findings) == 1 else "errors"
    message = f"{len(findings)} validation {errors} detected: {'; '.join(findings)}"
    return Row(fact, name, method, path, body, 400, "ValidationException", {"message": message})


def finding(place: str, constraint: str, value: str | None = None) -> str:
    """One violation. `value` as Java writes it; None: not repeated."""
    shown = "Value" if value is None else f"Value {value}"
    return f"{shown} at '{place}' failed to satisfy constraint: {constraint}"


def conflicting(fact: str, name: str, method: str, path: str, body: Any, message: str) -> Row:
    return Row(fact, name, method, path, body, 409, "ResourceConflictException", user(message))


def stale(fact: str, name: str, method: str, path: str, body: Any, message: str = STALE) -> Row:
    return Row(fact, name, method, path, body, 412, "PreconditionFailedException", user(message))


def weights(**versions: float) -> dict[str, Any]:
    """RoutingConfig: `v2=0.1` gives version 2 a tenth."""
    return {"RoutingConfig": {"AdditionalVersionWeights": {key[1:]: value for key, value in versions.items()}}}


def new_function(**changes: Any) -> dict[str, Any]:
    """A CreateFunction request that would be accepted, with changes that are not."""
    whole = {
        "FunctionName": "new",
        "Runtime": "python3.13",
        "Handler": "handler.handle",
        "Role": ROLE,
        "Code": {"ZipFile": base64.b64encode(package()).decode()},
    }
    return {**whole, **changes}
