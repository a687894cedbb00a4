"""Asynchronous invocations: answered once queued, delivered in the background, retried by a clock of the test's own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cloud_support import Failure, FakeEmulator, client, echo, make, served
from fnroll.cloud.control import Control
from fnroll.cloud.events import EventQueue
from fnroll.cloud.invoke import Invocations, Request
from fnroll.cloud.names import DEFAULT_ACCOUNT, FunctionRef, Home
from fnroll.cloud.state import State
from fnroll.cloud.store import Store
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.errors import InvocationThrottled, SandboxError

HELLO = FunctionRef(Home(DEFAULT_ACCOUNT, "us-east-1"), "hello", None)


class ManualClock:
    """Time moves only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.slept = asyncio.Event()

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        self.slept.set()
        await future

    async def next_sleep(self) -> float:
        """Wait until somebody sleeps, move to when the first of them wakes; seconds that took."""
        await self.slept.wait()
        self.slept.clear()
        self._sleepers = [item for item in self._sleepers if not item[1].done()]
        due = min(when for when, _ in self._sleepers)
        passed, self.now = due - self.now, due
        for when, future in self._sleepers:
            if when <= due and not future.done():
                future.set_result(None)
        return passed


class Bench:
    """A queue over a real state directory that holds the function hello."""

    def __init__(self, directory: Path, fake: FakeEmulator) -> None:
        if not (directory / "cloud.db").exists():
            with served(directory) as (endpoint, _):
                make(client(endpoint))
        self.directory, self.fake = directory, fake

    async def run(self, test: Callable[[EventQueue, ManualClock, State], Awaitable[None]]) -> None:
        state = State(self.directory)
        store = Store(self.directory)
        control = Control(state, store, lambda bucket, key, version: b"")
        clock = ManualClock()
        queue = EventQueue(state.read, control, Invocations(state.read, store, self.fake, 1), clock)
        queue.start()
        try:
            await test(queue, clock, state)
        finally:
            await queue.close()
            control.close()
            state.close()


def queued(read: sqlite3.Connection) -> int:
    return int(read.execute("SELECT COUNT(*) FROM event").fetchone()[0])


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_an_event_is_answered_202_and_delivered(lambda_: Any, fake: FakeEmulator, up: Any) -> None:
    make(lambda_)
    answer = lambda_.invoke(FunctionName="hello", InvocationType="Event", Payload=b'{"n":1}')
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert "ExecutedVersion" not in answer
    request_id = answer["ResponseMetadata"]["RequestId"]
    asyncio.run(asyncio.wait_for(until(lambda: bool(fake.seen)), 30))
    ((_, invocation),) = fake.seen
    assert (invocation.payload, invocation.request_id) == (b'{"n":1}', request_id)


def test_a_failing_event_is_tried_three_times_with_one_request_id(tmp_path: Path) -> None:
    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    fake = FakeEmulator(fail)

    async def test(queue: EventQueue, clock: ManualClock, state: State) -> None:
        await queue.put(Request(HELLO, b"1", "the-id"))
        assert await clock.next_sleep() == 60.0
        assert await clock.next_sleep() == 120.0
        await until(lambda: queued(state.read) == 0)

    asyncio.run(asyncio.wait_for(Bench(tmp_path, fake).run(test), 30))
    assert [call.request_id for _, call in fake.seen] == ["the-id"] * 3


def test_a_success_on_the_second_try_is_the_end(tmp_path: Path) -> None:
    attempts: list[str] = []

    def second(config: FunctionConfig, invocation: Invocation) -> Any:
        attempts.append(invocation.request_id)
        if len(attempts) == 1:
            raise Failure("not yet")
        return None

    async def test(queue: EventQueue, clock: ManualClock, state: State) -> None:
        await queue.put(Request(HELLO, b"1", "the-id"))
        await clock.next_sleep()
        await until(lambda: queued(state.read) == 0)

    asyncio.run(asyncio.wait_for(Bench(tmp_path, FakeEmulator(second)).run(test), 30))
    assert attempts == ["the-id"] * 2


@pytest.mark.parametrize(
    "error", [InvocationThrottled("ConcurrentInvocationLimitExceeded"), SandboxError("no sandbox on this machine")]
)
def test_what_is_refused_or_cannot_run_here_is_tried_ever_later_until_it_is_six_hours_old(
    tmp_path: Path, error: Exception
) -> None:
    def refuse(config: FunctionConfig, invocation: Invocation) -> Any:
        raise error

    waits: list[float] = []

    async def test(queue: EventQueue, clock: ManualClock, state: State) -> None:
        began = clock.now
        await queue.put(Request(HELLO, b"1", "the-id"))
        while queued(state.read):
            sleeping = asyncio.ensure_future(clock.next_sleep())
            gone = asyncio.ensure_future(until(lambda: queued(state.read) == 0))
            await asyncio.wait([sleeping, gone], return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                waits.append(sleeping.result())
            for task in (sleeping, gone):
                task.cancel()
        assert clock.now - began <= 21_600

    asyncio.run(asyncio.wait_for(Bench(tmp_path, FakeEmulator(refuse)).run(test), 60))
    assert waits[:11] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    assert set(waits[11:]) == {300.0}
    assert sum(waits) + 300 > 21_600


def test_an_event_for_a_function_that_is_gone_is_dropped(tmp_path: Path) -> None:
    fake = FakeEmulator()

    async def test(queue: EventQueue, clock: ManualClock, state: State) -> None:
        await queue.put(Request(FunctionRef(Home(DEFAULT_ACCOUNT, "us-east-1"), "gone", None), b"1", "a"))
        await queue.put(Request(HELLO, b"2", "b"))
        await until(lambda: queued(state.read) == 0)

    asyncio.run(asyncio.wait_for(Bench(tmp_path, fake).run(test), 30))
    assert [call.request_id for _, call in fake.seen] == ["b"]


def test_what_was_queued_survives_a_restart(tmp_path: Path) -> None:
    class Hanging(FakeEmulator):
        async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Any:
            self.seen.append((config, invocation))
            await asyncio.Event().wait()

    hanging, working = Hanging(), FakeEmulator(echo)

    async def first(queue: EventQueue, clock: ManualClock, state: State) -> None:
        await queue.put(Request(HELLO, b"1", "the-id", '{"c":1}'))
        await until(lambda: bool(hanging.seen))

    async def second(queue: EventQueue, clock: ManualClock, state: State) -> None:
        await until(lambda: queued(state.read) == 0)

    asyncio.run(asyncio.wait_for(Bench(tmp_path, hanging).run(first), 30))
    asyncio.run(asyncio.wait_for(Bench(tmp_path, working).run(second), 30))
    ((_, again),) = working.seen
    assert (again.request_id, again.payload, again.client_context) == ("the-id", b"1", '{"c":1}')


def test_many_events_are_all_delivered(tmp_path: Path) -> None:
    fake = FakeEmulator()

    async def test(queue: EventQueue, clock: ManualClock, state: State) -> None:
        await asyncio.gather(*(queue.put(Request(HELLO, b"%d" % n, str(n))) for n in range(50)))
        await until(lambda: queued(state.read) == 0)

    asyncio.run(asyncio.wait_for(Bench(tmp_path, fake).run(test), 30))
    assert sorted(int(call.request_id) for _, call in fake.seen) == list(range(50))
