"""What invocations count: Lambda's metrics, gathered by the minute as AWS does. No moto here, and nothing that waits.

`Meter` is written on the event loop, one dictionary look-up and a few additions an invocation, and read on other
threads, which copy what they look at. Each invocation is counted once, under its finest dimensions; the coarser series
of AWS (function and resource, function, all functions) are sums made when somebody reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fnroll.cloud.names import Home

NAMESPACE: Final = "AWS/Lambda"
KEPT_SECONDS: Final = 15 * 86_400
"""How long AWS keeps points of a minute."""
MAX_ROWS: Final = 20_000
"""Minutes times resources that are kept; the oldest minutes go first."""

UNITS: Final[Mapping[str, str]] = {
    "Duration": "Milliseconds",
    "AsyncEventAge": "Milliseconds",
    "IteratorAge": "Milliseconds",
    "ProvisionedConcurrencyUtilization": "None",
}
"""The others are Count."""


@dataclass(slots=True)
class Datum:
    """Values of one metric in one minute. `values` counts them at three significant digits, for percentiles."""

    count: float = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    values: dict[float, float] = field(default_factory=dict)

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        if value < self.least:
            self.least = value
        if value > self.most:
            self.most = value
        near = float(f"{value:.3g}")
        self.values[near] = self.values.get(near, 0) + 1

    def merge(self, other: Datum) -> None:
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        for value, count in dict(other.values).items():
            self.values[value] = self.values.get(value, 0) + count


class Resource(NamedTuple):
    """Whom a count is for. `qualifier` as the caller gave it; `executed`: the version, of an alias's invocations."""

    home: Home
    function: str
    qualifier: str | None = None
    executed: str | None = None


class Point(NamedTuple):
    """One minute of one series. `minute` in epoch seconds."""

    minute: int
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    datum: Datum


Row = dict[str, Datum]


class Meter:
    """Counts. `clock` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rows: dict[tuple[int, Resource], Row] = {}
        self._running: dict[tuple[Home, str], int] = {}
        self._all: dict[Home, int] = {}

    def enter(self, home: Home, function: str) -> tuple[float, int, int]:
        """An invocation begins: when, and how many of its function and of its home run now, itself included."""
        key = (home, function)
        mine = self._running[key] = self._running.get(key, 0) + 1
        total = self._all[home] = self._all.get(home, 0) + 1
        return self._clock(), mine, total

    def leave(self, home: Home, function: str) -> None:
        key = (home, function)
        self._running[key] -= 1
        self._all[home] -= 1
        if not self._running[key]:
            del self._running[key]

    def add(self, resource: Resource, values: Mapping[str, float], at: float | None = None) -> None:
        """Count values by metric, at the time `at` (default: now)."""
        minute = int(self._clock() if at is None else at) // 60 * 60
        row = self._rows.get((minute, resource))
        if row is None:
            row = self._row(minute, resource)
        for metric, value in values.items():
            datum = row.get(metric)
            if datum is None:
                datum = row[metric] = Datum()
            datum.add(value)

    def _row(self, minute: int, resource: Resource) -> Row:
        oldest = minute - KEPT_SECONDS
        while self._rows:
            first = next(iter(self._rows))
            if first[0] >= oldest and len(self._rows) < MAX_ROWS:
                break
            del self._rows[first]
        row = self._rows[minute, resource] = {}
        return row

    def points(self, home: Home) -> list[Point]:
        """Every series of an account in a region, with AWS's dimensions."""
        merged: dict[tuple[int, str, tuple[tuple[str, str], ...]], Datum] = {}
        for (minute, resource), row in list(self._rows.items()):
            if resource.home != home:
                continue
            for name, datum in list(row.items()):
                metric = "ConcurrentExecutions" if name == ALL_RUNNING else name
                for dimensions in _series(resource):
                    # How many run of all functions is a figure of its own: a sum would be of different moments.
                    if metric == "ConcurrentExecutions" and (name == ALL_RUNNING) != (not dimensions):
                        continue
                    merged.setdefault((minute, metric, dimensions), Datum()).merge(datum)
        return [Point(*key, datum) for key, datum in merged.items()]


ALL_RUNNING: Final = "*"
"""The name under which `add` takes how many run of all functions."""


def _series(resource: Resource) -> Iterator[tuple[tuple[str, str], ...]]:
    """The dimensions that one count is published with: facts/release.md 3.2, and AWS's page on Lambda's metrics."""
    name = ("FunctionName", resource.function)
    at = ("Resource", f"{resource.function}:{resource.qualifier}" if resource.qualifier else resource.function)
    yield ()
    yield (name,)
    yield (name, at)
    if resource.executed is not None:
        yield (name, at, ("ExecutedVersion", resource.executed))
