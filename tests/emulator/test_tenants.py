"""No environment is shared by two tenants; through the emulator, over plain processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulator_support import event, function, opened
from fnroll.errors import InvocationThrottled

HOLD = "select undef, undef, undef, 30"
PID = "respond($$)"


def test_each_tenant_has_environments_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, version="1")
            order = ("blue", "green", "blue", "green", None, "blue", None)
            pids = [(await invoke.emulator.invoke(config, event(PID, tenant_id=tenant))).payload for tenant in order]
            told = dict(zip(order, pids, strict=True))
            assert len(set(told.values())) == 3
            assert pids == [told[tenant] for tenant in order]

    asyncio.run(main())


def test_a_reservation_holds_for_all_tenants_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened("plain") as invoke:
            config = function(tmp_path, version="1")
            invoke.emulator.reserve(config.arn, 1)
            held = asyncio.ensure_future(invoke.emulator.invoke(config, event(HOLD, tenant_id="blue")))
            await asyncio.sleep(0)
            with pytest.raises(InvocationThrottled) as refused:
                await invoke.emulator.invoke(config, event(PID, tenant_id="green"))
            assert refused.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
            held.cancel()
            await asyncio.wait({held})

    asyncio.run(main())
