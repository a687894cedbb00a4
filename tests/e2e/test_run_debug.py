"""`fn run --debug-port`: a debugger is attached to a running function, and the function's answer comes after it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fnroll.cli.debugging import PYTHON

LIMIT = 30.0
"""Seconds until a test gives up."""

LOOP = """
import json, os, urllib.request
BASE = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(BASE + "next") as answer:
        event, number = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    wanted = handle(event)
    urllib.request.urlopen(BASE + number + "/response", json.dumps(wanted).encode()).close()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def debugged(environment: dict[str, str], project: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "fnroll", "run", "-e", '{"name": "x"}', "--debug-port", str(port)],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)


def attach(port: int) -> socket.socket:
    """As soon as something listens there: only the kernel knows when."""
    until = time.monotonic() + LIMIT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def read_until(terminal: socket.socket, mark: str) -> str:
    text = b""
    while mark.encode() not in text:
        data = terminal.recv(4096)
        assert data, text
        text += data
    return text.decode()


def own_runtime(project: Path, bootstrap: str) -> None:
    (project / "bootstrap").write_text(bootstrap)
    (project / "bootstrap").chmod(0o755)
    definition = json.loads((project / "function.json").read_text()) | {"Runtime": "provided.al2023", "MemorySize": 128}
    del definition["Layers"]
    (project / "function.json").write_text(json.dumps(definition))


def test_perl_stops_where_the_handler_says_so(environment: dict[str, str], hello: Path) -> None:
    (hello / "handler.pl").write_text(
        "sub handle { my $event = shift;\n$DB::single = 1;\nreturn $event->{name} . $x; }\n"
    )
    port = free_port()
    with debugged(environment, hello, port) as process, attach(port) as terminal:
        assert "bootstrap.pl" in read_until(terminal, "DB<1>")
        terminal.sendall(b"c\n")
        assert "/var/task/handler.pl:3" in read_until(terminal, "DB<1>")
        terminal.sendall(b"p 'event=' . $event->{name}\n")
        assert "event=x" in read_until(terminal, "DB<2>")
        terminal.sendall(b"$main::x = 'yz'\n")
        read_until(terminal, "DB<3>")
        terminal.sendall(b"c\n")
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, json.loads(out)) == (0, "xyz")
    assert f"debug: perl waits at its first line for a terminal: nc 127.0.0.1 {port}" in err


def test_python_stops_by_the_lines_that_are_printed(environment: dict[str, str], hello: Path) -> None:
    stop = "".join(f"    {line}\n" for line in PYTHON.splitlines())
    handler = f"def handle(event):\n    answer = 'not seen'\n{stop}    return answer\n"
    own_runtime(hello, f"#!/usr/bin/python3\n{handler}{LOOP}")
    port = free_port()
    with debugged(environment, hello, port) as process, attach(port) as terminal:
        assert "/var/task/bootstrap" in read_until(terminal, "(Pdb) ")
        terminal.sendall(b"p event['name'] * 3\n")
        assert "'xxx'" in read_until(terminal, "(Pdb) ")
        terminal.sendall(b"!answer = 'seen'\nc\n")
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, json.loads(out)) == (0, "seen")
    assert all(line in err for line in PYTHON.splitlines())


def test_node_waits_for_its_inspector(environment: dict[str, str], hello: Path) -> None:
    own_runtime(hello, "#!/usr/bin/env node\nrequire('none')\n")
    port = free_port()
    with debugged(environment, hello, port) as process, attach(port):
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        asked.request("GET", "/json/list")
        (target,) = json.loads(asked.getresponse().read())
        asked.close()
        assert process.poll() is None
    assert target["url"] == "file:///var/task/bootstrap"
    assert process.returncode == 130


def test_a_port_that_is_taken_is_one_error(environment: dict[str, str], hello: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with debugged(environment, hello, server.getsockname()[1]) as process:
            out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (2, "")
    assert "cannot be used for a debugger: Address already in use" in err
    assert os.linesep.join(err.splitlines()[-1:]).startswith("error: port ")
