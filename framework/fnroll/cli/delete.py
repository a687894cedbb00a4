"""`fn delete`: the function and what goes with it."""

from __future__ import annotations

import click

from fnroll.cli.app import App


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
