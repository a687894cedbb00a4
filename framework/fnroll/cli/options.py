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


def _option(*names: str, env: str = "", lambroll: str = "", **more: Any) -> click.Option:
    """`env`: our variable; `lambroll`: the one that is read where ours is unset."""
    return click.Option(list(names), envvar=[name for name in (env, lambroll) if name], show_envvar=True, **more)


def _repeatable(name: str, metavar: str, env: str, lambroll: str, help: str) -> click.Option:
    return _option(name, metavar=metavar, type=Pairs(), multiple=True, env=env, lambroll=lambroll, help=help)


def options() -> list[click.Option]:
    """Fresh click options, named as the fields of `Settings`."""
    here = click.Path(path_type=Path, exists=True, file_okay=False)
    path = click.Path(path_type=Path)
    levels, formats = click.Choice(["trace", "debug", "info", "warn", "error"]), click.Choice(["text", "json"])
    return [
        _option(
            "-C",
            "directory",
            metavar="DIR",
            type=here,
            env="FN_DIRECTORY",
            help="Work in DIR instead of the current directory.",
        ),
        _option(
            "--function",
            metavar="PATH",
            type=path,
            env="FN_FUNCTION",
            lambroll="LAMBROLL_FUNCTION",
            help="The definition file; function.json if not given.",
        ),
        _option("--region", env="FN_REGION", lambroll="AWS_REGION", help="AWS region."),
        _option("--profile", env="FN_PROFILE", lambroll="AWS_PROFILE", help="AWS shared-config profile."),
        _option(
            "--endpoint",
            metavar="URL",
            env="FN_ENDPOINT",
            lambroll="AWS_LAMBDA_ENDPOINT",
            help="One URL for every AWS service of this command.",
        ),
        _option(
            "--assume-role-arn",
            metavar="ARN",
            env="FN_ASSUME_ROLE_ARN",
            help="Take on this role with the credentials that were found.",
        ),
        _option(
            "--local",
            is_flag=True,
            env="FN_LOCAL",
            help="Use the local cloud; starts one for this command where none is up.",
        ),
        click.Option(
            ["--state"], metavar="DIR", type=path, help="The local cloud's state directory.  [env var: FN_STATE]"
        ),
        _option(
            "--tfstate",
            metavar="URL",
            env="FN_TFSTATE",
            lambroll="LAMBROLL_TFSTATE",
            help="Terraform state for tfstate: a path, http(s)://, s3://, remote://, gs:// or azurerm://.",
        ),
        _repeatable(
            "--prefixed-tfstate",
            "PREFIX=URL",
            "FN_PREFIXED_TFSTATE",
            "LAMBROLL_PREFIXED_TFSTATE",
            "Terraform state for PREFIXtfstate. Repeatable.",
        ),
        _repeatable(
            "--ext-str", "NAME=TEXT", "FN_EXT_STR", "LAMBROLL_EXTSTR", "A text for Jsonnet's std.extVar. Repeatable."
        ),
        _repeatable(
            "--ext-code",
            "NAME=CODE",
            "FN_EXT_CODE",
            "LAMBROLL_EXTCODE",
            "A piece of Jsonnet for std.extVar. Repeatable.",
        ),
        _option(
            "--envfile",
            metavar="FILE,...",
            multiple=True,
            env="FN_ENVFILE",
            lambroll="LAMBROLL_ENVFILE",
            help="Lay the variables of NAME=VALUE lines over the environment. Repeatable.",
        ),
        _option(
            "--option",
            metavar="FILE",
            type=path,
            env="FN_OPTION",
            lambroll="LAMBROLL_OPTION",
            help="A file of defaults for these options and the commands' own.",
        ),
        _option(
            "--log-level",
            type=levels,
            default="info",
            show_default=True,
            env="FN_LOG_LEVEL",
            lambroll="LAMBROLL_LOGLEVEL",
            help="How much to say on stderr.",
        ),
        _option(
            "--log-format",
            type=formats,
            default="text",
            show_default=True,
            env="FN_LOG_FORMAT",
            lambroll="LAMBROLL_LOGFORMAT",
            help="As what to say it.",
        ),
        _option(
            "--color/--no-color", default=None, env="FN_COLOR", lambroll="LAMBROLL_COLOR", help="Colour the output."
        ),
        _option("--debug", is_flag=True, env="FN_DEBUG", help="Show tracebacks."),
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
