"""The definition of one function: what every other room gets to see of function.json.

A frozen value and its derived properties; no I/O and no checks (`load` makes it, `check` judges it). Defaults are
Lambda's own. The mappings are shared, so nobody changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fnroll.definition.positions import Places
from fnroll.errors import Finding

RUNTIME_LAYER = "runtime:"
"""How an entry of Layers names a custom runtime."""

CUSTOM_RUNTIME = "provided.al2023"
"""The Runtime of a function with a `runtime:` layer that names none."""


MANAGED_CONCURRENCY = 10
"""Invocations at a time in an environment of a managed instance that names no number; Lambda's own goes by runtime."""


def invocations_at_once(request: Mapping[str, Any]) -> int:
    """How many invocations an environment takes at a time, by CreateFunction's request: one, but for a function on
    managed instances."""
    provider = request.get("CapacityProviderConfig", {}).get("LambdaManagedInstancesCapacityProviderConfig")
    if provider is None:
        return 1
    most: int = provider.get("PerExecutionEnvironmentMaxConcurrency", MANAGED_CONCURRENCY)
    return most


def is_traced(request: Mapping[str, Any]) -> bool:
    """Whether tracing is active, by CreateFunction's request."""
    return bool(request.get("TracingConfig", {}).get("Mode") == "Active")


@dataclass(frozen=True, slots=True)
class Definition:
    """One function.json, rendered and checked.

    `path` is the file, `directory` the project that relative paths in it start from. `request` is the CreateFunction
    request without the keys Fn and $schema, verbatim but for Runtime (see CUSTOM_RUNTIME); `extras` is the key Fn.
    """

    path: Path
    directory: Path
    request: Mapping[str, Any]
    extras: Mapping[str, Any]
    places: Places
    warnings: tuple[Finding, ...] = field(default=())

    @property
    def name(self) -> str:
        name: str = self.request["FunctionName"]
        return name

    @property
    def handler(self) -> str | None:
        return self.request.get("Handler")

    @property
    def runtime(self) -> str | None:
        return self.request.get("Runtime")

    @property
    def role(self) -> str | None:
        return self.request.get("Role")

    @property
    def memory_mb(self) -> int:
        """MemorySize in MiB."""
        size: int = self.request.get("MemorySize", 128)
        return size

    @property
    def timeout(self) -> int:
        """Timeout in seconds."""
        seconds: int = self.request.get("Timeout", 3)
        return seconds

    @property
    def tmp_mb(self) -> int:
        """Size of /tmp in MiB."""
        size: int = self.request.get("EphemeralStorage", {}).get("Size", 512)
        return size

    @property
    def environment(self) -> dict[str, str]:
        """Environment.Variables; a copy."""
        return dict(self.request.get("Environment", {}).get("Variables", {}))

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers as written: a layer version's ARN, `runtime:NAME` or `./DIR`."""
        return tuple(self.request.get("Layers", ()))

    @property
    def tags(self) -> dict[str, str] | None:
        """A copy of Tags; None if the file does not manage them ({} removes them all)."""
        tags = self.request.get("Tags")
        return None if tags is None else dict(tags)

    def where(self, pointer: str = "", *, key: bool = False) -> str:
        """The place of a value (or of its key) as path:line:column, by JSON pointer: `/Layers/0`, `/Fn/FunctionUrl`."""
        line, column = self.places.key(pointer) if key else self.places.value(pointer)
        return f"{self.places.path}:{line}:{column}"
