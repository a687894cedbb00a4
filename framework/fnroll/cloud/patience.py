"""Requests that never end: whoever sends half a one and no more is told, and the connection is free again.

The port is looked over from time to time, which costs a request nothing. A head has to be whole by the second look, a
body must have grown since the last one; what is being answered may take as long as it likes, and idle connections stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

SECONDS: Final = 30.0
"""Between two looks."""


class Connection(Protocol):
    def unfinished(self) -> tuple[int, int] | None: ...

    def give_up(self) -> None: ...


class Patience:
    """Lives on the event loop. `connections`: those that are open now."""

    def __init__(self, connections: Callable[[], Iterable[Connection]]) -> None:
        self._connections = connections
        self._seen: dict[Connection, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self, seconds: float = SECONDS) -> None:
        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                self.look()

        self._task = asyncio.get_running_loop().create_task(run())

    def look(self) -> None:
        """Give up every request that is as it was the last time."""
        before, self._seen = self._seen, {}
        for connection in list(self._connections()):
            how_far = connection.unfinished()
            if how_far is None:
                continue
            if before.get(connection) == how_far:
                connection.give_up()
            else:
                self._seen[connection] = how_far

    async def close(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
