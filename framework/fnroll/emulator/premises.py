"""What an environment keeps while its sandboxes come and go: its /tmp, and the order in which they use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fnroll.emulator.instance import Instance
from fnroll.emulator.lifecycle import Reason
from fnroll.sandbox.api import SandboxHost, Scratch


class Premises:
    """Belongs to the event loop. One sandbox at a time is in: `scratch` waits until the last is out. `empty` is called
    when one is out that took its time."""

    def __init__(self, host: SandboxHost, tmp_mb: int, empty: Callable[[], None]) -> None:
        self._host = host
        self._tmp_mb = tmp_mb
        self._empty = empty
        self.busy = False
        """Whether one is on its way out that may take its time: its extensions have a say in it."""
        self._scratch: Scratch | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def scratch(self) -> Scratch:
        """The /tmp, when nobody uses it. Raises SandboxError."""
        await self.left()
        if self._scratch is None:
            self._scratch = await self._host.scratch(self._tmp_mb)
        return self._scratch

    def leave(self, instance: Instance, reason: Reason) -> None:
        """Shut it down in the background; from now on it tells nothing."""
        instance.abandon()
        self.busy = self.busy or instance.extended
        self._leaving = asyncio.get_running_loop().create_task(self._stop(instance, reason, self._leaving))

    async def close(self) -> None:
        """When everybody is out. Idempotent."""
        await self.left()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            await scratch.close()

    async def left(self) -> None:
        """Until everybody is out."""
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    async def _stop(self, instance: Instance, reason: Reason, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            await instance.stop(reason)
        finally:
            if self.busy:
                self.busy = False
                self._empty()
