"""The main job through the real `fn` process: from `fn init` to an alias that serves, and back."""

from __future__ import annotations

import json
import re
from pathlib import Path

from e2e_support import Fn, get


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_run_is_cold_once_then_warm(fn: Fn, hello: Path) -> None:
    done = fn("run", "-e", '{"name": "world"}', "--repeat", "2", cwd=hello)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["message"] == second["message"] == "Hello, world"
    assert first["pid"] == second["pid"]
    reports = [line for line in done.stderr.splitlines() if line.startswith("REPORT RequestId: ")]
    assert ["Init Duration: " in line for line in reports] == [True, False]
    assert done.stderr.count("START RequestId: ") == done.stderr.count("END RequestId: ") == 2


def test_from_init_to_rollback(fn: Fn, hello: Path, cloud: str) -> None:
    first = fn("deploy", "--local", cwd=hello)
    assert "version 1" in first.stdout + first.stderr

    cold = fn("invoke", "--local", "--log-tail", "-e", '{"name": "world"}', cwd=hello)
    warm = fn("invoke", "--local", "--log-tail", "-e", '{"name": "world"}', cwd=hello)
    assert json.loads(cold.stdout)["pid"] == json.loads(warm.stdout)["pid"]
    assert "Init Duration: " in cold.stderr
    assert "Init Duration: " not in warm.stderr
    assert re.search(r"REPORT RequestId: .*\tBilled Duration: \d+ ms\t", warm.stderr)

    status = json.loads(fn("status", "--local", "--output", "json", cwd=hello).stdout)
    url = status["function_url"]
    assert get(url) == (
        200,
        {"message": "Hello, world", "function": "hello", "version": "1", "pid": get(url)[1]["pid"]},
    )

    edit(hello / "handler.pl", "Hello", "Good morning")
    fn("deploy", "--local", cwd=hello)
    assert get(url)[1]["version"] == "2"
    assert get(url)[1]["message"] == "Good morning, world"

    again = fn("deploy", "--local", cwd=hello)
    assert "no changes, no write sent" in again.stderr
    rows = json.loads(fn("versions", "--local", "--output", "json", cwd=hello).stdout)
    assert [row["version"] for row in rows if row["version"] != "$LATEST"] == ["1", "2"]

    fn("rollback", "--local", cwd=hello)
    assert get(url)[1]["version"] == "1"
    assert get(url)[1]["message"] == "Hello, world"

    fn("delete", "--local", "--yes", cwd=hello)
    assert fn("status", "--local", cwd=hello, status=1).stderr.startswith("error: ")


def test_without_a_cloud_up_one_is_embedded_over_the_same_state(fn: Fn, hello: Path) -> None:
    first = fn("deploy", "--local", cwd=hello)
    assert (first.stdout, "fn local up" in first.stderr) == ("", True)
    answer = fn("invoke", "--local", "-e", '{"name": "embedded"}', cwd=hello)
    assert json.loads(answer.stdout)["message"] == "Hello, embedded"
    assert fn("local", "status", status=1).returncode == 1


def test_dry_run_prints_the_plan_and_changes_nothing(fn: Fn, hello: Path, cloud: str) -> None:
    plan = fn("deploy", "--local", "--dry-run", cwd=hello)
    assert "create" in plan.stdout
    fn("status", "--local", cwd=hello, status=1)
    steps = json.loads(fn("deploy", "--local", "--dry-run", "--output", "json", cwd=hello).stdout)["steps"]
    kinds = [step["kind"] for step in steps]
    assert kinds[:4] == ["publish-layer", "create-function", "publish-version", "create-alias"]


def test_a_function_error_is_exit_code_3_with_the_payload_on_stdout(fn: Fn, hello: Path) -> None:
    edit(hello / "handler.pl", "my ($event, $context) = @_;", 'my ($event, $context) = @_; die "no luck\\n";')
    done = fn("run", "-e", "{}", cwd=hello, status=3)
    assert json.loads(done.stdout)["errorMessage"] == "no luck"


def test_the_event_may_be_piped_in(fn: Fn, hello: Path) -> None:
    done = fn("run", cwd=hello, stdin='{"name": "pipe"}')
    assert json.loads(done.stdout)["message"] == "Hello, pipe"
