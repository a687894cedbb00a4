"""A large local cloud: 1,000 functions of 50 versions each; listing, reading, invoking, restarting, and its memory.

    python benchmarks/cloud.py [FUNCTIONS [VERSIONS]]

Every figure stands beside the same of a cloud with one function. Functions answer from Python within the server
(tests/cloud_support.py), so that what is measured is the cloud and not what it runs. The versions are written through
the API, as a client would.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from cloud_support import ROLE, package, process  # noqa: E402

FUNCTIONS = "/2015-03-31/functions"


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


def fill(call: Caller, functions: int, versions: int) -> float:
    """Make them; seconds."""
    code = b64encode(package()).decode()
    began = time.perf_counter()
    for number in range(functions):
        name = f"f{number:04d}"
        made = {"FunctionName": name, "Runtime": "python3.13", "Handler": "h.h", "Role": ROLE}
        call("POST", FUNCTIONS, {**made, "Code": {"ZipFile": code}})
        for version in range(versions):
            call("PUT", f"{FUNCTIONS}/{name}/configuration", {"Description": str(version)})
            call("POST", f"{FUNCTIONS}/{name}/versions", {})
        call("POST", f"{FUNCTIONS}/{name}/aliases", {"Name": "live", "FunctionVersion": str(versions)})
        if sys.stderr.isatty() and number % 10 == 0:
            print(f"\r{number} of {functions} functions", end="", file=sys.stderr, flush=True)
    return time.perf_counter() - began


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


def memory(pid: int) -> float:
    """Resident megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def up(state: Path) -> Iterator[tuple[subprocess.Popen[str], Caller, float]]:
    began = time.perf_counter()
    with process(state) as (running, url):
        call = Caller(url)
        call("GET", "/.fn/health")
        yield running, call, (time.perf_counter() - began) * 1000


def measured(functions: int, versions: int) -> dict[str, float]:
    """What one cloud takes, in milliseconds, and its megabytes."""
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch)
        with up(state) as (_, call, _):
            filled = fill(call, functions, versions)
        last = f"f{functions - 1:04d}"
        with up(state) as (running, call, started):
            fresh = memory(running.pid)
            rows = {
                "start until it answers": started,
                "a page of ListFunctions": timed(lambda: call("GET", FUNCTIONS), 20),
                "GetFunction": timed(lambda: call("GET", f"{FUNCTIONS}/{last}?Qualifier=live"), 50),
                "first Invoke of a function": timed(lambda: call("POST", f"{FUNCTIONS}/{last}/invocations", {}), 1),
                "Invoke": timed(lambda: call("POST", f"{FUNCTIONS}/{last}/invocations", {}), 200),
                "PublishVersion": timed(lambda: publish(call, last), 10),
            }
            listed = timed(lambda: everything(call, FUNCTIONS, "Functions"), 1) / functions
            pages = timed(lambda: everything(call, f"{FUNCTIONS}/{last}/versions", "Versions"), 1) / (versions + 1)
            rows["ListFunctions, each function"] = listed
            rows["ListVersions, each version"] = pages
            for number in range(functions):
                call("POST", f"{FUNCTIONS}/f{number:04d}/invocations", {})
            rows["memory at the start, MB"] = fresh
            rows["memory, all invoked once, MB"] = memory(running.pid)
        rows["filling it, seconds"] = filled
        rows["state on the disk, MB"] = sum(path.stat().st_size for path in state.rglob("*") if path.is_file()) / 1e6
    return rows


def publish(call: Caller, name: str) -> None:
    call("PUT", f"{FUNCTIONS}/{name}/configuration", {"Description": str(time.perf_counter())})
    call("POST", f"{FUNCTIONS}/{name}/versions", {})


def main(functions: int, versions: int) -> None:
    small, large = measured(1, 1), measured(functions, versions)
    print(f"{'milliseconds, unless it says otherwise':40}{'1 x 1':>10}{f'{functions:,} x {versions}':>14}{'ratio':>9}")
    for name, value in large.items():
        print(f"{name:40}{small[name]:10.2f}{value:14.2f}{value / small[name]:9.2f}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [1000, 50][len(given) :]))
