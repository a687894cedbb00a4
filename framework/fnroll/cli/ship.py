"""Commands that ship: deploy, status, versions, rollback, delete."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, output_option

if TYPE_CHECKING:
    from fnroll.deploy import Event, Plan

alias_option = click.option("--alias", default="current", show_default=True, help="The alias that serves.")


@click.command()
@alias_option
@click.option("--dry-run", is_flag=True, help="Print the plan; send no write.")
@output_option("table", "json")
@click.pass_obj
def deploy(app: App, alias: str, dry_run: bool, output: Any) -> None:
    """Create or update the function, publish, move the alias.

    Reads what is deployed, makes a plan, applies it. An unchanged function costs reads alone. Every write carries the
    RevisionId that it was planned on; the alias moves last, and only to a version that is Active.
    """
    from fnroll import deploy as engine
    from fnroll.layers import assemble

    parts = assemble(app.definition())
    zipped = "Code" not in parts.definition.request
    desired = engine.wanted(parts.definition, parts.layers, parts.package() if zipped else None)
    engine.refuse_host_runtimes(desired, app.settings.local)
    session = app.session()

    def waiting(words: str) -> None:
        app.say(f"  {words}", dim=True)

    actual = engine.read_actual(session, desired, alias, progress=waiting)
    plan = engine.plan(desired, actual, alias=alias)
    if dry_run:
        _show_plan(app, plan, output)
        return

    def report(event: Event) -> None:
        app.say(f"  {event.text}", dim=True) if event.kind == "wait" else app.say(f"- {event.text}")

    result = engine.apply(plan, session, report)
    if output == "json":
        app.show_json(asdict(result) | {"steps": [step.kind for step in plan.steps]})
        return
    if not result.changed:
        app.say(
            f"no changes, no write sent: {result.alias} serves version {result.version} of {result.name}", fg="green"
        )
    else:
        app.say(f"{result.alias} serves version {result.version} of {result.name}", fg="green")
    if result.function_url and app.embedded:
        app.say("its URL answers while a local cloud is up: fn local up, then fn status --local", dim=True)
    elif result.function_url:
        app.show(result.function_url)


def _show_plan(app: App, plan: Plan, output: Any) -> None:
    if output == "json":
        steps = [{"kind": step.kind, "reason": step.reason, "sends": masked(step.sends)} for step in plan.steps]
        app.show_json({"function": plan.desired.name, "alias": plan.alias, "steps": steps})
        return
    if not plan:
        app.show("no changes")
    for number, step in enumerate(plan.steps, 1):
        app.show(f"{number}. {step.kind}: {step.reason}")
        for key, value in masked(step.sends).items():
            app.show(f"     {key}: {value}")


def masked(sends: Any) -> Any:
    """What a step sends, fit to be shown: values of environment variables hidden, their names kept."""
    if isinstance(sends, dict):
        return {
            key: dict.fromkeys(value, "***") if key == "Variables" and isinstance(value, dict) else masked(value)
            for key, value in sends.items()
        }
    return sends


@click.command()
@alias_option
@output_option("table", "json")
@click.pass_obj
def status(app: App, alias: str, output: Any) -> None:
    """Show what is deployed."""
    from fnroll import deploy as engine

    found = engine.status(app.session(), app.definition(full=False).name, alias)
    if output == "json":
        app.show_json(asdict(found))
        return
    aliases = [f"{name}: {shares(traffic)}" for name, traffic in found.aliases.items()]
    state = " ".join(filter(None, [found.state, found.last_update_status, found.reason]))
    rows = {
        "Function": found.name,
        "ARN": found.arn,
        "State": state,
        "Runtime": found.runtime or found.package_type,
        "Memory, timeout": f"{found.memory_mb} MB, {found.timeout} s",
        "Code": f"{found.code_sha256} ({found.code_size} bytes)",
        "Layers": ", ".join(found.layers) or "none",
        "Modified": found.last_modified,
        "Aliases": "; ".join(aliases) or "none",
        "Function URL": found.function_url or "none",
    }
    for name, value in rows.items():
        app.show(f"{name:16} {value}")


def shares(traffic: Any) -> str:
    """{"2": 0.9, "3": 0.1} -> "2 (90%), 3 (10%)"; one version alone without its share."""
    if len(traffic) == 1:
        return f"version {next(iter(traffic))}"
    return "versions " + ", ".join(f"{version} ({share:.4g})" for version, share in traffic.items())


@click.command()
@output_option("table", "json", "tsv")
@click.pass_obj
def versions(app: App, output: Any) -> None:
    """List the published versions."""
    from fnroll import deploy as engine

    rows = [asdict(row) for row in engine.versions(app.session(), app.definition(full=False).name)]
    columns = {
        "version": "Version",
        "aliases": "Aliases",
        "last_modified": "Modified",
        "runtime": "Runtime",
        "description": "Description",
    }
    app.show_rows(output, rows, columns)


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


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; send no write.")
@click.pass_obj
def delete(app: App, yes: bool, dry_run: bool) -> None:
    """Delete the function.

    All versions, aliases, its URL and permissions go with it; layers and log groups stay.
    """
    from fnroll import deploy as engine
    from fnroll.aws.functions import delete_function
    from fnroll.cli.ask import confirm

    session, name = app.session(), app.definition(full=False).name
    found = engine.versions(session, name)
    aliases = sorted({alias for row in found for alias in row.aliases})
    what = f"{name} with {len(found) - 1} published versions and the aliases {', '.join(aliases) or '(none)'}"
    if dry_run:
        app.say(f"would delete {what}")
        return
    confirm(f"Delete {what}?", yes)
    delete_function(session.control, name)
    app.say(f"deleted {what}")
