"""Feeds a function from an SQS queue, as Lambda's pollers do.

A batch that succeeds is deleted; of one that reports item failures, the others; of one that fails, nothing: its
messages come back when their visibility timeout is over. Messages that no filter lets through are deleted unseen.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.clock import Clock
from fnroll.cloud.faults import Fault
from fnroll.cloud.feeder import pause
from fnroll.cloud.invoke import Invocations, Request
from fnroll.cloud.names import home_of
from fnroll.cloud.services import ServiceError, Services
from fnroll.cloud.source_counts import SourceCounts
from fnroll.cloud.source_events import Record, failures, identifier, of_message, wanted
from fnroll.cloud.sources import SourceRow, queue_url
from fnroll.emulator.api import Outcome
from fnroll.errors import FnError

LIMIT: Final = 10
"""Messages of one ReceiveMessage, and batches at a time where the mapping sets no MaximumConcurrency."""

PAUSE: Final = 1.0
"""Seconds between looks at a queue that nobody was seen to send to: messages become visible again by time."""

MAX_EVENT: Final = 6_000_000
_log = logging.getLogger(__name__)


class QueueFeeder:
    """Runs until cancelled. `news` is set when something may have been sent."""

    def __init__(self, row: SourceRow, invocations: Invocations, services: Services, clock: Clock) -> None:
        self._row = row
        self._invocations = invocations
        self._services = services
        self._clock = clock
        self.news = asyncio.Event()
        self.ready = asyncio.Event()
        self.ready.set()
        self._home = home_of(row.arn)
        self._where = {"QueueUrl": queue_url(row.arn)}
        self._limit: int = row.config.get("ScalingConfig", {}).get("MaximumConcurrency", LIMIT)
        self._running: set[asyncio.Task[None]] = set()
        self._missed = False
        self._counts = SourceCounts(invocations.meter, row)

    async def run(self) -> None:
        try:
            while True:
                self.news.clear()
                batch = await self._gather() if self._services.loaded else []
                if not batch:
                    await pause(self._clock, self.news, PAUSE)
                    continue
                task = asyncio.get_running_loop().create_task(self._feed(batch))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                if len(self._running) >= self._limit:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _gather(self) -> list[Record]:
        """A batch: what is there, or what comes until it is full or the batching window is over."""
        size, window = self._row.config["BatchSize"], float(self._row.config["MaximumBatchingWindowInSeconds"])
        batch: list[Record] = []
        end = 0.0
        while True:
            records = await self._receive(size - len(batch))
            if records and not batch:
                end = self._clock.time() + window
            batch += records
            left = end - self._clock.time()
            if not batch or len(batch) >= size or (left <= 0 and len(records) < LIMIT) or _bytes(batch) > MAX_EVENT:
                return batch
            if len(records) < LIMIT:
                await pause(self._clock, self.news, min(left, PAUSE))
                self.news.clear()

    async def _receive(self, most: int) -> list[Record]:
        given = {
            **self._where,
            "MaxNumberOfMessages": min(most, LIMIT),
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
            "WaitTimeSeconds": 0,
        }
        try:
            answer = await self._services.ask("sqs", self._home, "ReceiveMessage", given)
        except ServiceError as error:
            # Once: what other services hold ends with their cloud, and the mapping does not.
            (_log.debug if self._missed else _log.warning)("%s feeds %s: %s", self._row.arn, self._row.ref.name, error)
            self._missed = True
            return []
        self._missed = False
        records = [of_message(message, self._row.arn) for message in answer.get("Messages", [])]
        criteria = self._row.config.get("FilterCriteria", {})
        unwanted = [record for record in records if not wanted(record, criteria)]
        self._counts.events("PolledEventCount", len(records))
        self._counts.events("FilteredOutEventCount", len(unwanted))
        await self._delete(unwanted)
        return [record for record in records if record not in unwanted]

    async def _feed(self, batch: list[Record]) -> None:
        while batch:
            part = batch
            while len(part) > 1 and _bytes(part) > MAX_EVENT:
                part = part[: len(part) // 2]
            batch = batch[len(part) :]
            await self._feed_part(part)

    async def _feed_part(self, batch: list[Record]) -> None:
        payload = json.dumps({"Records": batch}, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            outcome = await self._invocations.run(Request(self._row.ref, payload, str(uuid4())))
        except (Fault, FnError) as error:
            _log.warning("%s could not feed %s: %s", self._row.arn, self._row.ref.name, error)
            self._counts.events("FailedInvokeEventCount", len(batch))
            return
        done = [] if outcome.function_error is not None else self._succeeded(outcome, batch)
        self._counts.fed(len(batch), len(batch) - len(done))
        self._counts.events("DeletedEventCount", len(done))
        await self._delete(done)

    def _succeeded(self, outcome: Outcome, batch: list[Record]) -> list[Record]:
        if "ReportBatchItemFailures" not in self._row.config.get("FunctionResponseTypes", ()):
            return batch
        failed = failures(outcome.payload, [identifier(record) for record in batch])
        return [] if failed is None else [record for record in batch if identifier(record) not in failed]

    async def _delete(self, records: Sequence[Record]) -> None:
        for start in range(0, len(records), LIMIT):
            entries = [
                {"Id": str(number), "ReceiptHandle": record["receiptHandle"]}
                for number, record in enumerate(records[start : start + LIMIT])
            ]
            try:
                await self._services.ask("sqs", self._home, "DeleteMessageBatch", {**self._where, "Entries": entries})
            except ServiceError as error:
                _log.warning("%s: %s", self._row.arn, error)


def _bytes(batch: Sequence[Any]) -> int:
    return sum(len(record["body"]) for record in batch)
