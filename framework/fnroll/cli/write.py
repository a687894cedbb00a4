"""Commands that write and check a project: init, validate, render, schema."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from fnroll.cli.app import App, output_option
from fnroll.errors import DefinitionError, UsageError


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--runtime", default="perl", show_default=True, help="Which template to start from.")
@click.pass_obj
def init(app: App, name: str, runtime: str) -> None:
    """Start a function from a template.

    Makes the directory NAME with a handler, a function.json whose FunctionName is NAME, and a sample event.
    """
    from fnroll.layers import write_template

    target = Path(name)
    written = write_template(runtime, target.name, target)
    for path in written:
        app.say(f"wrote {path}")
    built = "make && " if (target / "Makefile").exists() else ""
    app.say(f"next: cd {target} && {built}fn run --event event.json")


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
@click.pass_obj
def render(app: App) -> None:
    """Print the definition with its templates filled in.

    The JSON as it would be sent, without the key Fn's meaning applied and without defaults.
    """
    from fnroll import definition

    path = definition.find(app.directory, app.settings.function)
    rendered = definition.render(path, os.environ, app.book, app.directory)
    for warning in rendered.warnings:
        app.warn(str(warning))
    app.show(json.dumps(rendered.value, indent=2, ensure_ascii=False))


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
