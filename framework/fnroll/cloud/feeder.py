"""Keeps one feeder running for each event source mapping that is enabled. Lives on the event loop."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from fnroll.cloud.clock import Clock
from fnroll.cloud.sources import SourceRow, read_sources

READY_LIMIT = 10.0
"""Seconds that a call which makes a mapping waits until the mapping's place in its stream is known."""

_log = logging.getLogger(__name__)


class Feeding(Protocol):
    news: asyncio.Event
    ready: asyncio.Event

    def run(self) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class _Running:
    row: SourceRow
    feeder: Feeding
    task: asyncio.Task[None]


class Feeder:
    """`make` makes the feeder of a row; it runs until it is cancelled."""

    def __init__(self, read: sqlite3.Connection, make: Callable[[SourceRow], Feeding]) -> None:
        self._read = read
        self._make = make
        self._running: dict[str, _Running] = {}
        self._ended: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """The mappings may have changed: start, stop and restart what has."""
        rows = {row.uuid: row for row in read_sources(self._read) if row.enabled}
        for uuid in [uuid for uuid, each in self._running.items() if _settled(rows.get(uuid)) != _settled(each.row)]:
            task = self._running.pop(uuid).task
            self._ended.add(task)
            task.add_done_callback(self._ended.discard)
            task.cancel()
        for uuid, row in rows.items():
            if uuid not in self._running:
                feeder = self._make(row)
                task = asyncio.ensure_future(feeder.run())
                task.add_done_callback(_told)
                self._running[uuid] = _Running(row, feeder, task)

    async def ready(self) -> None:
        """Once each feeder knows from where it reads, so that nothing sent from now on is missed."""
        waits = [asyncio.ensure_future(each.feeder.ready.wait()) for each in self._running.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=READY_LIMIT)
            for wait in late:
                wait.cancel()

    def news(self) -> None:
        """Somebody has called another service: there may be something to read."""
        for each in self._running.values():
            each.feeder.news.set()

    async def close(self) -> None:
        """Idempotent."""
        tasks = [*self._ended, *(each.task for each in self._running.values())]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pause(clock: Clock, news: asyncio.Event, seconds: float) -> None:
    """Until there is news, or the time is over."""
    waits = [asyncio.ensure_future(_sleep(clock, seconds)), asyncio.ensure_future(_wait(news))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


async def _wait(news: asyncio.Event) -> None:
    await news.wait()


def _settled(row: SourceRow | None) -> SourceRow | None:
    """A row without what feeding it changes."""
    return row and replace(row, result="", place={})


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("an event source mapping stopped", exc_info=error)
