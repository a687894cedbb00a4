"""The Runtime API of a managed instance: several workers of one runtime ask for events and answer side by side.

What differs from runtime_api.py is alone here. There is no state that all workers share once the first has asked: an
event goes to the worker that has waited longest, and an answer is known by its request id. An answer that comes after
its invocation's time was up gets 410 InvokeTimeout, and the worker goes on. Source: facts 2.1 ("LMI").
"""

from __future__ import annotations

from collections import deque
from typing import Final

from fnroll.emulator.runtime_api import Answer, Call, Delivery, Hooks, RuntimeApi, receipt, refuse
from fnroll.emulator.states import Event, Refused
from fnroll.emulator.wire import Handler, Reply

REMEMBERED: Final = 1000
"""Invocations whose time was up that are still known by name."""


class WorkersApi(RuntimeApi):
    def __init__(self, hooks: Hooks, others: Handler | None = None) -> None:
        super().__init__(hooks, others)
        self._running: dict[str, Delivery] = {}
        self._expired: deque[str] = deque(maxlen=REMEMBERED)

    @property
    def waits(self) -> bool:
        return any(not reply.lost for reply in self._waiting)

    def deliver(self, delivery: Delivery) -> None:
        """Raises Refused where no worker waits."""
        while self._waiting:
            reply = self._waiting.pop(0)
            if not reply.hung_up():
                self._running[delivery.request_id] = delivery
                reply.send_whole(delivery.whole())
                return
        raise Refused(self.state, Event.DELIVER)

    def expire(self, request_id: str) -> None:
        """Nobody waits for this answer any more."""
        if self._running.pop(request_id, None) is not None:
            self._expired.append(request_id)

    def _delivered(self, request_id: str) -> Delivery | None:
        return self._running.get(request_id)

    def _is_current(self, call: Call) -> bool:
        if call.request_id in self._expired:
            _refuse_late(call.reply)
            return False
        return super()._is_current(call)

    def _advance(self, event: Event, reply: Reply) -> bool:
        """Only asking, and failing to start, are the runtime's as a whole."""
        return event in (Event.RESPONSE, Event.ERROR) or super()._advance(event, reply)

    def _take(self, reply: Reply, answer: Answer) -> None:
        if self._running.pop(answer.request_id, None) is None:  # its time was up while it was streamed
            _refuse_late(reply)
            return
        receipt(reply, answer.too_large)
        self._hooks.answered(answer)


def _refuse_late(reply: Reply) -> None:
    refuse(reply, 410, "InvokeTimeout", "Invoke timeout")
