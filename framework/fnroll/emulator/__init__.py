"""Execution environments of Lambda functions on this machine: one call in, one outcome out.

    emulator = await Emulator.open()
    outcome = await emulator.invoke(config, invocation)

`Emulator` ties the parts together: the pool says which environment takes an invocation, the environment runs it in a
sandbox and speaks Lambda's Runtime API with the runtime. The values are in api.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, cast
from uuid import uuid4

from fnroll.emulator import lines
from fnroll.emulator.api import (
    MAX_PAYLOAD,
    MAX_RESPONSE,
    FunctionConfig,
    Invocation,
    LogLine,
    LogSink,
    Outcome,
    Report,
    Status,
)
from fnroll.emulator.environment import ExecutionEnvironment, Owner
from fnroll.emulator.output import Journal
from fnroll.emulator.pool import Key, Pool, Slot
from fnroll.sandbox import open_host
from fnroll.sandbox.api import Missing, SandboxHost

__all__ = [
    "MAX_PAYLOAD",
    "MAX_RESPONSE",
    "Emulator",
    "FunctionConfig",
    "Invocation",
    "LogLine",
    "LogSink",
    "Outcome",
    "Report",
    "Status",
]

MAX_ENVIRONMENTS = 32
"""Environments at a time. Lambda's account limit is 1,000; this is one machine, and the rest waits its turn."""

IDLE_SECONDS = 300.0
INIT_TIMEOUT = 10.0


class Emulator:
    """Runs functions. Made by `open`; belongs to the event loop that opened it."""

    def __init__(
        self,
        host: SandboxHost,
        *,
        sink: LogSink | None,
        max_environments: int,
        idle_seconds: float,
        init_timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._owns_host = False
        self._sink = sink
        self._init_timeout = init_timeout
        self._clock = clock
        self._pool = Pool(max_environments, idle_seconds, time.monotonic)

    @classmethod
    async def open(
        cls,
        *,
        tier: str = "auto",
        sink: LogSink | None = None,
        host: SandboxHost | None = None,
        max_environments: int = MAX_ENVIRONMENTS,
        idle_seconds: float = IDLE_SECONDS,
        init_timeout: float = INIT_TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> Emulator:
        """Open over a sandbox host of `tier` (auto, linux, process), or over `host`, which stays its caller's to close.

        `sink` gets every log line as it comes, from the event loop; `clock` gives epoch seconds. Raises SandboxError.
        """
        chosen = host or await open_host(cast(Literal["auto", "linux", "process"], tier))
        emulator = cls(
            chosen,
            sink=sink,
            max_environments=max_environments,
            idle_seconds=idle_seconds,
            init_timeout=init_timeout,
            clock=clock,
        )
        emulator._owns_host = host is None
        return emulator

    @property
    def tier(self) -> str:
        return self._host.tier

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What Lambda guarantees and this machine's sandbox does not give."""
        return self._host.missing

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        """One synchronous invocation. Whatever the function does is an Outcome; raises SandboxError where this machine
        cannot run it, and EmulatorError where the emulator is closed meanwhile. Cancelling it kills the environment.
        """
        slot = await self._pool.acquire(Key.of(config))
        environment = slot.environment
        try:
            if environment is None:
                environment = slot.environment = self._environment(config, slot)
                await environment.start()
            assert isinstance(environment, ExecutionEnvironment)
            outcome = await environment.invoke(invocation)
        except BaseException:
            self._pool.discard(slot)
            raise
        if environment.over:
            self._pool.discard(slot)
        else:
            self._pool.release(slot, waiting=environment.waiting)
        return outcome

    def _environment(self, config: FunctionConfig, slot: Slot) -> ExecutionEnvironment:
        stream = lines.stream_name(self._clock(), config.version, uuid4().hex)
        owner = Owner(ready=lambda: self._pool.settled(slot), ended=lambda: self._pool.ended(slot))
        return ExecutionEnvironment(
            self._host,
            config,
            Journal(config, stream, self._sink, self._clock),
            owner,
            init_timeout=self._init_timeout,
            clock=self._clock,
        )

    async def retire(self, arn: str) -> None:
        """Close all environments of a function (unqualified ARN): the idle ones now, the busy ones when they are done.

        For a function that was deleted or changed; nothing is lost but warm starts.
        """
        await self._pool.retire(arn)

    async def close(self) -> None:
        """End everything; invocations under way raise EmulatorError. Idempotent."""
        await self._pool.close()
        if self._owns_host:
            await self._host.close()
