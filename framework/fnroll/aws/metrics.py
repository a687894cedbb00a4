"""The verb on CloudWatch's metrics: GetMetricData by exact dimensions, a value a minute and series.

Streams are asked for by name and never discovered: ListMetrics may not know a new one for fifteen minutes (facts
(release) 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fnroll.aws.errors import border

PERIOD: Final = 60
"""Seconds of a point."""

MAX_QUERIES: Final = 500


@dataclass(frozen=True, slots=True)
class Query:
    """One series. `id` begins with a small letter; `stat`: Sum, p95, TC(120:) and the like."""

    id: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    stat: str = "Sum"


@dataclass(frozen=True, slots=True)
class Points:
    """`series`: id of a query -> begin of a minute in epoch seconds -> value; a minute without data is not there.
    `complete`: whether CloudWatch gave all it has."""

    series: Mapping[str, Mapping[int, float]]
    complete: bool


def read_metrics(client: Any, queries: Sequence[Query], begin: int, end: int, *, period: int = PERIOD) -> Points:
    """GetMetricData from `begin` to before `end` (epoch seconds): one call, unless the answer has further pages.

    `client` is CloudWatch's. Raises AwsError, NoCredentials.
    """
    asked = [_asked(query, period) for query in queries]
    bounds = {"StartTime": datetime.fromtimestamp(begin, UTC), "EndTime": datetime.fromtimestamp(end, UTC)}
    series: dict[str, dict[int, float]] = {query.id: {} for query in queries}
    complete, more = True, dict[str, str]()
    while True:
        with border("GetMetricData", queries[0].namespace):
            answer = client.get_metric_data(
                MetricDataQueries=asked, ScanBy="TimestampAscending", MaxDatapoints=100_800, **bounds, **more
            )
        for result in answer["MetricDataResults"]:
            found = series[result["Id"]]
            for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                found[int(zoned.timestamp())] = float(value)
            # A page that more follow is PartialData too; what the last page says is what counts.
            complete = complete and (result.get("StatusCode", "Complete") == "Complete" or "NextToken" in answer)
        if not answer.get("NextToken"):
            return Points(series, complete)
        more = {"NextToken": answer["NextToken"]}


def _asked(query: Query, period: int) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions.items()]
    metric = {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions}
    return {"Id": query.id, "MetricStat": {"Metric": metric, "Period": period, "Stat": query.stat}, "ReturnData": True}
