"""The command tree as a table, loaded command by command.

`fn --help` imports no command: names, sections and one-line helps stand in `COMMANDS`, and a test compares them with
the commands' own. A command is imported when it is called; the global options are then added to it, hidden, so that
they may stand after it too.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import click

from fnroll.cli import options


class Row(NamedTuple):
    """One command: the section of the help it stands in, its name, where it is defined, its help in a line."""

    section: str
    name: str
    target: str
    help: str


COMMANDS = (
    Row("Write", "init", "init:init", "Start from a template, or from a function that exists."),
    Row("Write", "validate", "write:validate", "Find every mistake in the definition."),
    Row("Write", "render", "write:render", "Print the definition with its templates filled in."),
    Row("Write", "schema", "write:schema", "Print the JSON Schema of function.json."),
    Row("Run here", "run", "run:run", "Run the working tree once, in a sandbox; no deploy."),
    Row("Run here", "dev", "dev:dev", "Serve the working tree, and serve it anew whenever a file changes."),
    Row("Run here", "local", "local:local", "The local cloud: up, down, status, reset, export, import."),
    Row("Run here", "doctor", "doctor:doctor", "Say what this machine can give a function, and what it cannot."),
    Row("Ship", "archive", "archive:archive", "Pack the function as a zip."),
    Row("Ship", "deploy", "ship:deploy", "Create or update the function, publish, move the alias."),
    Row("Ship", "diff", "diff:diff", "Show what a deploy would change."),
    Row("Ship", "status", "status:status", "Show what is deployed."),
    Row("Ship", "versions", "versions:versions", "List the published versions."),
    Row("Ship", "rollback", "rollback:rollback", "Point the alias back at the version it served before."),
    Row("Ship", "delete", "delete:delete", "Delete the function."),
    Row("Ship", "list", "list:list_", "List the functions of the account and Region."),
    Row("Use", "invoke", "invoke:invoke", "Invoke the deployed function."),
    Row("Use", "logs", "logs:logs", "Show the log of the deployed function."),
    Row("Layers", "runtime", "runtime:runtime", "The custom runtimes at hand."),
    Row("Layers", "layer", "layer:layer", "Layer versions in the account and Region."),
    Row("Release", "canary", "canary:canary", "Releases by evidence."),
    Row("Release", "alias", "release:alias", "The aliases and the traffic they route."),
)
"""Sections and commands in the order in which the help lists them."""


class Fn(click.Group):
    """The root: `COMMANDS` as a lazy click group with sections in its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command_of(cmd_name) if any(row.name == cmd_name for row in COMMANDS) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = _nearest(args[0], self.list_commands(ctx))
            if near is None:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near!r}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(row.section for row in COMMANDS):
            with formatter.section(section):
                formatter.write_dl([(row.name, row.help) for row in COMMANDS if row.section == section])


def command_of(name: str) -> click.Command:
    """A command of the table, imported, with the global options behind it too."""
    row = next(row for row in COMMANDS if row.name == name)
    module, _, attribute = row.target.partition(":")
    command: click.Command = getattr(import_module(f"fnroll.cli.{module}"), attribute)
    _accept_globals(command)
    return command


def _nearest(word: str, known: list[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, known, 1)), None)


def _accept_globals(command: click.Command) -> None:
    """Let `command`, or each of its subcommands, take the global options too, once."""
    if getattr(command, "fn_globals", False):
        return
    command.fn_globals = True  # type: ignore[attr-defined]
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _accept_globals(child)
        return
    own = {flag for param in command.params for flag in param.opts}
    names: list[str] = []
    for option in options.options():
        if own.isdisjoint(option.opts):
            option.hidden = True
            option.envvar = None  # the root has read the variables; here only what was typed counts
            command.params.append(option)
            names.append(str(option.name))
    command.callback = _with_globals(command.callback, names)
    if command.epilog is None:
        command.epilog = "Global options (see fn --help) may stand before or after the command."


def _with_globals(callback: Callable[..., Any] | None, names: list[str]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        ctx = click.get_current_context()
        late = {name: kwargs.pop(name) for name in names}
        ctx.obj.settle(options.given(ctx, late))
        kwargs |= {name: value for name, value in options.preferred(ctx).items() if name in kwargs}
        return ctx.invoke(callback, *args, **kwargs) if callback else None

    return wrapped
