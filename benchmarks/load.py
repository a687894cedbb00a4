"""A small HTTP load client in a process of its own: closed loop, N connections, one request in flight on each.

    python benchmarks/load.py HOST PORT CONNECTIONS SECONDS < request-bytes

prints one JSON line: requests a second, and p50 and p99 in milliseconds. Answers need a Content-Length.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Caller(asyncio.Protocol):
    """Sends `request` again as soon as its answer is complete, and writes down how long each took."""

    def __init__(self, request: bytes, until: float, times: list[float], done: asyncio.Event) -> None:
        self.request, self.until, self.times, self.done = request, until, times, done
        self.buffer = b""
        self.need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.need:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 200"):
                sys.exit(f"unexpected answer: {self.buffer[:500]!r}")
            head = self.buffer[:end].lower()
            at = head.index(b"content-length:") + 15
            self.need = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self.buffer) < self.need:
            return
        now = time.perf_counter()
        self.times.append(now - self.began)
        self.buffer, self.need = b"", 0
        if now < self.until:
            self.send()
        else:
            self.transport.close()
            self.done.set()


async def load(host: str, port: int, connections: int, seconds: float, request: bytes) -> dict[str, Any]:
    times: list[float] = []
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    events = [asyncio.Event() for _ in range(connections)]
    for event in events:
        await loop.create_connection(lambda e=event: Caller(request, began + seconds, times, e), host, port)
    await asyncio.gather(*(event.wait() for event in events))
    wall = time.perf_counter() - began
    times.sort()
    return {
        "rate": len(times) / wall,
        "p50": times[len(times) // 2] * 1000,
        "p99": times[int(len(times) * 0.99)] * 1000,
        "requests": len(times),
    }


def measure(port: int, connections: int, seconds: float, request: bytes) -> dict[str, Any]:
    """Run this file as a process of its own and return what it measured."""
    command = [sys.executable, str(Path(__file__)), "127.0.0.1", str(port), str(connections), str(seconds)]
    done = subprocess.run(command, input=request, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    address, number, count, duration = sys.argv[1:]
    body = sys.stdin.buffer.read()
    print(json.dumps(asyncio.run(load(address, int(number), int(count), float(duration), body))))
