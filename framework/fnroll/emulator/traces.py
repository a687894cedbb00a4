"""X-Ray's trace header, as Lambda hands it to a function, and the line that it adds to a report. Pure but for chance.

A header is `Root=…;Parent=…;Sampled=0|1`. Who calls may leave out all of it or its decision. A function with active
tracing samples whatever nobody has decided about (on AWS a part of it), and its own segment becomes the parent of what
it does; segments are sent nowhere here. Source: facts 2.1, 2.4.
"""

from __future__ import annotations

import time
from typing import Final

from fnroll.emulator.ids import new_hex

HEADER: Final = "x-amzn-trace-id"


def undecided() -> str:
    """A new header, of an invocation that comes without one."""
    drawn = new_hex(40)
    return f"Root=1-{int(time.time()):08x}-{drawn[:24]};Parent={drawn[24:]}"


def fresh(active: bool) -> str:
    """A new header with its decision, for the function. `active`: of its TracingConfig."""
    return f"{undecided()};Sampled={int(active)}"


def decided(header: str, active: bool) -> str:
    """The header for the function. `active`: of its TracingConfig."""
    fields = _fields(header)
    if "Sampled" not in fields:
        fields["Sampled"] = "1" if active else "0"
    if active and fields["Sampled"] == "1":
        fields["Parent"] = new_hex(16)
    return ";".join(f"{name}={value}" for name, value in fields.items())


def line(header: str | None) -> str:
    """What follows a report with active tracing; empty where nothing was sampled."""
    fields = _fields(header or "")
    if fields.get("Sampled") != "1":
        return ""
    return f"XRAY TraceId: {fields.get('Root', '')}\tSegmentId: {fields.get('Parent', '')}\tSampled: true\t"


def _fields(header: str) -> dict[str, str]:
    """By name, in their order."""
    parts = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, equals, value in parts if equals}
