"""When things become visible to the event loop in the worst order: the test plays the runtime and chooses it."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from emulator_support import REQUEST_ID, Puppet, PuppetHost, event, function
from fnroll.emulator import Emulator, Outcome
from fnroll.errors import EmulatorError
from pool_support import rounds

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
RESPONSE = (
    f"POST /2018-06-01/runtime/invocation/{REQUEST_ID}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ndone"
).encode()


async def begun(host: PuppetHost) -> tuple[Puppet, socket.socket]:
    """A runtime that has got its event."""
    puppet = await host.made.get()
    connection = puppet.connect()
    connection.sendall(NEXT)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_recv(connection, 65536)
    return puppet, connection


def test_what_was_printed_is_in_the_log_though_the_answer_is_seen_first(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> Outcome:
        host = PuppetHost()
        emulator = await Emulator.open(host=host)
        call = asyncio.ensure_future(emulator.invoke(config, event("{}")))
        puppet, connection = await begun(host)
        connection.sendall(RESPONSE)  # the loop sees this first, both in one round
        puppet.prints("before the answer\nunfinished")
        outcome = await call
        connection.close()
        await emulator.close()
        return outcome

    assert asyncio.run(main()).log.decode().splitlines()[1:3] == ["before the answer", "unfinished"]


def test_an_answer_on_a_connection_not_yet_accepted_comes_before_the_exit(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> Outcome:
        host = PuppetHost()
        emulator = await Emulator.open(host=host)
        call = asyncio.ensure_future(emulator.invoke(config, event("{}")))
        puppet, connection = await begun(host)
        with puppet.connect() as another:
            another.sendall(RESPONSE)
            puppet.exits(1)
            outcome = await call
        connection.close()
        await emulator.close()
        return outcome

    assert asyncio.run(main()).payload == b"done"


@pytest.mark.parametrize("rounds", range(7))
def test_a_runtime_that_ends_while_it_asks_is_an_exit_error_in_any_order(tmp_path: Path, rounds: int) -> None:
    config = function(tmp_path, timeout=2)

    async def play(host: PuppetHost) -> None:
        while True:
            puppet = await host.made.get()
            with puppet.connect() as connection:
                connection.setblocking(False)
                connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                await asyncio.get_running_loop().sock_recv(connection, 65536)
                puppet.exits(1)
                for _ in range(rounds):
                    await asyncio.sleep(0)
                connection.sendall(NEXT)
                while puppet.output >= 0:
                    await asyncio.sleep(0.001)

    async def main() -> Outcome:
        host = PuppetHost()
        emulator = await Emulator.open(host=host)
        player = asyncio.ensure_future(play(host))
        outcome = await emulator.invoke(config, event("{}"))
        player.cancel()
        await emulator.close()
        return outcome

    assert json.loads(asyncio.run(main()).payload)["errorType"] == "Runtime.ExitError"


def test_a_good_answer_is_told_before_its_outcome_and_to_the_runtime_last(tmp_path: Path) -> None:
    config = function(tmp_path)
    told: list[object] = []

    async def main() -> bytes:
        host = PuppetHost()
        emulator = await Emulator.open(host=host)
        with_early = event("{}", early=lambda payload, version: told.append((payload, version)))
        done = asyncio.get_running_loop().create_future()

        def over(what: Outcome | Exception) -> None:
            told.append(what)
            done.set_result(None)

        emulator.begin(config, with_early, over)
        _, connection = await begun(host)
        connection.sendall(RESPONSE)
        await done
        answer = await asyncio.get_running_loop().sock_recv(connection, 65536)
        connection.close()
        await emulator.close()
        return answer

    answer = asyncio.run(main())
    assert answer.startswith(b"HTTP/1.1 202")
    assert told[0] == (b"done", "$LATEST")
    assert isinstance(told[1], Outcome)
    assert len(told) == 2


def test_an_error_is_told_with_its_outcome_alone(tmp_path: Path) -> None:
    config = function(tmp_path)
    early: list[bytes] = []

    async def main() -> Outcome:
        host = PuppetHost()
        emulator = await Emulator.open(host=host)
        given = event("{}", early=lambda payload, version: early.append(payload))
        call = asyncio.ensure_future(emulator.invoke(config, given))
        _, connection = await begun(host)
        connection.sendall(RESPONSE.replace(b"/response", b"/error"))
        outcome = await call
        connection.close()
        await emulator.close()
        return outcome

    assert asyncio.run(main()).function_error == "Unhandled"
    assert early == []


def test_a_warm_invocation_costs_no_task(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> tuple[set[object], list[object]]:
        host = PuppetHost()
        emulator = await Emulator.open(host=host)
        first = asyncio.ensure_future(emulator.invoke(config, event("{}")))
        _, connection = await begun(host)
        loop = asyncio.get_running_loop()
        connection.sendall(RESPONSE)
        await first
        await loop.sock_recv(connection, 65536)
        connection.sendall(NEXT)
        await rounds()
        before, told, done = asyncio.all_tasks(), list[object](), loop.create_future()
        emulator.begin(config, event("{}"), lambda what: (told.append(what), done.set_result(None)))
        await loop.sock_recv(connection, 65536)
        more = asyncio.all_tasks() - before
        connection.sendall(RESPONSE)
        await done
        connection.close()
        await emulator.close()
        return set(more), told

    more, told = asyncio.run(main())
    assert not more
    assert isinstance(told[0], Outcome)


@pytest.mark.parametrize("when", ["while it waits for its turn", "while it runs"])
def test_a_call_that_is_cancelled_is_told_once_and_takes_its_environment_along(tmp_path: Path, when: str) -> None:
    config = function(tmp_path)

    async def main() -> tuple[list[object], int]:
        host = PuppetHost()
        emulator = await Emulator.open(host=host, max_environments=1)
        loop, told = asyncio.get_running_loop(), list[object]()
        first = asyncio.ensure_future(emulator.invoke(config, event("{}")))
        _, connection = await begun(host)
        if when == "while it runs":
            connection.sendall(RESPONSE)
            await first
            await loop.sock_recv(connection, 65536)
            connection.sendall(NEXT)
            await rounds()
        call = emulator.begin(config, event("{}"), told.append)
        call.cancel()
        call.cancel()
        if when != "while it runs":
            connection.sendall(RESPONSE)
            await first
        connection.close()
        await emulator.close()
        return told, host.made.qsize()

    told, more = asyncio.run(main())
    assert len(told) == 1
    assert isinstance(told[0], EmulatorError)
    assert more == 0
