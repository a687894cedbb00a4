"""The pool's fairness, by simulation: no function starves another, whoever calls, ends or dies in whatever order.

Time goes in rounds. In a round every invocation that was running when it began comes to its end, in an order that
Hypothesis chooses; a caller who is served calls again at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from fnroll.emulator.policy import Account, Key
from fnroll.emulator.pool import Pool
from fnroll.emulator.slots import Slot
from pool_support import Fake, asked, pool, rounds

UNLIMITED = Account(concurrency=10**6, growth=10**6)


def key(number: int) -> Key:
    return Key(f"function-{number}", "1", "r")


@dataclass(eq=False)
class Caller:
    """One that waits, or whose invocation runs. `round`: when it came."""

    function: int
    task: asyncio.Task[Slot]
    round: int


@dataclass
class Town:
    """A pool and everybody who calls."""

    pool: Pool
    waiting: dict[int, deque[Caller]] = field(default_factory=dict)
    running: list[Caller] = field(default_factory=list)
    round: int = 0
    longest: int = 0

    async def call(self, function: int) -> None:
        caller = Caller(function, asked(self.pool, key(function)), self.round)
        self.waiting.setdefault(function, deque()).append(caller)
        await self.look()

    async def look(self) -> None:
        """Who has been served? In each function the first who waits, before the second."""
        await rounds(8)
        for queue in self.waiting.values():
            served = [caller.task.done() for caller in queue]
            assert served == sorted(served, reverse=True), "served out of turn"
            while queue and queue[0].task.done():
                caller = queue.popleft()
                slot = caller.task.result()
                slot.environment = slot.environment or Fake()
                self.longest = max(self.longest, self.round - caller.round)
                self.running.append(caller)
        assert len({id(caller.task.result()) for caller in self.running}) == len(self.running) <= self.pool.maximum

    async def end(self, caller: Caller, how: str) -> None:
        self.running.remove(caller)
        slot = caller.task.result()
        match how:
            case "answer":
                self.pool.release(slot, waiting=True)
            case "settle":
                self.pool.release(slot, waiting=False)
                self.pool.settled(slot)
            case "die":
                self.pool.discard(slot)
            case "die idle":
                assert isinstance(slot.environment, Fake)
                self.pool.release(slot, waiting=True)
                slot.environment.usable = False
        await self.look()

    def holds(self, function: int) -> int:
        return sum(caller.function == function for caller in self.running)


ends = st.sampled_from(["answer", "answer", "settle", "die", "die idle"])


@settings(max_examples=60, deadline=None)
@given(
    maximum=st.integers(1, 5),
    callers=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    how=ends,
)
def test_nobody_waits_longer_than_everybody_takes_in_turn(maximum: int, callers: list[int], order, how: str) -> None:
    """With C callers, nobody waits more than C rounds for his turn, however few environments there are and however
    many callers another function has: in each round a caller of his own function is served, or one who came before."""

    async def main() -> None:
        town = Town(pool(maximum, account=UNLIMITED))
        everybody = [function for function, count in enumerate(callers) for _ in range(count)]
        order.shuffle(everybody)
        for function in everybody:
            await town.call(function)
        for _ in range(3 * len(everybody)):
            town.round += 1
            busy = list(town.running)
            order.shuffle(busy)
            for caller in busy:
                await town.end(caller, order.choice(["answer", how]))
                await town.call(caller.function)
        assert town.longest <= len(everybody)
        await town.pool.close()

    asyncio.run(main())


@settings(max_examples=40, deadline=None)
@given(maximum=st.integers(2, 8), functions=st.integers(2, 5), first=st.integers(0, 4), order=st.randoms())
def test_functions_that_all_want_everything_get_equal_shares(maximum: int, functions: int, first: int, order) -> None:
    """One function had the whole machine to itself; then the others come. Shares differ by one at most, and stay."""

    async def main() -> None:
        town = Town(pool(maximum, account=UNLIMITED))
        names = list(range(functions))
        names.insert(0, names.pop(first % functions))
        for function in names:
            for _ in range(2 * maximum):
                await town.call(function)
        for _ in range(3):
            for caller in order.sample(town.running, len(town.running)):
                await town.end(caller, "answer")
                await town.call(caller.function)
        shares = [town.holds(function) for function in names]
        assert sum(shares) == maximum
        if functions <= maximum:
            assert max(shares) - min(shares) <= 1
            before = {id(caller.task.result()) for caller in town.running}
            for caller in list(town.running):
                await town.end(caller, "answer")
                await town.call(caller.function)
            assert {id(caller.task.result()) for caller in town.running} == before, "a cold start for nothing"
        await town.pool.close()

    asyncio.run(main())


steps = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 3)),
    st.tuples(st.just("give up"), st.integers(0, 3)),
    st.tuples(ends, st.integers(0, 9)),
)


@settings(max_examples=100, deadline=None)
@given(maximum=st.integers(1, 4), script=st.lists(steps, max_size=60))
def test_whatever_happens_everybody_is_served_in_turn_and_room_is_never_lost(
    maximum: int, script: list[tuple[str, int]]
) -> None:
    async def main() -> None:
        town = Town(pool(maximum, account=UNLIMITED))
        for verb, number in script:
            if verb == "call":
                await town.call(number)
            elif verb == "give up":
                if queue := town.waiting.get(number):
                    queue.pop().task.cancel()
                    await town.look()
            elif town.running:
                await town.end(town.running[number % len(town.running)], verb)
            assert not any(town.waiting.values()) or len(town.running) == maximum, "somebody waits beside free room"
        while town.running:
            await town.end(town.running[0], "answer")
        assert not any(town.waiting.values())
        everything = [asked(town.pool, key(9)) for _ in range(maximum)]
        await rounds(8)
        assert all(task.done() for task in everything)
        await town.pool.close()

    asyncio.run(main())
