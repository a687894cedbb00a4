"""What the tests of definitions share: findings as text without their excerpts, lookups that answer from tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fnroll.definition import Book, World, tfstate
from fnroll.errors import DefinitionError, Finding, FnError

VALID: dict[str, Any] = {
    "FunctionName": "hello",
    "Role": "arn:aws:iam::123456789012:role/hello",
    "Handler": "handler.handle",
    "Layers": ["runtime:perl"],
}
"""A definition that is whole."""


def told(error: DefinitionError | tuple[Finding, ...]) -> list[str]:
    """Each finding as a user reads it, less the excerpt."""
    findings = error.findings if isinstance(error, DefinitionError) else error
    return [str(replace(finding, excerpt=None)) for finding in findings]


class Answers:
    """Lookups that answer from a table, and remember what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[Any, ...]] = []

    def world(self, **more: Any) -> World:
        return World(lookups={name: self._lookup(name) for name in self.answers}, **more)

    def book(self, **more: Any) -> Book:
        return Book(self.world(**more))

    def _lookup(self, name: str) -> Any:
        def lookup(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            answer = self.answers[name]
            if isinstance(answer, Mapping) and arguments:
                if arguments[0] not in answer:
                    raise FnError(f"there is no {arguments[0]}", where=name, hint="look again")
                return answer[arguments[0]]
            return answer

        return lookup


def state(data: bytes | Path) -> tfstate.State:
    return tfstate.parse(data if isinstance(data, bytes) else data.read_bytes(), "terraform.tfstate")
