"""The emulator of `fn dev`'s cloud: what passes through it is told, and code that does not start is not served.

When code has changed an environment of it is started before it takes a request. If that fails, requests go on to the
code before it: nobody who edits a function loses what others are just using. What never worked is invoked all the
same, and answers with its error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

from fnroll.cli.dev_lines import Request, request_of
from fnroll.errors import FnError

if TYPE_CHECKING:
    from fnroll.cloud.server import OpenEmulator, OpenInvoker
    from fnroll.emulator import FunctionConfig, Invocation, LogSink, Outcome
    from fnroll.sandbox.api import Missing

    class Warming(OpenInvoker, Protocol):
        """What is wanted of the emulator behind this one."""

        async def warm(self, config: FunctionConfig) -> bool: ...


EDITED: Final = ("$LATEST", "$LATEST.PUBLISHED")
"""What a deploy of `fn dev` changes; the latter of managed instances."""


class Heard(Protocol):
    """Who hears of requests: of what came of one, and why one did not run."""

    def request(self, request: Request) -> None: ...

    def refused(self, name: str, why: str) -> None: ...


def opener(heard: Heard, mark: str, open: OpenWarming | None = None) -> OpenEmulator:
    """`mark`: see `start_mark`; `open`: instead of the emulator itself."""

    async def opened(tier: str, sink: LogSink | None) -> OpenInvoker:
        from fnroll.emulator import Emulator

        inner = await (open(tier, sink) if open is not None else Emulator.open(tier=tier, sink=sink))
        return DevEmulator(inner, heard, mark)

    return opened


class OpenWarming(Protocol):
    async def __call__(self, tier: str, sink: LogSink | None) -> Warming: ...


def start_mark() -> str:
    """The client context of an invocation that is to start an environment and nothing more, and is answered with
    whether the code works."""
    return json.dumps({"fn-dev": str(uuid4())})


@dataclass(slots=True)
class _Served:
    """The last revision that was tried, and the last one that started."""

    revision: str | None = None
    works: bool = False
    good: FunctionConfig | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class DevEmulator:
    """Belongs to the event loop."""

    def __init__(self, inner: Warming, heard: Heard, mark: str) -> None:
        self._inner = inner
        self._heard = heard
        self._mark = mark
        self._served: dict[tuple[str, str], _Served] = {}

    @property
    def tier(self) -> str:
        return self._inner.tier

    @property
    def missing(self) -> Sequence[Missing]:
        return self._inner.missing

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        try:
            serving, works = await self._serving(config, invocation)
            if invocation.client_context == self._mark:
                return _said(config, works)
            outcome = await self._inner.invoke(serving, invocation)
        except FnError as error:
            self._heard.refused(config.name, str(error))
            raise
        self._heard.request(request_of(serving, invocation, outcome))
        return outcome

    async def _serving(self, config: FunctionConfig, invocation: Invocation) -> tuple[FunctionConfig, bool]:
        """What takes an invocation of `config`, and whether `config` works. Waits for its first start."""
        if config.version not in EDITED or invocation.tenant_id is not None:  # each tenant has environments of its own
            return config, True
        served = self._served.setdefault((config.arn, config.version), _Served())
        if served.revision != config.revision:
            async with served.lock:
                if served.revision != config.revision:
                    served.works = await self._inner.warm(config)
                    served.revision = config.revision
                    served.good = config if served.works else served.good
        if served.works or served.good is None:
            return config, served.works
        return served.good, False

    async def retire(self, arn: str) -> None:
        for version in EDITED:
            self._served.pop((arn, version), None)
        await self._inner.retire(arn)

    def reserve(self, arn: str, concurrency: int | None) -> None:
        self._inner.reserve(arn, concurrency)

    def limit(self, arn: str, version: str, most: int | None) -> None:
        self._inner.limit(arn, version, most)

    async def provision(self, config: FunctionConfig, count: int) -> None:
        await self._inner.provision(config, count)

    async def close(self) -> None:
        await self._inner.close()


def _said(config: FunctionConfig, works: bool) -> Outcome:
    from fnroll.emulator import Outcome, Report

    report = Report(0.0, 0, config.memory_mb, 0, None, "success")
    return Outcome(json.dumps(works).encode(), None, config.version, report, b"")
