"""Where a canary is rehearsed: a local cloud of its own with two versions and an alias, and a clock of its own.

Behind its API stands either a stand-in, whose versions fail and take time as they are told, or two versions of the
user's function that really run in their sandboxes, with faults and delays added on top.
"""

from __future__ import annotations

import asyncio
import io
import random
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fnroll.aws import Session
    from fnroll.emulator import Emulator, FunctionConfig, Invocation, LogSink, Outcome
    from fnroll.release.drive import Target
    from fnroll.sandbox.api import Missing

BASELINE, CANARY = "1", "2"
"""The versions, as the rehearsal's own cloud counts them."""

_ROLE: Final = "arn:aws:iam::000000000000:role/rehearsal"
_ERROR = b'{"errorType":"Injected","errorMessage":"a fault of the rehearsal"}'

_TAKEN: Final = (
    *("Runtime", "Handler", "Timeout", "MemorySize", "Environment", "EphemeralStorage", "Architectures"),
    *("LoggingConfig", "TracingConfig"),
)
"""What of a deployed version's configuration decides how it runs here; its layers come as bytes."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Of one version. `error_rate`: 0 to 1; `latency`: its median, in milliseconds; of one that really runs, what is
    added to its own."""

    error_rate: float
    latency: float


@dataclass
class Clock:
    """Time as the rehearsal says."""

    now: float

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


@dataclass
class Injected:
    """Stands where the emulator would: versions that fail and take time as they are told."""

    behaviours: Mapping[str, Behaviour]
    dice: random.Random
    tier: str = "rehearsal"
    missing: Sequence[Missing] = ()
    served: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    async def open(self, tier: str, sink: LogSink | None) -> Injected:
        return self

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        behaviour = self.behaviours.get(config.version, self.behaviours[BASELINE])
        bad = self.dice.random() < behaviour.error_rate
        took = behaviour.latency * self.dice.lognormvariate(0, 0.6)
        outcome = await self.answer(config, invocation, bad, took)
        self.served[config.version] += 1
        self.failed[config.version] += outcome.function_error is not None
        return outcome

    async def answer(self, config: FunctionConfig, invocation: Invocation, bad: bool, took: float) -> Outcome:
        """`bad`: whether it fails; `took`: milliseconds."""
        from fnroll.emulator import Outcome
        from fnroll.emulator.api import Report

        report = Report(took, int(took) + 1, config.memory_mb, 64, None, "error" if bad else "success")
        return Outcome(_ERROR if bad else b"null", "Unhandled" if bad else None, config.version, report, b"")

    async def provision(self, config: FunctionConfig, count: int) -> None:
        pass

    async def retire(self, arn: str) -> None:
        pass

    def reserve(self, arn: str, concurrency: int | None) -> None:
        pass

    def limit(self, arn: str, version: str, most: int | None) -> None:
        pass

    async def close(self) -> None:
        pass


@dataclass
class Real(Injected):
    """The emulator, with faults and delays on top: a fault that is injected is not invoked, and delay is not waited."""

    emulator: Emulator | None = None

    async def open(self, tier: str, sink: LogSink | None) -> Injected:
        from fnroll.emulator import Emulator

        self.emulator = await Emulator.open(tier=tier, sink=sink)
        self.tier, self.missing = self.emulator.tier, self.emulator.missing
        return self

    async def answer(self, config: FunctionConfig, invocation: Invocation, bad: bool, took: float) -> Outcome:
        if bad or self.emulator is None:
            return await super().answer(config, invocation, bad, took)
        outcome = await self.emulator.invoke(config, invocation)
        return outcome._replace(report=outcome.report._replace(duration_ms=outcome.report.duration_ms + took))

    async def retire(self, arn: str) -> None:
        if self.emulator is not None:
            await self.emulator.retire(arn)

    async def close(self) -> None:
        if self.emulator is not None:
            await self.emulator.close()


@dataclass(frozen=True, slots=True)
class Version:
    """What the cloud is given of a version: its configuration, its package, and the zips of its layers."""

    configuration: Mapping[str, Any]
    package: bytes = field(repr=False)
    layers: tuple[bytes, ...] = field(default=(), repr=False)


def stand_ins() -> tuple[Version, Version]:
    made = {"Runtime": "provided.al2023", "Handler": "x"}
    return Version(made, _zip("1")), Version(made, _zip("2"))


def fetched(session: Session, function: str, version: str) -> Version:
    """A version as it is deployed. Raises NotFound, and AwsError where its package or a layer cannot be had."""
    from fnroll.aws.code import download_code, download_layer
    from fnroll.aws.errors import border

    with border("GetFunctionConfiguration", f"{function}:{version}"):
        said: Mapping[str, Any] = session.control.get_function_configuration(FunctionName=function, Qualifier=version)
    taken = {name: said[name] for name in _TAKEN if name in said}
    taken.get("LoggingConfig", {}).pop("LogGroup", None)
    layers = tuple(download_layer(session, layer["Arn"]) for layer in said.get("Layers", ()))
    return Version(taken, download_code(session, function, version), layers)


@contextmanager
def stage(
    target: Target, injected: Injected, versions: tuple[Version, Version], network: Any = "none"
) -> Iterator[tuple[Session, Clock, int]]:
    """A local cloud of its own with two versions and an alias; its clock, and its port."""
    from fnroll import cloud
    from fnroll.aws import AwsOptions, Session

    clock = Clock(float(int(time.time()) // 60 * 60))
    with tempfile.TemporaryDirectory(prefix="fn-rehearsal-") as scratch:
        with cloud.embedded(Path(scratch), emulator=injected.open, clock=clock, network=network) as endpoint:
            session = Session(AwsOptions(endpoint=endpoint.url, local=True))
            client: Any = session.control
            name = target.function
            before, after = (_configuration(client, number, version) for number, version in enumerate(versions))
            code = {"ZipFile": versions[0].package}
            client.create_function(FunctionName=name, Role=_ROLE, Code=code, **before)
            client.publish_version(FunctionName=name)
            client.create_alias(FunctionName=name, Name=target.alias, FunctionVersion=BASELINE)
            architectures = after.pop("Architectures", ["x86_64"])
            client.update_function_configuration(FunctionName=name, **after)
            client.update_function_code(FunctionName=name, ZipFile=versions[1].package, Architectures=architectures)
            client.publish_version(FunctionName=name)
            yield session, clock, endpoint.port


def _configuration(client: Any, number: int, version: Version) -> dict[str, Any]:
    """With layers of this cloud. The text tells the versions apart, if nothing else does."""
    arns = [
        client.publish_layer_version(LayerName=f"layer-{number}-{place}", Content={"ZipFile": data})["LayerVersionArn"]
        for place, data in enumerate(version.layers)
    ]
    text = ("the baseline", "the canary")[number]
    return {**version.configuration, "Description": text, "Layers": arns}


def _zip(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("bootstrap", text)
    return buffer.getvalue()
