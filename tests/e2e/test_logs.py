"""`fn logs --local -f` beside a cloud in another process: what a function prints is there while it goes on."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from e2e_support import Fn


def until(lines: queue.Queue[str], wanted: Callable[[str], bool]) -> list[str]:
    """The lines as they come, up to the one that is wanted."""
    found: list[str] = []
    while not found or not wanted(found[-1]):
        found.append(lines.get(timeout=60))
    return found


def test_the_log_is_followed_while_the_function_goes_on(
    fn: Fn, hello: Path, cloud: str, environment: dict[str, str]
) -> None:
    handler = 'sub handle { my ($event) = @_; print "told $event->{n}\\n"; return $event } 1;\n'
    (hello / "handler.pl").write_text(handler)
    fn("deploy", "--local", cwd=hello)
    words = [sys.executable, "-m", "fnroll", "logs", "--local", "--follow", "--format", "jsonl"]
    lines: queue.Queue[str] = queue.Queue()
    with subprocess.Popen(
        words, cwd=hello, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as following:
        stdout = following.stdout
        assert stdout is not None
        reader = threading.Thread(target=lambda: [lines.put(line) for line in stdout])
        reader.start()
        try:
            for number in (1, 2):
                fn("invoke", "--local", "-e", json.dumps({"n": number}), cwd=hello)
                messages = [json.loads(line)["message"] for line in until(lines, lambda line: "REPORT" in line)]
                assert f"told {number}" in messages
                starts = [at for at, text in enumerate(messages) if str(text).startswith("START RequestId")]
                assert len(starts) == 1 and starts[0] < messages.index(f"told {number}")
            assert following.poll() is None
        finally:
            following.send_signal(signal.SIGINT)
            status = following.wait(30)
            reader.join()
        assert status == 130
    assert lines.empty()
