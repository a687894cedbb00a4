"""What Lambda refuses, and what is initialised ahead: through the emulator, over plain processes."""

from __future__ import annotations

import asyncio
import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from emulator_support import PuppetHost, function, opened
from fnroll.emulator import Account, Emulator
from fnroll.emulator.machine import raise_descriptor_limit
from fnroll.errors import EmulatorError, InvocationThrottled

WAIT = "select undef, undef, undef, 0.01"
HOLD = "select undef, undef, undef, 30"
PID = "respond($$)"


def test_past_its_reserved_concurrency_a_function_is_throttled(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path)
            invoke.emulator.reserve(config.arn, 1)
            await invoke(config, PID)
            held = asyncio.ensure_future(invoke(config, HOLD))
            await asyncio.sleep(0)
            with pytest.raises(InvocationThrottled) as refused:
                await invoke(config, PID)
            assert refused.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
            assert refused.value.message == "Rate Exceeded."
            held.cancel()
            await asyncio.wait({held})
            assert (await invoke(config, PID)).function_error is None

    asyncio.run(main())


def test_past_the_accounts_concurrency_everybody_is_throttled(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain", account=Account(concurrency=1)) as invoke:
            config = function(tmp_path)
            await invoke(config, PID)
            held = asyncio.ensure_future(invoke(config, HOLD))
            await asyncio.sleep(0)
            other = replace(config, arn=f"{config.arn}-other")
            with pytest.raises(InvocationThrottled) as refused:
                await invoke(other, PID)
            assert refused.value.reason == "ConcurrentInvocationLimitExceeded"
            held.cancel()
            await asyncio.wait({held})

    asyncio.run(main())


def test_provisioned_environments_are_ready_before_anybody_comes(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, version="1")
            await invoke.emulator.provision(config, 2)
            assert len(invoke.host.made) == 2
            answers = await asyncio.gather(*(invoke(config, PID) for _ in range(2)))
            assert {int(each.payload) for each in answers} == {sandbox.pid for sandbox in invoke.host.made}
            done = tmp_path / "done"
            held = [asyncio.ensure_future(invoke(config, f"{WAIT} until -e '{done}'; {PID}")) for _ in range(2)]
            await asyncio.sleep(0)
            spilled = await invoke(config, PID)
            assert int(spilled.payload) == invoke.host.made[2].pid
            done.touch()
            assert [each.provisioned for each in [*await asyncio.gather(*held), spilled]] == [True, True, False]

    asyncio.run(main())


def test_the_function_sees_why_it_was_initialised(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, version="1")
            await invoke.emulator.provision(config, 1)
            text = """respond('"' . $ENV{AWS_LAMBDA_INITIALIZATION_TYPE} . '"')"""
            assert json.loads((await invoke(config, text)).payload) == "provisioned-concurrency"

    asyncio.run(main())


def test_a_provisioned_environment_that_is_lost_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, version="1")
            await invoke.emulator.provision(config, 1)
            held = asyncio.ensure_future(invoke(config, HOLD))
            await asyncio.sleep(0)
            held.cancel()  # which ends its environment
            await asyncio.wait({held})
            await invoke.emulator.provision(config, 1)
            answer = await invoke(config, PID)
            assert [sandbox.pid for sandbox in invoke.host.made][1:] == [int(answer.payload)]

    asyncio.run(main())


def test_what_is_no_longer_provisioned_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, version="1")
            await invoke.emulator.provision(config, 3)
            await invoke.emulator.provision(config, 1)
            await invoke.emulator.provision(config, 0)
            await invoke.emulator.retire("another")  # waits for what is closing
            assert all(sandbox.output < 0 for sandbox in invoke.host.made)

    asyncio.run(main())


def test_an_init_that_fails_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, init="exit 3", version="1")
            with pytest.raises(EmulatorError, match="FUNCTION_ERROR_INIT_FAILURE"):
                await invoke.emulator.provision(config, 1)

    asyncio.run(main())


def test_what_is_provisioned_leaves_room_for_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain", max_environments=2) as invoke:
            config = function(tmp_path, version="1")
            with pytest.raises(EmulatorError, match="leave no room"):
                await invoke.emulator.provision(config, 2)
            await invoke.emulator.provision(config, 1)
            other = replace(config, arn=f"{config.arn}-other")
            assert (await invoke(other, PID)).function_error is None

    asyncio.run(main())


def test_opening_raises_the_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        asyncio.run(_open_and_close())
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
        assert raise_descriptor_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _open_and_close() -> None:
    emulator = await Emulator.open(host=PuppetHost())
    await emulator.close()


def test_an_environment_that_was_warmed_takes_the_next_invocation(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path)
            assert await invoke.emulator.warm(config)
            assert await invoke.emulator.warm(config)
            (made,) = invoke.host.made
            answer = await invoke(config, PID)
            assert int(answer.payload) == made.pid
            assert len(invoke.host.made) == 1

    asyncio.run(main())


def test_warming_what_does_not_start_says_so_and_the_next_invocation_tries_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, init="exit 3")
            assert not await invoke.emulator.warm(config)
            answer = await invoke(config, PID)
            assert json.loads(answer.payload)["errorType"] == "Runtime.ExitError"

    asyncio.run(main())
