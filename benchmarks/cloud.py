"""A large local cloud: 1,000 functions of 50 versions each; listing, reading, invoking, restarting, and its memory.

    python benchmarks/cloud.py [FUNCTIONS [VERSIONS]]

Every figure stands beside the same of a cloud with a twentieth of the functions, whose pages are as full: a ratio of 1
says that what there is besides costs nothing. Two floors stand in the table too: a request that reads nothing, and the
start of a cloud that holds nothing. Functions answer from Python within the server (tests/cloud_support.py), so that
what is measured is the cloud and not what it runs; each has a package of its own. The versions are written through the
API, as a client would, and the cloud that wrote them is killed.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from cloud_support import ROLE, package, process  # noqa: E402

FUNCTIONS = "/2015-03-31/functions"
HEALTH = "/.fn/health"
SHARE = 20
"""The small cloud has so many times fewer functions."""


class Caller:
    """One connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {said[:500]!r}")
        return json.loads(said) if said else None


def create(call: Caller, name: str) -> None:
    code = b64encode(package({"h.py": f"def h(event, context): return {name!r}"})).decode()
    made = {"FunctionName": name, "Runtime": "python3.13", "Handler": "h.h", "Role": ROLE}
    call("POST", FUNCTIONS, {**made, "Code": {"ZipFile": code}})


def fill(call: Caller, functions: int, versions: int) -> float:
    """Make them; seconds."""
    began = time.perf_counter()
    for number in range(functions):
        name = f"f{number:04d}"
        create(call, name)
        for version in range(versions):
            publish(call, name, str(version))
        dress(call, name, str(versions))
        if sys.stderr.isatty() and number % 10 == 0:
            print(f"\r{number} of {functions} functions", end="", file=sys.stderr, flush=True)
    return time.perf_counter() - began


def dress(call: Caller, name: str, version: str) -> None:
    """An alias, a policy and a setting."""
    call("POST", f"{FUNCTIONS}/{name}/aliases", {"Name": "live", "FunctionVersion": version})
    permission = {"StatementId": "of", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"}
    call("POST", f"{FUNCTIONS}/{name}/policy", permission)
    call("PUT", f"/2019-09-25/functions/{name}/event-invoke-config", {"MaximumRetryAttempts": 1})


def publish(call: Caller, name: str, description: str) -> None:
    call("PUT", f"{FUNCTIONS}/{name}/configuration", {"Description": description})
    call("POST", f"{FUNCTIONS}/{name}/versions", {})


def everything(call: Caller, first: str, member: str) -> int:
    """Items of all pages of a list."""
    found, marker = 0, ""
    while True:
        joint = "&" if "?" in first else "?"
        page = call("GET", first + (f"{joint}Marker={marker}" if marker else ""))
        found += len(page[member])
        marker = page.get("NextMarker", "").replace("=", "%3D")
        if not marker:
            return found


def timed(work: Callable[[], object], times: int) -> float:
    """Milliseconds of one, at best of `times`."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best * 1000


def memory(pid: int, what: str = "VmRSS") -> float:
    """Resident megabytes; VmHWM: the most there were."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1000


@contextmanager
def up(state: Path) -> Iterator[tuple[subprocess.Popen[str], Caller, float]]:
    """A cloud over `state`, which is killed in the end, and the milliseconds until it answered."""
    began = time.perf_counter()
    with process(state) as (running, url):
        call = Caller(url)
        call("GET", HEALTH)
        yield running, call, (time.perf_counter() - began) * 1000


def starts(states: Sequence[Path]) -> list[float]:
    """Milliseconds of each, side by side, at best of five."""
    took: list[list[float]] = [[] for _ in states]
    for _ in range(5):
        for state, found in zip(states, took, strict=True):
            with up(state) as (_, _, started):
                found.append(started)
    return [min(found) for found in took]


def one_by_one(call: Caller, functions: int, versions: int) -> Iterator[tuple[str, float]]:
    """What a call on one function takes, of the one in the middle."""
    name = f"f{functions // 2:04d}"
    at = f"{FUNCTIONS}/{name}"
    yield "a request that reads nothing", timed(lambda: call("GET", HEALTH), 200)
    yield "GetFunction", timed(lambda: call("GET", f"{at}?Qualifier=live"), 100)
    yield "Invoke", timed(lambda: call("POST", f"{at}/invocations", {}), 200)
    yield "UpdateAlias", timed(lambda: call("PUT", f"{at}/aliases/live", {"Description": "b"}), 50)
    yield "configuration and PublishVersion", timed(lambda: publish(call, name, str(time.perf_counter())), 20)
    yield "AddPermission and RemovePermission", timed(lambda: permit(call, at), 20)
    yield "CreateFunction", timed(lambda: create(call, f"new{time.perf_counter_ns()}"), 20)
    create(call, "old")
    for version in range(versions):
        publish(call, "old", str(version))
    yield "DeleteFunction, all versions", timed(lambda: call("DELETE", f"{FUNCTIONS}/old"), 1)


def permit(call: Caller, at: str) -> None:
    call(
        "POST",
        f"{at}/policy",
        {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"},
    )
    call("DELETE", f"{at}/policy/s")


def lists(call: Caller, functions: int) -> Iterator[tuple[str, float]]:
    """What lists take, and what they take for each thing that is in them."""
    every, versions = f"{FUNCTIONS}?FunctionVersion=ALL", f"{FUNCTIONS}/f{functions // 2:04d}/versions"
    yield "a page of ListFunctions", timed(lambda: call("GET", FUNCTIONS), 20)
    yield "a page of ListVersionsByFunction", timed(lambda: call("GET", versions), 20)
    yield "GetAccountSettings", timed(lambda: call("GET", "/2016-08-19/account-settings"), 5)
    for name, path, member in (
        ("ListFunctions, all pages, each", FUNCTIONS, "Functions"),
        ("ListFunctions with versions, each", every, "Functions"),
        ("ListVersionsByFunction, each", versions, "Versions"),
    ):
        found = everything(call, path, member)
        yield name, timed(partial(everything, call, path, member), 2) / found


def in_turn(call: Caller, functions: int) -> float:
    """Milliseconds of one Invoke where each function has one."""
    began = time.perf_counter()
    for number in range(functions):
        call("POST", f"{FUNCTIONS}/f{number:04d}/invocations", {})
    return (time.perf_counter() - began) * 1000 / functions


def measured(state: Path, functions: int, versions: int) -> dict[str, float]:
    """What one cloud takes once it is up, in milliseconds, and its megabytes."""
    with up(state) as (running, call, _):
        rows = {
            "memory, started, MB": memory(running.pid),
            "memory, the most till then, MB": memory(running.pid, "VmHWM"),
        }
        rows |= lists(call, functions)
        rows["Invoke, each function's first"] = in_turn(call, functions)
        rows["Invoke, each function in turn"] = in_turn(call, functions)
        rows |= one_by_one(call, functions, versions)
        rows["memory, listed and invoked, MB"] = memory(running.pid)
    return rows


def size(state: Path) -> float:
    return sum(path.stat().st_size for path in state.rglob("*") if path.is_file()) / 1e6


def main(functions: int, versions: int) -> None:
    counts = (max(1, functions // SHARE), functions)
    with tempfile.TemporaryDirectory() as scratch:
        empty, *states = (Path(scratch) / name for name in ("empty", "small", "large"))
        filled = []
        for state, count in zip(states, counts, strict=True):
            with up(state) as (_, call, _):
                filled.append(fill(call, count, versions) * 1000 / count / versions)
        nothing, *started = starts((empty, *states))
        rows = []
        for number, (state, count) in enumerate(zip(states, counts, strict=True)):
            rows.append(
                {
                    "filling it, each version": filled[number],
                    "state on the disk, MB": size(state),
                    "start of a cloud that holds nothing": nothing,
                    "start": started[number],
                    **measured(state, count, versions),
                }
            )
    show(rows, [f"{count:,} x {versions}" for count in counts])


def show(rows: Sequence[Mapping[str, float]], heads: Sequence[str]) -> None:
    small, large = rows
    print(f"{'milliseconds, unless it says otherwise':40}{heads[0]:>12}{heads[1]:>12}{'ratio':>9}")
    for name, value in large.items():
        print(f"{name:40}{small[name]:12.2f}{value:12.2f}{value / small[name]:9.2f}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [1000, 50][len(given) :]))
