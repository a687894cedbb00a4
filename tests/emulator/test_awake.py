"""How long the loop looks for the next event instead of sleeping, and when it does not."""

from __future__ import annotations

import asyncio

import pytest

from fnroll.emulator.awake import MOMENT, Awake


class Watch:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


async def round_() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_it_looks_for_a_moment_after_each_event() -> None:
    async def main() -> None:
        watch = Watch()
        awake = Awake(1, watch)
        seen = []
        for happen in (awake.begin, awake.end):
            happen()
            await round_()
            seen.append(awake.looking)
            watch.now += MOMENT * 0.9
            await round_()
            seen.append(awake.looking)
            watch.now += MOMENT * 0.2
            await round_()
            seen.append(awake.looking)
        assert seen == [True, True, False] * 2

    asyncio.run(main())


@pytest.mark.parametrize(("most", "running", "looks"), [(0, 1, False), (1, 1, True), (1, 2, False), (3, 3, True)])
def test_only_where_a_cpu_is_left(most: int, running: int, looks: bool) -> None:
    async def main() -> None:
        awake = Awake(most, Watch())
        for _ in range(running):
            awake.begin()
        await round_()
        assert awake.looking == looks

    asyncio.run(main())


def test_nothing_looks_that_never_began() -> None:
    async def main() -> None:
        awake = Awake(1, Watch())
        await round_()
        assert not awake.looking

    asyncio.run(main())
