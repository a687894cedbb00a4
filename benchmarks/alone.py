"""Warm invocations by the emulator alone, without an HTTP front: a second, p50 and p99, for each runtime.

    python benchmarks/alone.py [SECONDS]

Runtimes: native (C, compiled here if there is a compiler), perl (the one we ship), python3 (twenty lines). The floor is
the same native runtime against a bare epoll loop that knows nothing and answers two fixed strings, in the same run.
"busy": sixteen callers for eight environments; "one": one caller, one environment, which is frozen in between where the
caller takes longer than a moment.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "framework"))

from fnroll.emulator import Emulator, FunctionConfig, Invocation

ARN = "arn:aws:lambda:us-east-1:000000000000:function:bench"
ID = "8f507cfc-1d2e-4f6b-9d1c-000000000001"

NATIVE = r"""
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    static char host[64], got[65536], out[512];
    static const char next[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
    strncpy(host, getenv("AWS_LAMBDA_RUNTIME_API"), 63);
    char *colon = strchr(host, ':');
    *colon = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    inet_aton(host, &to.sin_addr);
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(s, (struct sockaddr *)&to, sizeof to)) return 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (;;) {
        if (write(s, next, sizeof next - 1) < 0) return 1;
        long n = read(s, got, sizeof got - 1);
        if (n <= 0) return 1;
        got[n] = 0;
        char *id = strstr(got, "Request-Id: ") + 12;
        *strchr(id, '\r') = 0;
        n = snprintf(out, sizeof out, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
                     "Host: x\r\nContent-Length: 2\r\n\r\nok", id);
        if (write(s, out, n) < 0 || read(s, got, sizeof got) <= 0) return 1;
    }
}
"""

PYTHON = r"""#!/usr/bin/python3 -IS
import os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
s = socket.create_connection((host, int(port)))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    s.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
    id = s.recv(65536).split(b"Request-Id: ", 1)[1].split(b"\r", 1)[0]
    s.sendall(b"POST /2018-06-01/runtime/invocation/" + id + b"/response HTTP/1.1\r\nContent-Length: 2\r\n\r\nok")
    s.recv(65536)
"""


def runtimes(base: Path) -> dict[str, Path]:
    """A directory of code for each runtime that this machine can run."""
    found = {}
    if compiler := shutil.which("cc"):
        (base / "native").mkdir()
        source = base / "native.c"
        source.write_text(NATIVE)
        subprocess.run([compiler, "-O2", "-w", "-o", base / "native/bootstrap", source], check=True)
        found["native"] = base / "native"
    root = Path(__file__).resolve().parents[1]
    if shutil.which("perl"):
        shutil.copytree(root / "runtimes/perl", base / "perl", ignore=shutil.ignore_patterns("runtime.json"))
        (base / "perl/handler.pl").write_text("sub handle { return 'ok' } 1;\n")
        script = base / "perl/bootstrap"
        script.write_text(script.read_text().replace("/opt/", "/var/task/"))
        found["perl"] = base / "perl"
    if Path("/usr/bin/python3").exists():
        (base / "python").mkdir()
        (base / "python/bootstrap").write_text(PYTHON)
        (base / "python/bootstrap").chmod(0o755)
        found["python"] = base / "python"
    for item in (base, *base.rglob("*")):
        item.chmod(item.stat().st_mode | (0o755 if item.is_dir() else 0o444))
    return found


async def measured(task: Path, environments: int, callers: int, seconds: float) -> list[float]:
    """The latencies of all invocations, in ms."""
    config = FunctionConfig("bench", ARN, "1", "1", task, "handler.handle", memory_mb=1769, timeout=30)
    event = Invocation(ID, b"{}", ARN)
    emulator = await Emulator.open(max_environments=environments)
    latencies: list[float] = []

    async def call() -> None:
        while time.perf_counter() < end:
            start = time.perf_counter()
            outcome = await emulator.invoke(config, event)
            assert outcome.function_error is None, outcome.payload
            latencies.append((time.perf_counter() - start) * 1000)

    try:
        end = time.perf_counter() + 0.5
        await asyncio.gather(*(call() for _ in range(callers)))
        latencies.clear()
        end = time.perf_counter() + seconds
        await asyncio.gather(*(call() for _ in range(callers)))
    finally:
        await emulator.close()
    return sorted(latencies)


def floor(bootstrap: Path, processes: int, seconds: float) -> float:
    """Rounds a second of as many native runtimes against a loop that answers two fixed strings."""
    listener = socket.create_server(("127.0.0.1", 0))
    env = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}"}
    children = [subprocess.Popen([bootstrap], env=env) for _ in range(processes)]
    event = f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {ID}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    taken = b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
    connections, waiting, answers = {}, select.epoll(), 0
    for _ in children:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[sock.fileno()] = sock
        waiting.register(sock, select.EPOLLIN)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for descriptor, _ in waiting.poll():
            sock = connections[descriptor]
            sock.send(event if sock.recv(65536).startswith(b"GET") else taken)
            answers += 1
    for child in children:
        child.kill()
        child.wait()
    return answers / 2 / seconds


def main(seconds: float) -> None:
    loops = {"asyncio": asyncio.run}
    try:
        import uvloop

        loops["uvloop"] = uvloop.run
    except ImportError:
        pass
    with tempfile.TemporaryDirectory() as scratch:
        found = runtimes(Path(scratch))
        print(f"{seconds:g} s each, load {os.getloadavg()[0]:.1f}")
        best = floor(found["native"] / "bootstrap", 8, seconds) if "native" in found else 0.0
        if best:
            print(f"{'floor: bare loop, 8 native':34}{best:10.0f} a second")
        print(f"{'':34}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}   part of the floor's rate")
        for name, task in found.items():
            for loop, run in loops.items():
                for title, environments, callers in (("busy, 8", 8, 16), ("one", 1, 1)):
                    row = run(measured(task, environments, callers, seconds))
                    rate = len(row) / seconds
                    part = f"{rate / best:.2f}" if best and callers > 1 else ""
                    p50, p99 = row[len(row) // 2], row[int(len(row) * 0.99)]
                    print(f"{f'{name}, {title}, {loop}':34}{rate:10.0f}{p50:9.3f}{p99:9.3f}   {part}", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)
