"""`fn alias`: the aliases of the function."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fnroll.cli.app import App, output_option


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
