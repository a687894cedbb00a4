"""`fn canary report`: where a canary is, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fnroll.cli.app import App
from fnroll.cli.canary_options import answered, plan_options, target_of
from fnroll.errors import FnError


@click.command()
@plan_options
@click.option(
    "--file",
    "path",
    metavar="FILE",
    default="-",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="Where to write it.  [default: stdout]",
)
@click.pass_obj
@answered
def report(app: App, path: Path, **said: Any) -> None:
    """Write the canary's charts and verdict as one HTML file.

    Errors of both versions, the evidence as it grew, and p95, by the minute. The file needs nothing but itself. Takes
    one GetAlias and one GetMetricData; the alias stays. A FILE in the project's directory is packed with the function
    unless .lambdaignore names it.
    """
    from fnroll.release.drive import look
    from fnroll.release.page import page
    from fnroll.release.tick import tick

    target = target_of(app, said)
    seen = look(app.session(), target)
    action = tick(seen.alias, target.plan, seen.evidence, seen.now, target.owner)
    text = page(seen, action, target)
    if str(path) == "-":
        app.show(text.rstrip("\n"))
        return
    try:
        (app.directory / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FnError(f"the report cannot be written: {error.strerror}", where=str(path)) from error
    app.say(f"wrote {path}", fg="green")
