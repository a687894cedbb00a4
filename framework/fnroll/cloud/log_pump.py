"""Log lines for subscription filters: where a log group has one, what functions log is put there unasked.

Without any, lines wait until somebody reads (logs.py).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from fnroll.cloud.clock import Clock
from fnroll.cloud.others import Others
from fnroll.cloud.watch import Watch

PAUSE: Final = 1.0
_log = logging.getLogger(__name__)


class LogPump:
    """Lives on the event loop; the work is done on moto's threads."""

    def __init__(self, others: Others, watch: Watch, clock: Clock) -> None:
        self._others = others
        self._watch = watch
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if self._watch.subscribed and not self._watch.logs.empty:
                try:
                    await self._others.run(self._watch.pump)
                except Exception:
                    _log.exception("log lines could not be put before their subscribers")
            await self._clock.sleep(PAUSE)
