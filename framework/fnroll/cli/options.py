"""The global options: one table, taken before or after the command (`fn --local deploy`, `fn deploy --local`).

Each has an environment variable of ours and, where lambroll has the option, lambroll's as a fall-back. A value given
after the command wins over one before it, and any flag wins over a variable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Settings:
    """What the global options say. None: not said."""

    directory: Path | None = None
    function: Path | None = None
    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    assume_role_arn: str | None = None
    local: bool = False
    state: Path | None = None
    color: bool | None = None
    debug: bool = False


def _path(*, exists_as_dir: bool = False) -> click.Path:
    return click.Path(path_type=Path, exists=exists_as_dir, file_okay=not exists_as_dir)


def options() -> list[click.Option]:
    """Fresh click options, named as the fields of `Settings`."""
    return [
        click.Option(
            ["-C", "directory"],
            metavar="DIR",
            type=_path(exists_as_dir=True),
            envvar="FN_DIRECTORY",
            show_envvar=True,
            help="Work in DIR instead of the current directory.",
        ),
        click.Option(
            ["--function"],
            metavar="PATH",
            type=_path(),
            envvar=["FN_FUNCTION", "LAMBROLL_FUNCTION"],
            show_envvar=True,
            help="The definition file; function.json if not given.",
        ),
        click.Option(["--region"], envvar=["FN_REGION", "AWS_REGION"], show_envvar=True, help="AWS region."),
        click.Option(
            ["--profile"], envvar=["FN_PROFILE", "AWS_PROFILE"], show_envvar=True, help="AWS shared-config profile."
        ),
        click.Option(
            ["--endpoint"],
            metavar="URL",
            envvar=["FN_ENDPOINT", "AWS_LAMBDA_ENDPOINT"],
            show_envvar=True,
            help="One URL for every AWS service of this command.",
        ),
        click.Option(
            ["--assume-role-arn"],
            metavar="ARN",
            envvar="FN_ASSUME_ROLE_ARN",
            show_envvar=True,
            help="Take on this role with the credentials that were found.",
        ),
        click.Option(
            ["--local"],
            is_flag=True,
            envvar="FN_LOCAL",
            show_envvar=True,
            help="Use the local cloud; starts one for this command where none is up.",
        ),
        click.Option(
            ["--state"],
            metavar="DIR",
            type=_path(),
            help="The local cloud's state directory.  [env var: FN_STATE]",
        ),
        click.Option(
            ["--color/--no-color"],
            default=None,
            envvar=["FN_COLOR", "LAMBROLL_COLOR"],
            show_envvar=True,
            help="Colour the output.",
        ),
        click.Option(["--debug"], is_flag=True, envvar="FN_DEBUG", show_envvar=True, help="Show tracebacks."),
    ]


def given(ctx: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Those of `values` that the user really said, on the command line or by a variable."""
    default = (click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP)
    return {name: value for name, value in values.items() if ctx.get_parameter_source(name) not in default}


def merge(settings: Settings, said: dict[str, Any]) -> Settings:
    """`settings` with what was said laid over it."""
    return replace(settings, **{f.name: said[f.name] for f in fields(Settings) if f.name in said})
