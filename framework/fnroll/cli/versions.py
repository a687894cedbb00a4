"""`fn versions`: the published versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fnroll.cli.app import App, output_option


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
