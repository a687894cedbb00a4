"""`fn canary rehearse`: a canary's plan tried on a local cloud, with faults injected by version.

Everything but the function is the real thing: the alias that routes each invocation by weight, Lambda's HTTP API, the
metrics behind GetMetricData, and the engine with its writes. Time is the rehearsal's own: a minute's requests are sent
as fast as they go, then the clock moves on by a minute.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import random
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fnroll.cli.app import App, output_option
from fnroll.cli.canary_options import PROMOTED, answered, plan_options, plan_target
from fnroll.cli.canary_run import CODES, Screen

if TYPE_CHECKING:
    from fnroll.aws import Session
    from fnroll.emulator import FunctionConfig, Invocation, LogSink, Outcome
    from fnroll.release.drive import Target
    from fnroll.sandbox.api import Missing

BASELINE, CANARY = "1", "2"
_ROLE: Final = "arn:aws:iam::000000000000:role/rehearsal"
_ERROR = b'{"errorType":"Injected","errorMessage":"a fault of the rehearsal"}'


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Of one version. `error_rate`: 0 to 1; `latency`: its median, in milliseconds."""

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
        from fnroll.emulator import Outcome
        from fnroll.emulator.api import Report

        version = config.version
        behaviour = self.behaviours.get(version, self.behaviours[BASELINE])
        bad = self.dice.random() < behaviour.error_rate
        self.served[version] += 1
        self.failed[version] += bad
        took = behaviour.latency * self.dice.lognormvariate(0, 0.6)
        report = Report(took, int(took) + 1, config.memory_mb, 64, None, "error" if bad else "success")
        return Outcome(_ERROR if bad else b"null", "Unhandled" if bad else None, version, report, b"")

    async def provision(self, config: FunctionConfig, count: int) -> None:
        pass

    async def retire(self, arn: str) -> None:
        pass

    def reserve(self, arn: str, concurrency: int | None) -> None:
        pass

    async def close(self) -> None:
        pass


@click.command()
@plan_options
@click.option("--rps", type=click.FloatRange(0.01, 1000), default=10.0, show_default=True, help="Requests a second.")
@click.option(
    "--error-rate", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Of the canary, 0 to 1."
)
@click.option(
    "--baseline-error-rate", type=click.FloatRange(0, 1), default=0.001, show_default=True, help="Of the baseline."
)
@click.option(
    "--latency",
    type=click.FloatRange(0.1, 900_000),
    default=50.0,
    show_default=True,
    help="Its median, in ms.",
)
@click.option(
    "--baseline-latency", type=click.FloatRange(0.1, 900_000), default=50.0, show_default=True, help="Of the baseline."
)
@click.option("--hours", type=click.FloatRange(0.1, 48), default=4.0, show_default=True, help="Give up after so many.")
@click.option(
    "--fast-clock",
    type=click.FloatRange(1, 1_000_000),
    default=1_000_000.0,
    help="At most so many times as fast as on AWS: 60 shows a minute in a second.  [default: as fast as it goes]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the dice.")
@output_option("table", "json")
@click.pass_obj
@answered
def rehearse(app: App, rps: float, hours: float, fast_clock: float, seed: int, output: Any, **said: Any) -> int:
    """Try the plan on a local cloud: which regression would be found, when, and at what price.

    Invokes a stand-in for the function through the weighted alias of a local cloud of its own, with faults injected by
    version, and drives the canary as fn canary run does. It ends with the verdict, how long it would have taken on AWS,
    and how many requests would have failed. Exit codes as fn canary run.

    \b
    fn canary rehearse --rps 5 --error-rate 0.02 --fast-clock 60
    """
    behaviours = {
        BASELINE: Behaviour(said.pop("baseline_error_rate"), said.pop("baseline_latency")),
        CANARY: Behaviour(said.pop("error_rate"), said.pop("latency")),
    }
    target = replace(plan_target(app, said), function="rehearsal", local=True)
    dice = random.Random(seed)
    injected = Injected(behaviours, dice)
    with stage(target, injected) as (session, clock, port):
        screen = Screen(app, output)
        began = clock.now
        try:
            kind, reason = _drive(session, target, clock, port, screen, dice, rps, began + hours * 3600, fast_clock)
        finally:
            screen.close()
        minutes = (clock.now - began) / 60
    code = CODES.get(kind, 0) if kind else 2
    found = {
        "verdict": kind or "undecided",
        "reason": reason,
        "minutes": minutes,
        "canary": {"requests": injected.served[CANARY], "failed": injected.failed[CANARY]},
        "baseline": {"requests": injected.served[BASELINE], "failed": injected.failed[BASELINE]},
        "failed_more": _more(injected),
        "exit_code": code,
    }
    if output == "json":
        app.show_json(found)
        return code
    app.say(f"{found['verdict']} after {minutes:.0f} minutes: {reason}", fg="green" if code == PROMOTED else "red")
    app.say(
        f"the canary served {injected.served[CANARY]} requests and failed {injected.failed[CANARY]}: "
        f"{_more(injected):.0f} more than the baseline would have"
    )
    return code


def _more(injected: Injected) -> float:
    """Requests that failed because of the canary."""
    rate = injected.failed[BASELINE] / injected.served[BASELINE] if injected.served[BASELINE] else 0.0
    return max(0.0, injected.failed[CANARY] - injected.served[CANARY] * rate)


@contextmanager
def stage(target: Target, injected: Injected) -> Iterator[tuple[Session, Clock, int]]:
    """A local cloud of its own with two versions and an alias; its clock, and its port."""
    from fnroll import cloud
    from fnroll.aws import AwsOptions, Session

    clock = Clock(float(int(time.time()) // 60 * 60))
    with tempfile.TemporaryDirectory(prefix="fn-rehearsal-") as scratch:
        with cloud.embedded(Path(scratch), emulator=injected.open, clock=clock) as endpoint:
            session = Session(AwsOptions(endpoint=endpoint.url, local=True))
            client: Any = session.control
            client.create_function(
                FunctionName=target.function,
                Runtime="provided.al2023",
                Handler="x",
                Role=_ROLE,
                Code={"ZipFile": _zip("1")},
            )
            client.publish_version(FunctionName=target.function)
            client.create_alias(FunctionName=target.function, Name=target.alias, FunctionVersion=BASELINE)
            client.update_function_code(FunctionName=target.function, ZipFile=_zip("2"))
            client.publish_version(FunctionName=target.function)
            yield session, clock, endpoint.port


def _zip(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("bootstrap", text)
    return buffer.getvalue()


def _drive(
    session: Session,
    target: Target,
    clock: Clock,
    port: int,
    screen: Screen,
    dice: random.Random,
    rps: float,
    until: float,
    fast_clock: float,
) -> tuple[str | None, str]:
    """How it ended and why; None where it did not."""
    from fnroll.release import report
    from fnroll.release.drive import drive
    from fnroll.release.start import start

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    path = f"/2015-03-31/functions/{target.function}/invocations?Qualifier={target.alias}"
    try:
        _minute(connection, path, dice, rps, clock, fast_clock)  # what the p95 of before is taken from
        start(session, target, CANARY)
        reason = "the plan was not through in time"
        while clock.now < until:
            _minute(connection, path, dice, rps, clock, fast_clock)
            done = drive(session, target)
            reason = done.action.reason
            screen.show(report.lines(done.look, done.action, target), report.line(done.action, done.look), done)
            if done.action.kind in CODES:
                return done.action.kind, reason
        return None, reason
    finally:
        connection.close()


def _minute(
    connection: http.client.HTTPConnection, path: str, dice: random.Random, rps: float, clock: Clock, fast_clock: float
) -> None:
    began = time.monotonic()
    mean = rps * 60
    for _ in range(max(0, round(dice.gauss(mean, mean**0.5)))):
        connection.request("POST", path, b"{}")
        connection.getresponse().read()
    clock.now += 60
    time.sleep(max(0.0, 60 / fast_clock - (time.monotonic() - began)))
