"""Feeds a function from a Kinesis stream, or the stream of a DynamoDB table, as Lambda's pollers do.

Each shard is read in order: the next batch waits until this one has succeeded, was split and succeeded, or is given up
(too old, too often), of which the destination for failures is told. How far a shard is read is kept for as long as the
streams are, in memory; a shard that is not there yet when the mapping starts is read from its beginning.
Source: Lambda's pages on Kinesis and DynamoDB as event sources.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.clock import Clock
from fnroll.cloud.destinations import Sender
from fnroll.cloud.faults import Fault
from fnroll.cloud.feeder import pause
from fnroll.cloud.invoke import Invocations, Request
from fnroll.cloud.names import home_of
from fnroll.cloud.services import ServiceError, Services
from fnroll.cloud.source_events import (
    Lost,
    Record,
    arrived,
    failures,
    identifier,
    lost_record,
    of_dynamodb,
    of_kinesis,
    partition,
    wanted,
)
from fnroll.cloud.sources import SourceRow
from fnroll.emulator.api import Outcome
from fnroll.errors import FnError

PAUSE: Final = 1.0
MAX_EVENT: Final = 6_000_000
RETRY_AFTER: Final = 1.0
RETRY_AT_MOST: Final = 60.0
OK: Final = "OK"
FAILED: Final = "PROBLEM: Function call failed"
_log = logging.getLogger(__name__)

Places = dict[str, dict[str, str]]
"""By mapping and shard, the iterator behind the last batch that is done with."""


@dataclass(slots=True)
class Shard:
    """`ahead`: the iterator behind `waiting`, the records that are read and not yet fed; `since`: when they came."""

    name: str
    ahead: str
    waiting: list[Record] = field(default_factory=list)
    since: float = 0.0
    task: asyncio.Task[None] | None = None


class StreamFeeder:
    """Runs until cancelled. `news` is set when something may have been sent; `ready` once the shards' places are
    known. `told` keeps how the last batch went; `speed`: how much faster than Lambda's its waits are."""

    def __init__(
        self,
        row: SourceRow,
        invocations: Invocations,
        services: Services,
        clock: Clock,
        sender: Sender,
        told: Callable[[str, str], Awaitable[object]],
        places: Places,
        speed: float = 1.0,
    ) -> None:
        self._row = row
        self._invocations = invocations
        self._services = services
        self._clock = clock
        self._sender = sender
        self._told = told
        self._speed = speed
        self._first = row.uuid not in places
        self._places = places.setdefault(row.uuid, {})
        self.news = asyncio.Event()
        self.ready = asyncio.Event()
        self._home = home_of(row.arn)
        self._kinesis = row.service == "kinesis"
        self._service = "kinesis" if self._kinesis else "dynamodbstreams"
        # moto forgets in a shard's iterator which stream it is of, where that was named by its ARN.
        name = row.arn.rpartition("/")[2]
        self._stream = {"StreamName": name} if self._kinesis else {"StreamArn": row.arn}
        self._shards: dict[str, Shard] = {}
        self._result = row.result
        config = row.config
        self._most = config["BatchSize"] * config.get("ParallelizationFactor", 1)

    async def run(self) -> None:
        try:
            while True:
                self.news.clear()
                if self._services.loaded:
                    await self._look()
                self._first = False
                self.ready.set()
                began = [shard for shard in list(self._shards.values()) if await self._step(shard)]
                if not began:
                    await pause(self._clock, self.news, PAUSE)
        finally:
            self.ready.set()
            tasks = [shard.task for shard in self._shards.values() if shard.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # Reading

    async def _look(self) -> None:
        """Which shards there are, and where each is to be read from."""
        try:
            if self._kinesis:
                found = (await self._ask("ListShards", **self._stream))["Shards"]
            else:
                found = (await self._ask("DescribeStream", **self._stream))["StreamDescription"]["Shards"]
            for name in [shard["ShardId"] for shard in found]:
                if name not in self._shards:
                    place = self._places.get(name) or await self._begin(name)
                    self._places[name] = place
                    self._shards[name] = Shard(name, place)
        except ServiceError as error:
            # The stream has gone; one that comes again in its place is read from its beginning.
            _log.debug("%s: %s", self._row.arn, error)
            self._places.clear()
            self._shards = {name: shard for name, shard in self._shards.items() if _busy(shard)}

    async def _begin(self, shard: str) -> str:
        config = self._row.config
        kind = config["StartingPosition"] if self._first else "TRIM_HORIZON"
        asked: dict[str, Any] = {**self._stream, "ShardId": shard, "ShardIteratorType": kind}
        if kind == "AT_TIMESTAMP":
            asked["Timestamp"] = config.get("StartingPositionTimestamp", 0)
        return str((await self._ask("GetShardIterator", **asked))["ShardIterator"])

    async def _step(self, shard: Shard) -> bool:
        """Read a shard that is not being fed, and feed what is due. Whether that began."""
        if _busy(shard):
            return False
        await self._read(shard)
        window = float(self._row.config["MaximumBatchingWindowInSeconds"])
        left = shard.since + window / self._speed - self._clock.time()
        if not shard.waiting or (left > 0 and len(shard.waiting) < self._most and _bytes(shard.waiting) < MAX_EVENT):
            return False
        batch, shard.waiting = shard.waiting, []
        shard.task = asyncio.get_running_loop().create_task(self._feed(shard, batch, shard.ahead))
        shard.task.add_done_callback(self._fed)
        return True

    async def _read(self, shard: Shard) -> None:
        asked = {"ShardIterator": shard.ahead, "Limit": self._most - len(shard.waiting)}
        if not asked["Limit"]:
            return
        try:
            answer = await self._ask("GetRecords", **asked)
        except ServiceError as error:
            _log.debug("%s: %s", self._row.arn, error)
            return
        shard.ahead = answer.get("NextShardIterator") or shard.ahead
        criteria = self._row.config.get("FilterCriteria", {})
        records = [each for each in (self._record(shard, raw) for raw in answer["Records"]) if wanted(each, criteria)]
        if records and not shard.waiting:
            shard.since = self._clock.time()
        shard.waiting += records

    def _record(self, shard: Shard, raw: dict[str, Any]) -> Record:
        if not self._kinesis:
            return of_dynamodb(raw, self._row.arn)
        role = self._invocations.resolve(self._row.ref).config.get("Role", "")
        return of_kinesis(raw, self._row.arn, shard.name, role)

    # Feeding

    def _fed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s could not be fed", self._row.arn, exc_info=error)
        self.news.set()

    async def _feed(self, shard: Shard, batch: list[Record], after: str) -> None:
        """Everything of one partition key in order; different ones side by side if ParallelizationFactor says so."""
        lanes: dict[int, list[Record]] = {}
        for record in batch:
            lane = zlib.crc32(partition(record).encode()) % self._row.config.get("ParallelizationFactor", 1)
            lanes.setdefault(lane, []).append(record)
        await asyncio.gather(*(self._lane(shard, records) for records in lanes.values()))
        self._places[shard.name] = after

    async def _lane(self, shard: Shard, records: list[Record]) -> None:
        while records:
            part = records[: self._row.config["BatchSize"]]
            while len(part) > 1 and _bytes(part) > MAX_EVENT:
                part = part[: len(part) // 2]
            await self._batch(shard, part, 0)
            records = records[len(part) :]

    async def _batch(self, shard: Shard, batch: list[Record], attempts: int) -> None:
        """Until the batch succeeds or is given up. Splitting one counts for no attempt."""
        config = self._row.config
        while batch := await self._young(shard, batch, attempts):
            request = Request(self._row.ref, _payload(batch), str(uuid4()))
            outcome = await self._invoke(request)
            rest = batch if outcome is None else self._left(outcome, batch)
            await self._tell(FAILED if rest else OK)
            if not rest:
                return
            if len(rest) == len(batch) > 1 and config.get("BisectBatchOnFunctionError"):
                await self._batch(shard, batch[: len(batch) // 2], attempts)
                await self._batch(shard, batch[len(batch) // 2 :], attempts)
                return
            attempts, batch = attempts + 1, rest
            if 0 <= config.get("MaximumRetryAttempts", -1) < attempts:
                await self._lose(shard, Lost(batch, "RetryAttemptsExhausted", request.request_id, attempts, outcome))
                return
            await self._clock.sleep(min(RETRY_AFTER * 2.0 ** min(attempts - 1, 16), RETRY_AT_MOST) / self._speed)

    async def _young(self, shard: Shard, batch: list[Record], attempts: int) -> list[Record]:
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

    def _left(self, outcome: Outcome, batch: list[Record]) -> list[Record]:
        """What of a batch must be tried again: all of it, or from the first that the answer names on."""
        if outcome.function_error is not None:
            return batch
        if "ReportBatchItemFailures" not in self._row.config.get("FunctionResponseTypes", ()):
            return []
        names = [identifier(record) for record in batch]
        failed = failures(outcome.payload, names)
        if failed is None:
            return batch
        return batch[min(names.index(name) for name in failed) :] if failed else []

    async def _lose(self, shard: Shard, lost: Lost) -> None:
        target = self._row.config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        _log.warning("%s: %d records given up: %s", self._row.arn, len(lost.batch), lost.condition)
        if not target:
            return
        record = lost_record(lost, self._row.ref, self._row.arn, shard.name, self._clock.time())
        try:
            await self._sender.lost(target, record, self._row.uuid, _payload(lost.batch))
        except ServiceError as error:
            _log.warning("%s: %s", self._row.arn, error)

    async def _tell(self, result: str) -> None:
        if result != self._result:
            self._result = result
            await self._told(self._row.uuid, result)

    def _ask(self, operation: str, **given: Any) -> Awaitable[dict[str, Any]]:
        return partial(self._services.ask, self._service, self._home)(operation, given)


def _busy(shard: Shard) -> bool:
    return shard.task is not None and not shard.task.done()


def _payload(batch: Sequence[Record]) -> bytes:
    return json.dumps({"Records": batch}, ensure_ascii=False, separators=(",", ":")).encode()


def _bytes(batch: list[Record]) -> int:
    return sum(len(json.dumps(record)) for record in batch)
