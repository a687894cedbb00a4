"""The Runtime API of one runtime: routes, checks in Lambda's order, statuses, headers and texts to the letter.

Base path /2018-06-01. This module knows what may be said and answers it; what an answer means for the invocation is
its owner's business, who is told by callbacks (`Hooks`) after the runtime has got its 202. Source: facts 2.1.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from fnroll.emulator import streaming
from fnroll.emulator.api import MAX_RESPONSE, Invocation, ResponseStream
from fnroll.emulator.faults import clean_error_type, posted_error, response_too_large
from fnroll.emulator.ids import new_id
from fnroll.emulator.message import one_line
from fnroll.emulator.states import Event, Refused, State, after
from fnroll.emulator.wire import Handler, Headers, HttpServer, Reply, Request, Sink, head

JSON: Final = [("Content-Type", "application/json")]
TEXT: Final = [("Content-Type", "text/plain; charset=utf-8")]
MAX_HEAD: Final = 1536 * 1024
"""AWS's Python client sends an error cause of up to 1 MiB as a header; the platform crops it."""

ACCEPTED: Final = b'{"status":"OK"}\n'


class Delivery(NamedTuple):
    """One event as the runtime gets it. `deadline_ms` is epoch milliseconds; what is empty has no header."""

    request_id: str
    deadline_ms: int
    arn: str
    payload: bytes
    trace_id: str | None = None
    client_context: str | None = None
    cognito_identity: str | None = None
    tenant_id: str | None = None
    stream: ResponseStream | None = None
    attempt: str = ""
    """Of this delivery alone: a retry has the same request id and another of these."""

    @classmethod
    def of(cls, invocation: Invocation, deadline: float) -> Delivery:
        """The event as the runtime gets it; an empty one is `{}`. `deadline` in epoch seconds."""
        return cls(
            invocation.request_id,
            int(deadline * 1000),
            invocation.arn,
            invocation.payload or b"{}",
            invocation.trace_id,
            invocation.client_context,
            invocation.cognito_identity,
            invocation.tenant_id,
            invocation.stream,
            new_id(),
        )

    def whole(self) -> bytes:
        """What GET next is answered with, head and body. UTF-8, whatever HTTP says about Latin-1: a client context is
        JSON."""
        further = ""
        if self.client_context or self.cognito_identity or self.tenant_id:
            further = "".join(
                f"{name}: {one_line(value)}\r\n"
                for name, value in (
                    ("Lambda-Runtime-Client-Context", self.client_context),
                    ("Lambda-Runtime-Cognito-Identity", self.cognito_identity),
                    ("Lambda-Runtime-Aws-Tenant-Id", self.tenant_id),
                )
                if value
            )
        attempt = f"Lambda-Runtime-Invocation-Id: {self.attempt}\r\n" if self.attempt else ""
        traced = f"Lambda-Runtime-Trace-Id: {one_line(self.trace_id)}\r\n" if self.trace_id else ""
        text = (
            f"HTTP/1.1 200 OK\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {self.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {self.deadline_ms}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {self.arn}\r\n"
            f"{traced}{further}{attempt}"
            f"Content-Type: application/json\r\n"
            f"Content-Length: {len(self.payload)}\r\n\r\n"
        )
        return text.encode() + self.payload


class Answer(NamedTuple):
    """What the runtime made of an event. `error_type` (cleaned) is set exactly for errors that it posted; a body over
    the limit is not in `payload`."""

    request_id: str
    payload: bytes
    error_type: str | None = None
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class InitError:
    """What the runtime posted to init/error."""

    payload: bytes
    error_type: str


class Hooks(NamedTuple):
    """Called from the event loop, after the runtime has got its answer; `arrived` before, with each answer that it
    gives. `ready`: it asked for an event and waits."""

    ready: Callable[[], None]
    answered: Callable[[Answer], None]
    init_failed: Callable[[InitError], None]
    arrived: Callable[[Answer], None] = lambda answer: None


class Call(NamedTuple):
    """One request on its way through; `too_large`: its body was over the limit and is not there."""

    request: Request
    reply: Reply
    request_id: str
    too_large: bool

    def error_type(self) -> str:
        return clean_error_type(self.request.header("lambda-runtime-function-error-type"))

    def error(self) -> bytes:
        return posted_error(self.request.header("content-type"), self.request.body)


class RuntimeApi:
    """Serves one runtime, from its start to its end. GET next is held back until `deliver`, without a task."""

    def __init__(self, hooks: Hooks, others: Handler | None = None) -> None:
        """`others` gets the requests of other APIs on the same address."""
        self._hooks = hooks
        self._others = others
        self._server = HttpServer(
            self._handle,
            max_body=MAX_RESPONSE,
            too_large=self._handle_too_large,
            streamer=self._stream,
            max_head=MAX_HEAD,
        )
        self._waiting: list[Reply] = []
        self._current: Delivery | None = None
        self.state = State.STARTED

    async def start(self, listener: socket.socket) -> None:
        await self._server.start(listener)

    async def close(self) -> None:
        await self._server.close()

    @property
    def waits(self) -> bool:
        """Whether the runtime has asked for an event that it has not got."""
        return self.state is State.READY

    @property
    def reachable(self) -> bool:
        """Whether a runtime that waits for an event would still get it, as far as the kernel knows."""
        return any(not reply.hung_up() for reply in self._waiting)

    def deliver(self, delivery: Delivery) -> None:
        """Hand an event to the runtime. Raises Refused unless it waits for one."""
        self.state = after(self.state, Event.DELIVER)
        self._current = delivery
        waiting, self._waiting = self._waiting, []
        answer = delivery.whole()
        for reply in waiting:
            reply.send_whole(answer)

    def _handle(self, request: Request, reply: Reply) -> None:
        self._route(request, reply, too_large=False)

    def _handle_too_large(self, request: Request, reply: Reply) -> None:
        self._route(request, reply, too_large=True)

    def _route(self, request: Request, reply: Reply, too_large: bool) -> None:
        route, request_id = request.path, ""
        if route.startswith(_INVOCATION) and route.count("/") == 5:
            _, _, _, _, request_id, verb = route.split("/")
            route = f"{_INVOCATION}*/{verb}"
        method, act = _ROUTES.get(route, ("", None))
        if act is None and self._others is not None and not route.startswith("/2018-06-01/"):
            self._others(request, reply)
        elif act is None:
            reply.send(404, TEXT, b"404 page not found\n")
        elif request.method != method:
            reply.send(405, [("Allow", method)])
        else:
            act(self, Call(request, reply, request_id, too_large))

    def _stream(self, request: Request, reply: Reply) -> Sink | None:
        """A response that is streamed to who wants it so goes there chunk by chunk, if it may be given at all."""
        if request.method != "POST" or not streaming.is_stream(request):
            return None
        request_id = request.path.removeprefix(_INVOCATION).removesuffix("/response")
        current = self._delivered(request_id)
        if current is None or request.path != f"{_INVOCATION}{request_id}/response":
            return None
        if not _same_attempt(current, request):
            return None
        if not self._advance(Event.RESPONSE, reply):
            return _Refused()
        return _Stream(current, request, lambda answer: self._take(reply, answer))

    def _delivered(self, request_id: str) -> Delivery | None:
        """The event of that id, if the runtime may answer it."""
        return self._current if self._current is not None and self._current.request_id == request_id else None

    def _ping(self, call: Call) -> None:
        call.reply.send(200, TEXT, b"pong")

    def _next(self, call: Call) -> None:
        if not self._advance(Event.NEXT, call.reply):
            return
        if self.state is State.RUNNING:
            assert self._current is not None
            call.reply.send_whole(self._current.whole())
            return
        first = not self._waiting
        self._waiting = [earlier for earlier in self._waiting if not earlier.lost]
        self._waiting.append(call.reply)
        if first:
            self._hooks.ready()

    def _response(self, call: Call) -> None:
        if not self._is_current(call):
            return
        if call.request.header("lambda-runtime-function-response-mode") not in (None, "", "streaming"):
            refuse(call.reply, 400, "InvalidFunctionResponseMode", "Invalid function response mode")
            return
        if self._advance(Event.RESPONSE, call.reply):
            self._take(call.reply, Answer(call.request_id, call.request.body, too_large=call.too_large))

    def _error(self, call: Call) -> None:
        if self._is_current(call) and self._advance(Event.ERROR, call.reply):
            self._take(call.reply, Answer(call.request_id, call.error(), call.error_type(), call.too_large))

    def _take(self, reply: Reply, answer: Answer) -> None:
        self.state = after(self.state, Event.TAKEN)
        self._hooks.arrived(answer)
        receipt(reply, answer.too_large)
        self._hooks.answered(answer)

    def _init_error(self, call: Call) -> None:
        if self._advance(Event.INIT_ERROR, call.reply):
            receipt(call.reply, call.too_large)
            payload = response_too_large().payload("") if call.too_large else call.error()
            self._hooks.init_failed(InitError(payload, call.error_type()))

    def _is_current(self, call: Call) -> bool:
        """Whether the answer is for the event that was delivered last; this is asked before the state is."""
        current = self._delivered(call.request_id)
        if current is not None and _same_attempt(current, call.request):
            return True
        refuse(call.reply, 400, "InvalidRequestID", "Invalid request ID")
        return False

    def _advance(self, event: Event, reply: Reply) -> bool:
        try:
            self.state = after(self.state, event)
        except Refused as refusal:
            refuse(reply, 403, "InvalidStateTransition", str(refusal))
            return False
        return True


class _Refused:
    """The body of an answer that was refused already."""

    def data(self, chunk: bytes) -> None: ...

    def end(self, trailers: Headers) -> None: ...

    def lost(self) -> None: ...


class _Stream:
    """The body of a streamed response. Half a response, whose connection is lost, is no answer."""

    def __init__(self, delivery: Delivery, request: Request, done: Callable[[Answer], None]) -> None:
        self._request_id = delivery.request_id
        self._to = to = delivery.stream
        self._done = done
        self._chunks: list[bytes] = []
        self._size = 0
        self._limit = MAX_RESPONSE if to is None else streaming.MAX_STREAM
        if to is not None:
            to.begin(request.header("content-type") or "application/octet-stream")

    def data(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            self._chunks.clear()
        elif self._to is not None:
            self._to.chunk(chunk)
        else:
            self._chunks.append(chunk)

    def end(self, trailers: Headers) -> None:
        failed = streaming.error_of(trailers)
        if failed is not None:
            self._done(Answer(self._request_id, failed[1], clean_error_type(failed[0])))
        else:
            self._done(Answer(self._request_id, b"".join(self._chunks), too_large=self._size > self._limit))

    def lost(self) -> None: ...


def _same_attempt(current: Delivery, request: Request) -> bool:
    """A runtime need not say which attempt it answers; one that says another answers none of ours."""
    return (request.header("lambda-runtime-invocation-id") or current.attempt) == current.attempt


_INVOCATION: Final = "/2018-06-01/runtime/invocation/"
_ROUTES: Final[Mapping[str, tuple[str, Callable[[RuntimeApi, Call], None]]]] = {
    "/ping": ("GET", lambda api, call: api._ping(call)),
    _INVOCATION + "next": ("GET", lambda api, call: api._next(call)),
    _INVOCATION + "*/response": ("POST", lambda api, call: api._response(call)),
    _INVOCATION + "*/error": ("POST", lambda api, call: api._error(call)),
    "/2018-06-01/runtime/init/error": ("POST", lambda api, call: api._init_error(call)),
}


def refuse(reply: Reply, status: int, error_type: str, message: str) -> None:
    body = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":")) + "\n"
    reply.send(status, JSON, body.encode())


_ACCEPTED_WHOLE: Final = head(202, JSON, len(ACCEPTED)) + ACCEPTED


def receipt(reply: Reply, too_large: bool) -> None:
    if too_large:
        text = f"Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
        refuse(reply, 413, "RequestEntityTooLarge", text)
    else:
        reply.send_whole(_ACCEPTED_WHOLE)
