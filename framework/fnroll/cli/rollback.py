"""`fn rollback`: the way back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, alias_option, output_option
from fnroll.errors import AwsError, DeployError, UsageError

if TYPE_CHECKING:
    from fnroll.aws import Session
    from fnroll.deploy import Event, Target


@click.command()
@alias_option
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Go N versions back.  [default: 1]")
@click.option("--version", "to", metavar="N", help="Go to this version instead of one served before.")
@click.option("--list", "listing", is_flag=True, help="Only show what the alias served, newest first.")
@click.option("--delete-version", is_flag=True, help="Delete the version that is left.")
@click.option("--restore-latest", is_flag=True, help="Make $LATEST that version too.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; send no write.")
@output_option("table", "json")
@click.pass_obj
def rollback(app: App, /, alias: str, steps: int | None, to: str | None, listing: bool, **said: Any) -> None:
    """Point the alias back at the version it served before.

    Each deploy records that version in the Description of the new one, so it is known and not guessed; where there is
    no record a version has to be named. $LATEST keeps the newer code and configuration unless --restore-latest says
    otherwise, and the next deploy goes on from there.
    """
    from fnroll import deploy as engine
    from fnroll.deploy.restore import check_restorable, differing
    from fnroll.deploy.rollback import check_deletable

    if steps is not None and to is not None:
        raise UsageError("--steps and --version exclude each other")
    session, name = app.session(), app.definition(full=False).name
    if listing:
        show_history(app, session, name, alias, said["output"])
        return
    goal = engine.find_target(session, name, alias, to, steps or 1, stay=said["restore_latest"])
    if said["delete_version"]:
        check_deletable(session, name, goal)
    if said["restore_latest"]:
        check_restorable(session, name, goal.version)
    otherwise = differing(session, name, goal.version)
    if said["dry_run"]:
        _foretell(app, goal, otherwise, said)
        return
    before = goal.alias.version
    if goal.moves:
        engine.roll_back(session, name, goal)
        app.say(f"{alias} serves version {goal.version} of {name} again (was {before})", fg="green")
    restored = said["restore_latest"] and bool(otherwise)
    if restored:
        _restore(app, session, name, goal)
    elif said["restore_latest"]:
        app.say(f"$LATEST is version {goal.version} already")
    elif otherwise:
        app.say(f"$LATEST still holds what was deployed last; it differs in: {', '.join(otherwise)}", dim=True)
        app.say(f"fn rollback --version {goal.version} --restore-latest makes it version {goal.version} too", dim=True)
    if said["delete_version"]:
        _delete(app, session, name, goal)
    if said["output"] == "json":
        done = {"function": name, "alias": alias, "version": goal.version, "previous": before}
        latest = [] if said["restore_latest"] else list(otherwise)
        deleted = before if said["delete_version"] else None
        app.show_json(done | {"latest_differs_in": latest, "latest_restored": restored, "deleted": deleted})


def show_history(app: App, session: Session, name: str, alias: str, output: Any) -> None:
    from fnroll import deploy as engine

    rows = [asdict(row) for row in engine.find_history(session, name, alias)]
    if output != "json":
        for row in rows:
            row["steps"] = "serves now" if row["steps"] == 0 else row["steps"]
            row["published"] = row["published"] if row["exists"] else "deleted since"
    columns = {
        "steps": "Steps back",
        "version": "Version",
        "published": "Published",
        "code_sha256": "CodeSha256",
        "description": "Description",
    }
    app.show_rows(output, rows, columns)


def _foretell(app: App, goal: Target, otherwise: tuple[str, ...], said: dict[str, Any]) -> None:
    if goal.moves:
        app.say(f"{goal.alias.name} would go from version {goal.alias.version} to version {goal.version}")
    if otherwise:
        what = "would be made that version too" if said["restore_latest"] else "would stay as it is"
        app.say(f"$LATEST differs from version {goal.version} in: {', '.join(otherwise)}; it {what}")
    if said["delete_version"]:
        app.say(f"version {goal.alias.version} would be deleted")
    if said["output"] == "json":
        planned = {"alias": goal.alias.name, "version": goal.version, "previous": goal.alias.version, "dry_run": True}
        app.show_json(planned | {"latest_differs_in": list(otherwise)})


def _restore(app: App, session: Session, name: str, goal: Target) -> None:
    from fnroll.deploy.restore import restore_latest

    def report(event: Event) -> None:
        app.say(f"  {event.text}", dim=True)

    try:
        restore_latest(session, name, goal.version, goal.alias.name, report)
    except (AwsError, DeployError) as error:
        raise DeployError(
            f"{goal.alias.name} serves version {goal.version}, but $LATEST was not restored: {error.message}",
            where=name,
            hint=error.hint or "what is served is not touched by that; deploy from the source of that version",
        ) from error
    app.say(f"$LATEST is version {goal.version} again", fg="green")


def _delete(app: App, session: Session, name: str, goal: Target) -> None:
    from fnroll.deploy.rollback import delete_left

    left = goal.alias.version
    try:
        delete_left(session, name, goal)
    except AwsError as error:
        raise DeployError(
            f"{goal.alias.name} serves version {goal.version}, but version {left} was not deleted: {error.message}",
            where=name,
            hint=error.hint,
        ) from error
    app.say(f"version {left} is deleted")
