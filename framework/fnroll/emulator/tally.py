"""What is counted for an environment's invocations: init times, peak memory. They become a Report's figures here.

No I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fnroll.emulator import lines
from fnroll.emulator.api import FunctionConfig, Report, Status


class Ending(NamedTuple):
    """How an invocation ended, after how many milliseconds; `platform`: whether it was the platform that found the
    error."""

    status: Status
    error_type: str | None
    platform: bool
    spent_ms: float


@dataclass(slots=True)
class Tally:
    """`init_ms` and `failed_ms`: of an init phase that succeeded or failed, until an invocation has paid for it.
    `peak`: the most memory that the sandbox has used, in bytes."""

    init_ms: float | None = None
    failed_ms: float = 0.0
    peak: int = 0

    def init(self, spent_ms: float, *, failed: bool) -> None:
        """The init phase has ended."""
        if failed:
            self.failed_ms = spent_ms
        else:
            self.init_ms = spent_ms

    def used(self, peak: int) -> None:
        if peak > self.peak:
            self.peak = peak

    def report(self, config: FunctionConfig, ending: Ending) -> Report:
        """The figures of an invocation, which pays for what init has cost. Never more memory than there is: what the
        kernel let pass for a moment is told as the limit."""
        init_ms, self.init_ms = self.init_ms, None
        failed_ms, self.failed_ms = self.failed_ms, 0.0
        used = -(-self.peak >> 20)
        return Report(
            duration_ms=round(ending.spent_ms, 2),
            billed_ms=lines.billed_ms(ending.spent_ms, init_ms or failed_ms),
            memory_mb=config.memory_mb,
            max_memory_mb=min(used, config.memory_mb) if config.limits else used,
            init_ms=None if init_ms is None else round(init_ms, 2),
            status=ending.status,
            error_type=ending.error_type,
            platform_error=ending.platform,
        )
