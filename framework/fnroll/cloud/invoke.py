"""From a function's name to an invocation of the emulator: resolve, route by weight, prepare the code, run.

This is the path that must not wait: rows are read on the event loop through the reading connection, and kept until the
state changes (resolve.py); only the first invocation of a revision touches the disk.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fnroll.cloud.layers import layer_keys
from fnroll.cloud.metrics import ALL_RUNNING, Meter, Resource
from fnroll.cloud.names import FunctionRef, is_version
from fnroll.cloud.records import VersionRow
from fnroll.cloud.resolve import Resolver
from fnroll.cloud.store import Store
from fnroll.definition.model import invocations_at_once, is_traced
from fnroll.emulator.api import FunctionConfig, Invocation, Outcome, ResponseStream
from fnroll.emulator.traces import undecided
from fnroll.errors import InvocationThrottled
from fnroll.sandbox.api import Network

MAX_CONFIGS = 512
"""Prepared configurations that are kept; past that they are made again, which costs some file system calls."""


class Invoker(Protocol):
    """What the cloud wants of an emulator."""

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome: ...

    async def retire(self, arn: str) -> None: ...

    def reserve(self, arn: str, concurrency: int | None) -> None: ...

    async def provision(self, config: FunctionConfig, count: int) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One event for one function."""

    ref: FunctionRef
    payload: bytes
    request_id: str
    client_context: str | None = None
    trace_id: str | None = None


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
    ) -> None:
        self._read = read
        self._store = store
        self._emulator = emulator
        self._port = port
        self._resolver = Resolver(read, chance)
        self._network = network
        self.meter = meter or Meter(time.time)
        self._configs: dict[tuple[str, str, str], FunctionConfig] = {}

    def resolve(self, ref: FunctionRef) -> VersionRow:
        """The version of this invocation; an alias's weights are drawn anew each time. Fault ResourceNotFound."""
        return self._resolver.resolve(ref)

    async def run(
        self, request: Request, *, version: VersionRow | None = None, stream: ResponseStream | None = None
    ) -> Outcome:
        """`version`: as `resolve` gave it, if it did already; `stream` gets a response that is streamed.

        Faults as Lambda's Invoke; raises EmulatorError or SandboxError if no environment could be made."""
        config = await self._prepared(version or self.resolve(request.ref))
        invocation = Invocation(
            request.request_id,
            request.payload or b"{}",
            request.ref.asked_arn,
            request.client_context,
            request.trace_id or undecided(),
            stream=stream,
        )
        return await self._measured(request.ref, config, invocation)

    async def _measured(self, ref: FunctionRef, config: FunctionConfig, invocation: Invocation) -> Outcome:
        """Run it and count it: what is refused is no invocation, and what this machine cannot run is nothing."""
        is_alias = ref.qualifier is not None and not is_version(ref.qualifier)
        resource = Resource(ref.region, ref.name, ref.qualifier, config.version if is_alias else None)
        began, mine, total = self.meter.enter(ref.region, ref.name)
        try:
            outcome = await self._emulator.invoke(config, invocation)
        except InvocationThrottled:
            self.meter.add(resource, {"Throttles": 1}, began)
            raise
        finally:
            self.meter.leave(ref.region, ref.name)
        counted = {
            "Invocations": 1,
            "Errors": 1 if outcome.function_error else 0,
            "Throttles": 0,
            "Duration": outcome.report.duration_ms,
            "ConcurrentExecutions": mine,
            ALL_RUNNING: total,
        }
        self.meter.add(resource, counted, began)
        return outcome

    def reserve(self, arn: str, concurrency: int | None) -> None:
        """The reserved concurrency of a function from now on; None: none."""
        self._emulator.reserve(arn, concurrency)

    async def provision(self, version: VersionRow, count: int) -> None:
        """Keep so many environments of a version ready. Faults, and the emulator's errors."""
        await self._emulator.provision(await self._prepared(version), count)

    async def retire(self, arn: str) -> None:
        """Drop the environments of a function that is gone."""
        self._configs = {key: config for key, config in self._configs.items() if key[0] != arn}
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
        return FunctionConfig(
            name=function.name,
            arn=function.arn,
            version=version.version,
            revision=version.fingerprint,
            task=await self._store.code(version.package),
            opt=opt,
            handler=config.get("Handler"),
            runtime=config.get("Runtime"),
            memory_mb=config["MemorySize"],
            timeout=config["Timeout"],
            tmp_mb=config["EphemeralStorage"]["Size"],
            environment={**self._local(), **config.get("Environment", {}).get("Variables", {})},
            credentials=CREDENTIALS,
            region=function.region,
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


CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "ASIAFNLOCALCLOUD0000",
    "AWS_SECRET_ACCESS_KEY": "local-cloud-needs-no-secret",
    "AWS_SESSION_TOKEN": "local-cloud-session",
}
"""What a function signs with: made up, and never the user's own."""
