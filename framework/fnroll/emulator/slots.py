"""What the pool keeps its books in: slots, the shelves they stand on, and callers who wait. No behaviour."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from fnroll.emulator.policy import Key, Stake


class Phase(Enum):
    __hash__ = object.__hash__  # Enum's own is Python code, and these are looked up in every invocation

    BUSY = auto()
    SETTLING = auto()
    IDLE = auto()
    CLOSING = auto()


class Environment(Protocol):
    """What the pool asks of an environment."""

    @property
    def usable(self) -> bool: ...

    def freeze(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Waiter:
    """Who wants a slot on a shelf. `given` is called once: with the slot, or with why there is none."""

    shelf: Shelf = field(repr=False)
    since: float
    given: Callable[[Slot | Exception], None] = field(repr=False)
    gone: bool = False
    """It has been given something, or gave up."""

    def give(self, what: Slot | Exception) -> None:
        if not self.gone:
            self.gone = True
            self.given(what)


@dataclass(slots=True, eq=False)
class Shelf:
    """The environments of one key, and who waits for them. Of the dicts only the order of keys counts: last in, last.

    `promised`: places that others are giving up for those who wait here; `starting`: further lanes of those that their
    first callers are starting. `home`: where slots that are started for them
    belong: here, or for a shelf of provisioning, whose callers want nothing but new slots, the shelf of its key.
    """

    key: Key
    lanes: int
    home: Shelf | None = None
    slots: set[Slot] = field(default_factory=set)
    free: dict[Slot, None] = field(default_factory=dict)
    settling: dict[Slot, None] = field(default_factory=dict)
    queue: deque[Waiter] = field(default_factory=deque)
    promised: int = 0
    starting: int = 0
    retired: bool = False
    expiry: asyncio.TimerHandle | None = None

    @property
    def coming(self) -> int:
        """Lanes that will be free in a moment, without anybody's doing."""
        return len(self.settling) + self.promised + self.starting

    @property
    def stake(self) -> Stake:
        return Stake(len(self.slots) + self.promised, self.queue[0].since if self.queue else float("inf"))


@dataclass(slots=True, eq=False)
class Slot:
    """Room for one environment. `since`: when it came into its phase; `retired`: to be closed when nothing runs;
    `starting`: its further lanes are not open yet; `promised`: for whom it gives up its room; `takes_room`: it is not
    gone yet.
    """

    shelf: Shelf = field(repr=False)
    provisioned: bool = False
    freezes: bool = True
    phase: Phase = Phase.BUSY
    running: int = 1
    since: float = 0.0
    retired: bool = False
    starting: bool = True
    promised: Shelf | None = field(default=None, repr=False)
    takes_room: bool = True
    environment: Environment | None = None

    @property
    def key(self) -> Key:
        return self.shelf.key
