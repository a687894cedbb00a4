"""Managed instances: several invocations at a time in one environment, and what one of them does to the others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from emulator_support import PlainHost, event, function
from fnroll.definition.model import invocations_at_once
from fnroll.emulator import Emulator, FunctionConfig, Outcome
from fnroll.emulator.output import Journal
from fnroll.emulator.receiver import Owner
from fnroll.emulator.shared import SharedEnvironment
from fnroll.errors import EmulatorError

WORKERS = "$ENV{MAIN} = $$; for (2 .. $ENV{AWS_LAMBDA_MAX_CONCURRENCY}) { unless (fork) { $api = dial(); last } } "
SHOW = (
    "sub show { open my $f, '>', shift; print $f @_ } "
    "sub wait_for { until (-s $_[0]) { select undef, undef, undef, .01 } } "
)

Invoke = Callable[[str, str], "asyncio.Task[Outcome]"]


def shared(directory: Path, *, init: str = WORKERS, **changes: Any) -> FunctionConfig:
    return function(directory, init=SHOW + init, **{"concurrency": 3, "timeout": 60, **changes})


def play(
    config: FunctionConfig, script: Callable[[Invoke, PlainHost], Coroutine[Any, Any, Any]]
) -> tuple[Any, list[str]]:
    """What the script returns, and the log."""

    async def main() -> tuple[Any, list[str]]:
        lines: list[str] = []
        host = PlainHost()
        emulator = await Emulator.open(host=host, sink=lambda line: lines.append(line.text))

        def invoke(name: str, text: str) -> asyncio.Task[Outcome]:
            return asyncio.create_task(emulator.invoke(config, event(text, name)))

        try:
            return await script(invoke, host), lines
        finally:
            await emulator.close()

    return asyncio.run(main())


def test_invocations_meet_in_one_environment(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"

    async def script(invoke: Invoke, host: PlainHost) -> list[bytes]:
        first = invoke("a", f"show('{here}', 1); wait_for('{there}'); respond($ENV{{AWS_LAMBDA_INITIALIZATION_TYPE}})")
        second = invoke("b", f"show('{there}', 1); wait_for('{here}'); respond($ENV{{AWS_LAMBDA_MAX_CONCURRENCY}})")
        answers = [(await first).payload, (await second).payload]
        assert len(host.made) == 1
        return answers

    answers, lines = play(shared(tmp_path), script)
    assert answers == [b"lambda-managed-instances", b"3"]
    told = [json.loads(line) for line in lines]
    assert sorted(line["record"]["requestId"] for line in told if line["type"] == "platform.report") == ["a", "b"]


def test_a_timeout_ends_its_own_invocation_alone(tmp_path: Path) -> None:
    go, late = tmp_path / "go", tmp_path / "late"

    async def script(invoke: Invoke, host: PlainHost) -> list[bytes]:
        slow = await invoke("slow", f"wait_for('{go}'); my @said = respond('late'); show('{late}', @said[0, 1])")
        go.write_text("1")
        after = await invoke("after", f"wait_for('{late}'); respond('still here')")
        assert len(host.made) == 1
        return [slow.payload, after.payload]

    (slow, after), _ = play(shared(tmp_path, timeout=2), script)
    assert json.loads(slow)["errorType"] == "Sandbox.Timedout"
    assert after == b"still here"
    assert late.read_text() == '410{"errorMessage":"Invoke timeout","errorType":"InvokeTimeout"}\n'


def test_the_runtimes_end_is_the_end_of_all_and_another_environment_comes(tmp_path: Path) -> None:
    here = tmp_path / "here"

    async def script(invoke: Invoke, host: PlainHost) -> list[Any]:
        waits = invoke("waits", f"show('{here}', 1); sleep 60")
        ends = invoke("ends", f"wait_for('{here}'); kill 'KILL', $ENV{{MAIN}}; sleep 60")
        errors = [json.loads((await one).payload)["errorType"] for one in (waits, ends)]
        fine = await invoke("fine", "respond('fine')")
        return [*errors, fine.payload, len(host.made)]

    told, _ = play(shared(tmp_path), script)
    assert told == ["Runtime.ExitError", "Runtime.ExitError", b"fine", 2]


def test_more_events_than_workers_wait_for_one(tmp_path: Path) -> None:
    async def script(invoke: Invoke, host: PlainHost) -> list[bytes]:
        calls = [invoke(str(n), f"respond('{n}')") for n in range(3)]
        return [(await call).payload for call in calls] + [str(len(host.made)).encode()]

    assert play(shared(tmp_path, init="1;"), script)[0] == [b"0", b"1", b"2", b"1"]


def test_who_waits_for_a_worker_waits_within_his_own_time(tmp_path: Path) -> None:
    async def script(invoke: Invoke, _: PlainHost) -> list[str]:
        calls = [invoke(str(n), "sleep 60") for n in range(2)]
        return [json.loads((await call).payload)["errorType"] for call in calls]

    told, lines = play(shared(tmp_path, init="1;", timeout=1), script)
    assert told == ["Sandbox.Timedout", "Sandbox.Timedout"]
    assert sum('"platform.start"' in line for line in lines) == 2


def test_an_error_is_its_own_invocations(tmp_path: Path) -> None:
    async def script(invoke: Invoke, host: PlainHost) -> list[Any]:
        bad = await invoke("bad", 'fail(\'{"errorMessage":"no","errorType":"Mine"}\')')
        good = await invoke("good", "respond(1)")
        return [bad.function_error, good.function_error, len(host.made)]

    assert play(shared(tmp_path), script)[0] == ["Unhandled", None, 1]


def test_an_init_that_fails_is_told_and_tried_in_another_environment(tmp_path: Path) -> None:
    async def script(invoke: Invoke, host: PlainHost) -> list[Any]:
        outcomes = [await invoke(name, "respond(1)") for name in "ab"]
        return [json.loads(one.payload)["errorType"] for one in outcomes] + [len(host.made)]

    assert play(shared(tmp_path, init="exit 1;"), script)[0] == ["Runtime.ExitError", "Runtime.ExitError", 2]


def test_one_that_is_given_up_leaves_the_others_alone(tmp_path: Path) -> None:
    here, go = tmp_path / "here", tmp_path / "go"

    async def script(invoke: Invoke, host: PlainHost) -> list[Any]:
        stays = invoke("stays", f"wait_for('{go}'); respond('stayed')")
        leaves = invoke("leaves", f"show('{here}', 1); sleep 60")
        while not here.exists():
            await asyncio.sleep(0)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        go.write_text("1")
        return [(await stays).payload, len(host.made)]

    assert play(shared(tmp_path), script)[0] == [b"stayed", 1]


def test_closing_the_emulator_ends_who_is_under_way(tmp_path: Path) -> None:
    here = tmp_path / "here"

    async def script(invoke: Invoke, _: PlainHost) -> asyncio.Task[Outcome]:
        call = invoke("a", f"show('{here}', 1); sleep 60")
        while not here.exists():
            await asyncio.sleep(0)
        return call

    call, _ = play(shared(tmp_path), script)
    with pytest.raises(EmulatorError, match="closed during an invocation"):
        call.result()


def test_one_that_never_started_can_be_closed(tmp_path: Path) -> None:
    """An environment waits at the gate before its init: whoever gives up there closes it."""

    async def main() -> bool:
        config = shared(tmp_path)
        owner = Owner(ready=lambda: None)
        journal = Journal(config, "stream", None, time.time)
        environment = SharedEnvironment(PlainHost(), config, journal, owner, init_timeout=1.0, clock=time.time)
        await environment.close()
        return environment.over

    assert asyncio.run(main())


@pytest.mark.parametrize(
    ("request_", "most"),
    [
        ({}, 1),
        ({"CapacityProviderConfig": {}}, 1),
        ({"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {}}}, 10),
        (
            {
                "CapacityProviderConfig": {
                    "LambdaManagedInstancesCapacityProviderConfig": {"PerExecutionEnvironmentMaxConcurrency": 4}
                }
            },
            4,
        ),
    ],
)
def test_how_many_a_definition_asks_for(request_: dict[str, Any], most: int) -> None:
    assert invocations_at_once(request_) == most
