"""What every command holds in its hand: the settings, the two output streams, and the doors it may need.

Results go to stdout, talk and progress to stderr. The definition, the AWS session and the local cloud are opened on
first use and closed with the app.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fnroll.cli.options import Settings, merge
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.aws import Session
    from fnroll.cloud import Endpoint
    from fnroll.definition import Book, Definition

_LEVELS = ("trace", "debug", "info", "warn", "error")
Output = Literal["table", "json", "tsv"]


class App:
    """One run of `fn`."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._open = ExitStack()
        self._session: Session | None = None
        self.embedded = False
        """Whether the local cloud of this command ends with it, its URLs included."""

    def settle(self, said: dict[str, Any]) -> None:
        """Take what the user said about the global options; checks that they go together."""
        self.settings = merge(self.settings, said)
        if self.settings.local and self.settings.endpoint:
            raise UsageError("--local and --endpoint exclude each other", hint="--local is the local cloud's endpoint")
        if "directory" in said and self.settings.directory is not None:
            os.chdir(self.settings.directory)

    def close(self) -> None:
        """Close what the command opened, last first."""
        self._open.close()

    # words

    @property
    def colored(self) -> bool:
        """Whether to colour what goes to stderr: by option, else NO_COLOR, else where it goes."""
        if self.settings.color is not None:
            return self.settings.color
        return "NO_COLOR" not in os.environ and sys.stderr.isatty()

    def say(self, text: str, **style: Any) -> None:
        """A line of talk on stderr."""
        self._log("info", click.style(text, **style) if style else text, text)

    def complain(self, text: str) -> None:
        """An error, on stderr."""
        self._log("error", f"{click.style('error', fg='red', bold=True)}: {text}", text)

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        self._log("warn", f"{click.style('warning', fg='yellow', bold=True)}: {text}", text)

    def detail(self, text: str) -> None:
        """What only --log-level debug shows."""
        self._log("debug", click.style(text, dim=True), text)

    def _log(self, level: str, line: str, text: str) -> None:
        if _LEVELS.index(level) < _LEVELS.index(self.settings.log_level):
            return
        if self.settings.log_format == "json":
            record = {"time": datetime.now(UTC).isoformat(), "level": level, "message": click.unstyle(text).strip()}
            click.echo(json.dumps(record, ensure_ascii=False), err=True)
        else:
            click.echo(line, err=True, color=self.colored)

    def show(self, text: str) -> None:
        """A line of the result, on stdout."""
        click.echo(text)

    def show_json(self, value: Any) -> None:
        """The result as JSON, on stdout."""
        click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def show_rows(self, output: Output, rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> None:
        """Rows as a table, as TSV with the same columns, or whole as JSON. `columns`: key -> heading."""
        if output == "json":
            self.show_json(rows)
        elif output == "tsv":
            for row in rows:
                self.show("\t".join(_cell(row.get(key)) for key in columns))
        else:
            self._show_table([[_cell(row.get(key)) for key in columns] for row in rows], list(columns.values()))

    def _show_table(self, cells: list[list[str]], headings: list[str]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        terminal = sys.stdout.isatty()
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for heading in headings:
            table.add_column(heading, no_wrap=not terminal, overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        # Into a pipe the table is as wide as it needs to be: nothing is cut for a terminal that is not there.
        width = None if terminal else 10_000
        Console(width=width, no_color=self.settings.color is False, highlight=False, soft_wrap=False).print(table)

    # doors

    @property
    def directory(self) -> Path:
        return Path.cwd()

    @property
    def state(self) -> Path:
        """The local cloud's state directory."""
        from fnroll.places import state_dir

        return self.settings.state or state_dir()

    def definition(self, *, full: bool = True) -> Definition:
        """Load function.json; its warnings go to stderr. Raises DefinitionError with every finding."""
        from fnroll import definition

        loaded = definition.load(self.directory, self.settings.function, env=os.environ, book=self.book, full=full)
        for warning in loaded.warnings:
            self.warn(str(warning))
        return loaded

    @cached_property
    def book(self) -> Book:
        """What definitions look up, asked at most once in this run."""
        from fnroll.definition import Book, World
        from fnroll.lookups import lookups

        states = dict(self.settings.prefixed_tfstate)
        if self.settings.tfstate:
            states[""] = self.settings.tfstate
        table = lookups(self.session, os.environ, self.directory, self.detail)
        return Book(World(table, states, self.settings.ext_str, self.settings.ext_code))

    def session(self) -> Session:
        """The door to AWS, or to the local cloud with --local (embedded in this process where none is up)."""
        if self._session is None:
            from fnroll.aws import AwsOptions, Session

            endpoint = self.endpoint().url if self.settings.local else self.settings.endpoint
            options = AwsOptions(
                region=self.settings.region,
                profile=self.settings.profile,
                endpoint=endpoint,
                local=self.settings.local,
                assume_role=self.settings.assume_role_arn,
            )
            self._session = Session(options)
        return self._session

    def endpoint(self) -> Endpoint:
        """The local cloud that is up, else one that lives as long as this command."""
        from fnroll import cloud

        running = cloud.running(self.state)
        if running is not None:
            return running
        self.embedded = True
        return self._open.enter_context(cloud.embedded(self.state))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def output_option(*kinds: Output) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """`--output`, for every command that prints a table."""
    return click.option(
        "--output", type=click.Choice(kinds or ("table", "json")), default=(kinds or ("table",))[0], show_default=True
    )


alias_option = click.option("--alias", default="current", show_default=True, help="The alias that serves.")
sandbox_option = click.option(
    "--sandbox",
    type=click.Choice(["auto", "linux", "landlock", "process"]),
    default="auto",
    show_default=True,
    envvar="FN_SANDBOX",
    show_envvar=True,
    help="The sandbox tier; auto takes the strongest that this machine gives (see fn doctor).",
)
network_option = click.option(
    "--network",
    type=click.Choice(["none", "nat", "host"]),
    default="none",
    show_default=True,
    help="What a function reaches. none: its Runtime API alone; nat: the world but not this machine's loopback, by "
    "slirp4netns; host: this machine's network.",
)
