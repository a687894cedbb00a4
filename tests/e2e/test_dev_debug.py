"""`fn dev --debug-port`: debuggers of node and python are attached, hold a request beyond its timeout, and come back
after a reload to the same port."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev_support import LIMIT, Dev
from e2e_support import Fn, get

Start = Callable[..., Dev]

NODE = """export const handle = async (event) => {
  const answer = {version: 'VERSION'};
  debugger;
  return answer;
};
"""
PYTHON = """def handle(event, context):
    answer = {"version": "VERSION"}
    return answer
"""


def free_ports(count: int) -> int:
    """The first of so many free ones in a row."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            first: int = server.getsockname()[1]
        if first + count > 65535:
            continue
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first


def project(fn: Fn, home: Path, runtime: str, name: str) -> Path:
    """With a timeout that a debugger would not keep."""
    fn("init", "--runtime", runtime, name)
    definition = json.loads((home / name / "function.json").read_text())
    (home / name / "function.json").write_text(json.dumps({**definition, "Timeout": 1}))
    return home / name


def connected(dev: Dev, name: str, times: int, port: int) -> socket.socket:
    """To the debugger of the environment that was started for the `times`th time."""
    waits = f"{name} waits for requests, and for a debugger at 127.0.0.1:{port}"
    dev.until(lambda: dev.said.count(waits) == times)
    found = socket.create_connection(("127.0.0.1", port), LIMIT)
    found.settimeout(LIMIT)
    return found


class Asked:
    """A request that a debugger may hold."""

    def __init__(self, url: str) -> None:
        self._answer: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._answer.append(get(url)), daemon=True)
        self._thread.start()

    @property
    def held(self) -> bool:
        return self._thread.is_alive()

    def answer(self) -> Any:
        self._thread.join(LIMIT)
        return self._answer[0]


class Inspector:
    """As much of Chrome's protocol as it takes: a WebSocket with small masked text frames."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        port = connection.getpeername()[1]
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        asked.request("GET", "/json/list")
        (target,) = json.loads(asked.getresponse().read())
        asked.close()
        path = target["webSocketDebuggerUrl"].partition(str(port))[2]
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        while self._file.readline() != b"\r\n":
            pass
        self._numbers = itertools.count(1)

    def call(self, method: str, **parameters: Any) -> Any:
        number = self.send(method, **parameters)
        return self._until(lambda message: message.get("id") == number)["result"]

    def send(self, method: str, **parameters: Any) -> int:
        number = next(self._numbers)
        data = json.dumps({"id": number, "method": method, "params": parameters}).encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
        self._socket.sendall(b"\x81" + size + bytes(4) + data)
        return number

    def event(self, method: str) -> Any:
        return self._until(lambda message: message.get("method") == method)["params"]

    def _until(self, wanted: Callable[[Any], bool]) -> Any:
        while True:
            head = self._file.read(2)
            size = head[1]
            if size == 126:
                size = int.from_bytes(self._file.read(2))
            elif size == 127:
                size = int.from_bytes(self._file.read(8))
            message = json.loads(self._file.read(size))
            if wanted(message):
                return message

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Adapter:
    """As much of the Debug Adapter Protocol as it takes."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = self._socket.makefile("rb")
        self._numbers = itertools.count(1)
        self._kept: list[Any] = []

    def send(self, command: str, **arguments: Any) -> int:
        number = next(self._numbers)
        request = {"seq": number, "type": "request", "command": command, "arguments": arguments}
        data = json.dumps(request).encode()
        self._socket.sendall(f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        return number

    def call(self, command: str, **arguments: Any) -> Any:
        return self.answered(self.send(command, **arguments))

    def answered(self, number: int) -> Any:
        answer = self._until(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        return answer.get("body")

    def event(self, name: str) -> Any:
        return self._until(lambda message: message.get("event") == name).get("body")

    def _until(self, wanted: Callable[[Any], bool]) -> Any:
        """Messages of other kinds are kept: answers and events come in no order."""
        for message in self._kept:
            if wanted(message):
                self._kept.remove(message)
                return message
        while True:
            size = 0
            while (line := self._file.readline()) != b"\r\n":
                assert line, self._kept
                size = int(line.partition(b":")[2])
            message = json.loads(self._file.read(size))
            if wanted(message):
                return message
            self._kept.append(message)

    def attach(self, path: str, line: int) -> None:
        self.call("initialize", adapterID="test", pathFormat="path", linesStartAt1=True)
        attached = self.send("attach", justMyCode=False)
        self.event("initialized")
        (point,) = self.call("setBreakpoints", source={"path": path}, breakpoints=[{"line": line}])["breakpoints"]
        assert point["verified"]
        self.call("configurationDone")
        self.answered(attached)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def hold(asked: Asked, seconds: float) -> None:
    """Longer than the function's timeout, which must not end it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert asked.held
        time.sleep(0.05)


def test_node_is_debugged_before_and_after_a_reload(fn: Fn, start: Start, tmp_path: Path) -> None:
    home, port = project(fn, tmp_path, "node", "api"), free_ports(1)
    (home / "index.mjs").write_text(NODE.replace("VERSION", "one"))
    dev = start(home, words=("--debug-port", str(port)))
    assert dev.process.poll() is None
    for times, (version, next_version) in enumerate((("one", "two"), ("two", "three")), 1):
        inspector = Inspector(connected(dev, "api", times, port))
        inspector.call("Runtime.enable")
        inspector.call("Debugger.enable")
        asked = Asked(dev.urls["api"])
        frame = inspector.event("Debugger.paused")["callFrames"][0]
        assert (frame["functionName"], frame["location"]["lineNumber"]) == ("handle", 2)
        hold(asked, 1.5)
        seen = inspector.call(
            "Debugger.evaluateOnCallFrame", callFrameId=frame["callFrameId"], expression="answer.version"
        )
        assert seen["result"]["value"] == version
        (home / "index.mjs").write_text(NODE.replace("VERSION", next_version))
        dev.until(lambda: dev.reloads("api") == times)  # noqa: B023 - asked here
        inspector.send("Debugger.resume")  # its answer may come too late: the environment ends with the request
        assert asked.answer() == (200, {"version": version})
        inspector.close()
    assert get(dev.urls["api"]) == (200, {"version": "three"})
    assert dev.end() == 0
    assert dev.says(f"debug api: node inspect 127.0.0.1:{port}")


def test_python_is_debugged_by_debugpy_before_and_after_a_reload(fn: Fn, start: Start, tmp_path: Path) -> None:
    pytest.importorskip("debugpy")
    home, port = project(fn, tmp_path, "python", "api"), free_ports(1)
    (home / "app.py").write_text(PYTHON.replace("VERSION", "one"))
    dev = start(home, words=("--debug-port", str(port)))
    for times, (version, next_version) in enumerate((("one", "two"), ("two", "three")), 1):
        adapter = Adapter(connected(dev, "api", times, port))
        adapter.attach("/var/task/app.py", 3)
        asked = Asked(dev.urls["api"])
        thread = adapter.event("stopped")["threadId"]
        hold(asked, 1.5)
        (frame, *_) = adapter.call("stackTrace", threadId=thread)["stackFrames"]
        assert (frame["name"], frame["line"]) == ("handle", 3)
        seen = adapter.call("evaluate", expression="answer['version']", frameId=frame["id"])
        assert seen["result"] == repr(version)
        (home / "app.py").write_text(PYTHON.replace("VERSION", next_version))
        dev.until(lambda: dev.reloads("api") == times)  # noqa: B023 - asked here
        adapter.send("continue", threadId=thread)  # its answer may come too late: the environment ends with the request
        assert asked.answer() == (200, {"version": version})
        adapter.close()
    assert get(dev.urls["api"]) == (200, {"version": "three"})
    assert dev.says(f"debug api: debugpy listens at 127.0.0.1:{port}")


def test_several_functions_have_ports_in_a_row_and_one_environment_each(fn: Fn, start: Start, tmp_path: Path) -> None:
    first = free_ports(2)
    homes = [project(fn, tmp_path, runtime, name) for runtime, name in (("node", "api"), ("perl", "worker"))]
    (homes[0] / "index.mjs").write_text(NODE.replace("VERSION", "one"))
    (homes[1] / "handler.pl").write_text("sub handle { return { version => 'perl' } } 1;")
    dev = start(*homes, words=("--debug-port", str(first)))
    inspector = Inspector(connected(dev, "api", 1, first))
    inspector.call("Runtime.enable")
    inspector.call("Debugger.enable")
    asked = [Asked(dev.urls["api"]), Asked(dev.urls["api"])]
    for _ in asked:
        inspector.event("Debugger.paused")
        assert [one.held for one in asked].count(True) >= 1
        inspector.call("Debugger.resume")
    assert [one.answer() for one in asked] == [(200, {"version": "one"})] * 2
    inspector.close()
    terminal = socket.create_connection(("127.0.0.1", first + 1), LIMIT)
    terminal.sendall(b"c\n")
    assert get(dev.urls["worker"]) == (200, {"version": "perl"})
    terminal.close()
    assert dev.end() == 0
    assert dev.says(f"nc 127.0.0.1 {first + 1}")
    cold = [line for line in dev.said if line.startswith("api GET / 200") and "cold" in line]
    assert len(cold) == 1, "two requests, one environment"


def test_a_port_that_is_taken_is_one_error(fn: Fn, tmp_path: Path) -> None:
    home = project(fn, tmp_path, "node", "api")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = fn("dev", "--port", "0", "--debug-port", port, cwd=home, status=2)
    assert "cannot be used for a debugger: Address already in use" in done.stderr
    assert done.stdout == ""
