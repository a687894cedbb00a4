"""What the service model cannot say about a CreateFunction request: rules between members, and limits outside it.

Each rule is one function of the request that yields (JSON pointer, message, hint); `RULES` is the table of them. Pure.
A rule speaks only where the values have the JSON types that the walk has checked: it looks before it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fnroll.definition.model import CUSTOM_RUNTIME, RUNTIME_LAYER

Broken = tuple[str, str, str | None]
Request = Mapping[str, Any]

MAX_TIMEOUT = 900
"""Seconds; the model's own maximum is that of functions on managed instances."""

MAX_ENVIRONMENT = 4096
"""Bytes of all variables together, as JSON (facts: quotas)."""

_PLACEHOLDER = re.compile(r"your[_-]|change[_-]?me|replace[_-]?me|placeholder", re.IGNORECASE)
"""In a role's name: what templates (lambroll's `init` too) leave to be filled in."""


def broken(value: Request) -> Iterator[Broken]:
    """Every broken rule, in the table's order."""
    for rule in RULES:
        yield from rule(value)


def _timeout(value: Request) -> Iterator[Broken]:
    seconds = value.get("Timeout")
    if isinstance(seconds, int) and seconds > MAX_TIMEOUT and "CapacityProviderConfig" not in value:
        yield "/Timeout", f"Timeout is {seconds}; the most is {MAX_TIMEOUT} seconds", None


def _environment(value: Request) -> Iterator[Broken]:
    block = value.get("Environment")
    variables = block.get("Variables") if isinstance(block, dict) else None
    if isinstance(variables, dict):
        size = len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode())
        if size > MAX_ENVIRONMENT:
            message = f"the variables are {size} bytes together; Lambda takes {MAX_ENVIRONMENT}"
            yield "/Environment/Variables", message, "keep what is large in a file of the package or in SSM"


def _package(value: Request) -> Iterator[Broken]:
    code = value.get("Code")
    has_image = isinstance(code, dict) and "ImageUri" in code
    if value.get("PackageType", "Zip") == "Image":
        if not has_image:
            yield "/PackageType", "PackageType Image needs Code.ImageUri", None
        return
    if has_image:
        yield "/Code/ImageUri", "Code.ImageUri needs PackageType Image", 'write "PackageType": "Image"'
        return
    layers = value.get("Layers")
    custom = isinstance(layers, list) and any(str(layer).startswith(RUNTIME_LAYER) for layer in layers)
    if "Runtime" not in value and not custom:
        hint = 'name one of Lambda\'s ("Runtime": "provided.al2023"), or list "runtime:NAME" in Layers'
        yield "/Runtime", 'missing key "Runtime"', hint
    if "Handler" not in value:
        yield "/Handler", 'missing key "Handler"', "what the runtime calls, such as handler.handle"


def _one_runtime_layer(value: Request) -> Iterator[Broken]:
    layers = value.get("Layers")
    if not isinstance(layers, list):
        return
    named = [index for index, layer in enumerate(layers) if str(layer).startswith(RUNTIME_LAYER)]
    for index in named[1:]:
        yield f"/Layers/{index}", "a second runtime: only one layer can own /opt/bootstrap", "remove one of the two"


def _role(value: Request) -> Iterator[Broken]:
    role = value.get("Role")
    if isinstance(role, str) and _PLACEHOLDER.search(role.rpartition("/")[2]):
        yield "/Role", f"Role {json.dumps(role)} is a placeholder", "name the role that the function shall run as"


def _started_by_layer(value: Request) -> Iterator[Broken]:
    """Only the provided runtimes start /opt/bootstrap; a managed one would leave the layer's unused in silence."""
    runtime, layers = value.get("Runtime"), value.get("Layers")
    if not isinstance(runtime, str) or not isinstance(layers, list) or runtime.startswith("provided"):
        return
    if any(str(layer).startswith(RUNTIME_LAYER) for layer in layers):
        message = f"Runtime {json.dumps(runtime)} never starts the runtime layer"
        yield "/Runtime", message, f"write {CUSTOM_RUNTIME}, or leave the key out"


RULES: tuple[Callable[[Request], Iterator[Broken]], ...] = (
    _package,
    _one_runtime_layer,
    _started_by_layer,
    _role,
    _timeout,
    _environment,
)
