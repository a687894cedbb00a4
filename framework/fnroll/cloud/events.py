"""Asynchronous invocations: queued in the database before they are answered, delivered in the background.

A function that fails is tried again after one and after two minutes with the same request id, as often as its event
invoke config says; what is throttled, or what this machine could not run, is tried again after one second, then two,
four, up to five minutes, until the event is too old. What becomes of it goes to destinations and dead-letter queues
before the event is forgotten. Delivery is at least once, as Lambda's: what a crash cut short is done again at the next
start. Source: facts 2.9.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import uuid4

from fnroll.cloud.accounts import Caller
from fnroll.cloud.clock import Clock
from fnroll.cloud.control import Control
from fnroll.cloud.destinations import Condition, Ended, Sender, record
from fnroll.cloud.event_config import EventConfig, read_event_config
from fnroll.cloud.faults import Fault
from fnroll.cloud.invoke import Invocations, Request
from fnroll.cloud.metrics import Resource
from fnroll.cloud.names import LATEST, FunctionRef, Home, function_arn, home_of, parse_function
from fnroll.cloud.records import as_home, reach
from fnroll.cloud.services import ServiceError, Services
from fnroll.emulator.api import Outcome
from fnroll.emulator.traces import undecided
from fnroll.errors import FnError, InvocationThrottled

RETRY_AFTER: Final = (60.0, 120.0)
"""Seconds before the second and the third attempt."""

REFUSED_AFTER: Final = 1.0
REFUSED_AT_MOST: Final = 300.0
CONCURRENCY: Final = 10

_log = logging.getLogger(__name__)


class EventQueue:
    """The queue and its worker; lives on the event loop. `speed`: how much faster than Lambda's its waits are."""

    def __init__(
        self,
        read: sqlite3.Connection,
        control: Control,
        invocations: Invocations,
        clock: Clock,
        services: Services | None = None,
        speed: float = 1.0,
    ) -> None:
        self._read = read
        self._control = control
        self._invocations = invocations
        self._clock = clock
        self._speed = speed
        self._sender = Sender(services, self.invoke) if services is not None else None
        self._wake = asyncio.Event()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._worker = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Stop delivering. What was not delivered stays queued. Idempotent."""
        tasks = [*self._busy.values(), *([self._worker] if self._worker else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._worker = None

    async def put(self, request: Request) -> None:
        """Queue an event; when this returns it survives a crash."""
        now, ref = self._clock.time(), request.ref
        # Whatever is tried again, and told, is of one trace.
        trace = request.trace_id or undecided()
        whom = (*ref.home, ref.name, ref.qualifier)
        what = (request.request_id, request.client_context, request.payload)
        row = (*whom, *what, now, now, request.tenant_id, trace)
        await self._control.run(
            lambda db: (
                db.execute(
                    "INSERT INTO event"
                    " (account, region, name, qualifier, request_id, client_context, payload, accepted, due, tenant,"
                    " trace)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                ).lastrowid
            )
        )
        self._count(ref, "AsyncEventsReceived", 1)
        self._wake.set()

    async def trigger(self, arn: str, payload: bytes, trace: str | None = None) -> None:
        """Queue an event that another service has for a function. Fault ResourceNotFound."""
        ref = parse_function(arn, home_of(arn))
        self._invocations.resolve(ref)
        await self.invoke(ref, payload, ref.home.account, trace)

    async def invoke(self, ref: FunctionRef, payload: bytes, account: str, trace: str | None = None) -> None:
        """Queue an event for a function, as one of this cloud's own, sent by an account. `trace`: the header of what
        caused it. Fault AccessDenied where the function is another's, whose policy does not let that account invoke
        it."""
        reach(self._read, Caller(Home(account, ref.home.region), account), ref, "Invoke")
        await self.put(Request(ref, payload, str(uuid4()), trace_id=trace))

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock.time()
            for event in self._due(now):
                task = asyncio.create_task(self._deliver(event))
                self._busy[event] = task
                task.add_done_callback(partial(self._done, event))
            await self._pause(now)

    def _due(self, now: float) -> list[int]:
        rows = self._read.execute(
            "SELECT id FROM event WHERE due <= ? ORDER BY due, id LIMIT ?", (now, CONCURRENCY + len(self._busy))
        )
        waiting = [row["id"] for row in rows if row["id"] not in self._busy]
        return waiting[: CONCURRENCY - len(self._busy)]

    async def _pause(self, now: float) -> None:
        """Until something was queued or delivered, or the next retry is due."""
        (due,) = self._read.execute("SELECT MIN(due) FROM event WHERE due > ?", (now,)).fetchone()
        waits = [asyncio.ensure_future(self._wake.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep(due - now)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _done(self, event: int, task: asyncio.Task[None]) -> None:
        del self._busy[event]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("event %d could not be settled", event, exc_info=error)
        self._wake.set()

    async def _deliver(self, event: int) -> None:
        row = self._read.execute("SELECT * FROM event WHERE id = ?", (event,)).fetchone()
        if row is None:
            return
        ref = FunctionRef(as_home(row), row["name"], row["qualifier"])
        config, age = read_event_config(self._read, ref), self._age(row)
        self._count(ref, "AsyncEventAge", max(age, 0.0) * 1000)
        if config.concurrency == 0:
            await self._end(row, config, "ZeroReservedConcurrency", None)
        elif age > config.max_age:
            await self._end(row, config, "EventAgeExceeded", None)
        else:
            await self._attempt(row, ref, config)

    async def _attempt(self, row: sqlite3.Row, ref: FunctionRef, config: EventConfig) -> None:
        given = (row["payload"], row["request_id"], row["client_context"], row["trace"])
        request = Request(ref, *given, tenant_id=row["tenant"])
        try:
            outcome = await self._invocations.run(request)
        except Fault as fault:
            # The function or its qualifier has gone since: no later attempt can succeed.
            _log.warning("event %s for %s dropped: %s", row["request_id"], ref.asked_arn, fault.message)
            self._count(ref, "AsyncEventsDropped", 1)
            await self._control.run(_forget(row["id"]))
        except FnError as error:
            if not isinstance(error, InvocationThrottled):
                _log.warning("event %s for %s could not be delivered: %s", row["request_id"], ref.asked_arn, error)
            wait = min(REFUSED_AFTER * 2 ** min(row["refusals"], 16), REFUSED_AT_MOST)
            await self._later(row, config, None, wait, "refusals")
        else:
            if outcome.function_error is None:
                await self._end(row, config, "Success", outcome)
            elif row["attempts"] >= config.retries:
                await self._end(row, config, "RetriesExhausted", outcome)
            else:
                await self._later(row, config, outcome, RETRY_AFTER[row["attempts"]], "attempts")

    async def _later(
        self, row: sqlite3.Row, config: EventConfig, outcome: Outcome | None, wait: float, counted: str
    ) -> None:
        """Another attempt after `wait` seconds, unless the event is too old then."""
        if self._age(row) + wait > config.max_age:
            await self._end(row, config, "EventAgeExceeded", outcome)
            return
        due = self._clock.time() + wait / self._speed
        statement = f"UPDATE event SET {counted} = {counted} + 1, due = ? WHERE id = ?"
        await self._control.run(lambda db: db.execute(statement, (due, row["id"])))

    async def _end(self, row: sqlite3.Row, config: EventConfig, condition: Condition, outcome: Outcome | None) -> None:
        """It is over: tell who wants to know, then forget it."""
        ref = FunctionRef(as_home(row), row["name"], row["qualifier"])
        attempts = row["attempts"] + (condition in ("Success", "RetriesExhausted"))
        ended = Ended(ref, row["request_id"], row["payload"], condition, attempts, outcome, row["trace"])
        if condition != "Success":
            _log.warning("event %s for %s dropped after %d attempts: %s", *self._named(ended), attempts, condition)
            self._count(ref, "AsyncEventsDropped", 1)
        target = config.on_success if condition == "Success" else config.on_failure
        if self._sender is not None and target is not None:
            detail = "Success" if condition == "Success" else "Failure"
            source = function_arn(ref.home, ref.name, ref.qualifier or LATEST)
            said = record(ended, self._clock.time())
            await self._told(
                ended, "DestinationDeliveryFailures", self._sender.send(target, said, detail, source, ended.trace)
            )
        if self._sender is not None and condition != "Success" and config.dead_letters is not None:
            await self._told(ended, "DeadLetterErrors", self._sender.bury(config.dead_letters, ended))
        await self._control.run(_forget(row["id"]))

    async def _told(self, ended: Ended, metric: str, sending: object) -> None:
        try:
            await sending  # type: ignore[misc]
        except ServiceError as error:
            _log.warning("event %s for %s: %s", *self._named(ended), error)
            self._count(ended.ref, metric, 1)

    def _named(self, ended: Ended) -> tuple[str, str]:
        return ended.request_id, ended.ref.asked_arn

    def _age(self, row: sqlite3.Row) -> float:
        age: float = (self._clock.time() - row["accepted"]) * self._speed
        return age

    def _count(self, ref: FunctionRef, metric: str, value: float) -> None:
        self._invocations.meter.add(Resource(ref.home, ref.name, ref.qualifier), {metric: value})


def _forget(event: int) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.execute("DELETE FROM event WHERE id = ?", (event,))
