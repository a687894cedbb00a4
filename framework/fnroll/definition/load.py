"""Find, read, render and check function.json: the only I/O of this room.

Paths in messages are relative to the current directory where the file lies in it, else as they were given. A function
is `function.json`; a `.jsonnet` file is found as lambroll finds it and refused, since this version has no Jsonnet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnroll.definition import check, jsontext, rules, template
from fnroll.definition.model import CUSTOM_RUNTIME, Definition
from fnroll.definition.positions import Places, SourceMap
from fnroll.definition.schema import shared
from fnroll.errors import DefinitionError, Finding

NAMES = ("function.json", "function.jsonnet")
MAX_BYTES = 1024 * 1024
"""A definition is a few KiB; what is larger is some other file."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A definition's text with its templates filled in, its JSON value, and where everything stands in the file."""

    path: Path
    text: str
    value: Any
    places: Places
    warnings: tuple[Finding, ...]


def find(directory: Path, path: Path | None = None) -> Path:
    """The definition file: `path` (from `directory`), else the first of NAMES there. Raises DefinitionError."""
    if path is not None:
        return directory / path
    for name in NAMES:
        if (directory / name).is_file():
            return directory / name
    where = _shown(directory)
    if not directory.is_dir():
        raise DefinitionError(Finding("no such directory", where))
    here = "the current directory" if where == "." else where
    hint = "fn init --runtime perl NAME starts a function; --function PATH names another file"
    raise DefinitionError(Finding(f"no function.json in {here}", where, hint=hint))


def render(path: Path, env: Mapping[str, str]) -> Rendered:
    """Read a definition file and fill in its templates. Raises DefinitionError with every finding, syntax included.

    Keys and values are not looked at.
    """
    shown = _shown(path)
    source = _text(path, shown)
    text, places, warnings = template.render(source, shown, template.functions(env))
    value, found = jsontext.read(text, places)
    return Rendered(path, text, value, found, warnings)


def load(directory: Path, path: Path | None = None, *, env: Mapping[str, str], full: bool = True) -> Definition:
    """The definition of a project. Raises DefinitionError with every finding at once.

    `full` checks values too (validate, deploy: what AWS would refuse); without it, keys and JSON types, which is what
    a Definition's properties rely on.
    """
    rendered = render(find(directory, path), env)
    found = check.findings(rendered.value, rendered.places, shared(), full=full)
    if found:
        raise DefinitionError(*found)
    request = {key: value for key, value in rendered.value.items() if key not in ("Fn", "$schema")}
    if rules.has_runtime_layer(request):
        request.setdefault("Runtime", CUSTOM_RUNTIME)
    return Definition(
        path=rendered.path,
        directory=directory,
        request=request,
        extras=rendered.value.get("Fn", {}),
        places=rendered.places,
        warnings=rendered.warnings,
    )


def _text(path: Path, shown: str) -> str:
    """The file's text, as UTF-8 and with its line ends as they are."""
    if path.suffix == ".jsonnet":
        hint = "write it as JSON: jsonnet function.jsonnet > function.json"
        raise DefinitionError(Finding("Jsonnet is not supported in this version", shown, hint=hint))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DefinitionError(Finding("no such file", shown)) from None
    except OSError as error:
        raise DefinitionError(Finding(f"cannot be read: {error.strerror}", shown)) from error
    if len(raw) > MAX_BYTES:
        raise DefinitionError(Finding(f"larger than {MAX_BYTES} bytes: this is no definition", shown))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        line, column = SourceMap(shown, before).position(len(before))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise DefinitionError(Finding(message, shown, line, column, "save the file as UTF-8")) from None


def _shown(path: Path) -> str:
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return str(path)
