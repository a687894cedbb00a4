"""Warm invocations a second through the local cloud's Invoke API, with p50 and p99, on one connection and on eight.

    python benchmarks/invoke.py [SECONDS]

Beside it: AWS's Runtime Interface Emulator, running the same bootstrap (its program lies in the wheel of aws-sam-cli,
which pip fetches into a directory of the benchmark's own), and two floors: the same HTTP server answering the same
request by itself, without any function behind it; and a bare loop that hands events from the same clients to the same
functions and knows nothing else (benchmarks/relay.py), which no emulator in Python can be faster than. Twice: for an
echo by Python's standard library, which itself takes about as long as either emulator, and for one in C (where there is
a compiler), which leaves the emulators alone with the kernel. The load comes from a process of its own
(benchmarks/load.py); on a machine with two cores all share them.

AWS's emulator takes one invocation at a time: a second one at once ends its process. Its rate on one connection is so
the most that it gives eight clients, and is what stands there.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alone import NATIVE
from fnroll.emulator.wire import HttpServer, Reply, Request
from load import measure

EVENT = b'{"name": "world"}'

BOOTSTRAP = """#!/usr/bin/python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", base + "next")
    answer = api.getresponse()
    event, id = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", base + id + "/response", event)
    api.getresponse().read()
"""
"""One function for both: an echo by the standard library."""


def bootstraps(scratch: Path) -> Iterator[tuple[str, bytes]]:
    """What is run: a name, and the program."""
    yield "an echo in Python", BOOTSTRAP.encode()
    if compiler := shutil.which("cc"):
        (scratch / "native.c").write_text(NATIVE)
        options = ["-O2", "-w", "-static", "-o", str(scratch / "native")]
        subprocess.run([compiler, *options, str(scratch / "native.c")], check=True)
        yield "an answer in C", (scratch / "native").read_bytes()


DEFINITION = {
    "FunctionName": "echo",
    "Runtime": "provided.al2023",
    "Handler": "x",
    "Role": "arn:aws:iam::000000000000:role/bench",
    "MemorySize": 1769,
    "Timeout": 30,
}
PEER_PATH = "/2015-03-31/functions/function/invocations"


def request(port: int, path: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(EVENT)}\r\n\r\n".encode() + EVENT


class Floor:
    """An HTTP server in a thread that answers every request with its own body."""

    def __enter__(self) -> int:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port: int = self.sock.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        server = HttpServer(self.answer, max_body=1 << 20)
        asyncio.run_coroutine_threadsafe(server.start(self.sock), self.loop).result()
        return self.port

    @staticmethod
    def answer(asked: Request, reply: Reply) -> None:
        reply.send(200, [("Content-Type", "application/json")], asked.body)

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def fn(*words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fnroll", *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def peer_program(scratch: Path) -> Path | None:
    """AWS's emulator, or None if the index or the program for this machine cannot be had."""
    words = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), "aws-sam-cli"]
    if subprocess.run([sys.executable, *words], check=False, capture_output=True).returncode:
        return None
    name = "aws-lambda-rie-" + {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    for wheel in scratch.glob("*.whl"):
        with zipfile.ZipFile(wheel) as opened:
            for entry in opened.namelist():
                if entry.endswith(f"/{name}"):
                    program = scratch / name
                    program.write_bytes(opened.read(entry))
                    program.chmod(0o755)
                    return program
    return None


@contextmanager
def peer(program: Path, bootstrap: Path) -> Iterator[int]:
    """AWS's emulator over a bootstrap; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as free:
        api: int = free.getsockname()[1]
    words = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}"]
    command = [str(program), *words, str(bootstrap), "x"]
    out = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=bootstrap.parent, start_new_session=True, stdout=out, stderr=out) as running:
        try:
            for _ in range(500):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.02)
            yield port
        finally:
            os.killpg(running.pid, signal.SIGKILL)


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(FN_STATE=f"{scratch}/state", FN_CACHE=f"{scratch}/cache")
        here = Path(scratch)
        project = here / "echo"
        project.mkdir()
        (project / "function.json").write_text(json.dumps(DEFINITION))
        program = peer_program(here)
        url = fn("local", "up", "--detach", "--port", "0", cwd=project).strip()
        try:
            status = json.loads(fn("local", "status", "--output", "json", cwd=project))
            for name, content in bootstraps(here):
                (project / "bootstrap").unlink(missing_ok=True)
                (project / "bootstrap").write_bytes(content)
                (project / "bootstrap").chmod(0o755)
                fn("deploy", "--local", cwd=project)
                print(f"sandbox tier: {status['tier']}; {name}; {seconds:g} s each")
                compare(int(url.rsplit(":", 1)[1]), program, project / "bootstrap", seconds)
        finally:
            fn("local", "down", cwd=project)


@contextmanager
def relay(bootstrap: Path, count: int) -> Iterator[int]:
    """A bare loop between callers and so many bootstraps; its port."""
    command = [sys.executable, str(Path(__file__).with_name("relay.py")), str(bootstrap), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as running:
        assert running.stdin is not None and running.stdout is not None
        try:
            yield int(running.stdout.readline())
        finally:
            running.stdin.close()
            running.wait()


def compare(port: int, program: Path | None, bootstrap: Path, seconds: float) -> None:
    ours = request(port, "/2015-03-31/functions/echo/invocations?Qualifier=current")
    rows: list[tuple[str, int, dict[str, Any]]] = []
    if program is None:
        print("AWS's emulator could not be fetched: no peer")
    else:
        with peer(program, bootstrap) as peer_port:
            theirs = request(peer_port, PEER_PATH)
            measure(peer_port, 1, min(1.0, seconds), theirs)
            rows.append(("AWS's emulator", 1, measure(peer_port, 1, seconds, theirs)))
    with Floor() as floor_port:
        for connections in (1, 8):
            measure(port, connections, min(1.0, seconds), ours)  # warm the environments
            rows.append(("fn", connections, measure(port, connections, seconds, ours)))
            floor = measure(floor_port, connections, seconds, request(floor_port, "/"))
            rows.append(("floor: HTTP server alone", connections, floor))
            with relay(bootstrap, connections) as relay_port:
                measure(relay_port, connections, min(1.0, seconds), request(relay_port, "/"))
                bare = measure(relay_port, connections, seconds, request(relay_port, "/"))
            rows.append(("floor: a bare relay", connections, bare))
    base = rows[0][2]["rate"] if program is not None else None
    print(f"{'':26}{'connections':>12}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}   times AWS's emulator")
    for name, connections, row in rows:
        times = f"{row['rate'] / base:.2f}" if base is not None else ""
        print(f"{name:26}{connections:12}{row['rate']:10.0f}{row['p50']:9.2f}{row['p99']:9.2f}   {times}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
