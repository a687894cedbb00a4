"""From a function's name to an invocation of the emulator: resolve, route by weight, prepare the code, run.

This is the path that must not wait: rows are read on the event loop through the reading connection, and kept until the
state changes (resolve.py); only the first invocation of a revision touches the disk.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from fnroll.cloud.accounts import credentials
from fnroll.cloud.allocations import Allocations
from fnroll.cloud.faults import invalid
from fnroll.cloud.layers import layer_keys
from fnroll.cloud.metrics import ALL_RUNNING, Meter, Resource
from fnroll.cloud.names import FunctionRef, is_version
from fnroll.cloud.records import VersionRow
from fnroll.cloud.resolve import Resolver, data_version
from fnroll.cloud.store import Store
from fnroll.definition.model import invocations_at_once, is_traced
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome, ResponseStream
from fnroll.emulator.receiver import Done
from fnroll.emulator.traces import fresh
from fnroll.errors import InvocationThrottled
from fnroll.sandbox.api import Network

MAX_CONFIGS = 512
"""Prepared configurations that are kept; past that they are made again, which costs some file system calls."""


_AGAIN: Final = "tenant ID {} your request and try again."
_NO_TENANT: Final = "The invoked function is enabled with tenancy configuration. Add a valid " + _AGAIN.format("in")
_TENANT: Final = "The invoked function is not enabled with tenancy configuration. Remove the " + _AGAIN.format("from")
"""Only the first was recorded."""


@runtime_checkable
class Beginner(Protocol):
    """An emulator that needs no task of its caller's for an invocation."""

    def begin(self, config: FunctionConfig, invocation: Invocation, done: Done) -> object: ...


class Invoker(Protocol):
    """What the cloud wants of an emulator."""

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome: ...

    async def retire(self, arn: str) -> None: ...

    def reserve(self, arn: str, concurrency: int | None) -> None: ...

    def limit(self, arn: str, version: str, most: int | None) -> None: ...

    async def provision(self, config: FunctionConfig, count: int) -> None: ...

    async def close(self) -> None: ...


class Request(NamedTuple):
    """One event for one function."""

    ref: FunctionRef
    payload: bytes
    request_id: str
    client_context: str | None = None
    trace_id: str | None = None
    tenant_id: str | None = None
    early: Callable[[bytes, str], None] | None = None
    """See Invocation.early."""


class _Counted:
    """One invocation, counted: what is refused is no invocation, and what this machine cannot run is nothing."""

    __slots__ = ("_allocations", "_config", "_entered", "_meter", "_ref", "_use")

    def __init__(self, meter: Meter, allocations: Allocations, ref: FunctionRef, config: FunctionConfig) -> None:
        self._meter = meter
        self._allocations = allocations
        self._ref = ref
        self._config = config
        self._use = allocations.enter(config.arn, config.version) if allocations.any else None
        self._entered = meter.enter(ref.home, ref.name)

    def over(self, what: Outcome | BaseException) -> None:
        ref, meter, entered = self._ref, self._meter, self._entered
        meter.leave(ref.home, ref.name, entered)
        if self._use is not None:
            self._allocations.leave(self._config.arn, self._config.version)
        resource = _resource(ref, self._config.version)
        if isinstance(what, Outcome):
            counted = {
                "Invocations": 1,
                "Errors": 1 if what.function_error else 0,
                "Throttles": 0,
                "Duration": what.report.duration_ms,
                "ConcurrentExecutions": entered.mine,
                ALL_RUNNING: entered.all,
            }
            if entered.unreserved is not None:
                counted["UnreservedConcurrentExecutions"] = entered.unreserved
            if self._use is not None:
                counted |= self._use.figures(what.provisioned)
            meter.add(resource, counted, entered.began)
        elif isinstance(what, InvocationThrottled):
            meter.add(resource, {"Throttles": 1}, entered.began)

    def ran_on(self, spent: float) -> None:
        """Extensions did, for so many milliseconds after the answer."""
        self._meter.add(
            _resource(self._ref, self._config.version), {"PostRuntimeExtensionsDuration": spent}, self._entered.began
        )


@lru_cache(maxsize=1024)
def _resource(ref: FunctionRef, version: str) -> Resource:
    is_alias = ref.qualifier is not None and not is_version(ref.qualifier)
    return Resource(ref.home, ref.name, ref.qualifier, version if is_alias else None)


@lru_cache(maxsize=1024)
def _asked_arn(ref: FunctionRef) -> str:
    return ref.asked_arn


def _invocation(
    request: Request, config: FunctionConfig, stream: ResponseStream | None, counted: _Counted
) -> Invocation:
    return Invocation(
        request.request_id,
        request.payload or b"{}",
        _asked_arn(request.ref),
        request.client_context,
        request.trace_id or fresh(config.tracing),
        tenant_id=request.tenant_id,
        stream=stream,
        early=request.early,
        ran_on=None if config.opt is None else counted.ran_on,
    )


class Invocations:
    """Runs requests on the emulator. `port` is where the cloud answers: handlers find their AWS there."""

    def __init__(
        self,
        read: sqlite3.Connection,
        store: Store,
        emulator: Invoker,
        port: int,
        *,
        meter: Meter | None = None,
        chance: Callable[[], float] = random.random,
        network: Network = "none",
        changes: Callable[[], int] | None = None,
    ) -> None:
        """`changes`: a number that moves with each commit to the state; without it the database is asked for one."""
        self._read = read
        self._store = store
        self._emulator = emulator
        self._begin = emulator.begin if isinstance(emulator, Beginner) else self._begin_by_task
        self._port = port
        self._resolver = Resolver(read, chance, changes or (lambda: data_version(read)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._network = network
        self.meter = meter or Meter(time.time)
        self._allocations = Allocations()
        self._configs: dict[tuple[str, str, str], FunctionConfig] = {}
        self._packages: dict[str, str] = {}  # by ARN, the one that was prepared last

    def resolve(self, ref: FunctionRef, tenant: str | None = None) -> VersionRow:
        """The version of this invocation; an alias's weights are drawn anew each time. Faults ResourceNotFound, and
        InvalidParameterValue for a tenant where none is wanted, or none where one is."""
        version = self._resolver.resolve(ref)
        if ("TenancyConfig" in version.config) is (tenant is None):
            raise invalid(_NO_TENANT if tenant is None else _TENANT)
        return version

    async def run(
        self, request: Request, *, version: VersionRow | None = None, stream: ResponseStream | None = None
    ) -> Outcome:
        """`version`: as `resolve` gave it, if it did already; `stream` gets a response that is streamed.

        Faults as Lambda's Invoke; raises EmulatorError or SandboxError if no environment could be made."""
        config = await self._prepared(version or self.resolve(request.ref, request.tenant_id))
        counted = _Counted(self.meter, self._allocations, request.ref, config)
        try:
            outcome = await self._emulator.invoke(config, _invocation(request, config, stream, counted))
        except BaseException as error:
            counted.over(error)
            raise
        counted.over(outcome)
        return outcome

    def begin(self, request: Request, done: Done) -> None:
        """As `run`, for who does not wait: `done` gets the outcome, or the error, at once or from the event loop. Where
        everything is at hand it costs no task. Faults that need no looking are raised."""
        version = self.resolve(request.ref, request.tenant_id)
        config = self._configs.get((version.function.arn, version.version, version.fingerprint))
        if config is None:
            self._spawn(self._prepare_first(request, version, done))
        else:
            self._counting(request, config, done)

    async def _prepare_first(self, request: Request, version: VersionRow, done: Done) -> None:
        try:
            config = await self._prepared(version)
        except Exception as error:
            done(error)
        else:
            self._counting(request, config, done)

    def _counting(self, request: Request, config: FunctionConfig, done: Done) -> None:
        counted = _Counted(self.meter, self._allocations, request.ref, config)

        def over(what: Outcome | Exception) -> None:
            counted.over(what)
            done(what)

        self._begin(config, _invocation(request, config, None, counted), over)

    def _begin_by_task(self, config: FunctionConfig, invocation: Invocation, done: Done) -> None:
        async def work() -> None:
            try:
                outcome = await self._emulator.invoke(config, invocation)
            except Exception as error:
                done(error)
            else:
                done(outcome)

        self._spawn(work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reserve(self, arn: str, concurrency: int | None) -> None:
        """The reserved concurrency of a function from now on; None: none."""
        self._emulator.reserve(arn, concurrency)
        self.meter.reserve(arn, concurrency is not None)

    def limit(self, arn: str, version: str, most: int | None) -> None:
        """The most invocations at a time of a version from now on; None: no limit of its own."""
        self._emulator.limit(arn, version, most)

    async def provision(self, version: VersionRow, count: int) -> None:
        """Keep so many environments of a version ready. Faults, and the emulator's errors."""
        config = await self._prepared(version)
        await self._emulator.provision(config, count)
        self._allocations.set(config.arn, config.version, count)

    def release(self, version: VersionRow) -> None:
        """From now on nothing counts as provisioned for it; `provision` of none takes the environments away."""
        self._allocations.set(version.function.arn, version.version, 0)

    async def retire(self, arn: str) -> None:
        """Drop the environments of a function that is gone."""
        self._configs = {key: config for key, config in self._configs.items() if key[0] != arn}
        self._packages.pop(arn, None)
        await self._emulator.retire(arn)

    async def _prepared(self, version: VersionRow) -> FunctionConfig:
        key = (version.function.arn, version.version, version.fingerprint)
        found = self._configs.get(key)
        if found is None:
            found = await self._prepare(version)
            if len(self._configs) >= MAX_CONFIGS:
                self._configs.clear()
            self._configs[key] = found
        return found

    async def _prepare(self, version: VersionRow) -> FunctionConfig:
        config, function = version.config, version.function
        assert version.package is not None
        keys = layer_keys(self._read, config)
        opt = await self._store.layers(keys) if keys else None
        logging = config["LoggingConfig"]
        task = await self._store.code(version.package, self._packages.get(function.arn))
        self._packages[function.arn] = version.package
        return FunctionConfig(
            name=function.name,
            arn=function.arn,
            version=version.version,
            revision=version.fingerprint,
            task=task,
            opt=opt,
            handler=config.get("Handler"),
            runtime=config.get("Runtime"),
            memory_mb=config["MemorySize"],
            timeout=config["Timeout"],
            tmp_mb=config["EphemeralStorage"]["Size"],
            environment={**self._local(), **config.get("Environment", {}).get("Variables", {})},
            credentials=credentials(function.home.account),
            region=function.home.region,
            log_group=logging.get("LogGroup"),
            log_format=logging.get("LogFormat", "Text"),
            application_log_level=logging.get("ApplicationLogLevel"),
            system_log_level=logging.get("SystemLogLevel", "INFO"),
            network=self._network,
            concurrency=invocations_at_once(config),
            tracing=is_traced(config),
        )

    def _local(self) -> Mapping[str, str]:
        """What makes any SDK inside the function speak to this cloud; the function's own variables go before it.

        Nothing where the function's network does not reach it.
        """
        if self._network != "host":
            return {}
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}"}
