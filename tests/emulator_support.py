"""What the emulator's tests run: a runtime of thirty lines, functions made of it, and an emulator over the plain host
(plain_support.py) or over the machine's own tier.

The runtime's events are Perl: each is evaluated, with `respond`, `fail` and `call` at hand. The variable INIT holds
Perl that runs before the first event is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from fnroll.emulator import Emulator, FunctionConfig, Invocation, LogLine, Outcome
from fnroll.sandbox import open_host
from fnroll.sandbox.api import Sandbox, SandboxHost, SandboxSpec, Scratch, Tier
from plain_support import PlainHost, Puppet, PuppetHost

__all__ = ["PlainHost", "Puppet", "PuppetHost"]

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
    return invocation._replace(**changes)


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
