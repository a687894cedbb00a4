"""Commands that read a definition or say what one may hold: validate, render, schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from fnroll.cli.app import App, output_option
from fnroll.errors import DefinitionError, UsageError


@click.command()
@output_option("table", "json")
@click.pass_obj
def validate(app: App, output: str) -> None:
    """Find every mistake in the definition.

    Nothing is sent anywhere. Each finding has its place as file:line:column; exit code 1 if there is any.
    """
    from fnroll.layers import assemble

    findings = []
    try:
        assemble(app.definition())
    except DefinitionError as error:
        if output != "json":
            raise
        findings = [
            {"file": f.path, "line": f.line, "column": f.column, "message": f.message, "hint": f.hint}
            for f in error.findings
        ]
    if output == "json":
        app.show_json({"valid": not findings, "findings": findings})
        if findings:
            raise click.exceptions.Exit(1)
    else:
        app.say("the definition is valid", fg="green")


@click.command()
@click.option("--jsonnet", is_flag=True, help="Print it as Jsonnet.")
@click.option("--function-url", type=click.Path(path_type=Path), metavar="FILE", help="Print this file instead.")
@click.option("--mask", multiple=True, metavar="WHAT", help="Hide this: a path (.A.B), or a variable's name.")
@click.pass_obj
def render(app: App, jsonnet: bool, function_url: Path | None, mask: tuple[str, ...]) -> None:
    """Print the definition with its templates filled in.

    The JSON as it would be sent, without the key Fn's meaning applied and without defaults.
    """
    from fnroll import definition
    from fnroll.definition import writing

    path = definition.find(app.directory, function_url or app.settings.function)
    rendered = definition.render(path, os.environ, app.book, app.directory)
    for warning in rendered.warnings:
        app.warn(str(warning))
    value = _masked(rendered.value, mask) if mask else rendered.value
    app.show(writing.as_jsonnet(value) if jsonnet else writing.as_json(value))


def _masked(value: Any, mask: tuple[str, ...]) -> Any:
    from fnroll.deploy.diff import Sides
    from fnroll.deploy.diff_masks import masked, paths_of

    return masked(Sides(value, value), paths_of(mask)).after


@click.command()
@click.option("--write", is_flag=True, help="Write it to function.schema.json beside the definition.")
@click.pass_obj
def schema(app: App, write: bool) -> None:
    """Print the JSON Schema of function.json.

    Made from the installed botocore's model of CreateFunction, so a newer botocore knows newer fields.
    Point an editor at it with "$schema": "./function.schema.json".
    """
    from fnroll import definition

    text = json.dumps(definition.schema(), indent=2, ensure_ascii=False)
    if not write:
        app.show(text)
        return
    target = app.directory / "function.schema.json"
    if target.is_dir():
        raise UsageError(f"{target} is a directory")
    target.write_text(text + "\n", encoding="utf-8")
    app.say(f"wrote {target.name}")
