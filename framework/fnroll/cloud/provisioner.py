"""Carries out provisioned concurrency and the least environments of scaling configs: the emulator keeps what is
configured, and the rows say how far that is.

Rows are compared with what the emulator was told, on the event loop: after each call that may have changed something,
and when the cloud starts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fnroll.cloud.control import Control
from fnroll.cloud.invoke import Invocations
from fnroll.cloud.names import is_version
from fnroll.cloud.provisioned import NOUN, find, save
from fnroll.cloud.records import FunctionRow, VersionRow, as_function, find_alias, find_version, version_number
from fnroll.cloud.scaling import LEAST, apply, scaled
from fnroll.errors import FnError

INIT_FAILED: Final = "FUNCTION_ERROR_INIT_FAILURE"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """One configuration: how many environments of which versions. `stamp` tells it from its successors; `scaling`: it
    is a scaling config."""

    function: FunctionRow
    qualifier: str
    stamp: str
    shares: tuple[tuple[int, int], ...]
    scaling: bool = False

    @property
    def key(self) -> tuple[str, str, bool]:
        return self.function.arn, self.qualifier, self.scaling


Place = tuple[str, int]
"""A function's ARN and a version's number."""


def read_wishes(db: sqlite3.Connection) -> list[Wish]:
    """What is configured. A weighted alias divides its number by the weights."""
    rows = db.execute(
        "SELECT function.*, qualifier, value FROM setting JOIN function ON id = function_id WHERE noun = ?", (NOUN,)
    ).fetchall()
    wishes = []
    for row in rows:
        function, value, qualifier = as_function(row), json.loads(row["value"]), row["qualifier"]
        shares = {}
        if is_version(qualifier):
            shares[version_number(qualifier)] = value["Requested"]
        elif (alias := find_alias(db, function, qualifier)) is not None and alias.version.isdecimal():
            left = value["Requested"]
            for version, weight in alias.weights.items():
                shares[int(version)] = round(value["Requested"] * weight)
                left -= shares[int(version)]
            shares[int(alias.version)] = left
        wishes.append(Wish(function, qualifier, value["Stamp"], tuple(sorted(shares.items()))))
    for each in scaled(db):
        ready = ((each.number, each.scaling["Requested"].get(LEAST, 0)),)
        wishes.append(Wish(each.function, each.version, each.scaling["Stamp"], ready, scaling=True))
    return wishes


@dataclass(frozen=True, slots=True)
class _Made:
    """What the emulator was told, and the task that waits for it."""

    version: VersionRow
    count: int
    task: asyncio.Task[None]


class Provisioner:
    """Has the emulator keep what is configured, and writes down how far that is. Lives on the event loop."""

    def __init__(self, read: sqlite3.Connection, control: Control, invocations: Invocations) -> None:
        self._read = read
        self._control = control
        self._invocations = invocations
        self._made: dict[Place, _Made] = {}
        self._settled: dict[tuple[str, str, bool], tuple[str, tuple[tuple[int, int], ...]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """Something may have changed; what has is done in the background."""
        wishes = read_wishes(self._read)
        wanted: Counter[Place] = Counter()
        versions: dict[Place, VersionRow] = {}
        for wish in wishes:
            for number, count in wish.shares:
                version = find_version(self._read, wish.function, number)
                if version is not None:
                    wanted[wish.function.arn, number] += count
                    versions[wish.function.arn, number] = version
        for place in [place for place in self._made if place not in wanted]:
            gone = self._made.pop(place)
            gone.task.cancel()
            self._invocations.release(gone.version)
            self._begin(self._invocations.provision(gone.version, 0))
        for place, count in wanted.items():
            made = self._made.get(place)
            if made is None or (made.count, made.version.fingerprint) != (count, versions[place].fingerprint):
                if made is not None:
                    made.task.cancel()
                version = versions[place]
                self._made[place] = _Made(version, count, self._begin(self._invocations.provision(version, count)))
        configured = {wish.key for wish in wishes}
        self._settled = {key: said for key, said in self._settled.items() if key in configured}
        for wish in wishes:
            said = (wish.stamp, wish.shares)
            if self._settled.get(wish.key) != said:
                self._settled[wish.key] = said
                self._begin(self._settle(wish))

    async def close(self) -> None:
        """Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.warning("provisioned concurrency: %s", error)

        task.add_done_callback(ended)
        return task

    async def _settle(self, wish: Wish) -> None:
        """Wait for the environments of a wish, and write down how it went."""
        if not wish.scaling:
            await self._control.run(_progress(wish, {"Status": "IN_PROGRESS", "Ready": 0}))
        made = [self._made.get((wish.function.arn, number)) for number, _ in wish.shares]
        tasks = [found.task for found in made if found is not None]
        reason = None
        for task in tasks:
            await asyncio.wait([task])
            if task.cancelled():
                return  # a later look has begun anew
            if (error := task.exception()) is not None:
                reason = _reason(error)
        ready = 0 if reason else sum(count for _, count in wish.shares)
        if wish.scaling:
            if reason is None:
                ((number, _),) = wish.shares
                await self._control.run(lambda db: apply(db, wish.function.id, number, wish.stamp))
            return
        status = {"Status": "FAILED", "StatusReason": reason} if reason else {"Status": "READY"}
        await self._control.run(_progress(wish, {**status, "Ready": ready}))


def _reason(error: BaseException) -> str:
    if isinstance(error, FnError) and INIT_FAILED in str(error):
        return INIT_FAILED
    return str(error)


def _progress(wish: Wish, news: Mapping[str, Any]) -> Callable[[sqlite3.Connection], object]:
    """Write `news` into the row, if it is still the one of this wish."""

    def write(db: sqlite3.Connection) -> None:
        value = find(db, wish.function.id, wish.qualifier)
        if value is not None and value["Stamp"] == wish.stamp:
            value.pop("StatusReason", None)
            save(db, wish.function.id, wish.qualifier, {**value, **news})

    return write
