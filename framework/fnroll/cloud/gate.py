"""The one port: who a request is for, who may ask at all, and what each kind is answered with.

    Host <id>.lambda-url.<region>.localhost, or path /.fn/url/<id>/…   a function URL
    path /.fn/health, /.fn/package/<sha256>                            our own
    SigV4 scope `lambda`, or unsigned under a date of Lambda's API     Lambda's API
    everything else                                                    moto

Two checks come before all: the Host must be a name of this machine (a page on the web cannot reach us by rebinding
its own name), and a browser's Origin must be too, but for function URLs, whose CORS is their own.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from fnroll.cloud import policy, protocol, url_events
from fnroll.cloud.control import OPERATIONS, Control
from fnroll.cloud.events import EventQueue
from fnroll.cloud.faults import Fault, not_built, throttled, too_large
from fnroll.cloud.feeder import Feeder
from fnroll.cloud.invoke import Invocations, new_trace_id
from fnroll.cloud.invoke import Request as Event
from fnroll.cloud.names import FunctionRef, parse_function
from fnroll.cloud.others import Others
from fnroll.cloud.payloads import check_json
from fnroll.cloud.protocol import Answer
from fnroll.cloud.provisioner import Provisioner
from fnroll.cloud.state import Endpoint, State
from fnroll.cloud.store import Store, is_key, read_package
from fnroll.cloud.urls import url_by_id
from fnroll.definition.service import Operation
from fnroll.emulator.wire import Reply, Request
from fnroll.errors import FnError, InvocationThrottled

MAX_SYNC = 6_291_456
MAX_ASYNC = 1_048_576
MAX_CONTROL = 70_167_211
MAX_BODY = 268_435_456
"""Bytes of any body: a 250 MB package may be put into the local S3 in one piece."""

LOG_TAIL = 4096

_OWN_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\]|(?:[a-z0-9_-]+\.)+localhost)(?::\d+)?", re.IGNORECASE)
_URL_HOST = re.compile(r"([a-z0-9]+)\.lambda-url\.([a-z0-9-]+)\.localhost(?::\d+)?", re.IGNORECASE)
_SCOPE = re.compile(r"Credential=[^/]*/\d+/([^/]+)/([^/]+)/aws4_request")
_QUERY_SCOPE = re.compile(r"[^/]*/\d+/([^/]+)/([^/]+)/aws4_request")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scope:
    """Region and service that a request was signed for; None where it was not signed."""

    region: str | None
    service: str | None


def scope_of(request: Request) -> Scope:
    found = _SCOPE.search(request.header("authorization") or "")
    if found is None and "X-Amz-Credential" in request.query_string:
        found = _QUERY_SCOPE.match(request.query.get("X-Amz-Credential", ""))
    return Scope(found[1], found[2].lower()) if found else Scope(None, None)


def is_own_host(host: str | None) -> bool:
    """Whether a Host header names this machine."""
    return host is not None and _OWN_HOST.fullmatch(host) is not None


def is_own_origin(origin: str | None) -> bool:
    """Whether an Origin header, if there is one, is a page of this machine."""
    return origin is None or is_own_host(urlsplit(origin).netloc)


class Gate:
    """Answers every request of the port. Lives on the event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        state: State,
        store: Store,
        control: Control,
        invocations: Invocations,
        events: EventQueue,
        others: Others,
        provisioner: Provisioner,
        feeder: Feeder,
    ) -> None:
        self._endpoint = endpoint
        self._read = state.read
        self._store = store
        self._control = control
        self._invocations = invocations
        self._events = events
        self._others = others
        self._provisioner = provisioner
        self._feeder = feeder
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request, reply: Reply) -> None:
        """The HttpServer's handler."""
        self._spawn(self._serve(request, reply, self._route))

    def handle_too_large(self, request: Request, reply: Reply) -> None:
        """The HttpServer's handler of bodies over MAX_BODY, whose bytes are gone."""
        self._spawn(self._serve(request, reply, self._refuse_size))

    async def close(self) -> None:
        """Drop what is being answered. Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: Request, reply: Reply, route: Callable[[Request, str], Awaitable[Answer]]) -> None:
        request_id = str(uuid4())
        try:
            answer = await route(request, request_id)
        except Fault as fault:
            answer = Answer(fault.status, fault.headers(), fault.body())
        except InvocationThrottled as refused:
            too_many = throttled(refused.reason)
            answer = Answer(too_many.status, too_many.headers(), too_many.body())
        except FnError as error:
            answer = _failed(str(error))
        except Exception as error:
            _log.exception("%s %s", request.method, request.path)
            answer = _failed(f"{type(error).__name__}: {error}")
        headers = list(answer.headers)
        if not any(name.lower() == "x-amzn-requestid" for name, _ in headers):
            headers.append(("x-amzn-RequestId", request_id))
        reply.send(answer.status, headers, answer.body)

    async def _refuse_size(self, request: Request, request_id: str) -> Answer:
        if self._is_lambda(request, scope_of(request)):
            operation, _ = protocol.find(request)
            raise _size_fault(operation, request)
        return Answer(413, [("Content-Type", "text/plain")], f"more than {MAX_BODY} bytes".encode())

    async def _route(self, request: Request, request_id: str) -> Answer:
        host = request.header("host")
        if not is_own_host(host):
            return _forbidden(f"this is a local cloud: it does not answer to the host {host}")
        assert host is not None
        if by_host := _URL_HOST.fullmatch(host):
            return await self._url(request, request_id, by_host[1].lower(), request.path)
        segments = request.path.split("/", 4)
        if segments[1:3] == [".fn", "url"] and len(segments) > 3:
            rest = "/" + (segments[4] if len(segments) > 4 else "")
            return await self._url(request, request_id, segments[3], rest)
        if not is_own_origin(request.header("origin")):
            return _forbidden(f"this is a local cloud: pages of {request.header('origin')} may not call it")
        if segments[1] == ".fn":
            return await self._own(request)
        scope = scope_of(request)
        if self._is_lambda(request, scope):
            return await self._lambda(request, request_id, scope.region or "us-east-1")
        answer = await self._others.answer(request, scope.service)
        self._feeder.news()
        return answer

    def _is_lambda(self, request: Request, scope: Scope) -> bool:
        if scope.service is not None:
            return scope.service == "lambda"
        return request.path.split("/", 2)[1] in protocol.api_dates()

    async def _own(self, request: Request) -> Answer:
        if request.path == "/.fn/health":
            body = json.dumps({"pid": self._endpoint.pid, "url": self._endpoint.url}).encode()
            return Answer(200, [("Content-Type", "application/json")], body)
        key = request.path.removeprefix("/.fn/package/")
        data = await asyncio.to_thread(read_package, self._store.path(key)) if is_key(key) else None
        if data is None:
            return Answer(404, [("Content-Type", "text/plain")], b"there is nothing at this address of fn's own")
        return Answer(200, [("Content-Type", "application/zip")], data)

    # Lambda's API

    async def _lambda(self, request: Request, request_id: str, region: str) -> Answer:
        operation, variables = protocol.find(request)
        if len(request.body) > _limit(operation, request):
            raise _size_fault(operation, request)
        if operation.name == "Invoke":
            return await self._invoke(request, request_id, region, protocol.parse(operation, request, variables))
        if operation.name not in OPERATIONS:
            raise not_built(f"The operation {operation.name}")
        result, effects = await self._control.call(
            operation.name, region, self._endpoint.port, lambda: protocol.parse(operation, request, variables)
        )
        for arn in effects.retired:
            await self._invocations.retire(arn)
        for arn, concurrency in effects.reserved.items():
            self._invocations.reserve(arn, concurrency)
        if effects.provisioned:
            self._provisioner.look()
        if effects.sources:
            self._feeder.look()
        return protocol.answer(operation, result)

    async def _invoke(self, request: Request, request_id: str, region: str, given: Mapping[str, Any]) -> Answer:
        if given.get("DurableExecutionName") or given.get("TenantId"):
            raise not_built("Invoke with DurableExecutionName or TenantId")
        ref = parse_function(given["FunctionName"], region, given.get("Qualifier"))
        event = Event(
            ref, request.body, request_id, _client_context(given), request.header("x-amzn-trace-id") or new_trace_id()
        )
        if event.payload:
            check_json(event.payload)
        kind = given.get("InvocationType", "RequestResponse")
        if kind != "RequestResponse":
            self._invocations.resolve(ref)
            if kind == "Event":
                await self._events.put(event)
            return Answer(202 if kind == "Event" else 204, [], b"")
        outcome = await self._invocations.run(event)
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", outcome.executed_version)]
        if outcome.function_error is not None:
            headers.append(("X-Amz-Function-Error", outcome.function_error))
        if given.get("LogType") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.log[-LOG_TAIL:]).decode()))
        return Answer(200, headers, outcome.payload)

    # function URLs

    async def _url(self, request: Request, request_id: str, url_id: str, path: str) -> Answer:
        url = url_by_id(self._read, url_id)
        if url is None:
            return url_events.FORBIDDEN
        if url.cors and (answer := url_events.preflight(url.cors, request)):
            return answer
        # AWS_IAM wants a signature, and nothing here can check one.
        statements = policy.statements_of(self._read, url.function, url.qualifier)
        if url.auth != "NONE" or not policy.allows_public_url(statements):
            return url_events.FORBIDDEN
        if len(request.body) > MAX_SYNC:
            raise too_large(MAX_SYNC, "InvokeFunction")
        trace_id = request.header("x-amzn-trace-id") or new_trace_id()
        arrival = url_events.Arrival(
            request, path, url.id, url.function.region, "127.0.0.1", request_id, trace_id, datetime.now(UTC)
        )
        payload = json.dumps(url_events.event(arrival), ensure_ascii=False, separators=(",", ":")).encode()
        ref = FunctionRef(url.function.region, url.function.name, url.qualifier or None)
        try:
            outcome = await self._invocations.run(Event(ref, payload, request_id, None, trace_id))
        except Fault:
            return url_events.FORBIDDEN
        answer = url_events.BAD_GATEWAY if outcome.function_error else url_events.answer(outcome.payload)
        if not url.cors:
            return answer
        ours = url_events.cors_headers(url.cors, request)
        kept = [item for item in answer.headers if not item[0].lower().startswith("access-control-")]
        return Answer(answer.status, [*kept, *ours], answer.body)


def _limit(operation: Operation, request: Request) -> int:
    if operation.name != "Invoke":
        return MAX_CONTROL
    return MAX_ASYNC if request.header("x-amz-invocation-type") == "Event" else MAX_SYNC


def _size_fault(operation: Operation, request: Request) -> Fault:
    # Lambda calls Invoke by another name here.
    name = "InvokeFunction" if operation.name == "Invoke" else operation.name
    return too_large(_limit(operation, request), name)


def _client_context(given: Mapping[str, Any]) -> str | None:
    if "ClientContext" not in given:
        return None
    try:
        return base64.b64decode(given["ClientContext"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Fault("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON") from None


def _forbidden(message: str) -> Answer:
    return Answer(403, [("Content-Type", "application/json")], json.dumps({"message": message}).encode())


def _failed(message: str) -> Answer:
    fault = Fault("ServiceException", message)
    return Answer(fault.status, fault.headers(), fault.body())
