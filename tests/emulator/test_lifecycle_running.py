"""The life of an environment carried out: what survives a reset, which inits are tried again, how a sandbox is left."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator_support import REQUEST_ID, PlainHost, event, function, opened
from extension_support import PYTHON, extended
from fnroll.emulator import Emulator, FunctionConfig, LogLine, Outcome
from fnroll.errors import SandboxError
from fnroll.sandbox.api import StepFailed
from plain_support import PlainSandbox

TMP = 'my $tmp = $ENV{TMPDIR} // "/tmp"; '


def once(first: str) -> str:
    """Perl that runs in the first init of an environment alone: /tmp remembers."""
    return TMP + f'unless (-e "$tmp/tried") {{ open my $f, ">", "$tmp/tried"; close $f; {first} }} '


def kinds(outcome: Outcome) -> list[str]:
    """The first word of each line, with the phase and status of inits."""
    text = re.sub(r"INIT_REPORT .*?\tPhase: (\w+)\tStatus: (\w+).*", r"INIT_REPORT:\1:\2", outcome.log.decode())
    return [line.split(" ")[0] for line in text.splitlines() if line]


# reset


@pytest.mark.parametrize("tier", ["plain", "linux"])
@pytest.mark.parametrize(
    ("ending", "status"), [("exit 1", "error"), ("kill 9, $$; sleep 60", "error"), ("sleep 60", "timeout")]
)
def test_a_reset_keeps_tmp_and_the_log_stream_and_nothing_else(
    tier: str, tmp_path: Path, ending: str, status: str
) -> None:
    config = function(tmp_path, timeout=1, init='print "init\\n";')

    async def main() -> tuple[Outcome, Outcome, list[LogLine]]:
        async with opened(tier) as invoke:
            text = TMP + f'our $n = 7; open my $f, ">", "$tmp/kept"; print $f "here"; close $f; {ending}'
            ended = await invoke(config, text)
            after = await invoke(config, TMP + 'our $n //= 0; open my $f, "<", "$tmp/kept"; respond("$n " . <$f>)')
            return ended, after, invoke.lines

    ended, after, lines = asyncio.run(main())
    assert (ended.report.status, after.payload) == (status, b"0 here")
    assert after.report.init_ms is None
    assert kinds(after) == ["init", "START", "END", "REPORT"]
    assert len({line.stream for line in lines}) == 1
    assert [line.text.split(" ")[0] for line in lines].count("INIT_START") == 1


def test_a_scratch_goes_with_its_environment(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> PlainHost:
        host = PlainHost()
        emulator = await Emulator.open(host=host)
        await emulator.invoke(config, event("exit 1"))
        await emulator.invoke(config, event("respond(1)"))
        await emulator.close()
        return host

    host = asyncio.run(main())
    assert (len(host.made), len(host.scratches)) == (2, 1)
    assert not Path(host.scratches[0].path).exists()


# init


def test_an_init_that_crashes_is_tried_until_it_works(tmp_path: Path) -> None:
    counts = TMP + 'open my $f, ">>", "$tmp/tries"; print $f "x"; close $f; kill 11, $$ if -s "$tmp/tries" < 4;'
    config = function(tmp_path, init=counts)

    async def main() -> Outcome:
        async with opened("plain") as invoke:
            return await invoke(config, TMP + 'respond(-s "$tmp/tries")')

    outcome = asyncio.run(main())
    assert outcome.payload == b"4"
    crashed = ["INIT_REPORT:init:error", "INIT_REPORT:invoke:error", "INIT_REPORT:invoke:error"]
    assert kinds(outcome) == [*crashed, "START", "END", "REPORT"]
    assert outcome.report.init_ms is None


def test_an_init_that_crashes_on_every_try_ends_at_the_functions_timeout(tmp_path: Path) -> None:
    config = function(tmp_path, init="kill 11, $$; sleep 60;", timeout=1)

    async def main() -> Outcome:
        async with opened("plain") as invoke:
            return await invoke(config, "respond('never')")

    outcome = asyncio.run(main())
    assert json.loads(outcome.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: Task timed out after 1.00 seconds",
    }
    assert (outcome.report.status, outcome.report.duration_ms) == ("timeout", 1000.0)
    told = kinds(outcome)
    assert told[:3] == ["INIT_REPORT:init:error", "INIT_REPORT:invoke:error", "INIT_REPORT:invoke:error"]
    assert len(told) < 12
    assert "Status: timeout" in outcome.log.decode().splitlines()[-1]


def test_closing_does_not_wait_for_the_next_try(tmp_path: Path) -> None:
    config = function(tmp_path, init="kill 11, $$; sleep 60;", timeout=900)

    async def main() -> None:
        async with opened("plain") as invoke:
            asked = asyncio.ensure_future(invoke(config, "respond('never')"))
            while sum("Phase: invoke" in line.text for line in invoke.lines) < 3:
                await asyncio.sleep(0.001)
            await invoke.emulator.close()
            assert isinstance((await asyncio.gather(asked, return_exceptions=True))[0], Exception)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_cpu_is_shared_from_the_end_of_init_on(tmp_path: Path) -> None:
    config = function(tmp_path, init='print "loading\\n";')
    seen: list[tuple[str, bool]] = []

    async def main() -> None:
        host = PlainHost()

        def sink(line: LogLine) -> None:
            if host.made:
                seen.append((line.text.split(" ")[0], host.made[0].shares_cpu))

        emulator = await Emulator.open(host=host, sink=sink)
        await emulator.invoke(config, event("respond(1)"))
        await emulator.close()

    asyncio.run(main())
    assert seen == [("loading", False), ("START", True), ("END", True), ("REPORT", True)]


def test_without_limits_nothing_is_frozen(tmp_path: Path) -> None:
    free = function(tmp_path, limits=False)
    bound = replace(free, revision="2", arn=free.arn + "2", limits=True)

    async def main() -> list[bool]:
        host = PlainHost()
        emulator = await Emulator.open(host=host)
        for config in (free, bound):  # the second is idle later, so that its freeze comes last
            await emulator.invoke(config, event("respond(1)"))
        while not host.made[1].frozen:
            await asyncio.sleep(0.001)
        await emulator.close()
        return [sandbox.frozen for sandbox in host.made]

    assert asyncio.run(main()) == [False, True]


# leaving

needs_python = pytest.mark.skipif(not Path(PYTHON).exists(), reason="no system Python for the extensions")


def agent(**does: Any) -> dict[str, str]:
    return {"AGENT_AGENT": json.dumps(does)}


def run(config: FunctionConfig, *texts: str, **options: Any) -> tuple[list[Outcome], list[str], PlainHost]:
    """The outcomes, every line until all is closed, and the host."""

    async def main() -> tuple[list[Outcome], list[str], PlainHost]:
        lines: list[str] = []
        host = PlainHost()
        emulator = await Emulator.open(host=host, sink=lambda line: lines.append(line.text), **options)
        outcomes = [await emulator.invoke(config, event(text)) for text in texts]
        await emulator.close()
        return outcomes, lines, host

    return asyncio.run(main())


@needs_python
def test_what_a_sandbox_that_is_left_says_is_nothing_to_the_next(tmp_path: Path) -> None:
    """The first runtime posts an init error when it is told to end; the next init, which waits, goes on."""
    late = "$SIG{TERM} = sub { print qq(late\\n); call('POST', \"$base/init/error\", '{}'); exit 1 }; sleep 60;"
    config = extended(tmp_path, "agent", init=once(late))
    (outcome,), lines, _ = run(config, "respond('fine')", init_timeout=1.0)
    assert outcome.payload == b"fine"
    assert "late" in lines
    assert [kind for kind in kinds(outcome) if kind not in ("agent", "late")] == [
        "EXTENSION\tName:", "INIT_REPORT:init:timeout", "EXTENSION\tName:", "START", "END", "REPORT",
    ]  # fmt: skip


@needs_python
def test_the_runtime_ends_before_the_extensions_are_told(tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", init='$SIG{TERM} = sub { print "TERM came\\n"; exit 0 };')
    _, lines, _ = run(config, "respond(1)")
    assert lines[-3:] == ["TERM came", "agent SHUTDOWN spindown", "agent bye"]


@needs_python
def test_a_runtime_that_does_not_heed_sigterm_is_killed(tmp_path: Path) -> None:
    config = extended(tmp_path, "agent", init="$SIG{TERM} = 'IGNORE';")
    _, lines, host = run(config, "respond(1)")
    assert lines[-2:] == ["agent SHUTDOWN spindown", "agent bye"]
    ends = [program.process.returncode for program in host.made[0].programs]
    assert ends == [0, -signal.SIGKILL]


@needs_python
def test_an_extension_that_did_not_ask_for_shutdown_is_killed_at_once(tmp_path: Path) -> None:
    pid = str(tmp_path / "pid")
    does = {
        "AGENT_AGENT": json.dumps({"events": ["INVOKE"], "pid": pid}),
        "AGENT_OTHER": json.dumps({"outlives": pid}),
    }
    config = extended(tmp_path, "agent", "other", environment=does)
    _, lines, _ = run(config, "respond(1)")
    assert lines[-3:] == ["other SHUTDOWN spindown", "other outlived it", "other bye"]
    assert "agent SHUTDOWN spindown" not in lines


@needs_python
def test_eleven_extensions_are_too_many(tmp_path: Path) -> None:
    config = extended(tmp_path, *(f"e{n:02}" for n in range(11)))
    (outcome,), lines, host = run(config, "respond(1)")
    assert json.loads(outcome.payload) == {
        "errorType": "Extension.LaunchError",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: ErrTooManyExtensions",
    }
    assert "EXTENSION\tName: e10\tState: LaunchError\tEvents: []\tError Type: TooManyExtensions" in lines
    assert not any(sandbox.programs for sandbox in host.made)


@needs_python
def test_a_machine_that_cannot_start_the_runtime_beside_its_extensions(tmp_path: Path) -> None:
    config = extended(tmp_path, "agent")

    class Poor(PlainSandbox):
        async def start(self, program: Any) -> Any:
            if "extensions" not in program.argv[0]:
                raise StepFailed("no more processes", step="fork", errno=11)
            return await super().start(program)

    async def main() -> int:
        host = PlainHost()
        host.sandbox = Poor
        emulator = await Emulator.open(host=host)
        with pytest.raises(SandboxError, match="no more processes"):
            await emulator.invoke(config, event("respond(1)"))
        await emulator.close()
        return host.alive

    assert asyncio.run(main()) == 0


@needs_python
def test_a_sandbox_that_takes_its_time_to_leave_costs_no_invocation_its_own(tmp_path: Path) -> None:
    """The extension hangs in its SHUTDOWN for two seconds, longer than the function's timeout."""
    config = extended(tmp_path, "agent", environment=agent(shutdown="hang"), timeout=1.9, init=once("exit 1;"))
    outcomes, _, host = run(config, "respond('after init')", "exit 1", "respond('after a crash')")
    assert [outcome.payload for outcome in outcomes[::2]] == [b"after init", b"after a crash"]
    assert outcomes[0].report.duration_ms < 1900
    assert len(host.scratches) == 2  # who comes when it leaves gets another environment


@needs_python
def test_an_environment_whose_sandbox_has_left_is_used_again(tmp_path: Path) -> None:
    config = extended(tmp_path, "agent")
    _, _, host = run(config, "exit 1", "respond(1)", max_environments=1)
    assert (len(host.made), len(host.scratches)) == (2, 1)
