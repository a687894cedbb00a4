"""Which environment takes an invocation: the policy as a table, and the pool over environments that only keep books."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from fnroll.emulator.pool import Decision, Key, Phase, Pool, Slot, Verb, decide, expired, outdated
from fnroll.errors import EmulatorError

A, A2, B = Key("a", "1", "r1"), Key("a", "1", "r2"), Key("b", "1", "r1")
BUSY, SETTLING, IDLE, CLOSING = Phase.BUSY, Phase.SETTLING, Phase.IDLE, Phase.CLOSING


def slot(key: Key, phase: Phase, since: float = 0, *, retired: bool = False) -> Slot:
    return Slot(key, phase, since, retired)


@pytest.mark.parametrize(
    ("slots", "maximum", "settle", "verb", "chosen"),
    [
        ([], 2, True, Verb.START, None),
        ([slot(A, IDLE)], 2, True, Verb.REUSE, 0),
        ([slot(A, IDLE, 1), slot(A, IDLE, 3), slot(A, IDLE, 2)], 9, True, Verb.REUSE, 1),
        ([slot(A2, IDLE), slot(B, IDLE)], 3, True, Verb.START, None),
        ([slot(A, BUSY)], 2, True, Verb.START, None),
        ([slot(A, SETTLING)], 2, True, Verb.SETTLE, 0),
        ([slot(A, SETTLING)], 2, False, Verb.START, None),
        ([slot(A, SETTLING), slot(A, IDLE)], 2, True, Verb.REUSE, 1),
        ([slot(A, SETTLING, retired=True)], 2, True, Verb.START, None),
        ([slot(A, IDLE, retired=True)], 2, True, Verb.START, None),
        ([slot(B, IDLE, 5), slot(A2, IDLE, 4)], 2, True, Verb.EVICT, 1),
        ([slot(B, IDLE, 5), slot(B, CLOSING)], 2, True, Verb.WAIT, None),
        ([slot(A, BUSY), slot(B, BUSY)], 2, True, Verb.WAIT, None),
        ([slot(A, CLOSING)], 1, True, Verb.WAIT, None),
    ],
    ids=[
        "nothing-there", "idle", "used-last", "others-idle", "busy", "settling", "settling-but-waited-already",
        "idle-before-settling", "settling-but-retired", "idle-but-retired", "longest-idle-gives-way",
        "one-gives-way-at-a-time", "full", "closing-takes-room",
    ],
)  # fmt: skip
def test_policy(slots: list[Slot], maximum: int, settle: bool, verb: Verb, chosen: int | None) -> None:
    assert decide(A, slots, maximum, settle=settle) == Decision(verb, None if chosen is None else slots[chosen])


def test_a_settling_environment_is_waited_for_by_one() -> None:
    claimed = slot(A, SETTLING)
    loop = asyncio.new_event_loop()
    claimed.claim = loop.create_future()
    loop.close()
    assert decide(A, [claimed], 2, settle=True) == Decision(Verb.START)


def test_another_revision_of_the_same_version_is_outdated() -> None:
    others = [slot(A, IDLE), slot(B, IDLE), slot(Key("a", "2", "r1"), IDLE)]
    assert outdated(A2, others) == [others[0]]


def test_what_has_been_idle_long_enough_is_expired() -> None:
    slots = [slot(A, IDLE, 0), slot(A, IDLE, 6), slot(A, BUSY, 0)]
    assert expired(slots, 10, 5) == [slots[0]]


@dataclass(eq=False)
class Fake:
    usable: bool = True
    events: list[str] = field(default_factory=list)

    def freeze(self) -> None:
        self.events.append("freeze")

    async def close(self) -> None:
        self.events.append("close")


async def started(pool: Pool, key: Key) -> Slot:
    slot = await pool.acquire(key)
    assert slot.environment is None
    slot.environment = Fake()
    return slot


def pool(maximum: int = 2, idle_seconds: float = 1000) -> Pool:
    return Pool(maximum, idle_seconds, iter(range(10_000)).__next__)


async def rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_last_in_first_out_and_frozen_in_between() -> None:
    async def main() -> None:
        one = pool()
        first, second = await started(one, A), await started(one, A)
        for each in (first, second):
            one.release(each, waiting=True)
        assert [each.environment.events for each in (first, second)] == [["freeze"], ["freeze"]]
        assert await one.acquire(A) is second
        assert await one.acquire(A) is first
        await one.close()

    asyncio.run(main())


def test_those_who_wait_are_served_in_their_order_across_functions() -> None:
    async def main() -> list[str]:
        one = pool(maximum=1)
        held = await started(one, A)
        order: list[str] = []

        async def turn(name: str, key: Key) -> None:
            slot = await one.acquire(key)
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
        return order

    assert asyncio.run(main()) == ["a1", "b1", "a2", "b2", "b3"]


def test_one_who_gives_up_leaves_the_queue_and_loses_nothing() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        held = await started(one, A)
        gone, stays = (asyncio.ensure_future(one.acquire(A)) for _ in range(2))
        await rounds()
        gone.cancel()
        await rounds()
        one.release(held, waiting=True)
        assert await stays is held
        one.release(held, waiting=True)
        # handed over and cancelled in the same round: the slot comes back
        other = await one.acquire(A)
        late = asyncio.ensure_future(one.acquire(A))
        await rounds()
        one.release(other, waiting=True)
        late.cancel()
        await rounds()
        assert await one.acquire(A) is held
        await one.close()

    asyncio.run(main())


def test_a_dead_environment_is_closed_and_not_handed_out() -> None:
    async def main() -> None:
        one = pool()
        dead = await started(one, A)
        one.release(dead, waiting=True)
        dead.environment.usable = False
        fresh = await one.acquire(A)
        assert fresh is not dead
        assert fresh.environment is None
        await one.close()
        assert dead.environment.events == ["freeze", "close"]

    asyncio.run(main())


def test_one_that_settles_goes_to_who_waits_for_it() -> None:
    async def main() -> None:
        one = pool(maximum=9)
        slot = await started(one, A)
        one.release(slot, waiting=False)
        waiting = asyncio.ensure_future(one.acquire(A))
        await rounds()
        one.settled(slot)
        assert await waiting is slot
        assert slot.environment.events == []
        one.release(slot, waiting=False)
        waiting = asyncio.ensure_future(one.acquire(A))
        await rounds()
        one.ended(slot)
        assert (await waiting).environment is None
        await one.close()

    asyncio.run(main())


def test_one_that_does_not_settle_in_time_is_waited_for_no_longer() -> None:
    async def main() -> None:
        one = pool(maximum=9)
        slot = await started(one, A)
        one.release(slot, waiting=False)
        assert await one.acquire(A) is not slot
        one.settled(slot)
        assert await one.acquire(A) is slot
        await one.close()

    asyncio.run(main())


def test_another_revision_retires_idle_environments_at_once_and_busy_ones_when_done() -> None:
    async def main() -> None:
        one = pool(maximum=9)
        idle, busy = await started(one, A), await started(one, A)
        one.release(idle, waiting=True)
        new = await started(one, A2)
        await rounds()
        assert idle.environment.events == ["freeze", "close"]
        assert busy.environment.events == []
        one.release(busy, waiting=True)
        await rounds()
        assert busy.environment.events == ["close"]
        one.release(new, waiting=True)
        await one.retire("a")
        assert new.environment.events == ["freeze", "close"]
        await one.close()

    asyncio.run(main())


def test_idle_environments_are_closed_after_their_time() -> None:
    async def main() -> None:
        one = Pool(2, 0.01, asyncio.get_running_loop().time)
        slot = await started(one, A)
        closed = asyncio.Event()
        slot.environment.close = _setting(closed)
        one.release(slot, waiting=True)
        await closed.wait()
        await one.close()

    asyncio.run(main())


def _setting(event: asyncio.Event):
    async def close() -> None:
        event.set()

    return close


def test_a_closed_pool_tells_those_who_wait_and_those_who_come() -> None:
    async def main() -> None:
        one = pool(maximum=1)
        held = await started(one, A)
        waiting = asyncio.ensure_future(one.acquire(A))
        await rounds()
        await one.close()
        await one.close()
        with pytest.raises(EmulatorError):
            await waiting
        with pytest.raises(EmulatorError):
            await one.acquire(A)
        assert held.environment.events == ["close"]

    asyncio.run(main())
