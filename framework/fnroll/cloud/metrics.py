"""What invocations count: Lambda's metrics, gathered by the minute as AWS does. No moto here, and nothing that waits.

`Meter` is written on the event loop, one dictionary look-up and a few additions an invocation, and read on other
threads, which copy what they look at. Each invocation is counted once, under its finest dimensions; the coarser series
of AWS (function and resource, function, all functions) are sums made when somebody reads. What a minute held is packed
when it is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from fnroll.cloud.metric_values import Datum, Row, pack, packed_names, unpack
from fnroll.cloud.names import Home, home_of

NAMESPACE: Final = "AWS/Lambda"
KEPT_SECONDS: Final = 15 * 86_400
"""How long AWS keeps points of a minute."""
MAX_ROWS: Final = 20_000
"""Minutes times resources that are kept; the oldest minutes go first."""
MAX_BYTES: Final = 6 << 20
"""Of packed rows, which are larger the more different durations there were."""
MAX_RESOURCES: Final = 2_000

ALL_RUNNING: Final = "*"
"""The name under which `add` takes how many run of all functions."""
OF_REGION: Final[Mapping[str, str]] = {
    ALL_RUNNING: "ConcurrentExecutions",
    "UnreservedConcurrentExecutions": "UnreservedConcurrentExecutions",
}
"""What is a figure of the region as a whole, by the name that it is added under."""


class Resource(NamedTuple):
    """Whom a count is for. `qualifier` as the caller gave it; `executed`: the version, of an alias's invocations.
    `source`: the UUID of an event source mapping, whose own count it is then."""

    home: Home
    function: str
    qualifier: str | None = None
    executed: str | None = None
    source: str | None = None


Dimensions = tuple[tuple[str, str], ...]


class Point(NamedTuple):
    """One minute of one series. `minute` in epoch seconds."""

    minute: int
    metric: str
    dimensions: Dimensions
    datum: Datum


class Wanted(NamedTuple):
    """One series, from a minute on until before another. `dimensions` in the order of their names."""

    metric: str
    dimensions: Dimensions
    begin: float
    end: float


class Entered(NamedTuple):
    """An invocation that has begun: when, and how many run with it of its function, of its home, and of those without
    reserved concurrency; None if its own is reserved."""

    began: float
    mine: int
    all: int
    unreserved: int | None


class Meter:
    """Counts. `clock` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._rows: dict[tuple[int, Resource], Row | bytes] = {}
        self._open: deque[tuple[int, Resource]] = deque()
        """Keys of rows that are not packed; some may have been dropped meanwhile."""
        self._packed = 0
        self._resources: dict[Resource, Resource] = {}
        """So that the rows of one resource name one object."""
        self._running: dict[tuple[Home, str], int] = {}
        self._all: dict[Home, int] = {}
        self._unreserved: dict[Home, int] = {}
        self._reserved: set[tuple[Home, str]] = set()

    def now(self) -> float:
        return self._clock()

    def reserve(self, arn: str, reserved: bool) -> None:
        """Whether a function has concurrency of its own from now on."""
        key = (home_of(arn), arn.rpartition(":")[2])
        (self._reserved.add if reserved else self._reserved.discard)(key)

    def enter(self, home: Home, function: str) -> Entered:
        key = (home, function)
        mine = self._running[key] = self._running.get(key, 0) + 1
        total = self._all[home] = self._all.get(home, 0) + 1
        unreserved = None
        if key not in self._reserved:
            unreserved = self._unreserved[home] = self._unreserved.get(home, 0) + 1
        return Entered(self._clock(), mine, total, unreserved)

    def leave(self, home: Home, function: str, entered: Entered) -> None:
        key = (home, function)
        self._running[key] -= 1
        self._all[home] -= 1
        if entered.unreserved is not None:
            self._unreserved[home] -= 1
        if not self._running[key]:
            del self._running[key]

    def add(self, resource: Resource, values: Mapping[str, float], at: float | None = None) -> None:
        """Count values by metric, at the time `at` (default: now)."""
        minute = int(self._clock() if at is None else at) // 60 * 60
        row = self._rows.get((minute, resource))
        if type(row) is not dict:
            row = self._opened(minute, resource, row)
        for metric, value in values.items():
            datum = row.get(metric)
            if datum is None:
                datum = row[metric] = Datum()
            datum.add(value)

    def _opened(self, minute: int, resource: Resource, packed: Row | bytes | None) -> Row:
        """A row to count in: a new one, or one that was packed, for an invocation that took longer than a minute."""
        self._pack_two(minute)
        if isinstance(packed, bytes):
            self._packed -= len(packed)
            row = unpack(packed)
        else:
            self._make_room(minute - KEPT_SECONDS)
            row = {}
        key = (minute, self._resources.setdefault(resource, resource))
        if len(self._resources) > MAX_RESOURCES:
            self._resources.clear()
        self._rows[key] = row
        self._open.append(key)
        return row

    def _pack_two(self, minute: int) -> None:
        """Two rows of minutes that are over: as each new row does so, no minute's end is a stop for all."""
        for _ in range(2):
            if not self._open or self._open[0][0] >= minute:
                return
            key = self._open.popleft()
            row = self._rows.get(key)
            if isinstance(row, dict):
                data = self._rows[key] = pack(row)
                self._packed += len(data)

    def _make_room(self, oldest: int) -> None:
        while self._rows:
            first = next(iter(self._rows))
            if first[0] >= oldest and len(self._rows) < MAX_ROWS and self._packed < self._max_bytes:
                return
            gone = self._rows.pop(first)
            if isinstance(gone, bytes):
                self._packed -= len(gone)

    def points(self, home: Home, wanted: Wanted | None = None) -> list[Point]:
        """The points of one series, or of every series of the region, with AWS's dimensions."""
        merged: dict[tuple[int, str, Dimensions], Datum] = {}
        for (minute, resource), kept in list(self._rows.items()):
            if resource.home != home or (wanted is not None and not _concerns(wanted, minute, resource)):
                continue
            row = unpack(kept) if isinstance(kept, bytes) else kept
            for name, datum in list(row.items()):
                for metric, dimensions in _published(resource, name):
                    if wanted is None or (metric, dimensions) == wanted[:2]:
                        merged.setdefault((minute, metric, dimensions), Datum()).merge(datum)
        return [Point(*key, datum) for key, datum in merged.items()]

    def series(self, home: Home) -> list[tuple[str, Dimensions]]:
        """Metric and dimensions of everything that has a point."""
        found: dict[tuple[str, Dimensions], None] = {}
        for (_, resource), kept in list(self._rows.items()):
            if resource.home == home:
                for name in packed_names(kept) if isinstance(kept, bytes) else list(kept):
                    found.update(dict.fromkeys(_published(resource, name)))
        return list(found)


def _concerns(wanted: Wanted, minute: int, resource: Resource) -> bool:
    return wanted.begin <= minute < wanted.end and wanted.dimensions in _series(resource)


@lru_cache(maxsize=4096)
def _published(resource: Resource, name: str) -> tuple[tuple[str, Dimensions], ...]:
    """The series that one count goes into."""
    if name in OF_REGION:
        return ((OF_REGION[name], ()),)
    # How many run of all functions is a figure of its own: a sum would be of different moments.
    without_total = name in OF_REGION.values()
    return tuple((name, dimensions) for dimensions in _series(resource) if dimensions or not without_total)


@lru_cache(maxsize=4096)
def _series(resource: Resource) -> tuple[Dimensions, ...]:
    """The dimensions that one count is published with, each in the order of their names: facts/release.md 3.2,
    and AWS's page on Lambda's metrics."""
    if resource.source is not None:
        return ((("EventSourceMappingUUID", resource.source),),)
    name = ("FunctionName", resource.function)
    at = ("Resource", f"{resource.function}:{resource.qualifier}" if resource.qualifier else resource.function)
    made: tuple[Dimensions, ...] = ((), (name,), (name, at))
    if resource.executed is not None:
        made += ((("ExecutedVersion", resource.executed), name, at),)
    return made
