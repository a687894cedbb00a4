"""Our runtimes beside the plain start of their interpreter, and beside a bare loop in the same language.

    python benchmarks/runtimes.py [INVOCATIONS] [NAME...]

"start": from exec to the first GET next, the median of many; "plain": an empty program of the same interpreter, from
exec to its end; "bare": a loop of a few lines that loads the language's JSON and does nothing beyond what it must, over
the same socket. "each": from the event's bytes to the answer's, per invocation, in the median. No sandbox: processes on
loopback, against an API of this file's own that answers at once. With the machine's interpreters, where it has them;
"perl*" is the layer that brings its own (`fn runtime build perl`), beside the machine's perl.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "framework"))

from fnroll import places
from fnroll.archive import unpack
from fnroll.emulator import managed
from fnroll.layers import find_runtime, self_contained
from fnroll.layers.elf import of_this_machine

STARTS = 31
EVENT = b'{"do": "echo", "value": {"name": "world", "numbers": [1, 2, 3]}}'
NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"

BARE = {
    "perl": r"""
use strict; use warnings; use Socket;
BEGIN { eval { require Cpanel::JSON::XS; Cpanel::JSON::XS->import; 1 } or require JSON::PP }
my $json = ($INC{'JSON/PP.pm'} ? 'JSON::PP' : 'Cpanel::JSON::XS')->new->utf8->allow_nonref;
my ($host, $port) = split /:/, $ENV{AWS_LAMBDA_RUNTIME_API};
socket my $s, AF_INET, SOCK_STREAM, 0; connect $s, pack_sockaddr_in($port, inet_aton($host));
setsockopt $s, 6, 1, 1;
while (1) {
    syswrite $s, "NEXT"; sysread $s, my $in, 65536;
    my ($id) = $in =~ /Request-Id: (\S+)/; my ($body) = $in =~ /\r\n\r\n(.*)/s;
    my $out = $json->encode($json->decode($body)->{value});
    syswrite $s, "POST /2018-06-01/runtime/invocation/$id/response HTTP/1.1\r\nHost: x\r\nContent-Length: "
        . length($out) . "\r\n\r\n$out";
    sysread $s, $in, 65536;
}
""",
    "python": r"""
import json, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
s = socket.create_connection((host, int(port))); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    s.sendall(b"NEXT"); head, body = s.recv(65536).split(b"\r\n\r\n", 1)
    id = head.split(b"Request-Id: ", 1)[1].split(b"\r", 1)[0]
    out = json.dumps(json.loads(body)["value"]).encode()
    s.sendall(b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
              % (id, len(out), out)); s.recv(65536)
""",
    "node": r"""
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const s = require('net').connect({ host, port, noDelay: true }, () => s.write("NEXT"));
s.on('data', (data) => {
  const [head, body] = data.toString().split('\r\n\r\n');
  const id = /Request-Id: (\S+)/.exec(head);
  if (!id) return s.write("NEXT");
  const out = JSON.stringify(JSON.parse(body).value);
  s.write(`POST /2018-06-01/runtime/invocation/${id[1]}/response HTTP/1.1\r\nHost: x\r\n`
    + `Content-Length: ${out.length}\r\n\r\n${out}`);
});
""",
    "ruby": r"""
require 'json'; require 'socket'
host, port = ENV['AWS_LAMBDA_RUNTIME_API'].split(':')
s = TCPSocket.new(host, port); s.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
loop do
  s.write("NEXT"); head, body = s.readpartial(65536).split("\r\n\r\n", 2); id = head[/Request-Id: (\S+)/, 1]
  out = JSON.generate(JSON.parse(body)['value'])
  s.write("POST /2018-06-01/runtime/invocation/#{id}/response HTTP/1.1\r\nHost: x\r\n" \
          "Content-Length: #{out.bytesize}\r\n\r\n#{out}")
  s.readpartial(65536)
end
""",
}


@dataclass(frozen=True)
class Language:
    """`argv`: what starts the runtime; `plain`: an interpreter that does nothing; `suffix`: of a bare loop."""

    name: str
    argv: Sequence[str]
    plain: Sequence[str]
    suffix: str = ""

    @property
    def task(self) -> Path:
        return places.share_dir("runtimes") / self.name.removesuffix("*") / "conformance"


def languages(scratch: Path) -> list[Language]:
    share = places.share_dir("runtimes")
    found = []
    for name, empty, suffix in (
        ("perl", ["-e", "1"], ".pl"),
        ("ruby", ["--disable=gems", "-e", "1"], ".rb"),
        ("php", ["-r", ""], ""),
        ("lua", ["-e", ""], ""),
        ("bash", ["-c", ":"], ""),
    ):
        program = shutil.which("luajit" if name == "lua" else name)
        if program:
            found.append(Language(name, [str(share / name / "bootstrap")], [program, *empty], suffix))
    perl, own = shutil.which("perl"), scratch / "opt"
    if perl and (architecture := of_this_machine()):
        unpack(self_contained(find_runtime("perl", scratch), architecture).data, own)
        found.append(Language("perl*", [str(own / "bootstrap")], [perl, "-e", "1"], ".pl"))
    for name, runtime, empty, suffix in (
        ("python", "python3.13", ["-c", ""], ".py"),
        ("node", "nodejs22.x", ["-e", ""], ".js"),
    ):
        here = managed.find(runtime)
        if here and here.interpreter:
            program = str(here.interpreter.path)
            found.append(Language(name, [str(share / name / "bootstrap"), program], [program, *empty], suffix))
    return found


class Api:
    """Answers one process at a time, at once; `events` says how many it gets. Times are in milliseconds."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)  # a program that does not start is an error
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        head = (
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8f507cfc-0001\r\n"
            "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(EVENT)}\r\n\r\n"
        )
        self.event = head.encode() + EVENT
        self.accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n'

    def serve(self, events: int) -> tuple[float, list[float]]:
        """When the first GET next was there (perf_counter), and the time of each invocation."""
        times: list[float] = []
        connection, _ = self.listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = self._request(connection)
            for _ in range(events):
                began = time.perf_counter()
                connection.sendall(self.event)
                self._request(connection)
                times.append((time.perf_counter() - began) * 1000)
                connection.sendall(self.accepted)
                self._request(connection)
        return first, times

    def _request(self, connection: socket.socket) -> float:
        data = b""
        while True:
            data += connection.recv(65536)
            head, end, body = data.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if end and len(body) >= length:
                return time.perf_counter()


def measure(api: Api, argv: Sequence[str], task: Path, events: int) -> tuple[float, list[float]]:
    """Milliseconds from exec to the first GET next, and of each invocation."""
    env = {
        "PATH": os.environ["PATH"],
        "LANG": "en_US.UTF-8",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "_HANDLER": "handler.handle",
        "LAMBDA_TASK_ROOT": str(task),
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        first, times = api.serve(events)
        return (first - began) * 1000, times
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def plain(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    api = Api()
    print(
        f"{'':8}{'start ms':>10}{'plain':>8}{'ratio':>7}{'bare':>8}{'ratio':>7}{'each ms':>10}{'bare':>8}{'ratio':>7}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for language in languages(Path(scratch)):
            if len(sys.argv) > 2 and language.name not in sys.argv[2:]:
                continue
            line(api, language, Path(scratch), events)


def line(api: Api, language: Language, scratch: Path, events: int) -> None:
    bare: list[str] = []
    if language.name.removesuffix("*") in BARE:
        source = scratch / f"bare{language.suffix}"
        source.write_text(BARE[language.name.removesuffix("*")].replace('"NEXT"', f'"{NEXT}"'))
        options = list(language.plain[1:-2])  # between the program and what makes it do nothing
        bare = [language.plain[0], *options, str(source)]
    starts, plains, bares = [], [], []
    for _ in range(STARTS):  # in turns, so that a busy moment of the machine is everybody's
        starts.append(measure(api, language.argv, language.task, 0)[0])
        plains.append(plain(language.plain))
        bares += [measure(api, bare, scratch, 0)[0]] if bare else []
    each = median(measure(api, language.argv, language.task, events)[1][events // 10 :])
    least = median(measure(api, bare, scratch, events)[1][events // 10 :]) if bare else None
    start, floor = median(starts), median(plains)
    text = f"{language.name:8}{start:10.1f}{floor:8.1f}{start / floor:7.1f}"
    text += f"{median(bares):8.1f}{start / median(bares):7.1f}" if bares else f"{'-':>8}{'-':>7}"
    text += f"{each:10.3f}" + (f"{least:8.3f}{each / least:7.1f}" if least else f"{'-':>8}{'-':>7}")
    print(text, flush=True)


if __name__ == "__main__":
    main()
