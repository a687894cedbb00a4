"""`fn dev` as a process: served, reloaded when a file changes, no request dropped, and nothing left when it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e_support import get

HANDLER = """
use strict; use warnings;
sub handle {
    my ($event, $context) = @_;
    print STDERR "said by hand\\n";
    my $query = $event->{queryStringParameters} || {};
    select undef, undef, undef, $query->{slow} if $query->{slow};
    return { version => 'VERSION' };
}
1;
"""


class Dev:
    """A running `fn dev`."""

    def __init__(self, directories: list[Path], environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "fnroll", "dev", "--port", "0", *map(str, directories)]
        self.process = subprocess.Popen(
            command,
            cwd=directories[0],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().rstrip("\n") for _ in directories]
        self.urls = dict(line.split("\t") for line in lines)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        self._reader.join(30)
        assert self.process.stdout is not None and self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@pytest.fixture
def project(hello: Path) -> Path:
    (hello / "handler.pl").write_text(HANDLER.replace("VERSION", "one"))
    definition = json.loads((hello / "function.json").read_text())
    (hello / "function.json").write_text(json.dumps({**definition, "Timeout": 30}))
    return hello


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., Dev]]:
    started: list[Dev] = []

    def begin(*directories: Path) -> Dev:
        started.append(Dev(list(directories), {**environment, "FN_ROLE": "arn:aws:iam::000000000000:role/x"}))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.end()


def until(condition: Callable[[], Any]) -> None:
    while not condition():
        pass


def test_a_change_is_served_and_the_request_under_way_is_not_dropped(
    project: Path, start: Callable[..., Dev], tmp_path: Path
) -> None:
    dev = start(project)
    url = dev.urls["hello"]
    assert get(url) == (200, {"version": "one"})
    slow: list[Any] = []
    thread = threading.Thread(target=lambda: slow.append(get(url + "?slow=3")))
    thread.start()
    until(lambda: dev.said.count("hello | said by hand") == 2)
    (project / "handler.pl").write_text(HANDLER.replace("VERSION", "two"))
    until(lambda: get(url) == (200, {"version": "two"}))
    thread.join(60)
    assert slow == [(200, {"version": "one"})]
    assert dev.end() == 0
    assert any(" ms (cold, init " in line and line.startswith("hello ") for line in dev.said)
    assert any(line.startswith("hello reloaded in ") for line in dev.said)
    assert not (tmp_path / "state").exists(), "its cloud is its own"


def test_a_mistake_is_told_and_what_was_there_goes_on(project: Path, start: Callable[..., Dev]) -> None:
    dev = start(project)
    text = (project / "function.json").read_text()
    (project / "function.json").write_text(text[:-5])
    until(lambda: any(line.startswith("error: ") for line in dev.said))
    assert get(dev.urls["hello"])[0] == 200
    (project / "function.json").write_text(text)
    (project / "handler.pl").write_text(HANDLER.replace("VERSION", "three"))
    until(lambda: get(dev.urls["hello"]) == (200, {"version": "three"}))


def test_several_functions_are_served_together(project: Path, start: Callable[..., Dev], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("function.json", "handler.pl"):
        (other / name).write_text((project / name).read_text())
    definition = json.loads((other / "function.json").read_text())
    (other / "function.json").write_text(json.dumps({**definition, "FunctionName": "other"}))
    dev = start(project, other)
    assert [get(dev.urls[name])[0] for name in ("hello", "other")] == [200, 200]


def test_a_function_of_managed_instances_is_published_with_each_change(
    project: Path, start: Callable[..., Dev]
) -> None:
    """Its capacity provider is its user's own, and is not in this cloud."""
    definition = json.loads((project / "function.json").read_text())
    arn = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:theirs"
    instances = {"CapacityProviderArn": arn, "PerExecutionEnvironmentMaxConcurrency": 1}
    definition["MemorySize"] = 2048
    definition["CapacityProviderConfig"] = {"LambdaManagedInstancesCapacityProviderConfig": instances}
    (project / "function.json").write_text(json.dumps(definition))
    dev = start(project)
    assert get(dev.urls["hello"]) == (200, {"version": "one"})
    (project / "handler.pl").write_text(HANDLER.replace("VERSION", "two"))
    until(lambda: get(dev.urls["hello"]) == (200, {"version": "two"}))
