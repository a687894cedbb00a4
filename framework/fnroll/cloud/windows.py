"""Tumbling windows of streams: which one a record is in, what a function is told of it, the state it hands on. Pure.

Source: Lambda's pages on stateful processing of Kinesis and DynamoDB streams.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from fnroll.cloud.source_events import Record, arrived

MAX_STATE: Final = 1 << 20
"""Bytes of state; past it a window is terminated early."""


@dataclass(slots=True)
class Window:
    """One that is open: from `start` until before `end`, in epoch seconds, and what its invocations have made of it."""

    start: float
    end: float
    state: Any = field(default_factory=dict)

    @property
    def too_large(self) -> bool:
        return len(json.dumps(self.state, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_STATE


def by_window(batch: Sequence[Record], seconds: float) -> Iterator[tuple[Window, list[Record]]]:
    """The records in their order, by fresh windows of that length; they begin at multiples of it."""
    for number, records in groupby(batch, lambda record: math.floor(arrived(record) / seconds)):
        yield Window(number * seconds, (number + 1) * seconds), list(records)


def told(window: Window, shard: str, arn: str, *, final: bool = False, early: bool = False) -> dict[str, Any]:
    """What the event says beside its records."""
    return {
        "window": {"start": _instant(window.start), "end": _instant(window.end)},
        "state": window.state,
        "shardId": shard,
        "eventSourceARN": arn,
        "isFinalInvokeForWindow": final,
        "isWindowTerminatedEarly": early,
    }


def state_of(payload: bytes) -> Any:
    """The state in an answer, which may be anything but null; None where there is none: the invocation has failed."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return said.get("state") if isinstance(said, dict) else None


def _instant(moment: float) -> str:
    """Whole seconds, but for windows that a fast clock makes shorter."""
    precision = "seconds" if moment == int(moment) else "milliseconds"
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
