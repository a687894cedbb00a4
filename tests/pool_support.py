"""Environments that only keep books, and a pool over them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from fnroll.emulator.policy import Account, Key
from fnroll.emulator.pool import Pool
from fnroll.emulator.slots import Slot
from fnroll.emulator.turns import acquire

A, A2, B = Key("a", "1", "r1"), Key("a", "1", "r2"), Key("b", "1", "r1")


@dataclass(eq=False)
class Fake:
    """`stuck`: its close does not end before the event is set."""

    usable: bool = True
    events: list[str] = field(default_factory=list)
    stuck: asyncio.Event | None = None
    frozen: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def freeze(self) -> None:
        self.events.append("freeze")
        self.frozen.set()

    async def close(self) -> None:
        self.events.append("close")
        self.closed.set()
        if self.stuck is not None:
            await self.stuck.wait()


def pool(maximum: int = 2, idle_seconds: float = 1000, account: Account | None = None, **options: Any) -> Pool:
    return Pool(maximum, idle_seconds, asyncio.get_running_loop().time, account=account, **options)


async def started(pool: Pool, key: Key, lanes: int = 1) -> Slot:
    """A slot with a new environment in it; it must be one that has to be started."""
    slot = await acquire(pool, key, lanes)
    assert slot.environment is None
    slot.environment = Fake()
    pool.opened(slot)
    return slot


def fake(slot: Slot) -> Fake:
    assert isinstance(slot.environment, Fake)
    return slot.environment


def asked(pool: Pool, key: Key, lanes: int = 1) -> asyncio.Task[Slot]:
    return asyncio.ensure_future(acquire(pool, key, lanes))


async def rounds(count: int = 5) -> None:
    """Let everything happen that needs no time."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)
