"""The global options: one table, taken before or after the command (`fn --local deploy`, `fn deploy --local`).

Each has an environment variable of ours and, where lambroll has the option, lambroll's as a fall-back. A value given
after the command wins over one before it; any flag wins over the option file, and that over a variable (early.py reads
the two kinds of files before anything else).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Pairs = click.ParamType[tuple[tuple[str, str], ...]]
else:
    _Pairs = click.ParamType  # generic since click 8.5


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
    tfstate: str | None = None
    prefixed_tfstate: Mapping[str, str] = field(default_factory=dict)
    ext_str: Mapping[str, str] = field(default_factory=dict)
    ext_code: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "info"
    log_format: str = "text"
    color: bool | None = None
    debug: bool = False


class Pairs(_Pairs):
    """NAME=VALUE, or several with ; between them, as a tuple of pairs."""

    name = "pairs"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, str], ...]:
        if isinstance(value, list):
            return ((str(value[0]), str(value[1])),)
        if isinstance(value, tuple):
            return value
        # A piece of Jsonnet may hold a ; of its own: only what looks like a further pair is one.
        pairs = []
        for item in re.split(r";(?=[\w.-]+=)", value):
            name, equals, text = item.partition("=")
            if not name or not equals:
                self.fail(f"{item!r} is not NAME=VALUE", param, ctx)
            pairs.append((name, text))
        return tuple(pairs)

    def split_envvar_value(self, rv: str) -> list[str]:
        return [rv]


_MAPS = ("prefixed_tfstate", "ext_str", "ext_code")


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
            ["--tfstate"],
            metavar="URL",
            envvar=["FN_TFSTATE", "LAMBROLL_TFSTATE"],
            show_envvar=True,
            help="Terraform state for tfstate: a path, http(s)://, s3://, remote://, gs:// or azurerm://.",
        ),
        click.Option(
            ["--prefixed-tfstate"],
            metavar="PREFIX=URL",
            type=Pairs(),
            multiple=True,
            envvar=["FN_PREFIXED_TFSTATE", "LAMBROLL_PREFIXED_TFSTATE"],
            show_envvar=True,
            help="Terraform state for PREFIXtfstate. Repeatable.",
        ),
        click.Option(
            ["--ext-str"],
            metavar="NAME=TEXT",
            type=Pairs(),
            multiple=True,
            envvar=["FN_EXT_STR", "LAMBROLL_EXTSTR"],
            show_envvar=True,
            help="A text for Jsonnet's std.extVar. Repeatable.",
        ),
        click.Option(
            ["--ext-code"],
            metavar="NAME=CODE",
            type=Pairs(),
            multiple=True,
            envvar=["FN_EXT_CODE", "LAMBROLL_EXTCODE"],
            show_envvar=True,
            help="A piece of Jsonnet for std.extVar. Repeatable.",
        ),
        click.Option(
            ["--envfile"],
            metavar="FILE,...",
            multiple=True,
            envvar=["FN_ENVFILE", "LAMBROLL_ENVFILE"],
            show_envvar=True,
            help="Lay the variables of NAME=VALUE lines over the environment. Repeatable.",
        ),
        click.Option(
            ["--option"],
            metavar="FILE",
            type=_path(),
            envvar=["FN_OPTION", "LAMBROLL_OPTION"],
            show_envvar=True,
            help="A file of defaults for these options and the commands' own.",
        ),
        click.Option(
            ["--log-level"],
            type=click.Choice(["trace", "debug", "info", "warn", "error"]),
            default="info",
            show_default=True,
            envvar=["FN_LOG_LEVEL", "LAMBROLL_LOGLEVEL"],
            show_envvar=True,
            help="How much to say on stderr.",
        ),
        click.Option(
            ["--log-format"],
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            envvar=["FN_LOG_FORMAT", "LAMBROLL_LOGFORMAT"],
            show_envvar=True,
            help="As what to say it.",
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
    """Those of `values` that were really said: on the command line, in the option file or by a variable."""
    source = click.core.ParameterSource
    said = {name: value for name, value in values.items() if ctx.get_parameter_source(name) is not source.DEFAULT}
    return {name: value for name, value in (said | preferred(ctx)).items() if name in said}


def preferred(ctx: click.Context) -> dict[str, Any]:
    """What the option file says and click would not heed: it counts more than a variable, and maps are laid over it
    name by name."""
    found: dict[str, Any] = {}
    for param in ctx.command.params:
        name = str(param.name)
        if name not in (ctx.default_map or {}):
            continue
        source = ctx.get_parameter_source(name)
        if source is click.core.ParameterSource.ENVIRONMENT:
            found[name] = param.type_cast_value(ctx, ctx.lookup_default(name))
        elif source is click.core.ParameterSource.COMMANDLINE and isinstance(param.type, Pairs):
            found[name] = (*param.type_cast_value(ctx, ctx.lookup_default(name)), *ctx.params[name])
    return found


def merge(settings: Settings, said: dict[str, Any]) -> Settings:
    """`settings` with what was said laid over it; maps name by name."""
    laid = {f.name: said[f.name] for f in fields(Settings) if f.name in said}
    for name in _MAPS:
        if name in laid:
            laid[name] = {**getattr(settings, name), **{key: value for pairs in laid[name] for key, value in pairs}}
    return replace(settings, **laid)
