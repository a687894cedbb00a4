"""Function URLs served: who may call, the event, and the answer, whole or as it is streamed. Source: facts 2.9."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from fnroll.cloud import sigv4, url_events
from fnroll.cloud.accounts import Identity, identity
from fnroll.cloud.data_plane import MAX_SYNC
from fnroll.cloud.faults import Fault, too_large
from fnroll.cloud.grants import allows_url
from fnroll.cloud.invoke import Invocations
from fnroll.cloud.invoke import Request as Event
from fnroll.cloud.metrics import Resource
from fnroll.cloud.names import LATEST, FunctionRef
from fnroll.cloud.protocol import Answer
from fnroll.cloud.records import VersionRow, statements_of
from fnroll.cloud.signatures import Signatures
from fnroll.cloud.streams import Relay, url_answer
from fnroll.cloud.urls import UrlRow, url_by_id
from fnroll.emulator.api import Outcome
from fnroll.emulator.streaming import NoPrelude
from fnroll.emulator.traces import undecided
from fnroll.emulator.wire import Request
from fnroll.errors import InvocationThrottled


class UrlGate:
    """Lives on the event loop."""

    def __init__(self, read: sqlite3.Connection, invocations: Invocations, signatures: Signatures) -> None:
        self._signatures = signatures
        self._read = read
        self._invocations = invocations

    async def answer(self, request: Request, request_id: str, url_id: str, path: str) -> Answer:
        """And count it; of a response that is streamed, until it begins."""
        url = url_by_id(self._read, url_id)
        if url is None:
            return url_events.FORBIDDEN
        status, began = 500, monotonic()
        executed: str | None = None
        try:
            answer, executed = await self._answer(url, request, request_id, path)
            status = answer.status
            return answer
        except Fault as fault:
            status = fault.status
            raise
        except InvocationThrottled:
            status = 429
            raise
        finally:
            counted = {
                "UrlRequestCount": 1,
                "Url4xxCount": 1 if 400 <= status < 500 else 0,
                "Url5xxCount": 1 if status >= 500 else 0,
                "UrlRequestLatency": (monotonic() - began) * 1000,
            }
            function, qualifier = url.function, url.qualifier or LATEST
            if qualifier == LATEST:
                executed = LATEST
            self._invocations.meter.add(Resource(function.home, function.name, qualifier, executed), counted)

    async def _answer(self, url: UrlRow, request: Request, request_id: str, path: str) -> tuple[Answer, str | None]:
        """The answer, and the version that gave it."""
        if url.cors and (answer := url_events.preflight(url.cors, request)):
            return answer, None
        home, caller = url.function.home, None
        if url.auth == "AWS_IAM":
            if not sigv4.is_signed(request):
                return url_events.FORBIDDEN, None
            signature = await self._signatures.admit(request)
            if (signature.service, signature.region) != ("lambda", home.region):
                raise Fault("InvalidSignatureException", sigv4.wrong_scope(signature, home.region))
            caller = url_events.Signer(signature.key_id, identity(signature.key_id).account)
        # Who is of the function's account may do everything here.
        if (caller is None or caller.account != home.account) and not self._allows(url, caller):
            return url_events.FORBIDDEN, None
        if len(request.body) > MAX_SYNC:
            raise too_large(MAX_SYNC, "InvokeFunction")
        trace_id = request.header("x-amzn-trace-id") or undecided()
        arrival = url_events.Arrival(
            request, path, url.id, home, "127.0.0.1", request_id, trace_id, datetime.now(UTC), caller
        )
        payload = json.dumps(url_events.event(arrival), ensure_ascii=False, separators=(",", ":")).encode()
        ref = FunctionRef(home, url.function.name, url.qualifier or None)
        try:
            version = self._invocations.resolve(ref)
            answer = await self._invoke(url, Event(ref, payload, request_id, None, trace_id), version)
        except Fault:
            return url_events.FORBIDDEN, None
        if not url.cors:
            return answer, version.version
        ours = url_events.cors_headers(url.cors, request)
        kept = [item for item in answer.headers if not item[0].lower().startswith("access-control-")]
        return replace(answer, headers=[*kept, *ours]), version.version

    def _allows(self, url: UrlRow, caller: url_events.Signer | None) -> bool:
        """Whether the policy lets somebody call who is of another account, or has not signed."""
        who: Identity | None = identity(caller.key_id) if caller is not None else None
        return allows_url(statements_of(self._read, url.function, url.qualifier), who)

    async def _invoke(self, url: UrlRow, event: Event, version: VersionRow) -> Answer:
        if url.mode != "RESPONSE_STREAM":
            return _whole(await self._invocations.run(event, version=version))
        relay = Relay()
        await relay.start(lambda stream: self._invocations.run(event, version=version, stream=stream))
        try:
            streamed = await url_answer(relay, url_events.checked_headers)
        except (NoPrelude, ValueError, TypeError):
            return url_events.BAD_GATEWAY
        return streamed if streamed is not None else _whole(relay.outcome())


def _whole(outcome: Outcome) -> Answer:
    return url_events.BAD_GATEWAY if outcome.function_error else url_events.answer(outcome.payload)
