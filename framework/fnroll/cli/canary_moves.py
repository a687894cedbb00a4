"""`fn canary pause|resume|promote|abort|undo`: what an operator decides, one conditional write each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, alias_option
from fnroll.cli.canary_options import answered, plan_options, target_of
from fnroll.cli.status import shares
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.release.tick import Write


def _write(app: App, alias_name: str, make: Any, words: str) -> None:
    """One move of an operator's."""
    from fnroll.aws.aliases import look_at_alias
    from fnroll.release.drive import write

    session, function = app.session(), app.definition(full=False).name
    alias, now = look_at_alias(session.control, function, alias_name)
    wanted: Write = make(alias, now)
    after = write(session, function, alias, wanted)
    app.say(f"{words}: {alias_name} of {function} routes to {shares(after.traffic)}", fg="green")


@click.command()
@alias_option
@click.pass_obj
@answered
def pause(app: App, alias: str) -> None:
    """Let no step begin until it is resumed.

    Evidence against the canary still takes it back, if somebody drives.
    """
    from fnroll.release import moves

    _write(app, alias, lambda found, _: moves.pause(found), "paused")


@click.command()
@plan_options
@click.option("--adopt", is_flag=True, help="Go on from weights that somebody set by hand.")
@click.option("--force-plan", is_flag=True, help="Go on with this plan, whatever the start's was.")
@click.pass_obj
@answered
def resume(app: App, adopt: bool, force_plan: bool, **said: Any) -> None:
    """Go on after a pause, a hold, or a change by hand.

    After a hold evidence is counted from now on.
    """
    from fnroll.release import moves

    target = target_of(app, said)
    _write(
        app,
        target.alias,
        lambda found, now: moves.resume(found, target.plan, now, target.owner, adopt=adopt, force=force_plan),
        "going on",
    )


@click.command()
@plan_options
@click.option("--next", "one_step", is_flag=True, help="Only to the next step.")
@click.pass_obj
@answered
def promote(app: App, one_step: bool, **said: Any) -> None:
    """Give the canary all traffic, whatever the evidence is."""
    from fnroll.release import moves

    target = target_of(app, said)
    if one_step:
        _write(
            app,
            target.alias,
            lambda found, now: moves.promote_step(found, target.plan, now, target.owner),
            "one step on",
        )
    else:
        _write(app, target.alias, lambda found, _: moves.promote(found), "promoted")


@click.command()
@alias_option
@click.pass_obj
@answered
def abort(app: App, alias: str) -> None:
    """Send all traffic to the baseline, now.

    Whatever the alias routes to; its Description is the user's own again.
    """
    from fnroll.release import moves

    _write(app, alias, lambda found, _: moves.abort(found), "rolled back")


@click.command()
@alias_option
@click.option("--to", "version", metavar="VERSION", help="The version to go back to.  [default: served before]")
@click.pass_obj
@answered
def undo(app: App, alias: str, version: str | None) -> None:
    """Go back after a promotion: all traffic to the version that was served before.

    What that is was recorded when the promoted version was published; --to says it where it was not.
    """
    from fnroll.aws.aliases import get_alias
    from fnroll.aws.versions import list_versions
    from fnroll.deploy import rollback
    from fnroll.release.record import read_record
    from fnroll.release.shift import Shift, set_alias

    session, function = app.session(), app.definition(full=False).name
    found = get_alias(session.control, function, alias)
    if read_record(found.description)[1] is not None:
        raise UsageError(f"a canary is on alias {alias}", hint="fn canary abort ends it")
    if version is None:
        version = rollback.target(found, list_versions(session.control, function)).version
    _, now = set_alias(session, function, Shift(alias, version, {}))
    app.say(f"undone: {alias} of {function} routes to {shares(now.traffic)}", fg="green")


COMMANDS = (pause, resume, promote, abort, undo)
