"""The emulator from end to end: real runtimes in real processes, on each sandbox tier that this machine gives."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from emulator_support import BOOTSTRAP, REQUEST_ID, PlainHost, event, function, opened
from fnroll.emulator import Emulator
from fnroll.errors import EmulatorError, SandboxError
from fnroll.sandbox import diagnose

TIERS = ["plain", "process", "linux"]
SOME_ID = "00000000-0000-0000-0000-00000000000"


@pytest.fixture(scope="session")
def given_tiers() -> set[str]:
    return {"plain", *(verdict.tier for verdict in asyncio.run(diagnose()) if verdict.refused is None)}


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest, given_tiers: set[str]) -> str:
    if request.param not in given_tiers:
        pytest.skip(f"this machine does not give the {request.param} tier")
    return request.param


def log_of(log: bytes) -> list[str]:
    """The log's lines with every figure as N, for comparison."""
    text = re.sub(r"\d+(\.\d+)? (?=ms|MB)", "N ", log.decode())
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text).splitlines()


START, END = f"START RequestId: {REQUEST_ID} Version: $LATEST", f"END RequestId: {REQUEST_ID}"
FIGURES = "\tDuration: N ms\tBilled Duration: N ms\tMemory Size: N MB\tMax Memory Used: N MB"
REPORT = f"REPORT RequestId: {REQUEST_ID}" + FIGURES
COLD = REPORT + "\tInit Duration: N ms\t"
WARM = REPORT + "\t"


# answers


def test_cold_then_warm_in_the_same_process(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path, init='our $count; print "loading\\n";')

    async def main():
        async with opened(tier) as invoke:
            text = 'our $count; print "hi\\n"; respond(++$count . " $$")'
            return [await invoke(config, text) for _ in range(3)], invoke

    (first, second, third), invoke = asyncio.run(main())
    (one, pid), (two, same), (three, again) = (outcome.payload.split() for outcome in (first, second, third))
    assert (one, two, three) == (b"1", b"2", b"3")
    assert pid == same == again
    assert log_of(first.log) == ["loading", START, "hi", END, COLD]
    assert log_of(second.log) == [START, "hi", END, WARM]
    assert first.report.init_ms is not None
    assert second.report.init_ms is None
    assert first.report.billed_ms >= first.report.init_ms + first.report.duration_ms
    assert (first.function_error, first.executed_version, first.report.status) == (None, "$LATEST", "success")
    assert first.report.memory_mb == 128
    assert first.report.max_memory_mb > 0
    assert invoke.lines[0].text.startswith("INIT_START Runtime Version: provided:al2023.v0\t")
    assert b"".join(line.text.encode() + b"\n" for line in invoke.lines[1:]) == first.log + second.log + third.log
    assert len({line.stream for line in invoke.lines}) == 1
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", invoke.lines[0].stream)
    assert [line.request_id for line in invoke.lines[:3]] == [None, None, REQUEST_ID]


def test_the_event_arrives_with_its_headers_and_the_answer_byte_for_byte(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)
    text = 'my $h = $head; $h =~ s/.*?\\r\\n//; respond(join("|", $h, $event, "\u00e4\u2192\0\xff"))'
    asked = event(text, trace_id="Root=1-2-3;Sampled=0", client_context='{"custom":"\u00e4"}')

    async def main():
        async with opened(tier, clock=lambda: 1_700_000_000.0) as invoke:
            return (await invoke.emulator.invoke(config, asked)).payload

    headers, _, rest = asyncio.run(main()).partition(b"|")
    lines = headers.decode().split("\r\n")
    assert re.fullmatch("Lambda-Runtime-Invocation-Id: [0-9a-f-]{36}", lines.pop(5))
    assert lines[:6] == [
        f"Lambda-Runtime-Aws-Request-Id: {REQUEST_ID}",
        "Lambda-Runtime-Deadline-Ms: 1700000010000",
        f"Lambda-Runtime-Invoked-Function-Arn: {config.arn}",
        "Lambda-Runtime-Trace-Id: Root=1-2-3;Sampled=0",
        'Lambda-Runtime-Client-Context: {"custom":"\u00e4"}',
        "Content-Type: application/json",
    ]
    assert rest == text.encode() + b"|" + "\u00e4\u2192\0\xff".encode()


def test_an_empty_event_is_an_empty_object(tier: str, tmp_path: Path) -> None:
    echo = BOOTSTRAP.replace("eval $event; die $@ if $@;", "respond($event);")
    config = function(tmp_path, bootstrap=echo)

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, "")

    assert asyncio.run(main()).payload == b"{}"


def test_an_error_that_the_function_posts_is_passed_on_and_the_environment_lives(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)
    body = '{"errorMessage": "no luck", "errorType": "Luck", "stackTrace": []}'

    async def main():
        async with opened(tier) as invoke:
            failed = await invoke(
                config, f"our $n = 1; fail('{body}', 'Lambda-Runtime-Function-Error-Type: Function.Luck')"
            )
            return failed, await invoke(config, "our $n; respond($n)")

    failed, after = asyncio.run(main())
    assert failed.payload.decode() == body
    assert failed.function_error == "Unhandled"
    assert (failed.report.status, failed.report.error_type) == ("error", "Function.Luck")
    assert log_of(failed.log) == [START, END, COLD]
    assert after.payload == b"1"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("respond('1'); respond('2')", b"1"),
        ("my @bad = call('POST', \"$base/invocation/other/response\", 'x'); respond(\"$bad[0] $bad[1]\")",
         b'400 {"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n'),
        ("my @more = call('GET', \"$base/invocation/next\"); respond($more[1] eq $event ? 'same' : 'other')", b"same"),
        ("my @late = call('POST', \"$base/init/error\"); respond($late[0])", b"403"),
        ("my @ping = call('GET', '/ping'); respond($ping[1])", b"pong"),
    ],
    ids=["answers-twice", "wrong-request-id", "next-twice", "late-init-error", "ping"],
)  # fmt: skip
def test_runtimes_that_err_get_a_refusal_and_go_on(tier: str, tmp_path: Path, text: str, answer: bytes) -> None:
    config = function(tmp_path)

    async def main():
        async with opened(tier) as invoke:
            first = await invoke(config, "our $n = 7; " + text)
            return first, await invoke(config, "our $n; respond($n)")

    first, second = asyncio.run(main())
    assert (first.payload, first.function_error) == (answer, None)
    assert second.payload == b"7"


def test_a_response_over_the_limit(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main():
        async with opened(tier) as invoke:
            large = await invoke(config, "our @got = respond('x' x 6_291_557)")
            return (
                large,
                await invoke(config, "our @got; respond($got[0])"),
                await invoke(config, "respond('x' x 6_291_556)"),
            )

    large, after, fits = asyncio.run(main())
    assert json.loads(large.payload)["errorType"] == "Function.ResponseSizeTooLarge"
    assert large.function_error == "Unhandled"
    assert log_of(large.log)[-1].endswith("\tStatus: error\tError Type: Function.ResponseSizeTooLarge")
    assert after.payload == b"413"
    assert len(fits.payload) == 6_291_556


# endings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit 0", "Runtime exited without providing a reason"),
        ("exit 3", "Runtime exited with error: exit status 3"),
        ("kill 9, $$; sleep 60", "Runtime exited with error: signal: killed"),
        ('exec "/nowhere" or exit 127', "Runtime exited with error: exit status 127"),
    ],
    ids=["exit-0", "exit-3", "killed", "127"],
)
def test_a_runtime_that_ends_takes_one_invocation_with_it(tier: str, tmp_path: Path, text: str, reason: str) -> None:
    config = function(tmp_path)

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, f'print "last words"; {text}'), await invoke(config, "respond('alive')")

    dead, alive = asyncio.run(main())
    assert dead.payload.decode() == (
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {REQUEST_ID} Error: {reason}"}}'
    )
    assert dead.function_error == "Unhandled"
    log = log_of(dead.log)
    assert log[0] == START
    assert log[-4:] == [
        f"RequestId: {REQUEST_ID} Error: {reason}",
        "Runtime.ExitError",
        END,
        COLD + "Status: error\tError Type: Runtime.ExitError",
    ]
    assert log[1] == "last words"
    assert alive.payload == b"alive"
    assert alive.report.init_ms is None  # the init after a crash is part of the invocation


def test_an_answer_sent_right_before_the_end_counts(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main():
        async with opened(tier) as invoke:
            text = "my $last = dial(); send_to($last, 'POST', \"$base/invocation/$id/response\", 'done'); exit 1"
            return [(await invoke(config, text)).payload for _ in range(5)]

    assert asyncio.run(main()) == [b"done"] * 5


def test_a_timeout_kills_and_the_next_invocation_starts_anew(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path, timeout=1)

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, 'print "so far"; sleep 60'), await invoke(config, "respond('anew')")

    late, anew = asyncio.run(main())
    assert late.payload.decode() == (
        '{"errorType":"Sandbox.Timedout",'
        f'"errorMessage":"RequestId: {REQUEST_ID} Error: Task timed out after 1.00 seconds"}}'
    )
    assert log_of(late.log) == [
        START,
        "so far",
        f"TIME {REQUEST_ID} Task timed out after 1.00 seconds",
        "",
        END,
        COLD + "Status: timeout",
    ]
    assert (late.function_error, late.report.status, late.report.duration_ms) == ("Unhandled", "timeout", 1000.0)
    assert anew.payload == b"anew"


# init


INIT_ERROR = '{"errorMessage":"no such module","errorType":"Runtime.ImportModuleError","stackTrace":[]}'
INIT_TYPE = "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError"


@pytest.mark.parametrize("status", [1, None], ids=["then-exits", "then-hangs"])
def test_an_init_error_is_tried_twice_and_passed_on(tier: str, tmp_path: Path, status: int | None) -> None:
    then = "sleep 60" if status is None else f"exit {status}"
    init = f"print \"importing\\n\"; call('POST', \"$base/init/error\", '{INIT_ERROR}', '{INIT_TYPE}'); {then}"
    config = function(tmp_path, init=init)

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, "respond('never')")

    outcome = asyncio.run(main())
    assert outcome.payload.decode() == INIT_ERROR
    assert outcome.function_error == "Unhandled"
    failed = "\tStatus: error\tError Type: Runtime.ImportModuleError"
    exited = [f"RequestId: {REQUEST_ID} Error: Runtime exited with error: exit status 1", "Runtime.ExitError"]
    assert log_of(outcome.log) == [
        "importing",
        "INIT_REPORT Init Duration: N ms\tPhase: init" + failed,
        "importing",
        "INIT_REPORT Init Duration: N ms\tPhase: invoke" + failed,
        START,
        *([] if status is None else exited),
        END,
        REPORT + failed,
    ]


def test_an_init_that_exits_is_an_exit_error(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path, init="exit 2")

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, "respond('never')")

    outcome = asyncio.run(main())
    assert json.loads(outcome.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: Runtime exited with error: exit status 2",
    }
    assert [line.split("\t")[0].split(":")[0] for line in log_of(outcome.log)] == [
        "INIT_REPORT Init Duration", "INIT_REPORT Init Duration", "START RequestId", "RequestId", "Runtime.ExitError",
        "END RequestId", "REPORT RequestId",
    ]  # fmt: skip


def mending(config, line: str):
    """A sink that mends the function's init (see `breakable`) when a line comes that starts so."""

    def sink(log_line) -> None:
        if log_line.text.startswith(line):
            (config.task / "mended").touch()

    return sink


def breakable(tmp_path: Path, broken: str):
    return function(tmp_path, init=f'unless (-e "$ENV{{LAMBDA_TASK_ROOT}}/mended") {{ {broken} }}')


@pytest.mark.parametrize(
    ("broken", "told"),
    [("exit 1", "\tStatus: error\tError Type: Runtime.ExitError"), ("sleep 60", "\tStatus: timeout")],
    ids=["crash", "timeout"],
)
def test_an_init_that_works_the_second_time_serves_the_invocation(
    tier: str, tmp_path: Path, broken: str, told: str
) -> None:
    config = breakable(tmp_path, broken)

    async def main():
        async with opened(tier, sink=mending(config, "INIT_REPORT"), init_timeout=0.5) as invoke:
            return await invoke(config, "respond('mended')"), await invoke(config, "respond('warm')")

    first, second = asyncio.run(main())
    assert first.payload == b"mended"
    assert log_of(first.log) == ["INIT_REPORT Init Duration: N ms\tPhase: init" + told, START, END, WARM]
    assert (second.payload, log_of(second.log)) == (b"warm", [START, END, WARM])


def test_an_init_that_hangs_twice_ends_at_the_functions_timeout(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path, init="sleep 60", timeout=1)

    async def main():
        async with opened(tier, init_timeout=0.1) as invoke:
            return await invoke(config, "respond('never')")

    outcome = asyncio.run(main())
    assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"
    assert log_of(outcome.log) == [
        "INIT_REPORT Init Duration: N ms\tPhase: init\tStatus: timeout",
        "INIT_REPORT Init Duration: N ms\tPhase: invoke\tStatus: timeout",
        START,
        f"TIME {REQUEST_ID} Task timed out after 1.00 seconds",
        "",
        END,
        REPORT + "\tStatus: timeout",
    ]


@pytest.mark.parametrize(
    ("bootstrap", "reason"),
    [
        (None, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("no program", "fork/exec /var/task/bootstrap: exec format error"),
        ("#!/nowhere/perl\n", "fork/exec /var/task/bootstrap: no such file or directory"),
    ],
    ids=["missing", "no-program", "no-interpreter"],
)
def test_a_bootstrap_that_cannot_start(tier: str, tmp_path: Path, bootstrap: str | None, reason: str) -> None:
    config = function(tmp_path, bootstrap=bootstrap)

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, "{}")

    outcome = asyncio.run(main())
    assert json.loads(outcome.payload) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: {reason}",
    }
    failed = "\tStatus: error\tError Type: Runtime.InvalidEntrypoint"
    assert log_of(outcome.log) == [
        "INIT_REPORT Init Duration: N ms\tPhase: init" + failed,
        "INIT_REPORT Init Duration: N ms\tPhase: invoke" + failed,
        START,
        f"RequestId: {REQUEST_ID} Error: {reason}",
        "Runtime.InvalidEntrypoint",
        END,
        REPORT + failed,
    ]


def test_a_bootstrap_from_a_layer(tier: str, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    config = function(layer, bootstrap=BOOTSTRAP)
    (tmp_path / "code").mkdir()
    config = replace(config, task=tmp_path / "code", opt=config.task)

    async def main():
        async with opened(tier) as invoke:
            return await invoke(config, "use Cwd; respond(getcwd() eq $ENV{LAMBDA_TASK_ROOT} ? 'yes' : getcwd())")

    assert asyncio.run(main()).payload == b"yes"


# many


def test_concurrent_invocations_get_an_environment_each(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main():
        async with opened(tier) as invoke:
            # each is answered only when the other one runs, too
            first = asyncio.ensure_future(invoke(config, 'print "go\\n"; sleep 60', SOME_ID + "1"))
            while not any(line.text == "go" for line in invoke.lines):
                await asyncio.sleep(0.001)
            second = await invoke(config, "respond('beside')", SOME_ID + "2")
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            third = await invoke(config, "respond('again')", SOME_ID + "3")
            return second, third, {line.stream for line in invoke.lines}

    second, third, streams = asyncio.run(main())
    assert (second.payload, third.payload) == (b"beside", b"again")
    assert (second.report.init_ms is None, third.report.init_ms is None) == (False, True)
    assert len(streams) == 2


def test_two_hundred_invocations_with_crashes_among_them_get_their_own_answers_each(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)

    def text(number: int) -> str:
        ending = {3: "exit 5", 7: f"fail('{number}')"}.get(number % 11, f"respond('{number}')")
        return f'print "line {number}\\n"; {ending}'

    async def main():
        async with opened(tier, max_environments=6) as invoke:
            calls = (invoke(config, text(number), f"{number:036}") for number in range(200))
            return await asyncio.gather(*calls)

    for number, outcome in enumerate(asyncio.run(main())):
        if number % 11 == 3:
            assert json.loads(outcome.payload)["errorMessage"].startswith(f"RequestId: {number:036} Error: ")
        else:
            assert outcome.payload == str(number).encode()
        assert (outcome.function_error is None) == (number % 11 not in (3, 7))
        own = [line for line in outcome.log.decode().splitlines() if line.startswith("line ")]
        assert own == [f"line {number}"]
        assert outcome.log.count(b"REPORT RequestId: ") == 1


def test_another_revision_gets_another_environment_and_the_old_ones_go(tier: str, tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main():
        async with opened(tier) as invoke:
            for revision in ("1", "2", "2", "1"):
                outcome = await invoke(replace(config, revision=revision), "our $n; respond(++$n)")
                counts.append(outcome.payload)
            return len(invoke.host.made)

    counts: list[bytes] = []
    assert asyncio.run(main()) == 3
    assert counts == [b"1", b"1", b"2", b"1"]


# with the plain host alone: what concerns the emulator's own books


def test_an_idle_environment_that_was_killed_is_not_used(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main():
        host = PlainHost()
        emulator = await Emulator.open(host=host)
        payloads = []
        for _ in range(10):
            payloads.append((await emulator.invoke(config, event("our $n; respond(++$n)"))).payload)
            dead = host.made[-1]
            os.kill(dead.pid, signal.SIGKILL)
            await dead.wait()
        await emulator.close()
        return payloads, host.alive

    assert asyncio.run(main()) == ([b"1"] * 10, 0)


def test_an_idle_environment_is_frozen(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> list[str]:
        host = PlainHost()
        emulator = await Emulator.open(host=host)
        states = []
        for _ in range(2):
            await emulator.invoke(config, event("respond('')"))
            stat = Path(f"/proc/{host.made[0].pid}/stat")
            while (state := stat.read_text().rpartition(")")[2].split()[0]) != "T":
                await asyncio.sleep(0)
            states.append(state)
        await emulator.close()
        return states

    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc to see it in")
    assert asyncio.run(main()) == ["T", "T"]


def test_work_after_the_answer_delays_neither_the_answer_nor_for_long_the_next(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main():
        async with opened("plain") as invoke:
            first = await invoke(config, "respond('early'); print \"after\\n\"; sleep 60")
            return first, await invoke(config, "respond('next')"), [line.text for line in invoke.lines]

    first, second, lines = asyncio.run(main())
    assert first.payload == b"early"
    assert second.payload == b"next"
    assert second.report.init_ms is not None
    assert "after" in lines


async def all_closed(host: PlainHost) -> None:
    """An environment that is about to ask for its next event goes when it has asked."""
    while host.alive:
        await asyncio.sleep(0.001)


def test_work_after_the_answer_has_the_invocations_deadline(tmp_path: Path) -> None:
    config = function(tmp_path, timeout=1)

    async def main() -> bytes:
        host = PlainHost()
        emulator = await Emulator.open(host=host)
        outcome = await emulator.invoke(config, event("respond('early'); sleep 60"))
        assert host.alive == 1
        await all_closed(host)
        await emulator.close()
        return outcome.payload

    assert asyncio.run(main()) == b"early"


def test_retire_and_close_leave_nothing(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> list[int]:
        host, seen = PlainHost(), []
        emulator = await Emulator.open(host=host)
        await emulator.invoke(config, event("respond('')"))
        seen.append(host.alive)
        await emulator.retire("arn:aws:lambda:us-east-1:000000000000:function:other")
        seen.append(host.alive)
        await emulator.retire(config.arn)
        await all_closed(host)
        running = asyncio.ensure_future(emulator.invoke(config, event("sleep 60")))
        starting = asyncio.ensure_future(emulator.invoke(config, event("respond('')")))
        while len(host.made) < 3:
            await asyncio.sleep(0.001)
        await emulator.close()
        await emulator.close()
        for call in (running, starting):
            with pytest.raises(EmulatorError):
                await call
        with pytest.raises(EmulatorError):
            await emulator.invoke(config, event("respond('')"))
        seen.append(host.alive)
        return seen

    assert asyncio.run(main()) == [1, 1, 0]


def test_a_machine_that_gives_no_sandbox_is_an_error_and_the_room_is_free_again(tmp_path: Path) -> None:
    config = function(tmp_path)

    async def main() -> bytes:
        host = PlainHost()
        host.refuse = SandboxError("no more processes")
        emulator = await Emulator.open(host=host, max_environments=1)
        for _ in range(2):
            with pytest.raises(SandboxError, match="no more processes"):
                await emulator.invoke(config, event("respond('')"))
        host.refuse = None
        outcome = await emulator.invoke(config, event("respond('now')"))
        await emulator.close()
        return outcome.payload

    assert asyncio.run(main()) == b"now"


def test_a_sink_that_fails_costs_no_outcome(tmp_path: Path) -> None:
    config = function(tmp_path)

    def sink(line) -> None:
        raise BrokenPipeError("nobody reads this")

    async def main() -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
        async with opened("plain", sink=sink) as invoke:
            return (await invoke(config, "print \"hi\n\"; respond('still')")).payload

    seen: list[BaseException] = []
    assert asyncio.run(main()) == b"still"
    assert {type(error) for error in seen} == {BrokenPipeError}


def test_it_runs_on_uvloop(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop", reason="an extra")
    config = function(tmp_path)

    async def main() -> list[bytes]:
        async with opened("plain") as invoke:
            return [(await invoke(config, text)).payload for text in ("respond('one')", "exit 1", "respond('two')")]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        first, _, last = runner.run(main())
    assert (first, last) == (b"one", b"two")


def test_the_tier_and_what_it_lacks_are_told(tier: str) -> None:
    async def main() -> None:
        async with opened(tier) as invoke:
            assert invoke.emulator.tier == tier
            assert all(gap.what and gap.why and gap.mend for gap in invoke.emulator.missing)

    asyncio.run(main())
