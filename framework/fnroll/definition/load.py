"""Find, render, read and check a definition: the pipeline of this room, and its only I/O.

find      which file it is
render    text -> template -> JSON value with places
load      all of that, checked, as a frozen `Definition`
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnroll.definition import check, jsontext, template
from fnroll.definition.model import CUSTOM_RUNTIME, RUNTIME_LAYER, Definition
from fnroll.definition.positions import Places, SourceMap
from fnroll.definition.schema import shared
from fnroll.errors import DefinitionError, Finding

NAMES = ("function.json", "function.jsonnet")
"""The files looked for, in lambroll's order."""

MAX_BYTES = 1024 * 1024
"""A definition is a few KiB; what is larger is some other file."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A definition with its templates filled in: the text, the JSON value in it, its places, and warnings."""

    text: str
    value: Any
    places: Places
    warnings: tuple[Finding, ...]


def find(directory: Path, path: Path | None = None) -> Path:
    """The definition file of a project. Raises DefinitionError if there is none."""
    if path is not None:
        if path.is_file():
            return path
        raise DefinitionError(Finding("no such definition file", str(path)))
    for name in NAMES:
        if (directory / name).is_file():
            return directory / name
    raise DefinitionError(
        Finding(f"no function.json in {directory}", "function.json", hint="start one with: fn init --runtime perl NAME")
    )


def render(path: Path, env: Mapping[str, str]) -> Rendered:
    """Read and render one file. Raises DefinitionError: unreadable, a template or a JSON text that is wrong."""
    shown = _shown(path)
    if path.suffix == ".jsonnet":
        raise DefinitionError(
            Finding("Jsonnet is not supported by this version", shown, hint="write the definition as function.json")
        )
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DefinitionError(Finding(f"cannot be read: {error.strerror}", shown)) from error
    if len(raw) > MAX_BYTES:
        raise DefinitionError(Finding(f"is larger than {MAX_BYTES} bytes: this is no definition", shown))
    try:
        source = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        line, column = SourceMap(shown, before).position(len(before))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise DefinitionError(Finding(message, shown, line, column, "save the file as UTF-8")) from None
    text, places, warnings = template.render(source, shown, template.functions(env))
    value, found = jsontext.read(text, places)
    return Rendered(text, value, found, warnings)


def load(directory: Path, path: Path | None = None, *, env: Mapping[str, str], full: bool = True) -> Definition:
    """Find, render and check the definition of the project in `directory`.

    `full` checks values too (jsonschema); else keys and JSON types alone. Raises DefinitionError with every finding.
    """
    file = find(directory, path)
    rendered = render(file, env)
    findings = check.findings(rendered.value, rendered.places, shared(), full=full)
    if findings:
        raise DefinitionError(*findings)
    request = {key: value for key, value in rendered.value.items() if key not in ("Fn", "$schema")}
    if any(layer.startswith(RUNTIME_LAYER) for layer in request.get("Layers", ())):
        request.setdefault("Runtime", CUSTOM_RUNTIME)
    warnings = (*rendered.warnings, *_unread(directory, rendered.value))
    return Definition(file, directory, request, rendered.value.get("Fn", {}), rendered.places, warnings)


def _unread(directory: Path, value: Mapping[str, Any]) -> tuple[Finding, ...]:
    """A side file of lambroll's that this version does not read: said, not passed over."""
    beside = directory / "function_url.json"
    if not beside.is_file() or "FunctionUrl" in value.get("Fn", {}):
        return ()
    return (Finding("is not read by this version", _shown(beside), hint="write its Config as Fn.FunctionUrl"),)


def _shown(path: Path) -> str:
    """The path as a user in the current directory would type it."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown
