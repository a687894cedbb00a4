"""What `fn run` refuses, before anything runs: one message, exit code 2, nothing on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e_support import Fn


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-e", "{"], "-e:1:2: the event is not JSON"),
        (["-e", "hello"], "a text is written in quotes"),
        (["--event", "bad.json"], "bad.json:2:8: the event is not JSON"),
        (["--events-from", "bad.jsonl"], "bad.jsonl:3:1: the event is not JSON"),
        (["--event", "none.json"], "none.json: cannot read the event file: No such file"),
        (["--event", "-", "--events-from", "-"], "standard input can be read only once"),
        (["--env", "A"], "--env takes NAME=VALUE"),
        (["--env", "AWS_REGION=x"], "AWS_REGION is set by Lambda"),
        (["--envfile", "bad.env"], "bad.env:2: the quote ' is not closed"),
        (["--envfile", "none.env"], "none.env: cannot read the environment file"),
        (["--memory", "64"], "128<=x<=10240"),
        (["--timeout", "0"], "1<=x<=900"),
        (["--concurrency", "0"], "1<=x<=1000"),
        (["--debug-port", "9229", "--concurrency", "2"], "--debug-port and --concurrency exclude each other"),
        (["--debug-port", "9229", "--timeout", "3"], "--debug-port and --timeout exclude each other"),
        (["--debug-port", "9229", "--network", "none"], "--debug-port and --network none exclude each other"),
        (["--rootfs", "empty", "--sandbox", "process"], "has no root of its own"),
        (["--rootfs", "nowhere"], "--rootfs takes a directory"),
        (["--aws-credentials", "--local"], "--aws-credentials and --local exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_message_before_anything_runs(fn: Fn, hello: Path, words: list[str], message: str) -> None:
    (hello / "bad.json").write_text('{\n  "a": nothing\n}\n')
    (hello / "bad.jsonl").write_text('1\n\n}\n')  # fmt: skip
    (hello / "bad.env").write_text("A=1\nB='x\n")
    done = fn("run", *words, cwd=hello, status=2)
    assert done.stdout == ""
    assert message in done.stderr
    assert "INIT_START" not in done.stderr
    assert "Traceback" not in done.stderr
