"""Calls to the other services, as the cloud itself makes them: to poll a queue, to deliver to a topic.

They go to moto in this process by the way that any client's would, without a socket. Blocking; the loop has `ask`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html import unescape
from typing import Any, Final
from urllib.parse import quote, urlencode

from fnroll.cloud.names import Home
from fnroll.cloud.others import Others, scope
from fnroll.cloud.protocol import Answer
from fnroll.emulator import traces
from fnroll.emulator.wire import Request

_JSON: Final[Mapping[str, tuple[str, str]]] = {
    "sqs": ("AmazonSQS", "1.0"),
    "events": ("AWSEvents", "1.1"),
    "kinesis": ("Kinesis_20131202", "1.1"),
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "dynamodbstreams": ("DynamoDBStreams_20120810", "1.0"),
}
"""Prefix of the target and version of JSON, by service; DynamoDB's streams sign for dynamodb."""

_QUERY: Final[Mapping[str, str]] = {"sns": "2010-03-31"}
_QUIET: Final = frozenset(
    {"ReceiveMessage", "DeleteMessageBatch", "GetRecords", "GetShardIterator", "ListShards", "DescribeStream"}
)
_TAGS = re.compile(rb"<(Code|Message)>([^<]*)</\1>")


class ServiceError(Exception):
    """A service's refusal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Services:
    """moto as its own cloud sees it. `loaded`: whether anybody has used it yet, so that anything can be there."""

    def __init__(self, others: Others) -> None:
        self._others = others
        self.on_sent: Callable[[], object] = lambda: None
        """Called once something was sent, which somebody may wait for."""

    @property
    def loaded(self) -> bool:
        return self._others.loaded

    async def ask(
        self, service: str, home: Home, operation: str, given: Mapping[str, Any], trace: str | None = None
    ) -> dict[str, Any]:
        """As `call`, from the event loop."""
        answer = await self._others.run(lambda: self.call(service, home, operation, given, trace))
        if operation not in _QUIET:
            self.on_sent()
        return answer

    def call(
        self, service: str, home: Home, operation: str, given: Mapping[str, Any], trace: str | None = None
    ) -> dict[str, Any]:
        """One call, in the account and region `home`, of the trace that a header of X-Ray names; the answer of a
        service that speaks XML is left aside. Raises ServiceError."""
        headers = [("host", f"{service}.{home.region}.localhost"), ("authorization", scope(service, home))]
        headers += _traced(trace)
        if service in _JSON:
            prefix, version = _JSON[service]
            headers += [
                ("content-type", f"application/x-amz-json-{version}"),
                ("x-amz-target", f"{prefix}.{operation}"),
            ]
            answer = self.send_now(Request("POST", "/", headers, json.dumps(given).encode()), service, home)
            return json.loads(answer.body) if answer.body else {}
        headers.append(("content-type", "application/x-www-form-urlencoded"))
        form = {"Action": operation, "Version": _QUERY[service], **given}
        self.send_now(Request("POST", "/", headers, urlencode(form).encode()), service, home)
        return {}

    async def send(self, request: Request, service: str, home: Home) -> Answer:
        """A call as bytes, signed for `service`, from the event loop. Raises ServiceError."""
        answer = await self._others.run(lambda: self.send_now(request, service, home))
        self.on_sent()
        return answer

    async def put_object(self, home: Home, bucket: str, key: str, data: bytes, trace: str | None = None) -> None:
        """An object in S3. Raises ServiceError."""
        headers = [("host", "localhost"), ("authorization", scope("s3", home)), *_traced(trace)]
        headers.append(("content-type", "application/json"))
        request = Request("PUT", f"/{bucket}/{quote(key)}", headers, data)
        await self._others.run(lambda: self.send_now(request, "s3", home))

    def send_now(self, request: Request, service: str, home: Home, trace: str | None = None) -> Answer:
        """As `send`, of a trace; blocks."""
        if trace:
            request = Request(request.method, request.target, [*request.headers, *_traced(trace)], request.body)
        answer = self._others.answer_now(request, service, home.account)
        if answer.status >= 300:
            raise error_of(answer)
        return answer


def _traced(trace: str | None) -> list[tuple[str, str]]:
    return [(traces.HEADER, trace)] if trace else []


def error_of(answer: Answer) -> ServiceError:
    """What an answer that is no success says."""
    named = next((value for name, value in answer.headers if name.lower() == "x-amzn-errortype"), answer.status)
    try:
        said: Mapping[str, Any] = json.loads(answer.body)
        code = str(said.get("__type", named)).rpartition("#")[2]
        return ServiceError(code, str(said.get("message", said.get("Message", ""))))
    except (ValueError, AttributeError):
        found = {tag.decode(): unescape(text.decode("utf-8", "replace")) for tag, text in _TAGS.findall(answer.body)}
        return ServiceError(found.get("Code", str(answer.status)), found.get("Message", ""))
