"""`fn canary plan|start|status|tick|run`: a release by evidence, step by step.

The commands that drive are all one look and at most one write; `run` repeats it. What they say is in release/report.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, output_option
from fnroll.cli.canary_options import (
    HELD,
    LOST,
    PROMOTED,
    ROLLED_BACK,
    answered,
    events,
    gate,
    plan_options,
    target_of,
)
from fnroll.cli.status import shares
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.aws import AliasState
    from fnroll.release.drive import Outcome, Target

CODES = {
    "promote": PROMOTED,
    "rollback": ROLLED_BACK,
    "tidy": ROLLED_BACK,
    "hold-weight": HELD,
    "hold-zero": HELD,
    "held": HELD,
    "drift": LOST,
    "foreign-plan": LOST,
}
"""What ends `run`, and a tick's exit code; anything else is 0."""

_SUPERSEDED = 2.0
"""Seconds between the end of a superseded run and the next one's start, in which other drivers notice."""

_EVERY = 30.0


@click.command()
@plan_options
@output_option("table", "json")
@click.pass_obj
@answered
def plan(app: App, output: Any, **said: Any) -> None:
    """Show the plan, and what it can see at the current traffic.

    For each step: how long it takes at least, how many canary requests it needs, and which error rate of the canary
    it would find. The traffic is the alias's of the last hour.
    """
    from fnroll.aws.aliases import look_at_alias
    from fnroll.release import forecast
    from fnroll.release.plan import as_json
    from fnroll.release.start import read_traffic

    target = target_of(app, said)
    session = app.session()
    _, now = look_at_alias(session.control, target.function, target.alias)
    traffic = read_traffic(session, target.function, target.alias, now, target.lag)
    rows = forecast.forecast(target.plan, traffic.rps, traffic.error_rate)
    if output == "json":
        app.show_json(
            {"plan": as_json(target.plan), "rps": traffic.rps, "error_rate": traffic.error_rate, "steps": rows}
        )
        return
    app.show(f"traffic of the last hour: {traffic.rps:.3g} requests a second, {traffic.error_rate:.3%} of them failed")
    app.show_rows(
        "table",
        [
            {
                **row,
                "weight": f"{row['weight']:.1%}",
                "minutes": "never" if row["minutes"] is None else f"{row['minutes']:.4g}",
                "sees": "nothing" if row["sees"] is None else f"{row['sees']:.3%} and more",
            }
            for row in rows
        ],
        {"step": "Step", "weight": "Weight", "minutes": "Minutes", "requests": "Requests", "sees": "Sees errors of"},
    )


@click.command()
@click.argument("version", required=False)
@plan_options
@click.option("--supersede", is_flag=True, help="End the canary that is on, and start this one on the same baseline.")
@click.option(
    "--dead-man-role",
    metavar="ARN",
    help="Let EventBridge Scheduler take the canary's weight away when nobody drives it any more; it assumes this "
    "role, which may lambda:UpdateAlias.",
)
@click.option("--run", "drive_on", is_flag=True, help="Go on as fn canary run does.")
@output_option("table", "json")
@click.pass_obj
@answered
def start(
    app: App,
    version: str | None,
    supersede: bool,
    dead_man_role: str | None,
    drive_on: bool,
    output: Any,
    **said: Any,
) -> int | None:
    """Give a new version its first share of the traffic.

    VERSION is a published version, by default the newest. The alias keeps its version as the baseline; the canary
    gets the weight of the first step. Nothing moves before all of this holds: both versions are Active and Lambda
    splits traffic between them, the metrics can be read, and the smoke events of the plan are answered.
    """
    target, run_id = begin(app, said, version, supersede, dead_man_role)
    if drive_on:
        return _run(app, target, _EVERY, output)
    if output == "json":
        app.show_json(run_id)
    app.say("next: fn canary run, or fn canary tick every minute; fn canary status shows where it is")
    return None


def begin(
    app: App, said: Mapping[str, Any], version: str | None, supersede: bool, dead_man_role: str | None = None
) -> tuple[Target, dict[str, Any]]:
    """Start a canary and say so; what it aims at, and which run it is."""
    from fnroll.aws import scheduler
    from fnroll.release.start import start as start_run
    from fnroll.release.tick import MARGIN

    target = target_of(app, said)
    if dead_man_role is not None and (app.settings.local or app.settings.endpoint):
        raise UsageError(
            "--dead-man-role takes EventBridge Scheduler's universal targets, which only AWS has",
            hint="leave it out here; the driver can be stopped and gone on with at any time",
        )
    session = app.session()

    def arm(alias: AliasState, now: float) -> None:
        if dead_man_role is not None:
            late = now + target.plan.steps[0].bake + MARGIN
            scheduler.arm(session.service("scheduler"), target.function, target.alias, alias.arn, dead_man_role, late)

    done = start_run(
        session,
        target,
        version,
        smoke=events(app, target.plan.smoke),
        supersede=supersede,
        timer=dead_man_role is not None,
        arm=arm,
        pause=lambda: time.sleep(_SUPERSEDED),
        progress=lambda text: app.say(f"- {text}"),
    )
    for note in done.notes:
        app.warn(note)
    app.say(
        f"{target.alias} of {target.function} routes to {shares(done.alias.traffic)}: canary {done.record.canary} "
        f"beside {done.record.baseline}, run {done.record.run}",
        fg="green",
    )
    return target, {"run": done.record.run, "baseline": done.record.baseline, "canary": done.record.canary}


@click.command()
@plan_options
@output_option("table", "json")
@click.pass_obj
@answered
def status(app: App, output: Any, **said: Any) -> None:
    """Show the canary: requests, errors, evidence, and what would happen next.

    Takes one GetAlias and one GetMetricData, and writes nothing.
    """
    from fnroll.release import report
    from fnroll.release.drive import look
    from fnroll.release.tick import tick as decide

    target = target_of(app, said)
    seen = look(app.session(), target)
    action = decide(seen.alias, target.plan, seen.evidence, seen.now, target.owner)
    if output == "json":
        app.show_json(report.as_json(seen, action, target))
        return
    for line in report.lines(seen, action, target):
        app.show(line)


@click.command()
@plan_options
@output_option("table", "json")
@click.pass_obj
@answered
def tick(app: App, output: Any, **said: Any) -> int:
    """Look once and do what follows: for cron and CI.

    At most one write, and only if nobody moved the alias meanwhile; whoever looks next goes on from there. Exit codes:
    0 goes on or promoted, 1 rolled back, 2 held, 3 changed by somebody else, 4 not done.
    """
    from fnroll.release import report
    from fnroll.release.drive import drive

    target = target_of(app, said)
    done = drive(app.session(), target, gate(app))
    if output == "json":
        app.show_json({**report.as_json(done.look, done.action, target), "lost": done.lost})
    else:
        app.show(report.line(done.action, done.look))
    return _code(done)


def _code(done: Outcome) -> int:
    if done.lost:
        return LOST
    return CODES.get(done.action.kind, 0)


@click.command()
@plan_options
@click.option("--every", type=click.FloatRange(0.05, 3600), default=_EVERY, show_default=True, help="Seconds.")
@output_option("table", "json")
@click.pass_obj
@answered
def run(app: App, every: float, output: Any, **said: Any) -> int:
    """Drive the canary until it is promoted, rolled back or held.

    On a terminal one view that is drawn anew, elsewhere a line for each change. It may be stopped at any time: the
    alias stays as it is, and anybody can run it again. Exit codes as fn canary tick has them.
    """
    return _run(app, target_of(app, said), every, output)


def _run(app: App, target: Target, every: float, output: Any) -> int:
    from fnroll.release import report
    from fnroll.release.drive import drive

    session, ask = app.session(), gate(app)
    screen = Screen(app, output)
    ours: tuple[str, str] | None = None
    try:
        while True:
            done = drive(session, target, ask)
            record = done.look.record
            if record is not None:
                ours = record.baseline, record.canary
            screen.show(report.lines(done.look, done.action, target), report.line(done.action, done.look), done)
            if not done.lost and done.action.kind in CODES:
                break
            if done.action.kind == "ended":
                break
            time.sleep(every)
    except KeyboardInterrupt:
        screen.close()
        app.say("stopped: the alias stays as it is; fn canary run goes on, fn canary abort ends it")
        raise
    finally:
        screen.close()
    code = _ended(done.alias, ours) if done.action.kind == "ended" else CODES[done.action.kind]
    if output == "json":
        app.show_json({**report.as_json(done.look, done.action, target), "exit_code": code})
    app.say(
        _conclusion(target, done, code), fg="green" if code == PROMOTED else "red" if code == ROLLED_BACK else "yellow"
    )
    return code


def _ended(alias: AliasState, ours: tuple[str, str] | None) -> int:
    """Somebody else ended it: how, is where the alias points."""
    if ours is None:
        raise UsageError(f"no canary is on alias {alias.name}", hint="fn canary start")
    return PROMOTED if alias.version == ours[1] else ROLLED_BACK if alias.version == ours[0] else LOST


def _conclusion(target: Target, done: Outcome, code: int) -> str:
    words = {PROMOTED: "promoted", ROLLED_BACK: "rolled back", HELD: "held", LOST: "left alone"}[code]
    return f"{words}: {target.alias} of {target.function} routes to {shares(done.alias.traffic)} ({done.action.reason})"


class Screen:
    """One view on a terminal; elsewhere a line whenever the action or its kind of reason changes."""

    def __init__(self, app: App, output: Any) -> None:
        self._app = app
        self._json = output == "json"
        self._live: Any = None
        self._last = ""
        if sys.stdout.isatty() and not self._json:
            from rich.live import Live

            self._live = Live(auto_refresh=False, transient=False)
            self._live.start()

    def show(self, lines: list[str], line: str, done: Outcome) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text("\n".join(lines)), refresh=True)
            return
        record = done.look.record
        kind = "wait" if done.action.kind == "renew" else done.action.kind  # of its lease, which is nobody's news
        key = f"{kind} {record.step if record else ''}"
        if key != self._last:
            self._last = key
            self._app.say(line)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


COMMANDS = (plan, start, status, tick, run)
