"""What the tests of the local cloud share: a fake emulator that answers from Python, served clouds, and clients.

Run as a program (`python cloud_support.py STATE PORT [HEARD]`) it serves a cloud with that fake emulator and prints its
URL.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fnroll import cloud
from fnroll.cloud.clock import Clock
from fnroll.cloud.others import Others
from fnroll.cloud.server import OpenEmulator
from fnroll.emulator.api import FunctionConfig, Invocation, LogLine, LogSink, Outcome, Report
from fnroll.sandbox.api import Missing

ROLE = "arn:aws:iam::000000000000:role/test"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"

Function = Callable[[FunctionConfig, Invocation], Any]


def echo(config: FunctionConfig, invocation: Invocation) -> Any:
    return {"version": config.version, "event": json.loads(invocation.payload)}


class Failure(Exception):
    """Raised by a fake function: its answer is an error payload."""


async def at_once(config: FunctionConfig, count: int) -> None:
    """Environments that are ready without any wait."""


@dataclass(frozen=True)
class Streamed:
    """What a fake function streams."""

    content_type: str
    chunks: tuple[bytes, ...]

    @property
    def whole(self) -> bytes:
        return b"".join(self.chunks)


@dataclass
class FakeEmulator:
    """Answers invocations with a Python function; remembers what it was asked."""

    function: Function = echo
    seen: MutableSequence[tuple[FunctionConfig, Invocation]] = field(default_factory=list)
    reserved: dict[str, int | None] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)
    tier: str = "fake"
    missing: tuple[Missing, ...] = ()
    sink: LogSink | None = None
    takes: float = 0.0
    """Seconds of each invocation."""
    running: int = 0
    most: int = 0
    """Invocations at a time: now, and at most."""
    limits: dict[tuple[str, str], int | None] = field(default_factory=dict)
    provisioned: dict[tuple[str, str], int] = field(default_factory=dict)
    provisioning: Callable[[FunctionConfig, int], Awaitable[None]] = at_once

    async def open(self, tier: str, sink: LogSink | None) -> FakeEmulator:
        self.sink = sink
        return self

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        self.seen.append((config, invocation))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.takes)
            return self.answer(config, invocation)
        finally:
            self.running -= 1

    def answer(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        self.log(config, invocation, f"START RequestId: {invocation.request_id} Version: {config.version}")
        report = Report(1.0, 1, config.memory_mb, 32, None, "success")
        log = f"START RequestId: {invocation.request_id}\n".encode() + b"x" * 5000
        try:
            said = self.function(config, invocation)
            if isinstance(said, Streamed) and invocation.stream is not None:
                invocation.stream.begin(said.content_type)
                for chunk in said.chunks:
                    invocation.stream.chunk(chunk)
                return Outcome(b"", None, config.version, report, log)
            payload = said.whole if isinstance(said, Streamed) else json.dumps(said).encode()
        except Failure as error:
            body = json.dumps({"errorType": "Failure", "errorMessage": str(error)}).encode()
            return Outcome(body, "Unhandled", config.version, report, log)
        ahead = self.running <= self.provisioned.get((config.arn, config.version), 0)
        if invocation.ran_on is not None:
            invocation.ran_on(7.0)
        return Outcome(payload, None, config.version, report, log, ahead)

    def log(self, config: FunctionConfig, invocation: Invocation, text: str) -> None:
        if self.sink is not None:
            group = config.log_group or f"/aws/lambda/{config.name}"
            stream, now = f"2026/01/01/[{config.version}]0", int(time.time() * 1000)
            self.sink(LogLine(config.name, config.version, stream, invocation.request_id, now, text, config.arn, group))

    async def provision(self, config: FunctionConfig, count: int) -> None:
        self.provisioned[config.arn, config.version] = count
        await self.provisioning(config, count)

    async def retire(self, arn: str) -> None:
        self.retired.append(arn)

    def reserve(self, arn: str, concurrency: int | None) -> None:
        self.reserved[arn] = concurrency

    def limit(self, arn: str, version: str, most: int | None) -> None:
        self.limits[arn, version] = most

    async def close(self) -> None:
        pass


class Held:
    """A clock that stands still, and whose sleepers sleep until they are let go."""

    def __init__(self) -> None:
        self.moment = 1_800_000_000.0
        self._asleep: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def time(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._asleep.append((asyncio.get_running_loop(), woken))
        await woken.wait()

    def pass_time(self) -> None:
        """Five seconds; whoever sleeps wakes up."""
        self.moment += 5
        asleep, self._asleep = self._asleep, []
        for loop, woken in asleep:
            loop.call_soon_threadsafe(woken.set)


@contextmanager
def served(
    state: Path,
    function: Function = echo,
    others: Others | None = None,
    *,
    speed: float = 1.0,
    signatures: bool = False,
    rates: bool = False,
    realistic: bool = False,
    clock: Clock | None = None,
) -> Iterator[tuple[cloud.Endpoint, FakeEmulator]]:
    """A cloud over `state` with a fake emulator, in this process."""
    fake = FakeEmulator(function)
    opening: OpenEmulator = fake.open
    with cloud.embedded(
        state,
        emulator=opening,
        clock=clock,
        others=others,
        speed=speed,
        signatures=signatures,
        rates=rates,
        realistic=realistic,
    ) as endpoint:
        yield endpoint, fake


def client(
    endpoint: cloud.Endpoint | str,
    service: str = "lambda",
    region: str = "us-east-1",
    *,
    key: str = "test",
    secret: str | None = None,
    token: str | None = None,
) -> Any:
    """An unmodified boto3 client; a `key` of twelve digits is that account's."""
    # Imported here: the program below must start without botocore.
    import boto3
    from botocore.config import Config

    connect: Any = boto3.client
    return connect(
        service,
        endpoint_url=endpoint if isinstance(endpoint, str) else endpoint.url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret or key,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def package(files: Mapping[str, str] | None = None, *, mode: int = 0) -> bytes:
    """A zip of files; `mode`: of each, where it matters."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, text in (files or {"handler.py": "def handle(event, context): return event"}).items():
            entry = zipfile.ZipInfo(name)
            if mode:
                entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16
            opened.writestr(entry, text)
    return buffer.getvalue()


def make(lambda_: Any, name: str = "hello", **given: Any) -> Any:
    """CreateFunction with what it needs, and what the test gives."""
    defaults: dict[str, Any] = {
        "Runtime": "python3.13",
        "Handler": "handler.handle",
        "Role": ROLE,
        "Code": {"ZipFile": package()},
    }
    return lambda_.create_function(FunctionName=name, **{**defaults, **given})


@dataclass(frozen=True)
class Raw:
    status: int
    headers: dict[str, str]
    body: bytes


def raw(
    endpoint: cloud.Endpoint, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Raw:
    """One request as bytes, unsigned unless the headers say otherwise. Header names of the answer are lower case."""
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            found[name.lower()] = f"{found[name.lower()]}|{value}" if name.lower() in found else value
        return Raw(answer.status, found, answer.read())
    finally:
        connection.close()


@contextmanager
def process(state: Path, heard: Path | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A cloud in a process of its own, and its URL. Killed at the end if it still lives. What it invokes goes to the
    file `heard`, a line each (`heard_line`)."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, str(state), "0", *([str(heard)] if heard is not None else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            assert url.startswith("http://"), "the cloud did not start"
            yield running, url
        finally:
            running.kill()


def heard_line(invocation: Invocation) -> str:
    """The request id; of a destination's record, `told` and the id of the request that it is about."""
    said = json.loads(invocation.payload)
    if isinstance(said, dict) and "requestContext" in said:
        return f"told {said['requestContext']['requestId']}"
    return invocation.request_id


def main(state: str, port: str, heard: str | None = None) -> None:
    def hearing(config: FunctionConfig, invocation: Invocation) -> Any:
        if heard is not None:
            with Path(heard).open("a") as file:
                file.write(heard_line(invocation) + "\n")
        return echo(config, invocation)

    async def serve() -> None:
        await cloud.serve(
            Path(state),
            port=int(port),
            stop=asyncio.Event(),
            on_ready=lambda endpoint: print(endpoint.url, flush=True),
            emulator=FakeEmulator(hearing, seen=deque(maxlen=0)).open,  # what it took is asked for as the cloud's own
        )

    asyncio.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
