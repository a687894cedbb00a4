"""`fn run` through the real process: events in, results out, and what happens around them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from e2e_support import Fn


def handler(project: Path, body: str) -> None:
    """A Perl handler: `$event` in, the value of the last statement out."""
    (project / "handler.pl").write_text(f"sub handle {{ my ($event, $context) = @_; {body} }}\n")


def results(text: str) -> list[object]:
    return [json.loads(line) for line in text.splitlines()]


def test_events_are_taken_in_the_order_in_which_they_are_written(fn: Fn, hello: Path) -> None:
    handler(hello, "return $event")
    (hello / "two.json").write_text('{"n":\n 2}\n')
    (hello / "more.jsonl").write_text('3\n\n"four"\n')
    words = ["-e", "1", "--event", "two.json", "--events-from", "more.jsonl", "-e", "[5]", "--event", "-"]
    done = fn("run", *words, "--repeat", "2", cwd=hello, stdin="6")
    assert results(done.stdout) == [1, {"n": 2}, 3, "four", [5], 6] * 2


def test_a_stream_may_be_piped_in(fn: Fn, hello: Path) -> None:
    handler(hello, "return $event * 2")
    assert results(fn("run", "--events-from", "-", cwd=hello, stdin="1\n2\n3").stdout) == [2, 4, 6]


def test_an_empty_stream_is_no_event(fn: Fn, hello: Path) -> None:
    done = fn("run", "--events-from", "-", cwd=hello, stdin="\n")
    assert (done.stdout, done.stderr) == ("", "there is no event in the stream, so nothing was invoked\n")


def test_many_at_a_time_answer_in_the_order_of_the_events(fn: Fn, hello: Path) -> None:
    """The first waits until the last is over, so they do run at a time; the results wait for it too."""
    handler(
        hello,
        'my $flag = $ENV{FLAG}; if ($event == 1) { select undef, undef, undef, 0.01 until -e $flag }'
        ' elsif ($event == 6) { open my $f, ">", $flag or die "$!" } return [$event, $$]',
    )  # fmt: skip
    events = [word for number in range(1, 7) for word in ("-e", str(number))]
    flag = hello.parent / "flag"
    options = ["--concurrency", "2", "--env", f"FLAG={flag}", "--timeout", "30"]
    done = fn("run", *events, *options, "--sandbox", "process", cwd=hello)  # only plain processes share a file
    answers = results(done.stdout)
    assert [answer[0] for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert len({answer[1] for answer in answers}) == 2
    assert "6 invocations in" in done.stderr
    assert "2 cold, 4 warm" in done.stderr
    assert re.search(r"^\[6\] START RequestId: ", done.stderr, re.MULTILINE)
    assert re.search(r"^\[1\] REPORT RequestId: ", done.stderr, re.MULTILINE)


def test_results_are_a_line_each(fn: Fn, hello: Path) -> None:
    write_bootstrap(hello, r"""join "\n", '{', '  "pretty":', '  true', '}'""")
    assert fn("run", "-e", "1", "-e", "2", cwd=hello).stdout == '{   "pretty":   true }\n' * 2


def write_bootstrap(project: Path, answer: str) -> None:
    """A runtime of its own, which answers every event with the same bytes: `answer` is Perl."""
    (project / "bootstrap").write_text(
        f"""#!/usr/bin/perl
use IO::Socket::INET;
my $api = $ENV{{AWS_LAMBDA_RUNTIME_API}};
sub call {{ my $s = IO::Socket::INET->new($api) or die; print $s join("\\r\\n", @_); local $/; <$s> }}
while (1) {{
    my $next = call("GET /2018-06-01/runtime/invocation/next HTTP/1.1", "Host: x", "Connection: close", "", "");
    my ($id) = $next =~ /Request-Id: (\\S+)/i or die $next;
    my $body = {answer};
    call("POST /2018-06-01/runtime/invocation/$id/response HTTP/1.1", "Host: x", "Connection: close",
        "Content-Length: " . length $body, "", $body);
}}
"""
    )
    (project / "bootstrap").chmod(0o755)
    definition = json.loads((project / "function.json").read_text())
    definition |= {"Runtime": "provided.al2023"}
    definition.pop("Layers", None)
    (project / "function.json").write_text(json.dumps(definition))


def test_json_output_has_payload_error_report_and_log(fn: Fn, hello: Path) -> None:
    handler(hello, 'print "said\\n"; die "no luck\\n" if $event; return {a => 1}')
    done = fn("run", "-e", "0", "-e", "1", "--output", "json", cwd=hello, status=3)
    good, bad = results(done.stdout)
    assert (good["payload"], good["function_error"]) == ({"a": 1}, None)
    assert (bad["payload"]["errorMessage"], bad["function_error"]) == ("no luck", "Unhandled")
    assert good["report"]["status"] == "success"
    assert good["report"]["init_ms"] > 0
    assert bad["report"]["init_ms"] is None
    assert re.match(r"START RequestId: .*\nsaid\nEND RequestId: .*\nREPORT RequestId: ", good["log"])
    assert "said" in done.stderr


def test_an_error_stops_nothing_and_is_exit_code_3_at_the_end(fn: Fn, hello: Path) -> None:
    handler(hello, 'die "no luck\\n" if $event == 2; return $event')
    done = fn("run", "-e", "1", "-e", "2", "-e", "3", cwd=hello, status=3)
    first, second, third = results(done.stdout)
    assert (first, second["errorMessage"], third) == (1, "no luck", 3)
    assert "1 of 3 invocations ended with an error" in done.stderr


def test_variables_come_from_the_definition_then_files_then_the_command_line(fn: Fn, hello: Path) -> None:
    definition = json.loads((hello / "function.json").read_text())
    definition["Environment"] = {"Variables": {"A": "def", "B": "def", "C": "def"}}
    (hello / "function.json").write_text(json.dumps(definition))
    (hello / "one.env").write_text("# mine\nexport B=file\nC=file\nD='two words'\n")
    handler(hello, "return [@ENV{qw(A B C D)}]")
    done = fn("run", "--envfile", "one.env", "--env", "C=line", cwd=hello)
    assert results(done.stdout) == [["def", "file", "line", "two words"]]


def test_timeout_and_memory_of_the_definition_can_be_overridden(fn: Fn, hello: Path) -> None:
    handler(hello, "sleep 30 if $event; return $ENV{AWS_LAMBDA_FUNCTION_MEMORY_SIZE}")
    done = fn("run", "-e", "0", "-e", "1", "--timeout", "1", "--memory", "256", cwd=hello, status=3)
    memory, timed_out = results(done.stdout)
    assert memory == "256"
    assert timed_out["errorType"] == "Sandbox.Timedout"
    assert "Memory Size: 256 MB" in done.stderr


def test_what_was_laid_out_stays_only_if_asked_for(fn: Fn, hello: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    fn("run", cwd=hello, TMPDIR=str(scratch))
    assert list(scratch.iterdir()) == []
    done = fn("run", "--keep", cwd=hello, TMPDIR=str(scratch))
    task, opt = re.search(r"kept: /var/task is (\S+), /opt is (\S+)", done.stderr).groups()
    assert Path(task).is_relative_to(scratch)
    assert (Path(task) / "handler.pl").read_bytes() == (hello / "handler.pl").read_bytes()
    assert (Path(opt) / "bootstrap").is_file()


def test_without_limits_nothing_is_enforced(fn: Fn, hello: Path) -> None:
    handler(hello, "my $large = 'x' x (300 << 20); return length $large")
    assert results(fn("run", "--no-limits", "--timeout", "30", cwd=hello).stdout) == [300 << 20]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupt_ends_everything(environment: dict[str, str], hello: Path, tmp_path: Path, number: int) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mark = uuid.uuid4().hex
    handler(hello, 'if (!fork) { sleep 60; exit } print STDERR "it runs\\n"; sleep 60')
    process = subprocess.Popen(
        [sys.executable, "-m", "fnroll", "run", "-e", "{}", "--env", f"MARK={mark}", "--timeout", "100"],
        cwd=hello,
        env=environment | {"TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "it runs" not in process.stderr.readline():
        assert process.poll() is None
    assert len(marked(mark)) == 2
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in err
    assert marked(mark) == []
    assert list(scratch.iterdir()) == []


def marked(mark: str) -> list[str]:
    """The processes that were given the variable MARK."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        try:
            if f"MARK={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_root_of_nothing_but_code_and_layers(fn: Fn, hello: Path) -> None:
    """There is no perl in it, and no shell: the bootstrap cannot be executed."""
    done = fn("run", "--rootfs", "empty", cwd=hello, status=3)
    assert results(done.stdout)[0]["errorType"] == "Runtime.InvalidEntrypoint"


def test_logging_is_as_the_definition_has_it(fn: Fn, hello: Path) -> None:
    definition = json.loads((hello / "function.json").read_text())
    definition["LoggingConfig"] = {"LogFormat": "JSON"}
    (hello / "function.json").write_text(json.dumps(definition))
    done = fn("run", cwd=hello)
    assert "platform.report" in {record["type"] for record in results_of_log(done.stderr)}


def results_of_log(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_every_tier_that_doctor_names_runs_the_function(fn: Fn, hello: Path) -> None:
    """Also where the cache lies in a directory that nobody else may enter, as root's home is."""
    tiers = json.loads(fn("doctor", "--output", "json").stdout)["tiers"]
    for tier in (row["tier"] for row in tiers if row["works"]):
        done = fn("run", "-e", '{"name": "x"}', "--sandbox", tier, cwd=hello)
        assert json.loads(done.stdout)["message"] == "Hello, x"
        assert done.stderr.startswith(f"sandbox: {tier}")
