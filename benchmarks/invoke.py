"""Warm invocations a second through the local cloud's Invoke API, with p50 and p99, on one connection and on eight.

    python benchmarks/invoke.py [SECONDS]

The floor beside it: the same HTTP server answering the same request by itself, without any function behind it. The
load comes from a process of its own (benchmarks/load.py); on a machine with two cores both share them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from fnroll.emulator.wire import HttpServer, Reply, Request
from load import measure

EVENT = b'{"name": "world"}'


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


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(FN_STATE=f"{scratch}/state", FN_CACHE=f"{scratch}/cache")
        here = Path(scratch)
        fn("init", "hello", cwd=here)
        project = here / "hello"
        url = fn("local", "up", "--detach", "--port", "0", cwd=project).strip()
        try:
            fn("deploy", "--local", cwd=project)
            status = json.loads(fn("local", "status", "--output", "json", cwd=project))
            port = int(url.rsplit(":", 1)[1])
            path = "/2015-03-31/functions/hello/invocations?Qualifier=current"
            print(f"sandbox tier: {status['tier']}; perl handler; {seconds:g} s each")
            print(f"{'':34}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}   part of the floor's rate")
            with Floor() as floor_port:
                for connections in (1, 8):
                    measure(port, connections, min(1.0, seconds), request(port, path))  # warm the environments
                    floor = measure(floor_port, connections, seconds, request(floor_port, "/"))
                    ours = measure(port, connections, seconds, request(port, path))
                    for name, row in (("floor: HTTP server alone", floor), ("fn: warm Invoke", ours)):
                        part = f"{ours['rate'] / floor['rate']:.2f}" if row is ours else ""
                        label = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
                        print(f"{label:34}{row['rate']:10.0f}{row['p50']:9.2f}{row['p99']:9.2f}   {part}")
        finally:
            fn("local", "down", cwd=project)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
