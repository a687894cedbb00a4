"""What invocations leave behind, shown by moto: their log lines in its CloudWatch Logs, their metrics in CloudWatch.

Log lines are put into moto's log groups before it answers a request for logs. Metrics are not put at all: moto's
CloudWatch is given a backend that reads the meter when it is asked, and that knows the statistics and the metric math
which moto does not (metric_queries.py). Beside others.py the one module that knows moto; everything here runs on its
threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from threading import RLock
from typing import Any, Final

from fnroll.cloud.logs import LogBuffer
from fnroll.cloud.metric_queries import QueryError, Series, evaluate, is_statistic, statistic
from fnroll.cloud.metric_values import UNITS, Datum
from fnroll.cloud.metrics import NAMESPACE, Dimensions, Meter, Point, Wanted
from fnroll.cloud.names import Home, home_of
from fnroll.cloud.triggers import Deliver, Invoke, triggering
from fnroll.emulator.api import LogLine

MAX_SHOWN: Final = 40_000_000
"""Bytes of log lines in moto, about seventy thousand lines."""

EACH: Final = 500
"""What moto needs for a line beside its text."""

LINES_AT_ONCE: Final = 5_000

_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


class Shown:
    """What moto was given of log lines. It keeps everything; here the oldest go once all cost more than `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cost = 0
        self._given: deque[tuple[Any, str, int, int]] = deque()

    def add(self, group: Any, stream: str, lines: int, cost: int) -> None:
        self._given.append((group, stream, lines, cost))
        self._cost += cost
        while self._cost > self._limit and len(self._given) > 1:
            group, stream, lines, cost = self._given.popleft()
            self._cost -= cost
            if (found := group.streams.get(stream)) is not None:
                del found.events[:lines]
                if not found.events:
                    del group.streams[stream]


@dataclass(slots=True)
class Watch:
    """The logs and metrics of one cloud."""

    logs: LogBuffer
    meter: Meter
    invoke: Invoke = lambda arn, event, trace: None
    """Who takes the events that other services send to functions."""
    deliver: Deliver = lambda target, event, home, rule, trace: None
    """Who takes those of rules."""
    subscribed: bool = False
    """Whether a log group has a subscription filter."""
    shown_lines: Shown = field(default_factory=lambda: Shown(MAX_SHOWN))
    _feeding: RLock = field(default_factory=RLock)
    """One at a time: moto does not look at its streams while others come and go."""

    @contextmanager
    def shown(self, service: str | None, trace: str | None) -> Iterator[None]:
        """Within it, moto answers with what this cloud has observed. `trace`: the header of X-Ray that it was called
        with."""
        token = _meter.set(self.meter)
        try:
            of_it = triggering(self.invoke, self.deliver, trace)
            with of_it, self._feeding if service == "logs" else nullcontext():
                if service == "logs":
                    self._feed()
                yield
                if service == "logs":
                    self.subscribed = _subscribed()
        finally:
            _meter.reset(token)

    def pump(self) -> None:
        """Put what waits where it belongs, though nobody asks."""
        with self.shown("logs", None):
            pass

    def _feed(self) -> None:
        lines = self.logs.take()
        while some := list(islice(lines, LINES_AT_ONCE)):
            _feed(some, self.shown_lines)


def _feed(lines: Iterable[LogLine], shown: Shown) -> None:
    from moto.logs.models import logs_backends

    def place(line: LogLine) -> tuple[Home, str, str]:
        return home_of(line.arn), line.group, line.stream

    # Streams interleave; the sort is stable, so each keeps its order.
    for (home, group, stream), some in groupby(sorted(lines, key=place), place):
        backend: Any = logs_backends[home.account][home.region]
        if group not in backend.groups:
            backend.create_log_group(group, {})
        backend.ensure_log_stream(group, stream)
        # moto refuses what is out of order, as a clock that was set back makes it.
        ordered = sorted(some, key=lambda line: line.timestamp_ms)
        events = [{"timestamp": line.timestamp_ms, "message": line.text} for line in ordered]
        backend.put_log_events(group, stream, events)
        shown.add(backend.groups[group], stream, len(events), sum(len(line.text) + EACH for line in ordered))


def _subscribed() -> bool:
    from moto.logs.models import logs_backends

    backends: list[Any] = [one for account in list(logs_backends.values()) for one in list(account.values())]
    return any(group.subscription_filters for one in backends for group in list(one.groups.values()))


def install() -> None:
    """Give moto's CloudWatch our backend. Before moto has made one of its own."""
    from moto.cloudwatch import models
    from moto.cloudwatch.exceptions import ValidationError

    class Backend(models.CloudWatchBackend):
        def get_all_metrics(self) -> list[Any]:
            return super().get_all_metrics() + self._observed(None)

        def _home(self) -> Home:
            return Home(self.account_id, self.region_name)

        def _observed(self, wanted: Wanted | None) -> list[Any]:
            meter = _meter.get()
            points = meter.points(self._home(), wanted) if meter is not None else []
            return [_as_moto(models, point) for point in points]

        def _find(self, namespace: str, wanted: Wanted) -> list[Any]:
            """Everything of one series, and some of others."""
            found = super().get_all_metrics()
            return found + self._observed(wanted) if namespace == NAMESPACE else found

        def get_filtered_metrics(self, metric_name: str, namespace: str, dimensions: list[dict[str, str]]) -> list[Any]:
            # moto's own looks at each point once for every series that it has found.
            meter = _meter.get()
            series = meter.series(self._home()) if meter is not None else []
            shown = [_as_moto(models, Point(0, metric, dimensions, Datum())) for metric, dimensions in series]
            found: dict[tuple[str, str, Dimensions], Any] = {}
            for each in super().get_all_metrics() + shown:
                if each.filter(namespace=namespace, name=metric_name, dimensions=dimensions):
                    found.setdefault((each.namespace, each.name, _dimensions(each)), each)
            return list(found.values())

        def get_metric_data(
            self,
            queries: list[dict[str, Any]],
            start_time: datetime,
            end_time: datetime,
            scan_by: str = "TimestampDescending",
        ) -> list[dict[str, Any]]:
            if any(query.get("Expression", "").startswith("SELECT") for query in queries):
                answer: list[dict[str, Any]] = super().get_metric_data(queries, start_time, end_time, scan_by)
                return answer
            if start_time >= end_time:
                raise ValidationError("The parameter EndTime must be greater than StartTime.")
            try:
                return answer_queries(queries, self._find, (start_time, end_time), scan_by)
            except QueryError as error:
                raise ValidationError(str(error)) from None

        def get_metric_statistics(
            self,
            namespace: str,
            metric_name: str,
            start_time: datetime,
            end_time: datetime,
            period: int,
            stats: list[str],
            dimensions: list[dict[str, str]],
            unit: str | None = None,
        ) -> list[Any]:
            # moto's own takes series with further dimensions for the one that is asked for.
            wanted = {"Namespace": namespace, "MetricName": metric_name, "Dimensions": dimensions}
            begin, end = _epoch(start_time), _epoch(end_time)
            found = []
            chosen = _chosen({"Metric": wanted, "Period": period, "Unit": unit}, self._find, begin, end)
            for moment, metrics in sorted(chosen.items()):
                one = models.Statistics(stats, datetime.fromtimestamp(moment, UTC), metrics[0].unit)
                one.metric_data = metrics
                found.append(one)
            return found

    # moto finds a backend's URLs beside its module.
    Backend.__module__ = models.__name__
    models.cloudwatch_backends.backend = Backend


Find = Callable[[str, Wanted], list[Any]]
"""What moto and the meter have of a series in a namespace, as moto's objects."""


def _as_moto(models: Any, point: Point) -> Any:
    datum = point.datum
    # moto's own times have no zone.
    moment = datetime.fromtimestamp(point.minute, UTC).replace(tzinfo=None)
    dimensions = [{"Name": name, "Value": value} for name, value in point.dimensions]
    unit = UNITS.get(point.metric, "Count")
    figures = (datum.least, datum.most, datum.count, datum.total)
    made = models.MetricAggregatedDatum(NAMESPACE, point.metric, *figures, dimensions, moment, unit)
    made.datum = datum
    return made


def answer_queries(
    queries: list[dict[str, Any]], find: Find, bounds: tuple[datetime, datetime], scan_by: str
) -> list[dict[str, Any]]:
    """GetMetricData. Periods begin at multiples of their length, and begin and end are rounded down to a minute, as
    CloudWatch's. Raises QueryError."""
    begin, end = (_epoch(moment) for moment in bounds)
    series: dict[str, Series] = {}
    length = 60
    for query in queries:
        if "MetricStat" in query:
            length = int(query["MetricStat"]["Period"])
            series[query["Id"]] = _series(query["MetricStat"], find, begin, end)
    periods = range(begin - begin % length, end, length)
    waiting = [query for query in queries if "MetricStat" not in query]
    for query in waiting:
        series[query["Id"]] = evaluate(query["Expression"], series, periods)
    results = []
    for query in queries:
        if not query.get("ReturnData", True):
            continue
        found = series[query["Id"]]
        order = sorted(found, reverse=scan_by != "TimestampAscending")
        results.append(
            {
                "id": query["Id"],
                "label": query.get("Label") or _label(query),
                "values": [found[key] for key in order],
                "timestamps": [datetime.fromtimestamp(key, UTC) for key in order],
                "status_code": "Complete",
            }
        )
    return results


def _label(query: dict[str, Any]) -> str:
    return str(query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"])


def _series(wanted: dict[str, Any], find: Find, begin: int, end: int) -> Series:
    if not is_statistic(wanted["Stat"]):
        raise QueryError(f"the statistic {wanted['Stat']} is not built in fn's local cloud")
    chosen = _chosen(wanted, find, begin, end)
    return {moment: statistic(wanted["Stat"], map(_as_datum, some)) for moment, some in chosen.items()}


def _chosen(wanted: dict[str, Any], find: Find, begin: int, end: int) -> dict[int, list[Any]]:
    """What lies in each period of one series, which its dimensions name exactly."""
    metric, length, unit = wanted["Metric"], int(wanted["Period"]), wanted.get("Unit")
    space, name = metric["Namespace"], metric["MetricName"]
    dimensions = tuple(sorted((each["Name"], each["Value"]) for each in metric.get("Dimensions") or []))
    begin -= begin % 60
    periods: dict[int, list[Any]] = {}
    for each in find(space, Wanted(name, dimensions, begin, end)):
        if (each.namespace, each.name) != (space, name) or (unit and unit != each.unit):
            continue
        if _dimensions(each) != dimensions:
            continue
        moment = _epoch(each.timestamp)
        if begin <= moment < end:
            periods.setdefault(moment - moment % length, []).append(each)
    return periods


def _dimensions(metric: Any) -> Dimensions:
    """In the order of their names, whoever gave them."""
    return tuple(sorted((one.name, one.value) for one in metric.dimensions))


def _as_datum(metric: Any) -> Datum:
    if (datum := getattr(metric, "datum", None)) is not None:
        assert isinstance(datum, Datum)
        return datum
    result = Datum()
    if hasattr(metric, "value"):
        result.add(metric.value)
        return result
    return Datum(metric.sample_count, metric.sum, metric.min, metric.max)


def _epoch(moment: datetime) -> int:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
