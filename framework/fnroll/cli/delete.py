"""`fn delete`: the function and what goes with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from fnroll.cli.app import App, output_option

if TYPE_CHECKING:
    from fnroll.deploy.inspect import Belongings


@click.command()
@click.option("--yes", "--force", "yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; send no write.")
@output_option("table", "json")
@click.pass_obj
def delete(app: App, /, yes: bool, dry_run: bool, output: Any) -> None:
    """Delete the function.

    All versions, aliases, URLs, permissions and settings go with it. Layers, the log group and event source mappings
    stay; they are named. Without a terminal to ask on, --yes is needed.
    """
    from fnroll.aws.functions import delete_function
    from fnroll.cli.ask import confirm
    from fnroll.deploy.inspect import belongings

    session, name = app.session(), app.definition(full=False).name
    found = belongings(session, name)
    for text in goes_and_stays(found):
        app.say(text)
    if not dry_run:
        confirm(f"Delete {name} with {len(found.versions)} versions?", yes)
        delete_function(session.control, name)
        app.say(f"deleted {name}", fg="green")
    if output == "json":
        app.show_json(asdict(found) | {"deleted": not dry_run})


def goes_and_stays(found: Belongings) -> list[str]:
    """What a deletion takes and what it leaves, a line each."""
    lines = [
        f"goes   the function {found.name} with {len(found.versions)} published versions"
        + (f" ({', '.join(found.versions)})" if found.versions else "")
    ]
    lines += [f"goes   the alias {alias}" for alias in found.aliases]
    lines += [f"goes   the URL {url} of {alias or '$LATEST'}" for alias, url in found.urls.items()]
    lines += [f"stays  the log group {found.log_group}, if there is one"]
    lines += [
        f"stays  the event source mapping {uuid} of {source}: it will fail until it is deleted too"
        for uuid, source in found.sources.items()
    ]
    return lines
