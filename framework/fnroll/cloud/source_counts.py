"""What an event source mapping counts: Lambda's own metrics of it, where its MetricsConfig asks for them, the age of
what a stream has, and deliveries that failed. Source: AWS's page on Lambda's metrics."""

from __future__ import annotations

from fnroll.cloud.metrics import Meter, Resource
from fnroll.cloud.sources import SourceRow


class SourceCounts:
    """`counts` of the mapping `row`."""

    def __init__(self, meter: Meter, row: SourceRow) -> None:
        self._meter = meter
        self._wanted = "EventCount" in row.config.get("MetricsConfig", {}).get("Metrics", ())
        self._mapping = Resource(row.ref.home, row.ref.name, source=row.uuid)
        self._function = Resource(row.ref.home, row.ref.name, row.ref.qualifier)

    def events(self, metric: str, number: int) -> None:
        if self._wanted and number:
            self._meter.add(self._mapping, {metric: number})

    def fed(self, number: int, failed: int) -> None:
        """A batch went to the function; so many of its events did not succeed."""
        self.events("InvokedEventCount", number)
        self.events("FailedInvokeEventCount", failed)

    def age(self, seconds: float) -> None:
        """Of the last record of a batch, as it is fed."""
        self._meter.add(self._function, {"IteratorAge": max(seconds, 0.0) * 1000})

    def undelivered(self) -> None:
        self._meter.add(self._function, {"DestinationDeliveryFailures": 1})
