"""What must be known before the command line is read: the environment files and the option file.

Both say what options are when they are not given, so they are looked for first: before and after the command, as the
options they are. lambroll's order: the files of --envfile are laid over the environment, then the option file is read,
then its own `envfile`s come first and those of the command line over them.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from fnroll.cli import exported
from fnroll.cli.options import options

OWN_ENVFILE = frozenset({"run"})
"""Commands that have an --envfile of their own: behind them it is not ours."""

_VARIABLES = {"--envfile": ("FN_ENVFILE", "LAMBROLL_ENVFILE"), "--option": ("FN_OPTION", "LAMBROLL_OPTION")}


def prepare(argv: Sequence[str], env: MutableMapping[str, str]) -> dict[str, Any]:
    """What the option file says, as click takes it: parameter -> value, command -> the same. `env` takes the variables.

    Raises UsageError and DefinitionError.
    """
    command, said = found(argv)
    directory = Path(_last(said["-C"]) or env.get("FN_DIRECTORY") or "")
    said_files = said["--envfile"] or [env[name] for name in _VARIABLES["--envfile"] if env.get(name)][:1]
    files = [directory / name for said_file in said_files for name in said_file.split(",") if name]
    env.update(exported.variables(files))
    option = _last(said["--option"]) or next((env[name] for name in _VARIABLES["--option"] if env.get(name)), None)
    if option is None:
        return {}
    from fnroll.cli.optionfile import read

    more, defaults = read(directory / option, env)
    env.update(exported.variables(dict.fromkeys([*(directory / name for name in more), *files])))
    if not isinstance(defaults.get(command or "", {}), dict):
        # The name of an option too (local): click would take the option's value for the command's defaults.
        del defaults[str(command)]
    return defaults


def _last(values: list[str]) -> str | None:
    return values[-1] if values else None


def found(argv: Sequence[str]) -> tuple[str | None, dict[str, list[str]]]:
    """The command, and the values given to the options of this module, in order."""
    takes = {flag for option in options() if not option.is_flag for flag in option.opts}
    values: dict[str, list[str]] = {"-C": [], "--envfile": [], "--option": []}
    command: str | None = None
    at = 0
    while at < len(argv) and argv[at] != "--":
        word, equals, value = argv[at].partition("=")
        at += 1
        if command is None and not word.startswith("-"):
            command = word
        elif command in OWN_ENVFILE and word == "--envfile":
            continue
        elif word in takes and not equals and at < len(argv):
            value, equals = argv[at], "="
            at += 1
        if word in values and equals:
            values[word].append(value)
    return command, values
