"""`fn logs`: when, how lines look, and the command itself against a moto server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project, moto_session
from fnroll.aws import Session
from fnroll.aws.logs import LogEvent
from fnroll.cli.logs import line, moment
from fnroll.errors import UsageError

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "ago"),
    [("10m", 600), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800), ("1w", 604_800), ("250ms", 0.25)],
)
def test_a_duration_is_that_long_ago(text: str, ago: float) -> None:
    assert moment(text, NOW) == int((NOW - ago) * 1000)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-15T07:13:20+09:00", NOW),
        ("2023-11-14", 1_699_920_000.0),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, at: float) -> None:
    assert moment(text, 0) == int(at * 1000)


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "yesterday", "10m!", "-10m"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither a duration nor a time"):
        moment(text, NOW)


def test_formats() -> None:
    plain = LogEvent(1_700_000_000_123, "s", "hello [1]", "id")
    spread = LogEvent(1_700_000_000_123, "s", '{"b":1,"a":["ä"]}', "id")
    assert line(plain, "detailed") == "2023-11-14T22:13:20.123+00:00 s hello [1]"
    assert line(plain, "short") == "2023-11-14T22:13:20 hello [1]"
    assert line(plain, "json") == line(plain, "detailed")
    assert line(spread, "detailed").endswith('{"b":1,"a":["ä"]}')
    assert line(spread, "json").splitlines()[1:] == ["{", '    "b": 1,', '    "a": [', '        "ä"', "    ]", "}"]
    assert json.loads(line(spread, "jsonl")) == {
        "timestamp": "2023-11-14T22:13:20.123+00:00",
        "stream": "s",
        "message": {"b": 1, "a": ["ä"]},
    }
    assert json.loads(line(plain, "jsonl"))["message"] == "hello [1]"


class Stage:
    """A deployed function on moto, its log, and `fn` beside it."""

    def __init__(self, session: Session, directory: Path, home: Path, environment: dict[str, str]) -> None:
        self.client: Any = session.service("logs")
        self.endpoint = session.options.endpoint or ""
        self.directory = directory
        self.time = int(time.time() * 1000) - 60_000
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
        # No aws CLI to be found: the log is read by fn itself.
        self.environment = {**environment, **keys, "HOME": str(home), "PATH": "/nonexistent", "NO_COLOR": "1"}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "fnroll", "--endpoint", self.endpoint, "logs", *words]

    def fn(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.words(*words),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        return done

    def write(self, group: str, stream: str, *lines: str) -> None:
        logs = self.client
        for create, more in ((logs.create_log_group, {}), (logs.create_log_stream, {"logStreamName": stream})):
            try:
                create(logGroupName=group, **more)
            except logs.exceptions.ResourceAlreadyExistsException:
                pass
        events = [{"timestamp": self.time + at, "message": text} for at, text in enumerate(lines)]
        self.time += len(lines)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    import os

    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "FN_", "LAMBROLL_"))}
    (tmp_path / "project").mkdir()
    with moto_session() as (session, role):
        project = Project(tmp_path / "project", role)
        project.deploy(session)
        yield Stage(session, project.directory, tmp_path, kept)


REQUEST = "11111111-aaaa-4bbb-8ccc-000000000001"


def test_lambroll_weakness_logs_needs_the_aws_cli(stage: Stage) -> None:
    assert "has not logged anything" in stage.fn().stderr
    stage.write("/aws/lambda/hello", "2026/01/01/[1]aa", f"START RequestId: {REQUEST}", "inside", f"END {REQUEST}")
    stage.write("/aws/lambda/hello", "2026/01/01/[$LATEST]bb", "elsewhere ERROR")
    assert [row.split()[-1] for row in stage.fn().stdout.splitlines()] == [REQUEST, "inside", REQUEST, "ERROR"]
    assert stage.fn("--since", "1s").stdout == ""
    found = stage.fn("--filter-pattern", '"ERROR"', "--format", "short")
    assert found.stdout.endswith(" elsewhere ERROR\n") and found.stdout.count("\n") == 1
    assert stage.fn("--request-id", REQUEST, "--format", "short").stdout.count("\n") == 3
    rows = [json.loads(row) for row in stage.fn("--qualifier", "current", "--format", "jsonl").stdout.splitlines()]
    assert {row["stream"] for row in rows} == {"2026/01/01/[1]aa"}
    assert "elsewhere" in stage.fn("--qualifier", "$LATEST").stdout
    absent = stage.fn("--request-id", REQUEST.replace("1", "3"), status=1)
    assert "no line names the request" in absent.stderr
    assert "goes with neither" in stage.fn("--request-id", REQUEST, "--follow", status=2).stderr
    assert "is no request id" in stage.fn("--request-id", "x", status=2).stderr


def test_following_goes_on_until_it_is_interrupted(stage: Stage) -> None:
    with subprocess.Popen(
        stage.words("--follow", "--format", "short"),
        cwd=stage.directory,
        env=stage.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert "has not logged anything" in process.stderr.readline()
        stage.write("/aws/lambda/hello", "2026/01/01/[1]aa", "first")
        assert process.stdout.readline().endswith(" first\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
