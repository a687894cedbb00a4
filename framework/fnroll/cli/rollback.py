"""`fn rollback`: the way back."""

from __future__ import annotations

import click

from fnroll.cli.app import App, alias_option


@click.command()
@alias_option
@click.option("--version", "to", metavar="N", help="Go to this version instead of the one served before.")
@click.option("--dry-run", is_flag=True, help="Say where it would go; send no write.")
@click.pass_obj
def rollback(app: App, alias: str, to: str | None, dry_run: bool) -> None:
    """Point the alias back at the version it served before.

    That version is recorded by each deploy. $LATEST is left as it is.
    """
    from fnroll import deploy as engine

    session, name = app.session(), app.definition(full=False).name
    goal = engine.find_target(session, name, alias, to)
    if not goal.recorded:
        app.warn(f"no record says what {alias} served before; version {goal.version} is the next lower one")
    if dry_run:
        app.say(f"{alias} would go from version {goal.alias.version} to version {goal.version}")
        return
    engine.roll_back(session, name, goal)
    app.say(f"{alias} serves version {goal.version} of {name} again (was {goal.alias.version})", fg="green")
    app.say("$LATEST still holds the newer code: the next deploy publishes from there", dim=True)
