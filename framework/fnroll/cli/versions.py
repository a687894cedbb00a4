"""`fn versions`: the published versions, and pruning them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, output_option
from fnroll.cli.ask import confirm
from fnroll.errors import AwsError, Conflict, DeployError, NotFound, UsageError

if TYPE_CHECKING:
    from fnroll.aws import Session

COLUMNS = {
    "version": "Version",
    "aliases": "Aliases",
    "last_modified": "Modified",
    "runtime": "Runtime",
    "previous": "Served before",
    "code_sha256": "CodeSha256",
    "description": "Description",
}


@click.command()
@click.option("--delete", "deleting", is_flag=True, help="Delete old versions; needs --keep-versions.")
@click.option("--keep-versions", type=click.IntRange(min=1), metavar="N", help="How many of the newest stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; send no write.")
@output_option("table", "json", "tsv")
@click.pass_obj
def versions(app: App, /, deleting: bool, keep_versions: int | None, yes: bool, dry_run: bool, output: Any) -> None:
    """List the published versions.

    With the aliases that route to each, by their share where it is not all, and what the alias served before it as
    the deploy recorded it. --delete deletes all but the newest N; what an alias routes to, and what it served before
    that, stays in any case.
    """
    from fnroll import deploy as engine

    session, name = app.session(), app.definition(full=False).name
    if deleting:
        if keep_versions is None:
            raise UsageError("--delete needs --keep-versions N", hint="it says how many of the newest stay")
        _delete(app, session, name, keep_versions, yes=yes, dry_run=dry_run)
        return
    if keep_versions is not None or dry_run:
        raise UsageError("--keep-versions and --dry-run go with --delete")
    rows = [asdict(row) for row in engine.versions(session, name)]
    if output != "json":
        for row in rows:
            shares = row["traffic"].items()
            row["aliases"] = [alias if share == 1 else f"{alias} ({share * 100:.4g}%)" for alias, share in shares]
    app.show_rows(output, rows, COLUMNS)


def _delete(app: App, session: Session, name: str, keep: int, *, yes: bool, dry_run: bool) -> None:
    from fnroll.aws.aliases import list_aliases
    from fnroll.aws.functions import delete_function
    from fnroll.aws.versions import list_versions
    from fnroll.deploy.prune import prunable

    old = prunable(list_versions(session.control, name), list_aliases(session.control, name), keep)
    if not old:
        app.say(f"nothing to delete: {name} has no more than {keep} versions beside those in use")
        return
    what = f"{len(old)} version{'' if len(old) == 1 else 's'} of {name}: {', '.join(old)}"
    if dry_run:
        app.say(f"would delete {what}")
        return
    confirm(f"Delete {what}?", yes)
    gone: list[str] = []
    for version in old:
        try:
            delete_function(session.control, name, version)
        except Conflict:
            app.warn(f"version {version} stays: an alias took it up meanwhile")
            continue
        except NotFound:
            continue  # somebody else deleted it
        except AwsError as error:
            done = ", ".join(gone) or "none"
            raise DeployError(
                f"version {version} was not deleted: {error.message}\n  deleted: {done}", where=name, hint=error.hint
            ) from error
        gone.append(version)
    app.say(f"deleted of {name}: {', '.join(gone) or 'none'}")
