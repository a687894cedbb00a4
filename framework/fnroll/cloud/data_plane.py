"""The calls that invoke: Invoke, InvokeWithResponseStream and the deprecated InvokeAsync. Source: facts 2.6."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fnroll.cloud.accounts import Caller
from fnroll.cloud.events import EventQueue
from fnroll.cloud.faults import Fault, not_built
from fnroll.cloud.invoke import Invocations
from fnroll.cloud.invoke import Request as Event
from fnroll.cloud.names import FunctionRef, parse_function
from fnroll.cloud.payloads import check_json
from fnroll.cloud.protocol import Answer
from fnroll.cloud.records import reach
from fnroll.cloud.streams import EVENT_STREAM, Relay, event_stream
from fnroll.emulator.api import Outcome
from fnroll.emulator.traces import undecided
from fnroll.emulator.wire import Request

MAX_SYNC: Final = 6_291_456
MAX_ASYNC: Final = 1_048_576
LOG_TAIL: Final = 4096

_CALLED: Final[Mapping[str, str]] = {"Invoke": "InvokeFunction"}
"""What Lambda calls an operation where it names it in the refusal of a size."""

INVOKING: Final = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})


def limit(operation: str, request: Request) -> tuple[int, str] | None:
    """The most bytes of an invoking call's body, and the name it is refused under; None for the control plane."""
    if operation not in INVOKING:
        return None
    queued = operation == "InvokeAsync" or request.header("x-amz-invocation-type") == "Event"
    return (MAX_ASYNC if queued else MAX_SYNC), _CALLED.get(operation, operation)


class DataPlane:
    """Lives on the event loop."""

    def __init__(self, read: sqlite3.Connection, invocations: Invocations, events: EventQueue) -> None:
        self._read = read
        self._invocations = invocations
        self._events = events

    async def answer(
        self, operation: str, request: Request, request_id: str, caller: Caller, given: Mapping[str, Any]
    ) -> Answer:
        """Faults as Lambda's; raises what an invocation does."""
        if given.get("DurableExecutionName"):
            raise not_built(f"{operation} with DurableExecutionName")
        ref = parse_function(given["FunctionName"], caller.home, given.get("Qualifier"))
        if ref.home is not caller.home:
            reach(self._read, caller, ref, operation)
        trace_id = request.header("x-amzn-trace-id") or undecided()
        event = Event(ref, request.body, request_id, client_context(given), trace_id, given.get("TenantId"))
        if event.payload:
            check_json(event.payload)
        kind = "Event" if operation == "InvokeAsync" else given.get("InvocationType", "RequestResponse")
        if kind != "RequestResponse":
            return await self._accept(event, queued=kind == "Event")
        if operation == "InvokeWithResponseStream":
            return await self._stream(ref, event, tail=given.get("LogType") == "Tail")
        outcome = await self._invocations.run(event)
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", outcome.executed_version)]
        if outcome.function_error is not None:
            headers.append(("X-Amz-Function-Error", outcome.function_error))
        if given.get("LogType") == "Tail":
            headers.append(("X-Amz-Log-Result", log_tail(outcome)))
        return Answer(200, headers, outcome.payload)

    async def _accept(self, event: Event, *, queued: bool) -> Answer:
        """A queued event, or a dry run."""
        self._invocations.resolve(event.ref, event.tenant_id)
        if queued:
            await self._events.put(event)
        return Answer(202 if queued else 204, [], b"")

    async def _stream(self, ref: FunctionRef, event: Event, *, tail: bool) -> Answer:
        version, relay = self._invocations.resolve(ref, event.tenant_id), Relay()
        await relay.start(lambda stream: self._invocations.run(event, version=version, stream=stream))
        headers = [("Content-Type", EVENT_STREAM), ("X-Amz-Executed-Version", version.version)]
        body = event_stream(relay, lambda outcome: log_tail(outcome) if tail else None)
        return replace(Answer(200, headers, b""), stream=body)


def log_tail(outcome: Outcome) -> str:
    """What X-Amz-Log-Result says."""
    return base64.b64encode(outcome.log[-LOG_TAIL:]).decode()


def client_context(given: Mapping[str, Any]) -> str | None:
    """The context as JSON text. Fault InvalidRequestContent."""
    if "ClientContext" not in given:
        return None
    try:
        return base64.b64decode(given["ClientContext"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Fault("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON") from None
