"""Asynchronous invocations: queued in the database before they are answered, delivered in the background.

An event that fails is tried again after one and after two minutes, with the same request id, and then dropped; it is
dropped too when it is six hours old. Delivery is at least once, as Lambda's: an event whose delivery a crash cut
short is delivered again at the next start.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial

from fnroll.cloud.clock import Clock
from fnroll.cloud.control import Control
from fnroll.cloud.faults import Fault
from fnroll.cloud.invoke import Invocations, Request
from fnroll.cloud.names import FunctionRef
from fnroll.errors import FnError

RETRY_AFTER = (60.0, 120.0)
"""Seconds before the second and the third attempt."""

MAX_AGE = 6 * 3600.0
CONCURRENCY = 10

_log = logging.getLogger(__name__)


class EventQueue:
    """The queue and its worker; lives on the event loop."""

    def __init__(self, read: sqlite3.Connection, control: Control, invocations: Invocations, clock: Clock) -> None:
        self._read = read
        self._control = control
        self._invocations = invocations
        self._clock = clock
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
        row = (
            ref.region,
            ref.name,
            ref.qualifier,
            request.request_id,
            request.client_context,
            request.payload,
            now,
            now,
        )
        await self._control.run(
            lambda db: (
                db.execute(
                    "INSERT INTO event (region, name, qualifier, request_id, client_context, payload, accepted, due)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                ).lastrowid
            )
        )
        self._wake.set()

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

    def _done(self, event: int, _: object) -> None:
        del self._busy[event]
        self._wake.set()

    async def _deliver(self, event: int) -> None:
        row = self._read.execute("SELECT * FROM event WHERE id = ?", (event,)).fetchone()
        if row is None:
            return
        ref = FunctionRef(row["region"], row["name"], row["qualifier"])
        try:
            outcome = await self._invocations.run(
                Request(ref, row["payload"], row["request_id"], row["client_context"])
            )
            failed = outcome.function_error is not None
        except Fault as fault:
            # The function or its qualifier has gone since: no later attempt can succeed.
            _log.warning("event %s for %s dropped: %s", row["request_id"], ref.asked_arn, fault.message)
            await self._control.run(_forget(event))
            return
        except FnError as error:
            _log.warning("event %s for %s could not be delivered: %s", row["request_id"], ref.asked_arn, error)
            failed = True
        await self._control.run(self._settle(row, failed))

    def _settle(self, row: sqlite3.Row, failed: bool) -> Callable[[sqlite3.Connection], object]:
        """What becomes of an event after an attempt."""
        attempts, now = row["attempts"] + 1, self._clock.time()
        if not failed:
            return _forget(row["id"])
        due = now + RETRY_AFTER[attempts - 1] if attempts <= len(RETRY_AFTER) else None
        if due is None or due - row["accepted"] > MAX_AGE:
            _log.warning("event %s for %s dropped after %d attempts", row["request_id"], row["name"], attempts)
            return _forget(row["id"])
        return lambda db: db.execute("UPDATE event SET attempts = ?, due = ? WHERE id = ?", (attempts, due, row["id"]))


def _forget(event: int) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.execute("DELETE FROM event WHERE id = ?", (event,))
