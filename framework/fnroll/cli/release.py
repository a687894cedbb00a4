"""`fn alias`: the aliases of the function."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fnroll.cli.app import App, output_option
from fnroll.errors import UsageError


@click.group()
def alias() -> None:
    """The aliases and the traffic they route."""


@alias.command("list")
@output_option("table", "json")
@click.pass_obj
def list_(app: App, output: Any) -> None:
    """List the aliases with the versions behind them."""
    from fnroll.cli.status import shares
    from fnroll.release import list_rows

    rows = [asdict(row) for row in list_rows(app.session(), app.definition(full=False).name)]
    if output != "json":
        rows = [{**row, "traffic": shares(row["traffic"])} for row in rows]
    app.show_rows(output, rows, {"name": "Alias", "traffic": "Traffic", "description": "Description"})


@alias.command("set")
@click.argument("name")
@click.argument("version")
@click.option("--weight", metavar="VERSION=SHARE", multiple=True, help="Give a second version this share, 0 to 1.")
@click.option("--description", metavar="TEXT", help="The alias's description; it stays if this is not given.")
@output_option("table", "json")
@click.pass_obj
def set_(app: App, name: str, version: str, weight: tuple[str, ...], description: str | None, output: Any) -> None:
    """Point an alias at a version, or split its traffic.

    All traffic goes to VERSION but what --weight gives to a second one; without --weight a split ends. What Lambda
    would refuse is said before anything is sent, and an alias that somebody moves meanwhile is left alone.
    """
    from fnroll.cli.status import shares
    from fnroll.release.shift import Shift, set_alias

    shift = Shift(name, version, dict(map(_share, weight)), description)
    function = app.definition(full=False).name
    before, now = set_alias(app.session(), function, shift)
    if output == "json":
        was = dict(before.traffic) if before else None
        app.show_json({"function": function, "name": now.name, "traffic": dict(now.traffic), "before": was})
        return
    was_shares = f" (was {shares(before.traffic)})" if before else " (new)"
    app.say(f"{name} of {function} routes to {shares(now.traffic)}{was_shares}", fg="green")


def _share(text: str) -> tuple[str, float]:
    version, _, share = text.partition("=")
    try:
        return version, float(share)
    except ValueError:
        raise UsageError(f"--weight {text!r} is not VERSION=SHARE", hint="--weight 8=0.05") from None


@alias.command()
@click.argument("name")
@output_option("table", "json")
@click.pass_obj
def history(app: App, name: str, output: Any) -> None:
    """Show what an alias served, newest first.

    As each deploy recorded it in the version that it published; the same as fn rollback --list.
    """
    from fnroll.cli.rollback import show_history

    show_history(app, app.session(), app.definition(full=False).name, name, output)


@alias.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(app: App, name: str, yes: bool) -> None:
    """Delete an alias.

    Its function URL, permissions, event sources and settings go with it; the versions stay.
    """
    from fnroll.aws.aliases import get_alias
    from fnroll.cli.ask import confirm
    from fnroll.cli.status import shares
    from fnroll.release.shift import remove_alias

    function = app.definition(full=False).name
    found = get_alias(app.session().control, function, name)
    confirm(f"Delete the alias {name} of {function}, which routes to {shares(found.traffic)}?", yes)
    remove_alias(app.session(), function, name)
    app.say(f"deleted the alias {name} of {function}")
