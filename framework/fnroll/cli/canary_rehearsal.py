"""`fn canary rehearse`: a canary's plan tried on a local cloud, with faults injected by version.

Everything but the function is the real thing, and on request that too (canary_stage.py): the alias that routes each
invocation by weight, Lambda's HTTP API, the metrics behind GetMetricData, and the engine with its writes. Time is the
rehearsal's own: a minute's requests are sent as fast as they go, then the clock moves on by a minute.
"""

from __future__ import annotations

import http.client
import json
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from fnroll.cli.app import App, network_option, output_option
from fnroll.cli.canary_options import PROMOTED, answered, plan_options, plan_target, target_of
from fnroll.cli.canary_run import CODES, Screen
from fnroll.cli.canary_stage import (
    BASELINE,
    CANARY,
    Behaviour,
    Clock,
    Injected,
    Real,
    fetched,
    stage,
    stand_ins,
)
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.aws import Session
    from fnroll.release.drive import Target

_INJECTED: Final = ("error_rate", "baseline_error_rate", "latency", "baseline_latency")
_PATIENCE: Final = 960.0
"""Seconds that an invocation may take: more than Lambda's longest."""


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
@click.option("--baseline", metavar="VERSION", help="Run this published version as the baseline; with --canary.")
@click.option("--canary", metavar="VERSION", help="Run this published version as the canary; with --baseline.")
@click.option(
    "--event",
    "event_file",
    type=click.Path(path_type=Path),
    help="The event that real versions are invoked with.  [default: {}]",
)
@network_option
@click.option("--seed", type=int, default=1, show_default=True, help="Of the dice.")
@output_option("table", "json")
@click.pass_context
@answered
def rehearse(
    ctx: click.Context, rps: float, hours: float, fast_clock: float, seed: int, output: Any, **said: Any
) -> int:
    """Try the plan on a local cloud: which regression would be found, when, and at what price.

    Invokes a stand-in for the function through the weighted alias of a local cloud of its own, with faults injected by
    version, and drives the canary as fn canary run does. It ends with the verdict, how long it would have taken on AWS,
    and how many requests would have failed. Exit codes as fn canary run.

    With --baseline and --canary two published versions are fetched and really run here, each invocation in a sandbox,
    and no fault is injected but what is asked for; a latency is added to their own.

    \b
    fn canary rehearse --rps 5 --error-rate 0.02 --fast-clock 60
    fn canary rehearse --baseline 7 --canary 8 --event event.json --rps 2
    """
    app: App = ctx.obj
    real = _real(ctx, said)
    behaviours = {
        BASELINE: Behaviour(said.pop("baseline_error_rate"), said.pop("baseline_latency")),
        CANARY: Behaviour(said.pop("error_rate"), said.pop("latency")),
    }
    baseline, canary = said.pop("baseline"), said.pop("canary")
    event, network = _event(app, said.pop("event_file")), said.pop("network")
    dice = random.Random(seed)
    if real:
        target = target_of(app, said)
        source = app.session()
        versions = fetched(source, target.function, baseline), fetched(source, target.function, canary)
        injected: Injected = Real(behaviours, dice)
    else:
        target, versions, injected = plan_target(app, said), stand_ins(), Injected(behaviours, dice)
        target = replace(target, function="rehearsal")
    target = replace(target, local=True)
    with stage(target, injected, versions, network) as (session, clock, port):
        screen = Screen(app, output)
        began = clock.now
        try:
            traffic = Traffic(port, target, event, dice, rps, clock, fast_clock)
            kind, reason = _drive(session, target, traffic, screen, began + hours * 3600)
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


def _real(ctx: click.Context, said: dict[str, Any]) -> bool:
    """Whether real versions run; then nothing is injected that was not asked for. Raises UsageError."""
    given = {name for name in said if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    if len(given & {"baseline", "canary"}) == 1:
        raise UsageError("--baseline and --canary go together: each names a published version")
    if "baseline" not in given:
        if alone := given & {"event_file", "network"}:
            flag = "--event" if "event_file" in alone else "--network"
            raise UsageError(f"{flag} is for versions that really run: give --baseline and --canary")
        return False
    for name in _INJECTED:
        if name not in given:
            said[name] = 0.0
    return True


def _event(app: App, path: Path | None) -> bytes:
    """The event's bytes. Raises UsageError."""
    if path is None:
        return b"{}"
    try:
        data = (app.directory / path).read_bytes()
        json.loads(data)
    except (OSError, ValueError) as error:
        raise UsageError(f"the event cannot be read: {error}", where=str(path)) from error
    return data


def _more(injected: Injected) -> float:
    """Requests that failed because of the canary."""
    rate = injected.failed[BASELINE] / injected.served[BASELINE] if injected.served[BASELINE] else 0.0
    return max(0.0, injected.failed[CANARY] - injected.served[CANARY] * rate)


@dataclass
class Traffic:
    """What the alias's callers send, a minute at a time."""

    port: int
    target: Target
    event: bytes
    dice: random.Random
    rps: float
    clock: Clock
    fast_clock: float

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        name, alias = self.target.function, self.target.alias
        self._path = f"/2015-03-31/functions/{name}/invocations?Qualifier={alias}"

    def minute(self) -> None:
        """A minute's requests, one after the other; then the clock moves on."""
        began = time.monotonic()
        mean = self.rps * 60
        for _ in range(max(0, round(self.dice.gauss(mean, mean**0.5)))):
            self._connection.request("POST", self._path, self.event)
            self._connection.getresponse().read()
        self.clock.now += 60
        time.sleep(max(0.0, 60 / self.fast_clock - (time.monotonic() - began)))

    def close(self) -> None:
        self._connection.close()


def _drive(session: Session, target: Target, traffic: Traffic, screen: Screen, until: float) -> tuple[str | None, str]:
    """How it ended and why; None where it did not."""
    from fnroll.release import report
    from fnroll.release.drive import drive
    from fnroll.release.start import start

    try:
        traffic.minute()  # what the p95 of before is taken from
        start(session, target, CANARY)
        reason = "the plan was not through in time"
        while traffic.clock.now < until:
            traffic.minute()
            done = drive(session, target)
            reason = done.action.reason
            screen.show(report.lines(done.look, done.action, target), report.line(done.action, done.look), done)
            if done.action.kind in CODES:
                return done.action.kind, reason
        return None, reason
    finally:
        traffic.close()
