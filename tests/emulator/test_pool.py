"""The pool over environments that only keep books: who gets which slot, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from fnroll.emulator.policy import Account, Key
from fnroll.emulator.slots import Slot
from fnroll.emulator.turns import acquire, fresh
from fnroll.errors import EmulatorError, InvocationThrottled
from pool_support import A2, A, B, Fake, asked, fake, pool, rounds, run, started


def test_last_in_first_out_and_frozen_in_between() -> None:
    async def main() -> None:
        one = pool()
        first, second = await started(one, A), await started(one, A)
        for each in (first, second):
            one.release(each, waiting=True)
            await fake(each).frozen.wait()
        assert await acquire(one, A) is second
        assert await acquire(one, A) is first
        await one.close()

    run(main())


def test_one_that_is_wanted_again_at_once_is_not_frozen() -> None:
    async def main() -> None:
        one = pool()
        slot, other = await started(one, A), await started(one, A)
        one.release(other, waiting=True)
        one.release(slot, waiting=True)
        assert await acquire(one, A) is slot
        await fake(other).frozen.wait()
        assert fake(slot).events == []
        await one.close()

    run(main())


def test_without_limits_nothing_is_frozen() -> None:
    async def main() -> None:
        one = pool()
        slot, other = await started(one, A), await started(one, A)
        slot.freezes = False
        one.release(slot, waiting=True)
        one.release(other, waiting=True)
        await fake(other).frozen.wait()
        assert fake(slot).events == []
        await one.close()

    run(main())


def test_a_freed_environment_goes_to_who_waits_at_once_and_unfrozen() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        slot = await started(one, A)
        waiting = [asked(one, A) for _ in range(3)]
        await rounds()
        for each in waiting:
            one.release(slot, waiting=False)
            one.settled(slot)
            await rounds()
            assert each.done()
            assert each.result() is slot
        assert fake(slot).events == []
        await one.close()

    run(main())


def test_those_who_wait_are_served_in_their_order_across_functions() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        held = await started(one, A)
        order: list[str] = []

        async def turn(name: str, key: Key) -> None:
            slot = await acquire(one, key)
            order.append(name)
            slot.environment = slot.environment or Fake()
            await asyncio.sleep(0)
            one.release(slot, waiting=True)

        tasks = []
        for name, key in [("a1", A), ("b1", B), ("a2", A), ("b2", B), ("b3", B)]:
            tasks.append(asyncio.ensure_future(turn(name, key)))
            await asyncio.sleep(0)
        one.release(held, waiting=True)
        await asyncio.gather(*tasks)
        await one.close()
        assert order == ["a1", "b1", "a2", "b2", "b3"]

    run(main())


def test_one_who_gives_up_leaves_the_queue_and_loses_nothing() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        held = await started(one, A)
        gone, stays = asked(one, A), asked(one, A)
        await rounds()
        gone.cancel()
        await rounds()
        one.release(held, waiting=True)
        assert await stays is held
        one.release(held, waiting=True)
        # handed over and cancelled in the same round: the slot comes back
        other = await acquire(one, A)
        late = asked(one, A)
        await rounds()
        one.release(other, waiting=True)
        late.cancel()
        await rounds()
        assert await acquire(one, A) is held
        # the same with one that would have had to be started
        fresh = asked(one, B)
        await rounds()
        one.discard(held)
        await fake(held).closed.wait()
        assert not fresh.done()
        fresh.cancel()
        await rounds()
        assert (await acquire(one, B)).environment is None
        await one.close()

    run(main())


def test_idle_environments_give_way_one_for_each_who_waits_the_longest_idle_first() -> None:
    async def main() -> None:
        one = pool(maximum=3)
        idle = [await started(one, A) for _ in range(3)]
        for each in idle:
            one.release(each, waiting=True)
        waiting = [asked(one, B) for _ in range(2)]
        assert [(await each).environment for each in waiting] == [None, None]
        assert [fake(each).closed.is_set() for each in idle] == [True, True, False]
        assert await acquire(one, A) is idle[2]
        await one.close()

    run(main())


def test_a_dead_environment_is_closed_and_not_handed_out() -> None:
    async def main() -> None:
        one = pool()
        dead = await started(one, A)
        one.release(dead, waiting=True)
        fake(dead).usable = False
        fresh = await acquire(one, A)
        assert fresh is not dead
        assert fresh.environment is None
        await fake(dead).closed.wait()
        await one.close()

    run(main())


def test_one_that_dies_on_its_way_to_who_waits_costs_him_nothing_but_the_time() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        slot = await started(one, A)
        first, second = asked(one, A), asked(one, A)
        await rounds()
        one.release(slot, waiting=True)
        fake(slot).usable = False
        fresh = await first
        assert fresh.environment is None
        assert not second.done()
        fresh.environment = Fake()
        one.release(fresh, waiting=True)
        assert await second is fresh
        await one.close()

    run(main())


def test_one_that_will_not_be_closed_keeps_its_room_for_a_while_only() -> None:
    async def main() -> None:
        one = pool(maximum=1, patience=0.01)
        slot = await started(one, A)
        fake(slot).stuck = asyncio.Event()
        one.discard(slot)
        assert (await acquire(one, A)).environment is None
        fake(slot).stuck.set()
        await one.close()

    run(main())


def test_one_that_settles_goes_to_who_waits_for_it() -> None:
    async def main() -> None:
        one = pool(maximum=9)
        slot = await started(one, A)
        one.release(slot, waiting=False)
        waiting = asked(one, A)
        await rounds()
        assert not waiting.done()
        assert (await acquire(one, A)).environment is None  # one that settles serves one who waits
        one.settled(slot)
        assert await waiting is slot
        assert fake(slot).events == []
        await one.close()

    run(main())


def test_one_that_does_not_settle_in_time_is_waited_for_no_longer() -> None:
    async def main() -> None:
        one = pool(maximum=9)
        slot = await started(one, A)
        one.release(slot, waiting=False)
        fresh = await acquire(one, A)
        assert fresh is not slot
        one.settled(slot)
        assert await acquire(one, A) is slot
        await one.close()

    run(main())


def test_another_revision_retires_idle_environments_at_once_and_busy_ones_when_done() -> None:
    async def main() -> None:
        one = pool(maximum=9)
        idle, busy, settling = [await started(one, A) for _ in range(3)]
        one.release(idle, waiting=True)
        one.release(settling, waiting=False)
        new = await started(one, A2)
        await rounds()
        assert [fake(each).closed.is_set() for each in (idle, busy, settling)] == [True, False, False]
        one.release(busy, waiting=True)
        one.settled(settling)
        await rounds()
        assert [fake(each).closed.is_set() for each in (busy, settling)] == [True, True]
        one.release(new, waiting=True)
        await one.retire("a")
        assert fake(new).closed.is_set()
        assert (await acquire(one, A2)).environment is None
        await one.close()

    run(main())


def test_who_waits_for_a_revision_that_was_retired_is_still_served() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        slot = await started(one, A)
        late = asked(one, A)
        await rounds()
        newer = asked(one, A2)
        await rounds()
        one.release(slot, waiting=True)
        assert await late is slot
        one.release(slot, waiting=True)
        assert (await newer).environment is None
        assert fake(slot).closed.is_set()
        await one.close()

    run(main())


def test_idle_environments_are_closed_after_their_time() -> None:
    async def main() -> None:
        one = pool(2, 0.01)
        slot = await started(one, A)
        one.release(slot, waiting=True)
        await fake(slot).closed.wait()
        await one.close()

    run(main())


def test_too_quick_growth_is_refused_with_lambdas_reason() -> None:
    async def main() -> None:
        one = pool(9, account=Account(growth=2))
        first, _ = await started(one, A), await started(one, A)
        with pytest.raises(InvocationThrottled) as refused:
            await acquire(one, A)
        assert refused.value.reason == "ConcurrentInvocationLimitExceeded"
        one.release(first, waiting=True)
        assert await acquire(one, A) is first
        assert (await acquire(one, B)).environment is None
        await one.close()

    run(main())


def test_several_invocations_share_an_environment_that_takes_them() -> None:
    async def main() -> None:
        one = pool(maximum=2)
        slot = await acquire(one, A, 2)
        beside = asked(one, A, 2)
        await rounds()
        assert not beside.done()  # it is being started: counted on, not used
        slot.environment = Fake()
        one.opened(slot)
        assert await beside is slot
        other = await started(one, A, 2)
        waiting = [asked(one, A, 2) for _ in range(3)]
        await rounds()
        assert [each.done() for each in waiting] == [True, False, False]
        one.release(slot, waiting=False)
        assert await waiting[1] is slot
        fake(other).usable = False
        one.discard(other)
        assert (await waiting[2]).environment is None
        for _ in range(2):
            one.release(slot, waiting=False)
        assert await acquire(one, A, 2) is slot
        await one.close()

    run(main())


def test_a_provisioned_slot_neither_gives_way_nor_expires_and_its_loss_is_told() -> None:
    async def main() -> None:
        lost: list[Slot] = []
        one = pool(2, 0.001, lost=lost.append)
        slot = await fresh(one, A)
        slot.environment = Fake()
        one.release(slot, waiting=True)
        other = await started(one, B)
        waiting = asked(one, B)
        await rounds()
        assert not waiting.done()
        one.release(other, waiting=True)
        assert await waiting is other
        assert await acquire(one, A) is slot
        assert lost == []
        one.discard(slot)
        assert lost == [slot]
        await one.close()

    run(main())


def test_a_closed_pool_tells_those_who_wait_and_those_who_come() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        held = await started(one, A)
        waiting = asked(one, A)
        await rounds()
        await one.close()
        await one.close()
        with pytest.raises(EmulatorError):
            await waiting
        with pytest.raises(EmulatorError):
            await acquire(one, A)
        assert fake(held).events == ["close"]

    run(main())
