"""The reference page docs/cli.md, made from the commands' own help texts (`make docs`); a test keeps the two equal."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from fnroll.cli.group import COMMANDS
from fnroll.cli.main import fn

INTRODUCTION = """# The command line

Results go to stdout, talk and progress to stderr. Exit codes: 0 done; 1 it failed (an invalid definition too); 2 wrong
usage; 3 the invoked function answered with an error; 130 interrupted. A global option's environment variables stand in
its line; the first that is set counts, and a flag wins over all of them.

This page is made from the help texts by `make docs`.
"""


def manual() -> str:
    """The whole page as Markdown."""
    root = click.Context(fn, info_name="fn")
    parts = [INTRODUCTION, "## Global options\n", _options(fn, root)]
    for section in dict.fromkeys(row.section for row in COMMANDS):
        parts.append(f"## {section}\n")
        for row in COMMANDS:
            if row.section == section:
                command = fn.get_command(root, row.name)
                assert command is not None
                parts.extend(_command(command, click.Context(command, info_name=row.name, parent=root)))
    return "\n".join(parts)


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(ctx))
    yield f"### {ctx.command_path} {usage}\n"
    yield inspect.cleandoc(command.help or "").replace("\b\n", "") + "\n"
    yield _options(command, ctx)
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _command(child, click.Context(child, info_name=name, parent=ctx))


def _options(command: click.Command, ctx: click.Context) -> str:
    records = [param.get_help_record(ctx) for param in command.params if isinstance(param, click.Option)]
    rows = [f"- `{record[0]}`: {record[1]}" for record in records if record and "--help" not in record[0]]
    return "\n".join(rows) + "\n" if rows else ""
