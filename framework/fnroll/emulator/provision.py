"""Provisioned concurrency: so many environments of a version, initialised before anybody invokes it.

What is provisioned is never closed for being idle or for room; one that is lost is replaced. Past it, invocations spill
over to environments on demand. Source: facts 2.7 and 2.10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from fnroll.emulator.api import FunctionConfig
from fnroll.emulator.policy import Key, Ledger
from fnroll.emulator.pool import Pool
from fnroll.emulator.slots import Slot
from fnroll.emulator.turns import fresh
from fnroll.errors import EmulatorError, FnError

INIT_FAILED: Final = "FUNCTION_ERROR_INIT_FAILURE"
"""Lambda's StatusReason for a version whose init fails."""

_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0


@dataclass(slots=True, eq=False)
class _Provision:
    """What was asked for, and the slots that are there. `starting`: a task for each that is on its way."""

    config: FunctionConfig
    key: Key
    count: int = 0
    slots: set[Slot] = field(default_factory=set)
    starting: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def missing(self) -> int:
        return self.count - len(self.slots) - len(self.starting)


class Provisioner:
    """Belongs to the event loop. `start` starts an environment in a slot and says whether its init succeeded."""

    def __init__(self, pool: Pool, ledger: Ledger, start: Callable[[FunctionConfig, Slot], Awaitable[bool]]) -> None:
        self._pool = pool
        self._ledger = ledger
        self._start = start
        self._provisions: dict[tuple[str, str], _Provision] = {}  # by ARN and version

    async def provision(self, config: FunctionConfig, count: int) -> None:
        """Keep `count` of exactly this configuration; returns when they are initialised. Raises EmulatorError where one
        cannot be: then those that can be are there, and the others are tried again."""
        key = Key(config.arn, config.version, config.revision)
        asked = self._provisions.get(key[:2])
        others = sum(one.count for one in self._provisions.values()) - (asked.count if asked else 0)
        if others + count >= self._pool.maximum:
            raise EmulatorError(
                f"{others + count} provisioned environments leave no room for others",
                where=config.arn,
                hint=f"this machine's bound is {self._pool.maximum} environments (max_environments)",
            )
        if asked is None or asked.key != key:
            asked = self._provisions[key[:2]] = _Provision(config, key)
        asked.count = count
        self._ledger.provision(config.arn, config.version, count)
        for slot in tuple(asked.slots)[: max(0, len(asked.slots) - count)]:
            asked.slots.discard(slot)
            self._pool.dismiss(slot)
        if not count:
            del self._provisions[key[:2]]
        for _ in range(asked.missing):
            self._begin(asked)
        if asked.starting:
            ended, _ = await asyncio.wait(tuple(asked.starting))
            for task in ended:
                if task.cancelled():
                    raise EmulatorError("the emulator was closed before its environments were ready", where=config.arn)
                task.result()

    def _begin(self, asked: _Provision, delay: float = 0.0) -> None:
        """Start one in the background; where it fails, another after a while."""

        def ended(task: asyncio.Task[None]) -> None:
            asked.starting.discard(task)
            if not task.cancelled() and isinstance(task.exception(), FnError):
                self._begin_later(asked, min(2 * delay or _FIRST_RETRY, _LONGEST_RETRY))

        task = asyncio.get_running_loop().create_task(self._one(asked))
        asked.starting.add(task)
        task.add_done_callback(ended)

    def _begin_later(self, asked: _Provision, delay: float) -> None:
        def begin() -> None:
            if asked.missing > 0 and self._provisions.get(asked.key[:2]) is asked:
                self._begin(asked, delay)

        asyncio.get_running_loop().call_later(delay, begin)

    async def _one(self, asked: _Provision) -> None:
        slot = await fresh(self._pool, asked.key, asked.config.concurrency)
        try:
            ready = await self._start(asked.config, slot)
        except BaseException:
            self._pool.discard(slot)
            raise
        if not ready:
            self._pool.discard(slot)
            raise EmulatorError(f"a provisioned environment failed to initialise: {INIT_FAILED}", where=asked.key.arn)
        self._pool.opened(slot)
        if len(asked.slots) < asked.count:
            asked.slots.add(slot)
        else:  # fewer are wanted meanwhile
            self._pool.dismiss(slot)
        self._pool.release(slot, waiting=True)

    def lost(self, slot: Slot) -> None:
        """A provisioned slot is closing; for the pool to call. A retired one is not replaced."""
        asked = self._provisions.get(slot.key[:2])
        if asked is not None and slot in asked.slots:
            asked.slots.discard(slot)
            if not slot.retired and asked.missing > 0:
                self._begin(asked)

    def retire(self, arn: str) -> None:
        """Nothing of the function is provisioned any more; the pool closes what is."""
        for name in [name for name in self._provisions if name[0] == arn]:
            asked = self._provisions.pop(name)
            asked.count = 0
            self._ledger.provision(*name, 0)

    async def close(self) -> None:
        """Start nothing any more. Idempotent."""
        under_way = {task for asked in self._provisions.values() for task in asked.starting}
        self._provisions.clear()
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
