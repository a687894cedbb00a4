"""Find, render, read and check a definition: the pipeline of this room, and its only I/O.

find      which file it is
render    text -> (Jsonnet ->) template -> JSON value with places
load      all of that, keys spelt, checked, as a frozen `Definition`
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnroll.definition import check, functions, jsonnet, jsontext, keys, template
from fnroll.definition.lookups import Book
from fnroll.definition.model import CUSTOM_RUNTIME, RUNTIME_LAYER, Definition
from fnroll.definition.positions import Places, SourceMap
from fnroll.definition.schema import shared
from fnroll.errors import DefinitionError, Finding

NAMES = ("function.json", "function.jsonnet")
"""The files looked for, in lambroll's order."""

JSONNET = ".jsonnet"
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


def render(path: Path, env: Mapping[str, str], book: Book | None = None, directory: Path | None = None) -> Rendered:
    """Read and render one file. `directory`: where paths in template functions start; the file's if not given.

    Raises DefinitionError: a file, template, Jsonnet program or JSON text that is wrong, or a lookup that failed.
    """
    book, root = book or Book(), directory or path.parent
    shown = _shown(path)
    source = _read(path, shown)
    if path.suffix != JSONNET:
        text, places, warnings = _filled(source, shown, functions.functions(env, book, root), book)
        value, found, more = jsontext.read(text, places)
        return Rendered(text, value, found, (*warnings, *more))
    evaluated, said = jsonnet.evaluate(source, shown, functions.natives(env, book, root), book)
    # What a template or the JSON reader has to say is about the evaluated text, which nobody wrote.
    text, places, warnings = _filled(evaluated, f"{shown} (as evaluated)", functions.functions(env, book, root), book)
    value, _, _ = jsontext.read(text, places)
    return Rendered(text, value, jsonnet.places(source, shown, value), (*said, *warnings))


def _read(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DefinitionError(Finding(f"cannot be read: {error.strerror}", shown)) from error
    if len(raw) > MAX_BYTES:
        raise DefinitionError(Finding(f"is larger than {MAX_BYTES} bytes: this is no definition", shown))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        line, column = SourceMap(shown, before).position(len(before))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise DefinitionError(Finding(message, shown, line, column, "save the file as UTF-8")) from None


def _filled(
    source: str, shown: str, table: Mapping[str, template.Function], book: Book
) -> tuple[str, SourceMap, tuple[Finding, ...]]:
    """A template rendered, as often as it takes until nothing is waited for. What is wrong in it is told before
    anything is asked of the network."""
    while True:
        done = template.render(source, shown, table)
        if done.errors:
            raise DefinitionError(*done.errors)
        if done.complete:
            return done.text, done.places, done.warnings
        book.fetch()


def load(
    directory: Path,
    path: Path | None = None,
    *,
    env: Mapping[str, str],
    book: Book | None = None,
    full: bool = True,
) -> Definition:
    """Find, render and check the definition of the project in `directory`.

    `book` answers lookups. `full` checks values too (jsonschema); else keys and JSON types alone. Raises
    DefinitionError with every finding.
    """
    file = find(directory, path)
    rendered = render(file, env, book, directory)
    value, places, respelt = keys.spelt(rendered.value, rendered.places, shared())
    findings = check.findings(value, places, shared(), full=full)
    if findings:
        raise DefinitionError(*findings)
    request = {key: member for key, member in value.items() if key not in ("Fn", "$schema")}
    if any(layer.startswith(RUNTIME_LAYER) for layer in request.get("Layers", ())):
        request.setdefault("Runtime", CUSTOM_RUNTIME)
    warnings = (*rendered.warnings, *respelt)
    return Definition(file, directory, request, value.get("Fn", {}), places, warnings)


def _shown(path: Path) -> str:
    """The path as a user in the current directory would type it."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown
