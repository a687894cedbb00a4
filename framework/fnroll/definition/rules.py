"""What makes a definition impossible to deploy, but is not in Lambda's service model.

A table of rules, each a pure function of the definition's JSON value; it tolerates values of wrong types, which others
report. Source: CreateFunction's documentation (Handler and Runtime are required for a zip, and only for it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fnroll.definition.model import CUSTOM_RUNTIME, RUNTIME_LAYER


class Broken(NamedTuple):
    """A rule that is broken: at which value (JSON pointer), how, and what mends it."""

    pointer: str
    message: str
    hint: str | None


_PLACEHOLDER = re.compile(r"your[_-]|change[_-]?me|replace[_-]?me|placeholder|todo|xxx", re.IGNORECASE)


def broken(value: Mapping[str, Any]) -> Iterator[Broken]:
    """Every rule that this definition breaks."""
    yield from _role(value)
    yield from _zip(value)
    yield from _layers(value)


def _role(value: Mapping[str, Any]) -> Iterator[Broken]:
    role = value.get("Role")
    if isinstance(role, str) and _PLACEHOLDER.search(role.rpartition("/")[2]):
        yield Broken("/Role", f'Role "{role}" is a placeholder', "name the role that the function shall run as")


def _zip(value: Mapping[str, Any]) -> Iterator[Broken]:
    if value.get("PackageType", "Zip") != "Zip":
        return
    if "Handler" not in value:
        yield Broken("/Handler", 'missing key "Handler"', "a function without an image needs one: FILE.FUNCTION")
    if "Runtime" not in value and not has_runtime_layer(value):
        hint = f"name one, or list a layer {RUNTIME_LAYER}NAME and get {CUSTOM_RUNTIME}"
        yield Broken("/Runtime", 'missing key "Runtime"', hint)


def _layers(value: Mapping[str, Any]) -> Iterator[Broken]:
    """A runtime layer brings /opt/bootstrap, which a managed runtime never starts, and there is only one of it."""
    places = [index for index, entry in enumerate(_listed(value)) if _is_runtime(entry)]
    for index in places[1:]:
        yield Broken(f"/Layers/{index}", "a second runtime layer: only one can start the function", None)
    runtime = value.get("Runtime")
    if places and isinstance(runtime, str) and not runtime.startswith("provided"):
        hint = f"write {CUSTOM_RUNTIME} or leave the key out"
        yield Broken("/Runtime", f"Runtime {runtime} does not start a runtime layer", hint)


def has_runtime_layer(value: Mapping[str, Any]) -> bool:
    """Whether Layers names a custom runtime."""
    return any(_is_runtime(entry) for entry in _listed(value))


def _listed(value: Mapping[str, Any]) -> list[Any]:
    layers = value.get("Layers")
    return layers if isinstance(layers, list) else []


def _is_runtime(entry: Any) -> bool:
    return isinstance(entry, str) and entry.startswith(RUNTIME_LAYER)
