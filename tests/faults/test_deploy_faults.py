"""Every fault at every call of a deploy: the next one converges, traffic saw no half of anything, no word was untrue.

A session's cloud serves all cases, each a function of its own; the cases run side by side, since what they do most is
wait for a retry.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

import faults_support
from faults_support import CHANGES, FAULTS, Case, Deployed, look, session_on
from fnroll import cloud

SERVES = re.compile(r"alias current (?:is new and )?serves (\S+)")
AT_ONCE = 32


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cloud.embedded(tmp_path_factory.mktemp("state"), tier="process") as found:
        yield found.url


class Server:
    """The processes that carry deploys out (faults_support.py). Threads may ask at once."""

    def __init__(self) -> None:
        command = [sys.executable, faults_support.__file__]
        pythonpath = os.pathsep.join(filter(None, [str(Path(faults_support.__file__).parent), *sys.path]))
        environment = {**os.environ, "PYTHONPATH": pythonpath}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._waiting: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ask(self, work: str, endpoint: str, directory: Path, case: Case) -> Any:
        """What `work` returned; None if its process was killed."""
        answer: Future[Any] = Future()
        number = f"{work}-{case.name}"
        job = {"id": number, "work": work, "endpoint": endpoint, "directory": str(directory), "case": astuple(case)}
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

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
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


def disturb(server: Server, endpoint: str, directory: Path, case: Case) -> str:
    """Run a case and judge it; what the first run said."""
    place = directory / case.name
    project = Deployed(place, case)
    old, new = served(project, "old"), served(project, "new")
    asked = [new] if case.change == "create" else [old, new]
    result = server.ask("attempt", endpoint, place, case)
    session = session_on(endpoint)
    seen = look(session, case)
    version = seen.pop("version", "nothing")
    assert not seen or seen in asked, f"{case.name}: traffic sees {seen}"
    assert not isinstance(result, str), f"{case.name}: {result}"
    said = "" if result is None else result[0]
    if claim := SERVES.search(said):
        assert claim.group(1) == version, f"{case.name}: {said}"
    elif result is not None and not said:
        assert seen == new, f"{case.name}: it said that all went well"
    left = server.ask("converge", endpoint, place, case)
    assert left == 0, f"{case.name}: {left} steps left after one more deploy"
    after = look(session, case)
    assert after.pop("version").isdecimal()
    assert after == new, case.name
    return said


@pytest.mark.parametrize("change", CHANGES)
def test_every_fault_at_every_call(change: str, server: Server, endpoint: str, tmp_path: Path) -> None:
    counted = server.ask("attempt", endpoint, tmp_path / "count", Case(change, "none", 0))
    assert counted[0] == ""
    cases = [Case(change, fault, k) for fault in FAULTS for k in range(1, counted[1] + 1)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(
            zip(cases, pool.map(lambda case: _judged(server, endpoint, tmp_path, case), cases), strict=True)
        )
    assert [text for text in outcomes.values() if text.startswith("FAILED")] == []
    stopped = sum(bool(text) for text in outcomes.values())
    print(f"{change}: {counted[1]} calls, {len(cases)} faults, {stopped} told as errors, all converged")


def _judged(server: Server, endpoint: str, directory: Path, case: Case) -> str:
    try:
        return disturb(server, endpoint, directory, case)
    except AssertionError as error:
        return f"FAILED {error}"
