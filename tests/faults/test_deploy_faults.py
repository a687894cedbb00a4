"""Every fault at every call of a deploy: the next one converges, traffic saw no half of anything, no word was untrue.

One local cloud serves all cases of a change, each a function of its own; the cases run side by side, since what they do
most is wait for a retry. How many there were is among the last lines of the run (tests/conftest.py).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

import faults_support
from faults_support import FAULTS, Case, Deployed
from fnroll import cloud

SERVES = re.compile(r"alias current (?:is new and )?serves (\S+)")
AT_ONCE = 48
CALLS = {"create": 9, "code": 9, "configuration": 8, "everything": 17}
"""How many calls each change takes at least."""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cloud.embedded(tmp_path_factory.mktemp("state"), tier="process") as found:
        yield found.url


class Server:
    """The processes that carry deploys out (faults_support.py). Threads may ask at once."""

    def __init__(self, endpoint: str) -> None:
        command = [sys.executable, faults_support.__file__, endpoint]
        pythonpath = os.pathsep.join(filter(None, [str(Path(faults_support.__file__).parent), *sys.path]))
        environment = {**os.environ, "PYTHONPATH": pythonpath}
        counted: Future[Any] = Future()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._waiting: dict[str, Future[Any]] = {"calls": counted}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.calls: dict[str, int] = counted.result(100)
        """How many calls an undisturbed deploy of each change makes."""

    def ask(self, work: str, directory: Path, case: Case) -> Any:
        """What came of it; None if the process was killed."""
        answer: Future[Any] = Future()
        number = f"{work}-{case.name}"
        job = {"id": number, "work": work, "directory": str(directory), "case": astuple(case)}
        assert self._process.stdin is not None
        with self._lock:
            self._waiting[number] = answer
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        return answer.result(100)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._waiting.pop(said["id"]).set_result(said["result"])
        for answer in self._waiting.values():
            answer.set_exception(EOFError("the server has ended"))

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def server(endpoint: str) -> Iterator[Server]:
    made = Server(endpoint)
    yield made
    made.close()


def served(project: Deployed, state: str) -> dict[str, Any]:
    """What traffic would see of a state, as `look` has it but for the version."""
    getattr(project, state)()
    desired = project.desired()
    assert desired.package is not None
    environment = desired.configuration["Environment"]["Variables"]
    return {
        "code": desired.package.code_sha256,
        "memory": desired.configuration["MemorySize"],
        "timeout": 3,
        "variables": dict(environment),
    }


def disturb(server: Server, directory: Path, case: Case) -> str:
    """Run a case and judge it; what the first run said."""
    place = directory / case.name
    project = Deployed(place, case)
    old, new = served(project, "old"), served(project, "new")
    asked = [new] if case.change == "create" else [old, new]
    found = server.ask("attempt", place, case)
    if killed := found is None:
        found = server.ask("aftermath", place, case)
    assert "error" not in found, f"{case.name}: {found['error']}"
    if case.fault.startswith("kill"):  # one that needed a look less than the rehearsal never came to its end
        assert killed or found["calls"] < case.k, case.name
    else:
        assert not killed, case.name
    seen, after, said = found["seen"], found["after"], found["said"] or ""
    version = seen.pop("version", "nothing")
    assert not seen or seen in asked, f"{case.name}: traffic sees {seen}"
    if claim := SERVES.search(said):
        assert claim.group(1) == version, f"{case.name}: {said}"
    elif not killed and not said:
        assert seen == new, f"{case.name}: it said that all went well"
    assert found["left"] == 0, f"{case.name}: {found['left']} steps left after one more deploy"
    assert after.pop("version").isdecimal()
    assert after == new, case.name
    return said


@pytest.mark.parametrize("change", CALLS)
def test_every_fault_at_every_call(
    change: str, server: Server, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    calls = server.calls[change]
    assert calls >= CALLS[change]
    cases = [Case(change, fault, k) for fault in FAULTS for k in range(1, calls + 1)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda case: _judged(server, tmp_path, case), cases))
    assert [text for text in outcomes if text.startswith("FAILED")] == []
    stopped = sum(bool(text) for text in outcomes)
    record_property("faults", f"{change}: {calls} calls, {len(cases)} faults, {stopped} told as errors, all converged")
    record_property("fault cases", len(cases))


def test_there_are_four_hundred_cases_at_least() -> None:
    assert sum(CALLS.values()) * len(FAULTS) >= 400


def _judged(server: Server, directory: Path, case: Case) -> str:
    try:
        return disturb(server, directory, case)
    except AssertionError as error:
        return f"FAILED {error}"
