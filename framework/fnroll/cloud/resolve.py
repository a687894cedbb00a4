"""From a function's name to the version of one invocation, without reading the same rows for each.

What the state holds is kept until something is committed. Belongs to the event loop, as its connection does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from fnroll.cloud.faults import Fault, not_built, not_found
from fnroll.cloud.names import LATEST, PUBLISHED, FunctionRef, function_arn, is_version
from fnroll.cloud.records import (
    AliasRow,
    FunctionRow,
    VersionRow,
    find_alias,
    find_function,
    find_version,
    meant,
    version_number,
)
from fnroll.cloud.states import serving

MAX_KEPT: Final = 1000
"""Names, and versions, that are kept; past that all are read again."""


class Resolver:
    """`chance` gives numbers from 0 to 1, for aliases with weights; `changes` a number that moves with each commit."""

    def __init__(self, read: sqlite3.Connection, chance: Callable[[], float], changes: Callable[[], int]) -> None:
        self._read = read
        self._chance = chance
        self._changes = changes
        self._seen = -1
        self._named: dict[FunctionRef, tuple[FunctionRow, AliasRow | None]] = {}
        self._versions: dict[tuple[int, int], VersionRow] = {}
        self._fixed: dict[FunctionRef, VersionRow] = {}  # what nothing is drawn for

    def resolve(self, ref: FunctionRef) -> VersionRow:
        """The version of this invocation; an alias's weights are drawn anew each time. Fault ResourceNotFound."""
        self._forget_if_changed()
        fixed = self._fixed.get(ref)
        if fixed is not None:
            return fixed
        function, alias = self._named.get(ref) or self._name(ref)
        qualifier = ref.qualifier or LATEST if alias is None else draw(alias, self._chance)
        number = version_number(qualifier)
        version = self._versions.get((function.id, number)) or self._version(function, number)
        if version is None:
            raise not_found(function_arn(ref.home, ref.name, qualifier))
        if version.package is None:
            raise not_built("Invoke of a function whose code is a container image")
        version = serving(version)
        if alias is None or not alias.weights:
            self._fixed[ref] = version
        return version

    def _forget_if_changed(self) -> None:
        seen = self._changes()
        if seen != self._seen or len(self._named) > MAX_KEPT or len(self._versions) > MAX_KEPT:
            self._seen = seen
            self._named.clear()
            self._versions.clear()
            self._fixed.clear()

    def _name(self, ref: FunctionRef) -> tuple[FunctionRow, AliasRow | None]:
        function = find_function(self._read, ref.home, ref.name)
        qualifier = ref.qualifier or LATEST
        asked = function_arn(ref.home, ref.name, qualifier)
        if function is None:
            raise not_found(asked)
        alias = None
        if ref.qualifier is None and meant(self._read, function, None) != LATEST:
            alias = AliasRow(function, "", PUBLISHED, "", {}, "")  # an unqualified name stands for it as an alias does
        elif not is_version(qualifier):
            alias = find_alias(self._read, function, qualifier)
            if alias is None:
                raise Fault("ResourceNotFoundException", f"Cannot find alias arn: {asked}")
        self._named[ref] = (function, alias)
        return function, alias

    def _version(self, function: FunctionRow, number: int) -> VersionRow | None:
        version = find_version(self._read, function, number)
        if version is not None:
            self._versions[function.id, number] = version
        return version


def draw(alias: AliasRow, chance: Callable[[], float]) -> str:
    """The version of one invocation: each additional version by its weight, the primary by what is left."""
    if alias.weights:
        drawn = chance()
        for version, weight in alias.weights.items():
            if drawn < weight:
                return version
            drawn -= weight
    return alias.version


def data_version(read: sqlite3.Connection) -> int:
    """SQLite's own count of the commits of other connections."""
    seen: int = read.execute("PRAGMA data_version").fetchone()[0]
    return seen
