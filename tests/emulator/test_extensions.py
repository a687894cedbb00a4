"""External extensions beside a function: real programs, on the tiers of this machine."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator_support import REQUEST_ID, Running, event, function, opened
from extension_support import PYTHON, extended
from fnroll.emulator import FunctionConfig

pytestmark = pytest.mark.skipif(not Path(PYTHON).exists(), reason="no system Python for the extensions")


@pytest.fixture(params=["plain", "linux", "process"])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def agent(**does: Any) -> dict[str, str]:
    return {"AGENT_AGENT": json.dumps(does)}


def run(tier: str, config: FunctionConfig, *events: str) -> tuple[list[Any], list[str]]:
    """The outcomes, and every line until all is closed."""

    async def main() -> tuple[list[Any], list[str]]:
        async with opened(tier) as invoke:
            outcomes = [await invoke(config, event) for event in events]
            lines = await closed(invoke)
            return outcomes, lines

    return asyncio.run(main())


async def closed(running: Running) -> list[str]:
    await running.emulator.close()
    return [line.text for line in running.lines]


def said(lines: list[str], name: str = "agent") -> list[str]:
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def test_it_registers_is_told_of_each_invocation_and_of_the_end(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent")
    outcomes, lines = run(tier, config, "respond(1)", "respond(2)")
    assert [outcome.payload for outcome in outcomes] == [b"1", b"2"]
    greeting = '{"functionName":"hello","functionVersion":"$LATEST","handler":"handler.handle"}'
    told = said(lines)
    assert told[0] == f"registered 200 {greeting}"
    assert told[1:] == [f"INVOKE {REQUEST_ID}", f"INVOKE {REQUEST_ID}", "SHUTDOWN spindown", "bye"]
    assert "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in lines
    assert outcomes[0].report.init_ms is not None
    assert outcomes[1].report.init_ms is None


def test_the_runtime_starts_when_all_have_registered(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", "other", init='print "runtime starts\\n";')
    _, lines = run(tier, config, "respond(1)")
    start = lines.index("runtime starts")
    registered = [at for at, line in enumerate(lines) if re.match(r"(agent|other) registered", line)]
    assert len(registered) == 2
    assert max(registered) < start


def test_what_it_sees_of_the_environment(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", environment=agent(show=True))
    _, lines = run(tier, config, "respond(1)")
    (seen,) = (line for line in said(lines) if line.startswith("sees"))
    assert "AWS_LAMBDA_RUNTIME_API" in seen
    for hidden in ("_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME", "_AWS_XRAY_DAEMON_ADDRESS"):
        assert f"'{hidden}'" not in seen


@pytest.mark.parametrize(
    ("does", "error_type", "message"),
    [
        ({"exit": "start"}, "Extension.Crash", "exit status 7"),
        ({"error": "init"}, "Extension.InitError", "exit status 1"),
    ],
)
def test_one_that_fails_in_init_fails_the_invocation(
    tier: str, tmp_path: Path, does: dict[str, str], error_type: str, message: str
) -> None:
    (outcome,), lines = run(tier, extended(tmp_path, "agent", environment=agent(**does)), "respond(1)")
    assert json.loads(outcome.payload) == {
        "errorType": error_type,
        "errorMessage": f"RequestId: {REQUEST_ID} Error: {message}",
    }
    assert (outcome.function_error, outcome.report.error_type) == ("Unhandled", error_type)
    assert sum(line.startswith("INIT_REPORT") for line in lines) == 2


def test_one_that_crashes_takes_the_invocation_along_and_the_next_works_again(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", environment=agent(exit=2))
    outcomes, lines = run(tier, config, "respond(1)", "sleep 60", "respond(3)")
    assert [outcome.function_error for outcome in outcomes] == [None, "Unhandled", None]
    assert json.loads(outcomes[1].payload)["errorType"] == "Extension.Crash"
    assert outcomes[2].payload == b"3"
    ready = "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
    assert [line for line in lines if line.startswith("EXTENSION")] == [ready, ready]


def test_one_that_cannot_start(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", program="#!/no/such/interpreter\n")
    (outcome,), _ = run(tier, config, "respond(1)")
    assert json.loads(outcome.payload)["errorType"] == "Extension.LaunchError"


def test_the_answer_does_not_wait_for_it_but_the_deadline_does(tier: str, tmp_path: Path) -> None:
    """It hangs in its first event: the caller has its answer, and the environment is reset at the timeout."""
    config = extended(tmp_path, "agent", environment=agent(hang=1), timeout=1)
    outcomes, _ = run(tier, config, "respond(1)", "respond(2)")
    assert [outcome.payload for outcome in outcomes] == [b"1", b"2"]
    assert outcomes[0].report.duration_ms < 1000


def test_a_timeout_is_told_as_the_reason(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", timeout=1)
    (outcome,), lines = run(tier, config, "sleep 60")
    assert outcome.report.status == "timeout"
    assert said(lines)[-2:] == ["SHUTDOWN timeout", "bye"]


def test_one_that_does_not_end_is_killed(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", environment=agent(shutdown="hang"))
    _, lines = run(tier, config, "respond(1)")
    assert said(lines)[-1] == "SHUTDOWN spindown"


INTERNAL = r"""
my $self = dial();
send_to($self, 'POST', '/2020-01-01/extension/register', '{"events":["INVOKE"]}', 'Lambda-Extension-Name: inside');
my ($status, $body, $top) = receive($self);
our ($inside) = $top =~ /Lambda-Extension-Identifier: (\S+)/;
send_to($self, 'GET', '/2020-01-01/extension/event/next', '', "Lambda-Extension-Identifier: $inside");
our $own = $self;
$SIG{TERM} = sub { print "TERM came\n"; exit 0 };
"""


def test_an_internal_one_lives_in_the_runtime_and_gets_time_to_end(tier: str, tmp_path: Path) -> None:
    config = extended(tmp_path, init=INTERNAL)
    text = (
        'my ($s, $b) = receive($main::own); respond(qq("$s ) . ($b =~ /"eventType":"(\\w+)"/)[0] . qq(")); '
        'send_to($main::own, "GET", "/2020-01-01/extension/event/next", "", '
        '"Lambda-Extension-Identifier: $main::inside");'
    )
    outcomes, lines = run(tier, config, text, text)
    assert [outcome.payload for outcome in outcomes] == [b'"200 INVOKE"', b'"200 INVOKE"']
    assert lines[-1] == "TERM came"


def test_telemetry_arrives_with_what_came_before_the_subscription(tier: str, tmp_path: Path) -> None:
    inbox = "/tmp/inbox" if tier == "linux" else str(tmp_path / "inbox")
    config = extended(tmp_path, "agent", environment=agent(telemetry=inbox), init='print "loading\\n";')
    wait = f'until (-s "{inbox}.new") {{ select undef, undef, undef, 0.01 }} print "working\\n"; respond(1)'
    read = (
        f'my $all = ""; until ($all =~ /platform.report/ && $all =~ /working/) {{ select undef, undef, undef, 0.01; '
        f'open my $f, "<", "{inbox}.new"; local $/; $all = <$f> // ""; }} respond($all)'
    )
    outcomes, lines = run(tier, config, wait, read)
    told = [json.loads(line) for line in outcomes[1].payload.decode().splitlines()]
    assert [int(number) for number, _ in told] == sorted(int(number) for number, _ in told)
    events = [event for _, event in told]
    types = [event["type"] for event in events]
    order = ["platform.initStart", "platform.telemetrySubscription", "platform.initRuntimeDone", "platform.initReport"]
    order += ["platform.start", "platform.runtimeDone", "platform.report"]
    assert [kind for kind in types if kind in order][: len(order)] == order
    assert {"loading\n", "working\n"} <= {event["record"] for event in events if event["type"] == "function"}
    start = next(event for event in events if event["type"] == "platform.start")
    assert start["record"] == {"requestId": REQUEST_ID, "version": "$LATEST"}
    done = next(event["record"] for event in events if event["type"] == "platform.runtimeDone")
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    assert done["metrics"]["durationMs"] == pytest.approx(sum(span["durationMs"] for span in done["spans"]), abs=0.01)
    assert "TELEMETRY\tName: agent\tState: Subscribed\tTypes: [Platform, Function]" in lines


def test_before_the_end_a_subscriber_gets_everything(tmp_path: Path) -> None:
    """Nothing of the buffered second is lost when the runtime crashes."""
    inbox = tmp_path / "inbox"
    config = extended(tmp_path, "agent", environment=agent(telemetry=str(inbox), timeout=30_000))
    (outcome,), lines = run("plain", config, 'print "last words\\n"; exit 3')
    assert outcome.report.error_type == "Runtime.ExitError"
    told = [json.loads(line)[1] for line in inbox.read_text().splitlines()]
    assert [event["type"] for event in told][-5:] == [
        "platform.start",
        "function",
        "platform.fault",
        "platform.runtimeDone",
        "platform.report",
    ]
    assert told[-2]["record"]["status"] == "error"
    assert "agent SHUTDOWN failure" in lines


def test_how_long_it_ran_on_after_the_answer_is_told_once(tmp_path: Path) -> None:
    async def main() -> list[float]:
        told: list[float] = []
        async with opened("plain") as invoke:
            slow = extended(tmp_path, "agent", init="")
            await invoke.emulator.invoke(slow, event("respond(1)", ran_on=told.append))
            await invoke.emulator.invoke(slow, event("respond(2)"))
            while not told:
                await asyncio.sleep(0.01)
            await invoke.emulator.invoke(function(tmp_path, revision="2"), event("respond(3)", ran_on=told.append))
        return told

    (spent,) = asyncio.run(main())
    assert spent >= 0
