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
import json
import logging
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fnroll.cloud import protocol
from fnroll.cloud.accounts import Caller, account_of
from fnroll.cloud.control import OPERATIONS, Control
from fnroll.cloud.data_plane import INVOKING, DataPlane, limit
from fnroll.cloud.direct import Direct
from fnroll.cloud.events import EventQueue
from fnroll.cloud.faults import Fault, not_built, throttled, too_large
from fnroll.cloud.feeder import Feeder
from fnroll.cloud.invoke import Invocations
from fnroll.cloud.names import Home
from fnroll.cloud.others import Others, unsigned
from fnroll.cloud.protocol import Answer
from fnroll.cloud.provisioner import Provisioner
from fnroll.cloud.rates import Rates
from fnroll.cloud.settler import Settler
from fnroll.cloud.signatures import Signatures
from fnroll.cloud.state import Endpoint, State
from fnroll.cloud.store import Store, is_key, read_package
from fnroll.cloud.url_gate import UrlGate
from fnroll.definition.service import Operation
from fnroll.emulator.ids import new_id
from fnroll.emulator.wire import Reply, Request
from fnroll.errors import FnError, InvocationThrottled

MAX_CONTROL = 70_167_211
MAX_BODY = 268_435_456
"""Bytes of any body: a 250 MB package may be put into the local S3 in one piece."""

_OWN_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\]|(?:[a-z0-9_-]+\.)+localhost)(?::\d+)?", re.IGNORECASE)
_URL_HOST = re.compile(r"([a-z0-9]+)\.lambda-url\.([a-z0-9-]+)\.localhost(?::\d+)?", re.IGNORECASE)
_SCOPE = re.compile(r"Credential=([^/]*)/\d+/([^/]+)/([^/]+)/aws4_request")
_QUERY_SCOPE = re.compile(r"([^/]*)/\d+/([^/]+)/([^/]+)/aws4_request")
_log = logging.getLogger(__name__)


class Scope(NamedTuple):
    """Region and service that a request was signed for, and with which access key; None where it was not signed."""

    region: str | None
    service: str | None
    key_id: str | None = None

    @property
    def home(self) -> Home:
        return Home(account_of(self.key_id), self.region or "us-east-1")

    @property
    def caller(self) -> Caller:
        return Caller(self.home, self.key_id)


_UNSIGNED = Scope(None, None)


def scope_of(request: Request) -> Scope:
    signed = request.fields.get("authorization")
    found = _SCOPE.search(signed) if signed else None
    if found is None and "X-Amz-Credential" in request.target:
        found = _QUERY_SCOPE.match(request.query.get("X-Amz-Credential", ""))
    return Scope(found[2], found[3].lower(), found[1]) if found else _UNSIGNED


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
        settler: Settler,
        feeder: Feeder,
        signatures: Signatures,
        now: Callable[[], float],
        rates: Rates | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._store = store
        self._control = control
        self._invocations = invocations
        self._data_plane = DataPlane(state.read, invocations, events)
        self._remembered = protocol.Remembered(INVOKING)
        self._urls = UrlGate(state.read, invocations, signatures)
        self._others = others
        self._provisioner = provisioner
        self._settler = settler
        self._feeder = feeder
        self._signatures = signatures
        self._rates = rates
        self._now = now
        self._direct = Direct(invocations, lambda: _date(int(now())), self._fail)
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request, reply: Reply) -> None:
        """The HttpServer's handler."""
        if not self._at_once(request, reply):
            self._spawn(self._serve(request, reply, self._route))

    def _at_once(self, request: Request, reply: Reply) -> bool:
        """Answer a call of Invoke that has come before and that nothing has to be looked at for; False if it is none.
        What is doubtful goes the long way (`_route`), which decides."""
        fields = request.fields
        if "origin" in fields or self._signatures.required or not _is_api_host(fields.get("host")):
            return False
        known = self._remembered.known(request)
        if known is None or known[0].name != "Invoke":
            return False
        scope = scope_of(request)
        if scope.service not in (None, "lambda"):
            return False
        return self._direct.answer(request, reply, scope.home, known[1])

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
        request_id = new_id()
        try:
            answer = await route(request, request_id)
        except Exception as error:
            answer = _refusal(request, error)
        headers = self._headers(answer, request_id)
        if answer.stream is None:
            reply.send(answer.status, headers, answer.body)
            return
        if answer.status in (204, 304) or request.method == "HEAD":
            reply.send(answer.status, headers)  # such an answer has no body, and what streams one goes on without us
            return
        reply.begin(answer.status, headers)
        async for piece in answer.stream:
            reply.write(piece)
        reply.finish()

    def _fail(self, request: Request, reply: Reply, request_id: str, error: Exception) -> None:
        answer = _refusal(request, error)
        reply.send(answer.status, self._headers(answer, request_id), answer.body)

    def _headers(self, answer: Answer, request_id: str) -> list[tuple[str, str]]:
        headers = list(answer.headers)
        if not any(name.lower() == "x-amzn-requestid" for name, _ in headers):
            headers.append(("x-amzn-RequestId", request_id))
        headers.append(("Date", _date(int(self._now()))))
        return headers

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
            return await self._urls.answer(request, request_id, by_host[1].lower(), request.path)
        segments = request.path.split("/", 4)
        if segments[1:3] == [".fn", "url"] and len(segments) > 3:
            rest = "/" + (segments[4] if len(segments) > 4 else "")
            return await self._urls.answer(request, request_id, segments[3], rest)
        if not is_own_origin(request.header("origin")):
            return _forbidden(f"this is a local cloud: pages of {request.header('origin')} may not call it")
        if segments[1] == ".fn":
            return await self._own(request)
        scope = scope_of(request)
        is_lambda = self._is_lambda(request, scope)
        if self._signatures.required:
            try:
                await self._signatures.admit(request)
            except Fault as fault:
                if is_lambda:
                    raise
                return unsigned(request, scope.service, fault)
        if is_lambda:
            return await self._lambda(request, request_id, scope.caller)
        answer = await self._others.answer(request, scope.service, account_of(scope.key_id))
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

    async def call(self, request: Request, home: Home) -> Answer:
        """A call of Lambda's API by another service of this cloud. Faults are raised."""
        return await self._lambda(request, new_id(), Caller(home, home.account))

    async def _lambda(self, request: Request, request_id: str, caller: Caller) -> Answer:
        operation, parameters = self._remembered.find(request)
        most, _ = limit(operation.name, request) or (MAX_CONTROL, "")
        if len(request.body) > most:
            raise _size_fault(operation, request)
        if operation.name in INVOKING:
            return await self._data_plane.answer(operation.name, request, request_id, caller, parameters())
        if operation.name not in OPERATIONS:
            raise not_built(f"The operation {operation.name}")
        if self._rates is not None:
            self._rates.take(operation.name, caller.home)
        result, effects = await self._control.call(operation.name, caller, self._endpoint.port, parameters)
        for arn in effects.retired:
            await self._invocations.retire(arn)
        for arn, concurrency in effects.reserved.items():
            self._invocations.reserve(arn, concurrency)
        for place, own in effects.limited.items():
            self._invocations.limit(*place, own)
        if effects.provisioned:
            self._provisioner.look()
        if effects.settling:
            self._settler.look()
        if effects.sources:
            self._feeder.look()
            await self._feeder.ready()
        return protocol.answer(operation, result)


@lru_cache(maxsize=64)
def _is_api_host(host: str | None) -> bool:
    """Whether a Host header names this machine, and no function's URL."""
    return is_own_host(host) and _URL_HOST.fullmatch(host or "") is None


def _refusal(request: Request, error: Exception) -> Answer:
    """What an error is answered with."""
    if isinstance(error, InvocationThrottled):
        error = throttled(error.reason)
    if isinstance(error, Fault):
        return Answer(error.status, error.headers(), error.body())
    if isinstance(error, FnError):
        return _failed(str(error))
    _log.error("%s %s", request.method, request.path, exc_info=error)
    return _failed(f"{type(error).__name__}: {error}")


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _size_fault(operation: Operation, request: Request) -> Fault:
    most, name = limit(operation.name, request) or (MAX_CONTROL, operation.name)
    return too_large(most, name)


def _forbidden(message: str) -> Answer:
    return Answer(403, [("Content-Type", "application/json")], json.dumps({"message": message}).encode())


def _failed(message: str) -> Answer:
    fault = Fault("ServiceException", message)
    return Answer(fault.status, fault.headers(), fault.body())
