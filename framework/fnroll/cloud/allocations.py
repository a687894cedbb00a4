"""How much of provisioned concurrency is in use, for Lambda's metrics of it. No I/O; lives on the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Use(NamedTuple):
    """Of a version with provisioned concurrency, as one of its invocations begins: how many run, that one included, and
    how many environments are ready."""

    running: int
    allocated: int

    def figures(self, provisioned: bool) -> Mapping[str, float]:
        """What the invocation counts. `provisioned`: whether it ran in one of these environments, or spilled over."""
        used = min(self.running, self.allocated)
        return {
            "ProvisionedConcurrencyInvocations": 1 if provisioned else 0,
            "ProvisionedConcurrencySpilloverInvocations": 0 if provisioned else 1,
            "ProvisionedConcurrentExecutions": used,
            "ProvisionedConcurrencyUtilization": used / self.allocated,
        }


class Allocations:
    """By a function's ARN and the version. `any`: whether there is one at all."""

    def __init__(self) -> None:
        self.any = False
        self._allocated: dict[tuple[str, str], int] = {}
        self._running: dict[tuple[str, str], int] = {}

    def set(self, arn: str, version: str, count: int) -> None:
        if count:
            self._allocated[arn, version] = count
        else:
            self._allocated.pop((arn, version), None)
        self.any = bool(self._allocated)

    def enter(self, arn: str, version: str) -> Use | None:
        """An invocation begins; None if nothing is provisioned for it, and then it does not leave either."""
        allocated = self._allocated.get((arn, version))
        if allocated is None:
            return None
        running = self._running[arn, version] = self._running.get((arn, version), 0) + 1
        return Use(running, allocated)

    def leave(self, arn: str, version: str) -> None:
        self._running[arn, version] -= 1
        if not self._running[arn, version]:
            del self._running[arn, version]
