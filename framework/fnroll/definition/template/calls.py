"""What a function of a template (or a Jsonnet native) is: a callable and what it takes; how it fails, how it waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["string", "integer", "any"]

_WORDS = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a map",
    type(None): "nothing",
}


class Result(NamedTuple):
    """What a function gives where the call is suspicious: the value, and a warning with its hint."""

    value: Any
    warning: tuple[str, str]


class CallFailed(Exception):
    """Raised by a function: why it gives nothing, and how to mend it. The reader adds the place."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Pending(Exception):
    """Raised by a function whose value has been asked for and is not there yet: run the whole again when it is."""


@dataclass(frozen=True, slots=True)
class Function:
    """`takes`: the kinds of its arguments; `least` of them must be given; `more`: the kind of any further ones.
    `usage` shows a call as people write it."""

    call: Callable[..., Any]
    takes: tuple[Kind, ...] = ()
    least: int = 0
    more: Kind | None = None
    usage: str = ""

    def __call__(self, name: str, arguments: Sequence[Any]) -> Any:
        """The value, or a Result. Raises CallFailed for arguments that do not fit and whatever the call raises."""
        hint = f"write {self.usage}" if self.usage else None
        if len(arguments) < self.least:
            raise CallFailed(f"{name} needs {_count(self.least)}, not {len(arguments)}", hint)
        if self.more is None and len(arguments) > len(self.takes):
            raise CallFailed(f"{name} takes {_most(len(self.takes))}, not {len(arguments)}", hint)
        for position, argument in enumerate(arguments):
            kind = self.takes[position] if position < len(self.takes) else self.more
            if (kind == "string" and not isinstance(argument, str)) or (
                kind == "integer" and (isinstance(argument, bool) or not isinstance(argument, int))
            ):
                wanted = "a string" if kind == "string" else "an integer"
                raise CallFailed(f"argument {position + 1} of {name} must be {wanted}, not {kind_of(argument)}", hint)
        return self.call(*arguments)


def kind_of(value: Any) -> str:
    return _WORDS.get(type(value), type(value).__name__)


def _count(number: int) -> str:
    return "an argument" if number == 1 else f"{number} arguments"


def _most(number: int) -> str:
    return "no argument" if number == 0 else f"at most {_count(number)}" if number > 1 else "one argument"
