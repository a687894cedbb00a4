"""What invocations leave behind, shown by moto: their log lines in its CloudWatch Logs, their metrics in CloudWatch.

Log lines are put into moto's log groups before it answers a request for logs. Metrics are not put at all: moto's
CloudWatch is given a backend that reads the meter when it is asked, and that knows the statistics and the metric math
which moto does not (metric_queries.py). Beside others.py the one module that knows moto; everything here runs on its
threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from threading import Lock
from typing import Any

from fnroll.cloud.logs import LogBuffer
from fnroll.cloud.metric_queries import QueryError, Series, evaluate, is_statistic, statistic
from fnroll.cloud.metrics import NAMESPACE, UNITS, Datum, Meter
from fnroll.cloud.names import Home, home_of
from fnroll.cloud.triggers import Deliver, Invoke, triggering
from fnroll.emulator.api import LogLine

_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@dataclass(slots=True)
class Watch:
    """The logs and metrics of one cloud."""

    logs: LogBuffer
    meter: Meter
    invoke: Invoke = lambda arn, event: None
    """Who takes the events that other services send to functions."""
    deliver: Deliver = lambda target, event, home, rule: None
    """Who takes those of rules."""
    _feeding: Lock = field(default_factory=Lock)

    @contextmanager
    def shown(self, service: str | None) -> Iterator[None]:
        """Within it, moto answers with what this cloud has observed."""
        if service == "logs":
            with self._feeding:
                _feed(self.logs)
        token = _meter.set(self.meter)
        try:
            with triggering(self.invoke, self.deliver):
                yield
        finally:
            _meter.reset(token)


def _feed(buffer: LogBuffer) -> None:
    from moto.logs.models import logs_backends

    def place(line: LogLine) -> tuple[Home, str, str]:
        return home_of(line.arn), line.group, line.stream

    # Streams interleave; the sort is stable, so each keeps its order.
    for (home, group, stream), lines in groupby(sorted(buffer.take(), key=place), place):
        backend: Any = logs_backends[home.account][home.region]
        if group not in backend.groups:
            backend.create_log_group(group, {})
        backend.ensure_log_stream(group, stream)
        # moto refuses what is out of order, as a clock that was set back makes it.
        ordered = sorted(lines, key=lambda line: line.timestamp_ms)
        events = [{"timestamp": line.timestamp_ms, "message": line.text} for line in ordered]
        backend.put_log_events(group, stream, events)


def install() -> None:
    """Give moto's CloudWatch our backend. Before moto has made one of its own."""
    from moto.cloudwatch import models
    from moto.cloudwatch.exceptions import ValidationError

    class Backend(models.CloudWatchBackend):
        def get_all_metrics(self) -> list[Any]:
            meter = _meter.get()
            points = meter.points(Home(self.account_id, self.region_name)) if meter is not None else []
            return super().get_all_metrics() + [_as_moto(models, point) for point in points]

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
                return answer_queries(queries, self.get_all_metrics(), (start_time, end_time), scan_by)
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
            chosen = _chosen({"Metric": wanted, "Period": period, "Unit": unit}, self.get_all_metrics(), begin, end)
            for moment, metrics in sorted(chosen.items()):
                one = models.Statistics(stats, datetime.fromtimestamp(moment, UTC), metrics[0].unit)
                one.metric_data = metrics
                found.append(one)
            return found

    # moto finds a backend's URLs beside its module.
    Backend.__module__ = models.__name__
    models.cloudwatch_backends.backend = Backend


def _as_moto(models: Any, point: Any) -> Any:
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
    queries: list[dict[str, Any]], metrics: list[Any], bounds: tuple[datetime, datetime], scan_by: str
) -> list[dict[str, Any]]:
    """GetMetricData. Periods begin at multiples of their length, and begin and end are rounded down to a minute, as
    CloudWatch's. Raises QueryError."""
    begin, end = (_epoch(moment) for moment in bounds)
    series: dict[str, Series] = {}
    length = 60
    for query in queries:
        if "MetricStat" in query:
            length = int(query["MetricStat"]["Period"])
            series[query["Id"]] = _series(query["MetricStat"], metrics, begin, end)
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


def _series(wanted: dict[str, Any], metrics: list[Any], begin: int, end: int) -> Series:
    if not is_statistic(wanted["Stat"]):
        raise QueryError(f"the statistic {wanted['Stat']} is not built in fn's local cloud")
    chosen = _chosen(wanted, metrics, begin, end)
    return {moment: statistic(wanted["Stat"], map(_as_datum, some)) for moment, some in chosen.items()}


def _chosen(wanted: dict[str, Any], metrics: list[Any], begin: int, end: int) -> dict[int, list[Any]]:
    """What lies in each period of one series, which its dimensions name exactly."""
    metric, length, unit = wanted["Metric"], int(wanted["Period"]), wanted.get("Unit")
    dimensions = sorted((each["Name"], each["Value"]) for each in metric.get("Dimensions") or [])
    periods: dict[int, list[Any]] = {}
    for each in metrics:
        if (each.namespace, each.name) != (metric["Namespace"], metric["MetricName"]) or (unit and unit != each.unit):
            continue
        if sorted((one.name, one.value) for one in each.dimensions) != dimensions:
            continue
        moment = _epoch(each.timestamp)
        if begin - begin % 60 <= moment < end:
            periods.setdefault(moment - moment % length, []).append(each)
    return periods


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
