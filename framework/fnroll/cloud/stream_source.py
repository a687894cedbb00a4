"""Reads a Kinesis stream, or the stream of a DynamoDB table, as Lambda's pollers do; stream_batches.py feeds it on.

Each shard is read in order: the next batch waits until this one is done with. How far a shard is read is kept for as
long as the streams are, in memory; a shard that is not there yet when the mapping starts is read from its beginning.
Source: Lambda's pages on Kinesis and DynamoDB as event sources.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from fnroll.cloud.clock import Clock
from fnroll.cloud.destinations import Sender
from fnroll.cloud.feeder import pause
from fnroll.cloud.invoke import Invocations
from fnroll.cloud.names import home_of
from fnroll.cloud.services import ServiceError, Services
from fnroll.cloud.source_counts import SourceCounts
from fnroll.cloud.source_events import Record, of_dynamodb, of_kinesis, wanted
from fnroll.cloud.sources import SourceRow
from fnroll.cloud.stream_batches import MAX_EVENT, Batches, event_bytes
from fnroll.cloud.windows import Window

PAUSE: Final = 1.0
_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """How far a shard is done with: the iterator behind the last batch, and the tumbling window that is open there."""

    iterator: str
    window: Window | None = None


Places = dict[str, dict[str, Place]]
"""By mapping and shard."""


@dataclass(slots=True)
class Shard:
    """`ahead`: the iterator behind `waiting`, the records that are read and not yet fed; `since`: when they came."""

    name: str
    place: Place
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
        self._missed = False
        self._counts = SourceCounts(invocations.meter, row)
        self._batches = Batches(row, invocations, clock, sender, told, self._counts, speed)
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
                    await pause(self._clock, self.news, self._until_an_end())
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
                    place = self._places.get(name) or Place(await self._begin(name))
                    self._places[name] = place
                    self._shards[name] = Shard(name, place, place.iterator)
        except ServiceError as error:
            # The stream has gone; one that comes again in its place is read from its beginning.
            (_log.debug if self._missed else _log.warning)("%s feeds %s: %s", self._row.arn, self._row.ref.name, error)
            self._missed = True
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
        window = shard.place.window
        over = window is not None and window.end <= self._clock.time()
        if shard.waiting and (over or self._due(shard)):
            batch, shard.waiting = shard.waiting, []
            work = self._feed(shard, batch, shard.ahead)
        elif window is not None and over:
            work = self._finish(shard, window)
        else:
            return False
        shard.task = asyncio.get_running_loop().create_task(work)
        shard.task.add_done_callback(self._fed)
        return True

    def _due(self, shard: Shard) -> bool:
        """Whether what waits makes a batch, or has waited long enough."""
        gathering = float(self._row.config["MaximumBatchingWindowInSeconds"]) / self._speed
        late = shard.since + gathering <= self._clock.time()
        return late or len(shard.waiting) >= self._most or event_bytes(shard.waiting) >= MAX_EVENT

    def _until_an_end(self) -> float:
        """Seconds until the first window ends, or until it is time to look again."""
        ends = [shard.place.window.end for shard in self._shards.values() if shard.place.window and not _busy(shard)]
        return max(min([PAUSE, *(end - self._clock.time() for end in ends)]), 0.0)

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
        self._counts.events("PolledEventCount", len(answer["Records"]))
        self._counts.events("FilteredOutEventCount", len(answer["Records"]) - len(records))
        if records and not shard.waiting:
            shard.since = self._clock.time()
        shard.waiting += records

    def _record(self, shard: Shard, raw: dict[str, Any]) -> Record:
        if not self._kinesis:
            return of_dynamodb(raw, self._row.arn)
        role = self._invocations.resolve(self._row.ref).config.get("Role", "")
        return of_kinesis(raw, self._row.arn, shard.name, role)

    # Feeding

    async def _feed(self, shard: Shard, batch: list[Record], after: str) -> None:
        window = await self._batches.feed(shard.name, batch, shard.place.window)
        shard.place = self._places[shard.name] = Place(after, window)

    async def _finish(self, shard: Shard, window: Window) -> None:
        await self._batches.finish(shard.name, window)
        shard.place = self._places[shard.name] = Place(shard.place.iterator)

    def _fed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s could not be fed", self._row.arn, exc_info=error)
        self.news.set()

    def _ask(self, operation: str, **given: Any) -> Awaitable[dict[str, Any]]:
        return partial(self._services.ask, self._service, self._home)(operation, given)


def _busy(shard: Shard) -> bool:
    return shard.task is not None and not shard.task.done()
