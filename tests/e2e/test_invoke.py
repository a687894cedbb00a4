"""`fn invoke` as a process: events in, responses out, exit codes, latency."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_support import Fn
from stream_support import chunk, complete, streamer

ECHO = """sub handle {
    my ($event) = @_;
    die "no luck\\n" if ref $event eq 'HASH' && $event->{fail};
    $event
}
"""


@pytest.fixture
def echo(fn: Fn, hello: Path, cloud: str) -> Path:
    """A function that answers with its event, deployed to a local cloud that is up."""
    (hello / "handler.pl").write_text(ECHO)
    fn("deploy", "--local", cwd=hello)
    return hello


def test_several_values_in_a_row_are_an_invocation_each(fn: Fn, echo: Path) -> None:
    (echo / "more.json").write_text('{"n": 3}\n\n[4]')
    done = fn("invoke", "--local", "-e", '{"n": 1} {"n": 2}', "--event", "more.json", "-e", '"5"', cwd=echo)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"n": 1}, {"n": 2}, {"n": 3}, [4], "5"]
    assert "5 invocations in" in done.stderr
    piped = fn("invoke", "--local", cwd=echo, stdin='{"n": 1}{"n": 2}')
    assert [json.loads(line) for line in piped.stdout.splitlines()] == [{"n": 1}, {"n": 2}]
    nothing = fn("invoke", "--local", cwd=echo, stdin=" \n")
    assert (nothing.stdout, nothing.stderr) == ("", "no event on standard input, nothing invoked\n")


def test_lambroll_weakness_invoke_hides_function_errors(fn: Fn, echo: Path) -> None:
    """There: exit 0 whatever the function answers. Here the others are sent all the same, and then it is exit 3."""
    done = fn("invoke", "--local", "-e", '{"fail": 1} {"n": 2}', cwd=echo, status=3)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["errorMessage"], second) == ("no luck", {"n": 2})
    assert "the function answered 1 of 2 with an error" in done.stderr


def test_each_tenant_has_environments_of_its_own(fn: Fn, hello: Path, cloud: str) -> None:
    definition = json.loads((hello / "function.json").read_text())
    definition.pop("Fn", None)  # a function of tenants has no URL
    definition["TenancyConfig"] = {"TenantIsolationMode": "PER_TENANT"}
    (hello / "function.json").write_text(json.dumps(definition))
    (hello / "handler.pl").write_text("my $n = 0; sub handle { ++$n }\n")
    fn("deploy", "--local", cwd=hello)
    told = [fn("invoke", "--local", "--tenant-id", each, cwd=hello).stdout.strip() for each in ("a", "a", "b")]
    assert told == ["1", "2", "1"]
    assert "tenant" in fn("invoke", "--local", cwd=hello, status=1).stderr.lower()


def test_many_at_a_time_come_in_order_with_their_latency(fn: Fn, echo: Path) -> None:
    events = " ".join(str(n) for n in range(10))
    words = ("invoke", "--local", "-e", events, "--repeat", "3", "--parallel", "4", "--output", "json")
    done = fn(*words, cwd=echo)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["payload"] for row in rows] == [*range(10)] * 3
    assert {(row["status"], row["executed_version"], row["function_error"]) for row in rows} == {(200, "1", None)}
    assert all(row["latency_ms"] > 0 for row in rows)
    assert done.stderr.startswith("30 invocations in ") and " p99 " in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--async", "--stream"], "--async and --stream exclude each other"),
        (["--async", "--log-tail"], "--async and --log-tail exclude each other"),
        (["--async", "--client-context", "{}"], "--async and --client-context exclude each other"),
        (["--stream", "--parallel", "2"], "--stream and --parallel exclude each other"),
        (["--stream", "--output", "json"], "--stream and --output json exclude each other"),
        (["--client-context", "[]"], "takes one JSON object"),
        (["--client-context", json.dumps({"a": "b" * 3600})], "longer than the 3583 bytes"),
        (["-e", "{} x"], "-e:1:4: the payload is not JSON"),
        (["--event", "absent.json"], "absent.json: cannot read the event file"),
        (["--event", "-", "--event", "-"], "standard input can be read only once"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_sent(fn: Fn, hello: Path, words: list[str], said: str) -> None:
    done = fn("invoke", "--endpoint", "http://127.0.0.1:1", *words, cwd=hello, status=2)
    assert said in done.stderr


def test_what_is_not_there_names_the_way_to_what_is(fn: Fn, hello: Path, cloud: str) -> None:
    assert "--qualifier '$LATEST'" in fn("invoke", "--local", cwd=hello, status=1).stderr
    assert "--qualifier" not in fn("invoke", "--local", "--qualifier", "7", cwd=hello, status=1).stderr


def test_a_response_is_printed_as_it_arrives(environment: dict[str, str], hello: Path) -> None:
    read = threading.Event()

    def answer() -> Iterator[bytes]:
        yield chunk(b"first\n")
        assert read.wait(30), "nothing was printed before the end"
        yield chunk(b"second")
        yield complete(ErrorCode="Unhandled", ErrorDetails="it broke")

    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    with streamer(answer) as server:
        words = ["invoke", "--stream", "--endpoint", server.url]
        with subprocess.Popen(
            [sys.executable, "-m", "fnroll", *words],
            cwd=hello,
            env=environment | keys,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == "first\n"
            read.set()
            assert process.stdout.read() == "second\n"
            assert "Unhandled: it broke" in process.stderr.read()
    assert process.returncode == 3


def test_ctrl_c_waits_for_no_answer_and_sums_up_what_came(environment: dict[str, str], hello: Path) -> None:
    """Three are answered, the rest are under way for as long as the server likes."""
    tickets, waiting, over = threading.Semaphore(3), threading.Semaphore(0), threading.Event()

    def answer() -> Iterator[bytes]:
        if not tickets.acquire(blocking=False):
            waiting.release()
            over.wait(60)
        yield b"{}"

    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    with streamer(answer) as server:
        words = ["invoke", "--endpoint", server.url, "-e", "{}", "--repeat", "20", "--parallel", "4"]
        with subprocess.Popen(
            [sys.executable, "-m", "fnroll", *words],
            cwd=hello,
            env=environment | keys,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert all(waiting.acquire(timeout=30) for _ in range(4))
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
            over.set()
    assert process.returncode == 130
    assert " of 20 answered: " in stderr and stderr.endswith("error: interrupted\n")
