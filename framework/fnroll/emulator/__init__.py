"""Execution environments of Lambda functions on this machine: one call in, one outcome out.

    emulator = await Emulator.open()
    outcome = await emulator.invoke(config, invocation)

`Emulator` ties the parts together: the pool says which environment takes an invocation, the environment runs it in a
sandbox and speaks Lambda's Runtime API with the runtime. The values are in api.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, cast
from uuid import uuid4

from fnroll.emulator import lines, traces
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
from fnroll.emulator.awake import Awake
from fnroll.emulator.calls import Call, House, tell
from fnroll.emulator.environment import ExecutionEnvironment
from fnroll.emulator.gate import Gate
from fnroll.emulator.machine import CpuIdleness, environments_that_fit
from fnroll.emulator.output import Journal
from fnroll.emulator.policy import MAX_ENVIRONMENTS, Account, Key, Ledger
from fnroll.emulator.pool import PATIENCE, Pool
from fnroll.emulator.provision import Provisioner
from fnroll.emulator.receiver import Done, Owner
from fnroll.emulator.shared import SharedEnvironment
from fnroll.emulator.slots import Slot
from fnroll.emulator.turns import acquire
from fnroll.sandbox import open_host
from fnroll.sandbox.api import Missing, SandboxHost, Tier

__all__ = [
    "MAX_PAYLOAD",
    "MAX_RESPONSE",
    "Account",
    "Emulator",
    "FunctionConfig",
    "Invocation",
    "LogLine",
    "LogSink",
    "Outcome",
    "Report",
    "Status",
]

IDLE_SECONDS = 300.0
INIT_TIMEOUT = 10.0
PROVISIONED_INIT_TIMEOUT = 130.0
"""Seconds, or the function's own timeout if that is longer (facts 2.10); of managed instances too."""


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
        account: Account,
        limits: bool,
    ) -> None:
        self._host = host
        self._owns_host = False
        self._sink = sink
        self._init_timeout = init_timeout
        self._clock = clock
        self._limits = limits
        self._ledger = Ledger(account)
        self._pool = Pool(max_environments, idle_seconds, time.monotonic, account=account, lost=self._lost)
        self._gate = Gate(CpuIdleness())
        self._house = House(self._pool, self._ledger, self._start_on_demand, Awake())
        self._provisioner = Provisioner(self._pool, self._ledger, self._start_provisioned)

    @classmethod
    async def open(
        cls,
        *,
        tier: str = "auto",
        sink: LogSink | None = None,
        host: SandboxHost | None = None,
        max_environments: int | None = None,
        idle_seconds: float = IDLE_SECONDS,
        init_timeout: float = INIT_TIMEOUT,
        clock: Callable[[], float] = time.time,
        account: Account | None = None,
        rootfs: Path | Literal["empty"] | None = None,
        limits: bool = True,
    ) -> Emulator:
        """Open over a sandbox host of `tier`, or over `host`, which stays its caller's to close.

        `sink` gets every log line as it comes, from the event loop; `clock` gives epoch seconds. `max_environments`:
        past it invocations wait; left out, as many as this machine's memory and open files allow; never more than
        1,000. `account`: Lambda's limits, past which invocations are refused. `rootfs`: see `open_host`. `limits`
        False, for debugging: no environment is limited in memory or CPU, or frozen. The soft limit of open files is
        raised to the hard one. Raises SandboxError.
        """
        fit = environments_that_fit()  # before the host starts its fork server, which gets the same limits
        chosen = host or await open_host(cast(Tier, tier), rootfs=rootfs)
        emulator = cls(
            chosen,
            sink=sink,
            max_environments=fit if max_environments is None else min(max_environments, MAX_ENVIRONMENTS),
            idle_seconds=idle_seconds,
            init_timeout=init_timeout,
            clock=clock,
            account=account or Account(),
            limits=limits,
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
        """One synchronous invocation. Whatever the function does is an Outcome; raises InvocationThrottled where Lambda
        would refuse it, SandboxError where this machine cannot run it, and EmulatorError where the emulator is closed
        meanwhile. Cancelling it kills the environment, unless others run in that.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        call = self.begin(config, invocation, partial(tell, outcome))
        try:
            return await outcome
        except asyncio.CancelledError:
            call.cancel()
            if call.task is not None:
                await asyncio.wait([call.task])
            raise

    def begin(self, config: FunctionConfig, invocation: Invocation, done: Done) -> Call:
        """As `invoke`, for who does not wait: `done` gets the outcome, or the error, at once or from the event loop."""
        given = invocation.trace_id
        if given is None:
            if config.tracing:
                invocation = invocation._replace(trace_id=traces.fresh(True))
        elif config.tracing or "Sampled=" not in given:
            invocation = invocation._replace(trace_id=traces.decided(given, config.tracing))
        call = Call(self._house, config, invocation, done)
        call.begin()
        return call

    async def _start_on_demand(self, config: FunctionConfig, slot: Slot) -> ExecutionEnvironment:
        return await self._start(config, slot, self._init_timeout)

    async def _start(self, config: FunctionConfig, slot: Slot, init_timeout: float) -> ExecutionEnvironment:
        """A new environment in the slot, after its init."""
        environment = slot.environment = self._environment(config, slot, init_timeout)
        turn = await self._gate.enter(slot.key)
        try:
            await environment.start()
        finally:
            turn.leave()
        return environment

    def _environment(self, config: FunctionConfig, slot: Slot, init_timeout: float) -> ExecutionEnvironment:
        if not self._limits:
            config = replace(config, limits=False)
        slot.freezes = config.limits and config.concurrency == 1
        kind: type[ExecutionEnvironment] = ExecutionEnvironment
        if config.concurrency > 1:
            kind, init_timeout = SharedEnvironment, max(init_timeout, PROVISIONED_INIT_TIMEOUT, float(config.timeout))
            config = replace(config, initialization="lambda-managed-instances", log_format="JSON")
        stream = lines.stream_name(self._clock(), config.version, uuid4().hex)
        owner = Owner(ready=lambda: self._pool.settled(slot))
        return kind(
            self._host,
            config,
            Journal(config, stream, self._sink, self._clock),
            owner,
            init_timeout=init_timeout,
            clock=self._clock,
        )

    async def warm(self, config: FunctionConfig) -> bool:
        """Have a free environment of `config`, without an invocation. False if its init failed: the first invocation
        tries again, as after any init phase. Raises SandboxError and EmulatorError."""
        slot = await acquire(self._pool, Key(config.arn, config.version, config.revision), config.concurrency)
        try:
            if slot.environment is None:
                await self._start(config, slot, self._init_timeout)
                self._pool.opened(slot)
        except BaseException:
            self._pool.discard(slot)
            raise
        assert isinstance(slot.environment, ExecutionEnvironment)
        self._pool.release(slot, waiting=slot.environment.waiting)
        return slot.environment.initialised

    def reserve(self, arn: str, concurrency: int | None) -> None:
        """The reserved concurrency of a function (unqualified ARN) from now on; None: none, it shares the account's."""
        self._ledger.reserve(arn, concurrency)

    def limit(self, arn: str, version: str, most: int | None) -> None:
        """The most invocations at a time of a version from now on; None: no limit of its own."""
        self._ledger.limit(arn, version, most)

    async def provision(self, config: FunctionConfig, count: int) -> None:
        """Keep `count` environments of exactly `config` initialised ahead of any invocation; 0: no more.

        Returns when they are ready. Raises EmulatorError where an init fails (it is tried again in the background) or
        where they would leave no room on this machine, and SandboxError. An invocation of another revision of the same
        version takes them away.
        """
        await self._provisioner.provision(config, count)

    async def _start_provisioned(self, config: FunctionConfig, slot: Slot) -> bool:
        limit = max(self._init_timeout, PROVISIONED_INIT_TIMEOUT, float(config.timeout))
        config = replace(config, initialization="provisioned-concurrency")
        return (await self._start(config, slot, limit)).initialised

    def _lost(self, slot: Slot) -> None:
        self._provisioner.lost(slot)

    async def retire(self, arn: str) -> None:
        """Close all environments of a function (unqualified ARN): the idle ones now, the busy ones when they are done.

        For a function that was deleted or changed; nothing is lost but warm starts.
        """
        self._provisioner.retire(arn)
        await self._pool.retire(arn)

    async def close(self) -> None:
        """End everything; invocations under way raise EmulatorError. Idempotent."""
        self._gate.close()
        await self._provisioner.close()
        await self._pool.close()
        if self._house.tasks:  # each has been told, and ends by itself as a rule
            _, wedged = await asyncio.wait(tuple(self._house.tasks), timeout=PATIENCE)
            for task in wedged:
                task.cancel()
        if self._owns_host:
            await self._host.close()
