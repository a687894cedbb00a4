"""Commands that ship: deploy, status, versions, rollback, delete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from fnroll.cli.app import App, output_option

alias_option = click.option("--alias", default="current", show_default=True, help="The alias that serves.")


@click.command()
@click.argument(
    "directories", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@alias_option
@click.option("--dry-run", is_flag=True, help="Print the plan; send no write.")
@click.option("--src", type=click.Path(exists=True, path_type=Path), help="The code: a directory, or a zip as it is.")
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish a version and move the alias.")
@click.option("--alias-to-latest", is_flag=True, help="Point the alias at $LATEST; implies --no-publish.")
@click.option("--skip-archive", is_flag=True, help="Pack nothing: the code lies on S3 already (Code.S3Bucket, S3Key).")
@click.option("--skip-configuration", is_flag=True, help="Deploy the code alone: no configuration, layers, tags.")
@click.option("--skip-function", is_flag=True, help="Deploy the key Fn alone: no code, configuration, version.")
@click.option("--keep-versions", type=click.IntRange(min=0), default=0, metavar="N", help="Delete all but N versions.")
@click.option("--ignore", metavar="PATHS", default="", help="Leave these members as they are deployed (.A.B, .C[0]).")
@click.option("--exclude-file", type=click.Path(path_type=Path), help="Instead of .lambdaignore.")
@click.option("--symlink", is_flag=True, help="Keep symbolic links as links.")
@click.option("--jobs", type=click.IntRange(min=1), default=8, show_default=True, help="Functions at a time.")
@click.option("--fail-fast", is_flag=True, help="With several: begin no further one after a failure.")
@output_option("table", "json")
@click.pass_obj
def deploy(app: App, /, directories: tuple[Path, ...], **said: Any) -> None:
    """Create or update the function, publish, move the alias.

    Reads what is deployed, makes a plan, applies it. An unchanged function costs reads alone. Every write carries the
    RevisionId that it was planned on; the alias moves last, and only to a version that is Active.

    With several DIRs their functions are deployed side by side, one line each, paced together under Lambda's limits;
    if one fails the others are finished all the same.
    """
    from fnroll.cli.shipping import Order, deploy_all, deploy_one, show_plan, show_result

    order = Order.of(app, said)
    if len(directories) <= 1:
        done = deploy_one(app, order, directories[0] if directories else app.directory)
        if done.result is None:
            show_plan(app, done.plan, said["output"])
        else:
            show_result(app, done.plan, done.result, said["output"])
        return
    deploy_all(app, order, directories, said["output"])


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
