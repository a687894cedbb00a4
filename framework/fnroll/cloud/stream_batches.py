"""Batches of one mapping's stream, fed to its function as Lambda does: in order, until each succeeds or is given up.

A batch that fails is tried again, split where the mapping says so, and given up when it is too old or was tried too
often, of which the destination for failures is told. With a tumbling window a batch is of one window, and each
invocation gets the state that the last one answered with. Source: Lambda's pages on Kinesis and DynamoDB as event
sources.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.clock import Clock
from fnroll.cloud.destinations import Sender
from fnroll.cloud.faults import Fault
from fnroll.cloud.invoke import Invocations, Request
from fnroll.cloud.services import ServiceError
from fnroll.cloud.source_counts import SourceCounts
from fnroll.cloud.source_events import Lost, Record, arrived, failures, identifier, lost_record, partition
from fnroll.cloud.sources import SourceRow
from fnroll.cloud.windows import Window, by_window, state_of, told
from fnroll.emulator.api import Outcome
from fnroll.errors import FnError

MAX_EVENT: Final = 6_000_000
RETRY_AFTER: Final = 1.0
RETRY_AT_MOST: Final = 60.0
OK: Final = "OK"
FAILED: Final = "PROBLEM: Function call failed"
_log = logging.getLogger(__name__)


class Batches:
    """`told` keeps how the last batch went; `speed`: how much faster than Lambda's its waits are."""

    def __init__(
        self,
        row: SourceRow,
        invocations: Invocations,
        clock: Clock,
        sender: Sender,
        told: Callable[[str, str], Awaitable[object]],
        counts: SourceCounts,
        speed: float,
    ) -> None:
        self._row = row
        self._invocations = invocations
        self._clock = clock
        self._sender = sender
        self._told = told
        self._counts = counts
        self._speed = speed
        self._result = row.result
        self._window = row.config.get("TumblingWindowInSeconds", 0) / speed
        """Seconds; 0: none."""

    async def feed(self, shard: str, batch: list[Record], opened: Window | None) -> Window | None:
        """Everything of one partition key in order; different ones side by side if ParallelizationFactor says so.
        `opened`: the window that is open; the one that is open then."""
        if self._window:
            return await self._feed_windows(shard, batch, opened)
        lanes: dict[int, list[Record]] = {}
        for record in batch:
            lane = zlib.crc32(partition(record).encode()) % self._row.config.get("ParallelizationFactor", 1)
            lanes.setdefault(lane, []).append(record)
        await asyncio.gather(*(self._lane(shard, records, None) for records in lanes.values()))
        return None

    async def _feed_windows(self, shard: str, batch: list[Record], opened: Window | None) -> Window:
        window = replace(opened) if opened is not None else None
        for fresh, records in by_window(batch, self._window):
            if window is not None and window.start != fresh.start:
                await self.finish(shard, window)
                window = None
            window = window or fresh
            await self._lane(shard, records, window)
        assert window is not None, "a batch is not empty"
        return window

    async def finish(self, shard: str, window: Window, *, early: bool = False) -> None:
        """The last invocation of a window; until it succeeds nothing else of the shard is fed."""
        payload = _json({"Records": [], **told(window, shard, self._row.arn, final=True, early=early)})
        attempts = 0
        while True:
            outcome = await self._invoke(Request(self._row.ref, payload, str(uuid4())))
            failed = outcome is None or outcome.function_error is not None
            await self._tell(FAILED if failed else OK)
            if not failed:
                return
            await self._wait(attempts)
            attempts += 1

    async def _lane(self, shard: str, records: list[Record], window: Window | None) -> None:
        while records:
            part = records[: self._row.config["BatchSize"]]
            while len(part) > 1 and event_bytes(part) > MAX_EVENT:
                part = part[: len(part) // 2]
            await self._batch(shard, part, 0, window)
            records = records[len(part) :]

    async def _batch(self, shard: str, batch: list[Record], attempts: int, window: Window | None) -> None:
        """Until the batch succeeds or is given up. Splitting one counts for no attempt, nor does what could not be
        invoked at all."""
        config, tries = self._row.config, 0
        while batch := await self._young(shard, batch, attempts):
            beside = told(window, shard, self._row.arn) if window is not None else {}
            request = Request(self._row.ref, _json({"Records": batch, **beside}), str(uuid4()))
            self._counts.age((self._clock.time() - arrived(batch[-1])) * self._speed)
            outcome = await self._invoke(request)
            rest = batch if outcome is None else self._left(outcome, batch, window)
            self._counts.fed(0 if outcome is None else len(batch), len(rest))
            await self._tell(FAILED if rest else OK)
            if window is not None and window.too_large:
                await self.finish(shard, window, early=True)
                window.state = {}
            if not rest:
                return
            if outcome is not None:
                if len(rest) == len(batch) > 1 and config.get("BisectBatchOnFunctionError"):
                    await self._batch(shard, batch[: len(batch) // 2], attempts, window)
                    await self._batch(shard, batch[len(batch) // 2 :], attempts, window)
                    return
                attempts += 1
                if 0 <= config.get("MaximumRetryAttempts", -1) < attempts:
                    await self._lose(shard, Lost(rest, "RetryAttemptsExhausted", request.request_id, attempts, outcome))
                    return
            batch = rest
            await self._wait(tries)
            tries += 1

    async def _wait(self, tries: int) -> None:
        await self._clock.sleep(min(RETRY_AFTER * 2.0 ** min(tries, 16), RETRY_AT_MOST) / self._speed)

    async def _young(self, shard: str, batch: list[Record], attempts: int) -> list[Record]:
        """The batch without what is too old, which is given up."""
        most = self._row.config.get("MaximumRecordAgeInSeconds", -1)
        if most < 0:
            return batch
        oldest = self._clock.time() - most / self._speed
        old = [record for record in batch if arrived(record) < oldest]
        if old:
            await self._lose(shard, Lost(old, "RecordAgeExceeded", str(uuid4()), attempts, None))
        return [record for record in batch if record not in old]

    async def _invoke(self, request: Request) -> Outcome | None:
        try:
            return await self._invocations.run(request)
        except (Fault, FnError) as error:
            _log.warning("%s could not feed %s: %s", self._row.arn, self._row.ref.name, error)
            return None

    def _left(self, outcome: Outcome, batch: list[Record], window: Window | None) -> list[Record]:
        """What of a batch must be tried again: all of it, or from the first that the answer names on. The window gets
        the state that the answer has; one without is a failure."""
        if outcome.function_error is not None:
            return batch
        failed: set[str] | None = set()
        names = [identifier(record) for record in batch]
        if "ReportBatchItemFailures" in self._row.config.get("FunctionResponseTypes", ()):
            failed = failures(outcome.payload, names)
        if failed is None:
            return batch
        if window is not None:
            state = state_of(outcome.payload)
            if state is None:
                return batch
            window.state = state
        return batch[min(names.index(name) for name in failed) :] if failed else []

    async def _lose(self, shard: str, lost: Lost) -> None:
        target = self._row.config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        self._counts.events("DroppedEventCount", len(lost.batch))
        _log.warning("%s: %d records given up: %s", self._row.arn, len(lost.batch), lost.condition)
        if not target:
            return
        record = lost_record(lost, self._row.ref, self._row.arn, shard, self._clock.time())
        try:
            await self._sender.lost(target, record, self._row.uuid, _json({"Records": lost.batch}))
        except ServiceError as error:
            _log.warning("%s: %s", self._row.arn, error)
            self._counts.undelivered()
        else:
            self._counts.events("OnFailureDestinationDeliveredEventCount", len(lost.batch))

    async def _tell(self, result: str) -> None:
        if result != self._result:
            self._result = result
            await self._told(self._row.uuid, result)


def event_bytes(batch: Sequence[Record]) -> int:
    return sum(len(json.dumps(record)) for record in batch)


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
