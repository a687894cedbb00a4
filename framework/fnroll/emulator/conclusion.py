"""How an init or an invocation came out: why an init failed, and the figures of a report. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fnroll.emulator import lines
from fnroll.emulator.api import FunctionConfig, Report, Status
from fnroll.emulator.faults import Fault
from fnroll.emulator.runtime_api import InitError


@dataclass(frozen=True, slots=True)
class InitFailure:
    """Why an init came to nothing: what the runtime posted, or what the platform saw, or both; neither: time was up."""

    posted: InitError | None = None
    fault: Fault | None = None

    @property
    def status(self) -> Status:
        return "error" if self.posted or self.fault else "timeout"

    @property
    def error_type(self) -> str | None:
        if self.posted is not None:
            return self.posted.error_type
        return (self.fault.reported or self.fault.type) if self.fault else None


def report_of(
    config: FunctionConfig,
    duration_ms: float,
    init_ms: float | None,
    failed_ms: float,
    peak: int,
    status: Status,
    error_type: str | None,
    *,
    platform: bool,
) -> Report:
    """`init_ms`: of the init that this invocation pays for and REPORT names, `failed_ms`: of one that it only pays for;
    `peak` in bytes. What the kernel let pass above the limit for a moment is told as the limit."""
    used = math.ceil(peak / (1 << 20))
    return Report(
        duration_ms=round(duration_ms, 2),
        billed_ms=lines.billed_ms(duration_ms, init_ms or failed_ms),
        memory_mb=config.memory_mb,
        max_memory_mb=min(used, config.memory_mb) if config.limits else used,
        init_ms=None if init_ms is None else round(init_ms, 2),
        status=status,
        error_type=error_type,
        platform_error=platform,
    )
