"""The programs of one sandbox as they run: what they print, and how they end. Mechanism only.

What a program said (on an API, on its output) before it ended is told before its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fnroll.emulator.output import Output
from fnroll.sandbox.api import Exit, Process


class Programs:
    """Belongs to the event loop. After `close` nothing more is told."""

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._tasks: list[asyncio.Task[None]] = []

    def follow(self, process: Process, printed: Callable[[str], None], ended: Callable[[Exit], None]) -> None:
        """Tell each line that it prints, and its end."""
        self._outputs.append(Output(process.output, printed))
        self.run(self._watch(process, ended))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """In the background, until `close`."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _watch(self, process: Process, ended: Callable[[Exit], None]) -> None:
        how = await process.wait()
        await told()
        self.drain()
        ended(how)

    def drain(self) -> None:
        """Tell every line printed before now."""
        for output in self._outputs:
            output.drain()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for output in self._outputs:
            output.close()


async def told() -> None:
    """What a program sent before its end is in our sockets by now, in one that is not accepted yet at worst: three
    rounds of the event loop accept, read and tell."""
    for _ in range(3):
        await asyncio.sleep(0)


async def ends(processes: Iterable[Process], limit: float) -> bool:
    """Whether all end within `limit` seconds."""
    waits = [asyncio.ensure_future(process.wait()) for process in processes]
    if not waits:
        return True
    _, late = await asyncio.wait(waits, timeout=max(0.0, limit))
    for wait in late:
        wait.cancel()
    return not late
