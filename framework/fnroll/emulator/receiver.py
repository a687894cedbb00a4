"""Whom an environment tells: its owner, and who waits for an outcome, with `await` or by a callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fnroll.emulator.api import Outcome

Done = Callable[[Outcome | Exception], None]
"""Gets the outcome of an invocation, or why there is none, once."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom to tell. `ready`: it could take another event, some time after an answer."""

    ready: Callable[[], None]


class Receiver:
    """One at a time. Nobody waits at first, and after `tell`."""

    __slots__ = ("_done", "outcome")

    def __init__(self) -> None:
        self._done: Done | None = None
        self.outcome: asyncio.Future[Outcome] | None = None
        """Of the last who waited with `await`."""

    def wait(self) -> asyncio.Future[Outcome]:
        self.outcome = asyncio.get_running_loop().create_future()
        return self.outcome

    def call(self, done: Done) -> None:
        self._done = done

    def tell(self, what: Outcome | Exception | None) -> None:
        """Nothing, for None and where nobody waits. Who is called may begin the next invocation at once."""
        if what is None:
            return
        if self._done is not None:
            done, self._done = self._done, None
            done(what)
        elif self.outcome is not None and not self.outcome.done():
            if isinstance(what, Outcome):
                self.outcome.set_result(what)
            else:
                self.outcome.set_exception(what)
                self.outcome.exception()  # nobody may be waiting any more
