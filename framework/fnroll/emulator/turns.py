"""Waiting for a slot of the pool with `await`. A caller who is cancelled gives back what he was given meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial

from fnroll.emulator.policy import Key
from fnroll.emulator.pool import Pool
from fnroll.emulator.slots import Slot, Waiter


async def acquire(pool: Pool, key: Key, lanes: int = 1) -> Slot:
    """As `Pool.ask`. Raises InvocationThrottled, and EmulatorError if the pool is closed."""
    turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
    return await _turn(pool, turn, pool.ask(key, lanes, partial(_tell, pool, turn)))


async def fresh(pool: Pool, key: Key, lanes: int = 1) -> Slot:
    """As `Pool.ask_fresh`. Raises EmulatorError if the pool is closed."""
    turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
    slot = await _turn(pool, turn, pool.ask_fresh(key, lanes, partial(_tell, pool, turn)))
    slot.provisioned = True
    return slot


async def _turn(pool: Pool, turn: asyncio.Future[Slot], waiter: Waiter) -> Slot:
    try:
        return await turn
    except asyncio.CancelledError:
        pool.give_up(waiter)
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            pool.release(turn.result(), waiting=True)
        raise


def _tell(pool: Pool, turn: asyncio.Future[Slot], what: Slot | Exception) -> None:
    if turn.done():  # its caller was cancelled in this very round
        if isinstance(what, Slot):
            pool.release(what, waiting=True)
    elif isinstance(what, Slot):
        turn.set_result(what)
    else:
        turn.set_exception(what)
