"""Invoke, answered without a task: the short way of a call that was understood before and asks for an answer at once.

What is checked, what is counted and what is answered is what data_plane.py does for every other; only the waiting is
done by callbacks. Lives on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
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
        call = _Call(request, reply, self._date, self._failed, given.get("LogType") == "Tail")
        try:
            ref = _parsed(given["FunctionName"], home, given.get("Qualifier"))
            if ref.home != home:
                return False  # of another account, whose policy is asked
            trace_id = request.fields.get("x-amzn-trace-id")
            early = None if call.tail else call.good
            event = Event(ref, request.body, call.id, client_context(given), trace_id, early=early)
            if event.payload:
                check_json(event.payload)
            self._invocations.begin(event, call.over)
        except Exception as error:
            self._failed(request, reply, call.id, error)
        return True


class _Call:
    """One request on its way. A good answer is sent as soon as it is there, unless its log is wanted with it."""

    __slots__ = ("_date", "_failed", "_reply", "_request", "id", "tail")

    def __init__(self, request: Request, reply: Reply, date: Callable[[], str], failed: Failed, tail: bool) -> None:
        self._request = request
        self._reply = reply
        self._date = date
        self._failed = failed
        self.tail = tail
        self.id = new_id()

    def good(self, payload: bytes, version: str, further: str = "") -> None:
        text = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Amz-Executed-Version: {version}\r\n"
            f"{further}x-amzn-RequestId: {self.id}\r\nDate: {self._date()}\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        self._reply.send_whole(text.encode() + payload)

    def over(self, what: Outcome | Exception) -> None:
        if self._reply.sent:
            return
        if not isinstance(what, Outcome):
            self._failed(self._request, self._reply, self.id, what)
            return
        further = ""
        if what.function_error is not None:
            further = f"X-Amz-Function-Error: {what.function_error}\r\n"
        if self.tail:
            further += f"X-Amz-Log-Result: {log_tail(what)}\r\n"
        self.good(what.payload, what.executed_version, further)
