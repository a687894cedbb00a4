"""What the emulator's tests run: a runtime of thirty lines, functions made of it, and a sandbox host that isolates
nothing (a plain subprocess with a loopback listener), so that the emulator can be tested without the sandbox room.

The runtime's events are Perl: each is evaluated, with `respond`, `fail` and `call` at hand. The variable INIT holds
Perl that runs before the first event is asked for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from fnroll.emulator import Emulator, FunctionConfig, Invocation, LogLine, Outcome
from fnroll.errors import SandboxError
from fnroll.sandbox import open_host
from fnroll.sandbox.api import (
    Exit,
    Layout,
    Missing,
    Process,
    Program,
    Sandbox,
    SandboxHost,
    SandboxSpec,
    Scratch,
    Tier,
)

BOOTSTRAP = r"""#!/usr/bin/perl
use strict;
use Socket;
$| = 1;
our ($id, $head, $event, $api, $rest) = ('') x 5;
our $base = '/2018-06-01/runtime';
my ($host, $port) = split /:/, $ENV{AWS_LAMBDA_RUNTIME_API};

sub dial {
    socket(my $to, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($to, pack_sockaddr_in($port, inet_aton($host))) or die "connect: $!";
    return $to;
}
sub send_to {
    my ($to, $method, $path, $body, @headers) = @_;
    $body //= '';
    my $length = 'Content-Length: ' . length $body;
    my $data = join "\r\n", "$method $path HTTP/1.1", "Host: $host", @headers, $length, '', $body;
    while (length $data) { my $n = syswrite $to, $data; die "write: $!" unless defined $n; substr $data, 0, $n, '' }
}
sub receive {
    my ($from) = @_;
    sysread $from, $rest, 65536, length $rest or exit 9 until $rest =~ /\r\n\r\n/;
    my ($top, $body) = split /\r\n\r\n/, $rest, 2;
    my ($length) = $top =~ /Content-Length: (\d+)/;
    sysread $from, $body, 65536, length $body or exit 9 until length $body >= ($length // 0);
    $rest = substr $body, $length // 0, length $body, '';
    my ($status) = $top =~ /^HTTP\/1.1 (\d+)/;
    return ($status, $body, $top);
}
sub call { send_to($api, @_); return receive($api) }
sub respond { return call('POST', "$base/invocation/$id/response", @_) }
sub fail { return call('POST', "$base/invocation/$id/error", @_) }

$api = dial();
eval($ENV{INIT} // ''); die $@ if $@;
while (1) {
    (my $status, $event, $head) = call('GET', "$base/invocation/next");
    die "next: $status $event" unless $status == 200;
    ($id) = $head =~ /Lambda-Runtime-Aws-Request-Id: (\S+)/;
    eval $event; die $@ if $@;
}
"""

REQUEST_ID = "8f507cfc-1d2e-4f6b-9d1c-000000000001"


def function(directory: Path, *, init: str = "", bootstrap: str | None = BOOTSTRAP, **changes: Any) -> FunctionConfig:
    """A function in `directory`/task; `init` is Perl for the runtime's init phase."""
    task = directory / "task"
    task.mkdir(exist_ok=True)
    if bootstrap is not None:
        path = task / "bootstrap"
        path.write_text(bootstrap)
        path.chmod(0o755)
    config = FunctionConfig(
        name="hello",
        arn="arn:aws:lambda:us-east-1:000000000000:function:hello",
        version="$LATEST",
        revision="1",
        task=task,
        handler="handler.handle",
        timeout=10,
        environment={"INIT": init, "LANG": "C"},  # Perl complains of locales that a machine has not
    )
    return replace(config, **changes)


def event(text: str, request_id: str = REQUEST_ID, **changes: Any) -> Invocation:
    invocation = Invocation(request_id, text.encode(), "arn:aws:lambda:us-east-1:000000000000:function:hello")
    return replace(invocation, **changes)


@dataclass
class Running:
    """An open emulator and the lines that its sink got."""

    emulator: Emulator
    host: RecordingHost
    lines: list[LogLine] = field(default_factory=list)

    async def __call__(self, config: FunctionConfig, text: str, request_id: str = REQUEST_ID) -> Outcome:
        return await self.emulator.invoke(config, event(text, request_id))


@asynccontextmanager
async def opened(tier: str, **options: Any) -> AsyncIterator[Running]:
    """An emulator over the plain host (tier "plain") or over the machine's own tier."""
    lines: list[LogLine] = []
    options = {"sink": lines.append, **options}
    host = RecordingHost(PlainHost() if tier == "plain" else await open_host(cast(Tier, tier)))
    emulator = await Emulator.open(host=host, **options)
    try:
        yield Running(emulator, host, lines)
    finally:
        await emulator.close()
        await host.close()


class RecordingHost:
    """Another host, and the sandboxes that it made."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host
        self.tier = host.tier
        self.missing = host.missing
        self.made: list[Sandbox] = []

    async def create(self, spec: SandboxSpec) -> Sandbox:
        self.made.append(await self._host.create(spec))
        return self.made[-1]

    async def scratch(self, size_mb: int) -> Scratch:
        return await self._host.scratch(size_mb)

    async def close(self) -> None:
        await self._host.close()


class NoScratch:
    """A /tmp that is the machine's own."""

    async def close(self) -> None: ...


class OneProgram:
    """What a sandbox of a single program has no use for."""

    async def start(self, program: Program) -> Process:
        raise SandboxError("one program is all there is")

    async def dial(self, port: int) -> socket.socket:
        raise ConnectionRefusedError

    def send_signal(self, number: int) -> None: ...

    def share_cpu(self) -> None: ...


class PlainSandbox(OneProgram):
    """See fnroll.sandbox.api.Sandbox; a process group, and nothing else of what a sandbox promises."""

    def __init__(self, process: asyncio.subprocess.Process, layout: Layout, listener: socket.socket, output: int):
        self._process = process
        self.pid = process.pid
        self.layout = layout
        self.listener = listener
        self.output = output

    async def wait(self) -> Exit:
        code = await self._process.wait()
        return Exit(code, None) if code >= 0 else Exit(None, -code)

    def memory_peak(self) -> int:
        return 5 << 20

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        self.kill()
        await self._process.wait()
        self.listener.close()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1


class PlainHost:
    """Counts what it makes; `alive` are the sandboxes that were not closed yet, `refuse` an error to raise instead."""

    tier = "plain"
    missing = (Missing("isolation", "it is a test", "use a real tier"),)

    def __init__(self) -> None:
        self.made: list[PlainSandbox] = []
        self.refuse: SandboxError | None = None

    async def create(self, spec: SandboxSpec) -> PlainSandbox:
        if self.refuse is not None:
            raise self.refuse
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        layout = Layout(str(spec.task), str(spec.opt or "/opt"), "/tmp", f"127.0.0.1:{listener.getsockname()[1]}")
        assert spec.program is not None
        program = spec.program(layout)
        output, write_end = os.pipe()
        os.set_blocking(output, False)
        try:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                cwd=program.cwd,
                env=dict(program.env),
                start_new_session=True,
            )
        except OSError as error:
            os.close(output)
            listener.close()
            raise SandboxError(f"cannot start {program.argv[0]}: {error.strerror}") from error
        finally:
            os.close(write_end)
        self.made.append(PlainSandbox(process, layout, listener, output))
        return self.made[-1]

    async def scratch(self, size_mb: int) -> NoScratch:
        return NoScratch()

    @property
    def alive(self) -> int:
        return sum(sandbox.output >= 0 for sandbox in self.made)

    async def close(self) -> None:
        for sandbox in self.made:
            await sandbox.close()


class Puppet(OneProgram):
    """A sandbox without a program: the test is the runtime, and says in which order things become visible."""

    pid = 0

    def __init__(self, spec: SandboxSpec) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.address = self.listener.getsockname()
        self.layout = Layout(str(spec.task), "/opt", "/tmp", f"127.0.0.1:{self.address[1]}")
        self.output, self._write_end = os.pipe()
        os.set_blocking(self.output, False)
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address)

    def prints(self, text: str) -> None:
        os.write(self._write_end, text.encode())

    def exits(self, status: int | None = None, number: int | None = None) -> None:
        if not self._exit.done():
            self._exit.set_result(Exit(status, number))

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def memory_peak(self) -> int:
        return 0

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None:
        self.exits(None, 9)

    async def close(self) -> None:
        self.kill()
        self.listener.close()
        for end in (self.output, self._write_end):
            if end >= 0:
                os.close(end)
        self.output = self._write_end = -1


class PuppetHost:
    """Hands each sandbox to the test as it is made."""

    tier = "puppet"
    missing = ()

    def __init__(self) -> None:
        self.made: asyncio.Queue[Puppet] = asyncio.Queue()

    async def create(self, spec: SandboxSpec) -> Puppet:
        puppet = Puppet(spec)
        self.made.put_nowait(puppet)
        return puppet

    async def scratch(self, size_mb: int) -> NoScratch:
        return NoScratch()

    async def close(self) -> None: ...
