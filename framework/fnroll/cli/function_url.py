"""`--function-url`, and the function_url.json that lies beside a definition: the file found, rendered and read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fnroll.cli.app import App
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.definition import Definition
    from fnroll.deploy.urls import Url

function_url_option = click.option(
    "--function-url",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar=["FN_FUNCTION_URL", "LAMBROLL_FUNCTION_URL"],
    show_envvar=True,
    help="lambroll's file of the function URL.  [default: function_url.json or .jsonnet beside the definition, if any]",
)


def read_function_url(app: App, definition: Definition, file: Path | None) -> Url | None:
    """The URL of `file`, else of the one beside the definition; None without either. Raises DefinitionError."""
    from fnroll.definition import render
    from fnroll.deploy.url_file import NAMES, url_of

    if file is None:
        beside = (definition.directory / name for name in NAMES)
        file = next((path for path in beside if path.is_file()), None)
        if file is None:
            return None
    elif not file.is_absolute():
        file = definition.directory / file
    if not file.is_file():
        raise UsageError(f"--function-url: there is no file {file}")
    rendered = render(file, os.environ, app.book, definition.directory)
    for warning in rendered.warnings:
        app.warn(str(warning))
    return url_of(rendered.value, rendered.places, definition.name)
