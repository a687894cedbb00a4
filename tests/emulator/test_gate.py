"""The gate before inits: so many at a time, nobody behind one that hangs, no function behind another's crowd."""

from __future__ import annotations

import asyncio

import pytest

from fnroll.emulator.gate import Gate, Turn
from fnroll.errors import EmulatorError
from pool_support import A, B, rounds, run

FOREVER = 1000.0


def busy() -> float:
    return 0.0


def asked(gate: Gate, key=A) -> asyncio.Task[Turn]:
    return asyncio.ensure_future(gate.enter(key))


def test_so_many_at_a_time_in_the_order_in_which_they_came() -> None:
    async def main() -> None:
        gate = Gate(busy, 2, FOREVER)
        first, second = await gate.enter(A), await gate.enter(A)
        waiting = [asked(gate) for _ in range(3)]
        await rounds()
        assert [task.done() for task in waiting] == [False] * 3
        second.leave()
        second.leave()
        await rounds()
        assert [task.done() for task in waiting] == [True, False, False]
        first.leave()
        waiting[0].result().leave()
        await rounds()
        assert [task.done() for task in waiting] == [True] * 3

    run(main())


def test_one_that_takes_longer_than_a_moment_keeps_nobody_waiting() -> None:
    async def main() -> None:
        gate = Gate(busy, 1, 0.01)
        hangs = await gate.enter(A)
        second = await gate.enter(A)
        hangs.leave()  # much later: it frees nothing twice
        third = asked(gate)
        await rounds()
        assert not third.done()
        second.leave()
        (await third).leave()

    run(main())


def test_more_begin_while_there_is_cpu_to_spare() -> None:
    """They wait for something else, and nobody waits for them."""

    async def main() -> None:
        gate = Gate(lambda: 0.5, 1, FOREVER)
        turns = [await gate.enter(A) for _ in range(5)]
        for turn in turns:
            turn.leave()

    run(main())


def test_one_function_does_not_wait_behind_anothers_crowd() -> None:
    async def main() -> None:
        gate = Gate(busy, 2, FOREVER)
        turns = [await gate.enter(A), await gate.enter(A)]
        crowd = [asked(gate, A) for _ in range(50)]
        await rounds()
        single = asked(gate, B)
        await rounds()
        turns[0].leave()
        await rounds()
        assert single.done()
        assert not any(task.done() for task in crowd)
        single.result().leave()
        await rounds()
        assert [task.done() for task in crowd].count(True) == 1
        gate.close()
        await asyncio.gather(*crowd, return_exceptions=True)

    run(main())


def test_who_gives_up_takes_no_turn() -> None:
    async def main() -> None:
        gate = Gate(busy, 1, FOREVER)
        turn = await gate.enter(A)
        gone, late, stays = (asked(gate) for _ in range(3))
        await rounds()
        gone.cancel()
        turn.leave()
        await rounds()
        assert late.done()
        late.result().leave()
        (await stays).leave()

    run(main())


def test_who_waits_is_told_of_the_end() -> None:
    async def main() -> None:
        gate = Gate(busy, 1, FOREVER)
        await gate.enter(A)
        waiting = asked(gate)
        await rounds()
        gate.close()
        gate.close()
        with pytest.raises(EmulatorError, match="closed"):
            await waiting

    run(main())
