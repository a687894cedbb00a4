"""Invoke, answered without a task: the short way of a call that was understood before and asks for an answer at once.

What is checked, what is counted and what is answered is what data_plane.py does for every other; only the waiting is
done by callbacks. Lives on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from fnroll.cloud.data_plane import MAX_SYNC, client_context, log_tail
from fnroll.cloud.invoke import Invocations
from fnroll.cloud.invoke import Request as Event
from fnroll.cloud.names import Home, parse_function
from fnroll.cloud.payloads import check_json
from fnroll.emulator.api import Outcome
from fnroll.emulator.ids import new_id
from fnroll.emulator.wire import Reply, Request

Failed = Callable[[Request, Reply, str, Exception], None]
"""Answers a request that an error came of; the text is its id."""

_LONG: Final = frozenset({"DurableExecutionName", "TenantId"})
"""Parameters of a call that goes the long way."""

_parsed: Final = lru_cache(maxsize=512)(parse_function)


class Direct:
    def __init__(self, invocations: Invocations, date: Callable[[], str], failed: Failed) -> None:
        self._invocations = invocations
        self._date = date
        self._failed = failed

    def answer(self, request: Request, reply: Reply, home: Home, given: Mapping[str, Any]) -> bool:
        """Answer Invoke, now or later; False, and nothing done, for what goes the long way. `given`: its parameters."""
        if given.get("InvocationType", "RequestResponse") != "RequestResponse" or not _LONG.isdisjoint(given):
            return False
        if len(request.body) > MAX_SYNC:
            return False
        request_id = new_id()
        try:
            ref = _parsed(given["FunctionName"], home, given.get("Qualifier"))
            if ref.home != home:
                return False  # of another account, whose policy is asked
            trace_id = request.fields.get("x-amzn-trace-id")
            event = Event(ref, request.body, request_id, client_context(given), trace_id)
            if event.payload:
                check_json(event.payload)
            tail = given.get("LogType") == "Tail"
            self._invocations.begin(event, partial(self._over, request, reply, request_id, tail))
        except Exception as error:
            self._failed(request, reply, request_id, error)
        return True

    def _over(self, request: Request, reply: Reply, request_id: str, tail: bool, what: Outcome | Exception) -> None:
        if not isinstance(what, Outcome):
            self._failed(request, reply, request_id, what)
            return
        further = ""
        if what.function_error is not None:
            further = f"X-Amz-Function-Error: {what.function_error}\r\n"
        if tail:
            further += f"X-Amz-Log-Result: {log_tail(what)}\r\n"
        text = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Amz-Executed-Version: {what.executed_version}\r\n"
            f"{further}x-amzn-RequestId: {request_id}\r\nDate: {self._date()}\r\n"
            f"Content-Length: {len(what.payload)}\r\n\r\n"
        )
        reply.send_whole(text.encode() + what.payload)
