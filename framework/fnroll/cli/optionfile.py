"""`--option`: a file of defaults for options, as lambroll has it.

    {"region": "eu-west-1", "ext_str": {"stage": "prod"}, "deploy": {"keep_versions": 5}}

A key is an option's name in snake_case; an object under a command's name holds that command's. JSON or Jsonnet, a
template with env and must_env alone. What it says counts more than a variable and less than a flag. A key that is no
option is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fnroll import definition
from fnroll.cli.group import COMMANDS, command_of
from fnroll.cli.options import Pairs, options
from fnroll.definition.check import findings
from fnroll.definition.positions import Places
from fnroll.errors import DefinitionError, UsageError

LEGACY = {"extstr": "ext_str", "extcode": "ext_code"}
"""Names of lambroll 1.3 and 1.4."""

_NOT_HERE = {"option", "help", "version"}
_TYPES: Mapping[type[Any], str] = {
    click.types.BoolParamType: "boolean",
    click.types.IntParamType: "integer",
    click.types.IntRange: "integer",
    click.types.FloatParamType: "number",
    click.types.FloatRange: "number",
}


def read(path: Path, env: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """The environment files that it names, and what click takes for defaults. Raises UsageError, DefinitionError."""
    if not path.is_file():
        raise UsageError("there is no such option file", where=str(path))
    rendered = definition.render(path, env)
    said = rendered.value
    if not isinstance(said, dict):
        raise UsageError("an option file is one JSON object", where=str(path))
    said = {LEGACY.get(key, key) if LEGACY.get(key) not in said else key: value for key, value in said.items()}
    commands = {name: command_of(name) for name in said if name in _names() and isinstance(said[name], dict)}
    check(said, rendered.places, commands)
    envfile = said.pop("envfile", [])
    defaults = _defaults(said, options(), commands)
    return [envfile] if isinstance(envfile, str) else list(envfile), defaults


def _names() -> frozenset[str]:
    return frozenset(row.name for row in COMMANDS)


def check(said: Mapping[str, Any], places: Places, commands: Mapping[str, click.Command]) -> None:
    """Raises DefinitionError for keys that are no options, and values of a wrong type."""
    # A name of both, as local is, means the option unless an object stands there.
    schema = _schema((), dict.fromkeys(_names(), click.Command(None)) | dict(commands))
    schema["properties"] |= {key: kind for key, kind in _kinds(options()).items() if key not in commands}
    for old in LEGACY:
        schema["properties"][old] = schema["properties"][LEGACY[old]]
    found = findings(said, places, {**schema, "required": []}, full=False)
    if found:
        hint = "fn --help and fn COMMAND --help list the options; - is _ here"
        raise DefinitionError(*(finding if finding.hint else replace(finding, hint=hint) for finding in found))


def _schema(params: Iterable[click.Parameter], commands: Mapping[str, click.Command]) -> dict[str, Any]:
    properties = _kinds(params)
    for name, command in commands.items():
        properties[name] = _schema(command.params, _children(command))
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _kinds(params: Iterable[click.Parameter]) -> dict[str, Any]:
    return {key: _kind(param) for param in params for key in _keys(param)}


def _children(command: click.Command) -> Mapping[str, click.Command]:
    return command.commands if isinstance(command, click.Group) else {}


def _keys(param: click.Parameter) -> list[str]:
    """The names that an option has here: of its long forms."""
    if not isinstance(param, click.Option):
        return []
    named = [flag[2:].replace("-", "_") for flag in param.opts if flag.startswith("--")]
    return [key for key in named if key not in _NOT_HERE]


def _kind(param: click.Parameter) -> dict[str, Any]:
    if isinstance(param.type, Pairs):
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if param.multiple or param.nargs != 1:
        return {}
    if getattr(param, "is_flag", False):
        return {"type": "boolean"}
    return {"type": _TYPES.get(type(param.type), "string")}


def _defaults(
    said: Mapping[str, Any], params: Iterable[click.Parameter], commands: Mapping[str, click.Command]
) -> dict[str, Any]:
    """By click's own names. A list may be written as one text with commas."""
    made: dict[str, Any] = {}
    for param in params:
        for key in _keys(param):
            if key not in said or key in commands:
                continue
            value = said[key]
            if isinstance(param.type, Pairs):
                value = [list(pair) for pair in value.items()]
            elif param.multiple and isinstance(value, str):
                value = value.split(",")
            made[str(param.name)] = value
    for name, command in commands.items():
        if name in said:
            made[name] = _defaults(said[name], command.params, _children(command))
    return made
