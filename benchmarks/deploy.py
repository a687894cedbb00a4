"""Thirty functions in one `fn deploy DIR...` beside thirty single deploys, with API calls and bytes of each.

    python benchmarks/deploy.py [FUNCTIONS]

Both go to a local cloud of their own on loopback, through a proxy that counts what is sent. AWS's own limits (15 calls
a second of the control plane) do not stand between, so the ratio is what the work itself costs.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

READS = ("GET",)


@dataclass(slots=True)
class Count:
    reads: int = 0
    writes: int = 0
    sent: int = 0


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to `upstream` and counts them."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream)
        self.count = Count()
        self.lock = threading.Lock()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            count = self.server.count
            count.sent += len(body)
            if self.command in READS:
                count.reads += 1
            else:
                count.writes += 1
        upstream = self.server.upstream
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, body, {**kept, "Host": upstream.netloc})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        pass


def projects(directory: Path, number: int) -> list[str]:
    names = [f"f{index}" for index in range(number)]
    for name in names:
        (directory / name).mkdir(parents=True)
        (directory / name / "bootstrap").write_text("#!/bin/sh\n" + f"# {name}\n" * 5000)
        (directory / name / "bootstrap").chmod(0o755)
        definition = {
            "FunctionName": name,
            "Role": "arn:aws:iam::000000000000:role/fn",
            "Runtime": "provided.al2023",
            "Handler": "h.h",
        }
        (directory / name / "function.json").write_text(json.dumps(definition))
    return names


def timed(commands: list[list[str]], directory: Path, proxy: Proxy) -> tuple[float, Count]:
    proxy.count = Count()
    endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
    keys = {"AWS_ACCESS_KEY_ID": "fn", "AWS_SECRET_ACCESS_KEY": "fn", "AWS_REGION": "us-east-1"}
    began = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            [*command, "--endpoint", endpoint],
            cwd=directory,
            env={**os.environ, **keys},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{command[:3]} failed: {done.stderr.decode()}")
    return time.perf_counter() - began, proxy.count


def main(number: int) -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    fn = shutil.which("fn", path=str(Path(sys.executable).parent)) or "fn"
    print(f"{number} functions{'':24s}{'seconds':>9s} {'reads':>6s} {'writes':>7s} {'KiB sent':>9s}")
    took: dict[str, float] = {}
    for way in ("one command", "one by one"):
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            os.environ |= {"FN_CACHE": f"{scratch}/cache", "FN_STATE": f"{scratch}/state"}
            url = subprocess.run(
                [fn, "local", "up", "--detach", "--port", "0"], capture_output=True, text=True, check=True
            ).stdout.strip()
            proxy = Proxy(url)
            thread = threading.Thread(target=proxy.serve_forever)
            thread.start()
            try:
                names = projects(scratch / "work", number)
                every = (
                    [[fn, "deploy", *names]] if way == "one command" else [[fn, "-C", one, "deploy"] for one in names]
                )
                for turn in ("first", "unchanged"):
                    took[f"{way}, {turn}"], count = timed(every, scratch / "work", proxy)
                    seconds = took[f"{way}, {turn}"]
                    figures = f"{seconds:9.2f} {count.reads:6d} {count.writes:7d} {count.sent / 1024:9.1f}"
                    print(f"{way + ', ' + turn:36s}{figures}")
            finally:
                proxy.shutdown()
                thread.join()
                proxy.server_close()
                subprocess.run([fn, "local", "down"], capture_output=True, check=False)
    for turn in ("first", "unchanged"):
        print(
            f"{turn}: one command takes {took[f'one command, {turn}'] / took[f'one by one, {turn}']:.2f} of one by one"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
