"""`fn runtime`: the custom runtimes at hand."""

from __future__ import annotations

from typing import Any

import click

from fnroll.cli import runtime_test
from fnroll.cli.app import App, output_option


@click.group()
def runtime() -> None:
    """The custom runtimes at hand.

    A function uses one by listing "runtime:NAME" in its Layers.
    """


runtime.add_command(runtime_test.new)
runtime.add_command(runtime_test.test)


@runtime.command("list")
@output_option("table", "json")
@click.pass_obj
def list_(app: App, output: Any) -> None:
    """List the runtimes: the project's own in ./runtimes, then those shipped with fn."""
    from fnroll.layers import list_runtimes

    rows = [
        {
            "name": found.name,
            "version": found.version,
            "needs": found.command or "nothing",
            "description": found.description,
            "directory": str(found.directory),
        }
        for found in list_runtimes(app.directory)
    ]
    app.show_rows(
        output,
        rows,
        {"name": "Name", "version": "Version", "needs": "Needs on the machine", "description": "Description"},
    )
