"""How an init may come to nothing, and whether it is tried again within its invocation. Pure.

Source: facts 2.4, 2.5. An init that exits or posts an error is tried once more, in the invocation, and that is that;
one that a signal ends there is tried until the function's time is up (a segmentation fault is Sandbox.Timedout).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fnroll.emulator.api import Status
from fnroll.emulator.faults import EXIT, Fault
from fnroll.emulator.runtime_api import InitError
from fnroll.sandbox.api import Exit

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries of an init that crashes: each twice as long as the one before."""


@dataclass(frozen=True, slots=True)
class InitFailure:
    """Why an init came to nothing: what the runtime posted, or what the platform saw, or both; neither: time was up.
    `how`: the runtime's end, if it has ended."""

    posted: InitError | None = None
    fault: Fault | None = None
    how: Exit | None = None

    @property
    def status(self) -> Status:
        return "error" if self.posted or self.fault else "timeout"

    @property
    def error_type(self) -> str | None:
        if self.posted is not None:
            return self.posted.error_type
        return (self.fault.reported or self.fault.type) if self.fault else None

    @property
    def crash(self) -> bool:
        """Whether a signal ended it that nobody sent for a reason."""
        if self.posted is not None or self.fault is None or self.fault.type != EXIT or self.how is None:
            return False
        return self.how.signal is not None and not self.how.oom


def pause_after(tries: int) -> float:
    """Seconds, after so many tries."""
    return float(min(FIRST_PAUSE * 2.0 ** min(tries - 1, 10), LONGEST_PAUSE))
