"""The functions that every Go template has. `and` and `or` are run.py's: they leave arguments unevaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from fnroll.definition.template.calls import CallFailed, Function, kind_of
from fnroll.definition.template.printing import plain, sprint, sprintf, truth


def _comparable(first: Any, second: Any, name: str) -> None:
    if type(first) is not type(second):
        raise CallFailed(f"{name} cannot compare {kind_of(first)} with {kind_of(second)}")


def _equal(first: Any, *others: Any) -> bool:
    for other in others:
        if first is not None and other is not None:
            _comparable(first, other, "eq")
            if isinstance(first, list | Mapping):
                raise CallFailed(f"eq cannot compare {kind_of(first)}")
        if first == other:
            return True
    return False


def _less(name: str, first: Any, second: Any) -> bool:
    _comparable(first, second, name)
    if isinstance(first, bool) or not isinstance(first, str | int | float):
        raise CallFailed(f"{name} cannot order {kind_of(first)}")
    return bool(first < second)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list | Mapping):
        return len(value)
    raise CallFailed(f"len takes a string, a list or a map, not {kind_of(value)}")


def _index(value: Any, *steps: Any) -> Any:
    if value is None:
        raise CallFailed("index takes a list, a map or a string, not nothing")
    for step in steps:
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step, "" if all(isinstance(item, str) for item in value.values()) else None)
        elif isinstance(value, list | str) and isinstance(step, int) and not isinstance(step, bool):
            items = value.encode("utf-8", "replace") if isinstance(value, str) else value
            if not 0 <= step < len(items):
                raise CallFailed(f"index {step} is out of range: there are {len(items)}")
            value = items[step]
        else:
            raise CallFailed(f"{kind_of(value)} has no index {plain(step)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, str | list) or len(bounds) > 2:
        raise CallFailed(f"slice takes a string or a list and two places, not {kind_of(value)}")
    items: Any = value.encode("utf-8", "replace") if isinstance(value, str) else value
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) == 2 else len(items)
    if not 0 <= start <= end <= len(items):
        raise CallFailed(f"slice {start}:{end} is out of range: there are {len(items)}")
    cut = items[start:end]
    return cut.decode("utf-8", "replace") if isinstance(cut, bytes) else cut


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def _joined(values: Sequence[Any]) -> str:
    """What the escaping functions escape: their arguments printed, nothing as an action prints it."""
    return sprint(["<no value>" if value is None else value for value in values])


def _escaped(table: Mapping[str, str]) -> Any:
    def escape(*values: Any) -> str:
        text = _joined(values)
        return "".join(table.get(char, char) for char in text)

    return escape


def _js(*values: Any) -> str:
    text = _escaped(_JS)(*values)
    return "".join(char if char >= " " and char.isprintable() else f"\\u{ord(char):04X}" for char in text)


def _urlquery(*values: Any) -> str:
    return quote_plus(_joined(values), safe="~", errors="replace")


BUILTINS: Mapping[str, Function] = {
    "and": Function(lambda *values: values[-1], ("any",), 1, "any"),
    "or": Function(lambda *values: values[-1], ("any",), 1, "any"),
    "not": Function(lambda value: not truth(value), ("any",), 1),
    "eq": Function(_equal, ("any", "any"), 2, "any"),
    "ne": Function(lambda first, second: not _equal(first, second), ("any", "any"), 2),
    "lt": Function(lambda a, b: _less("lt", a, b), ("any", "any"), 2),
    "le": Function(lambda a, b: not _less("le", b, a), ("any", "any"), 2),
    "gt": Function(lambda a, b: _less("gt", b, a), ("any", "any"), 2),
    "ge": Function(lambda a, b: not _less("ge", a, b), ("any", "any"), 2),
    "len": Function(_length, ("any",), 1),
    "index": Function(_index, ("any",), 1, "any"),
    "slice": Function(_slice, ("any",), 1, "integer"),
    "print": Function(lambda *values: sprint(values), (), 0, "any"),
    "println": Function(lambda *values: " ".join(map(plain, values)) + "\n", (), 0, "any"),
    "printf": Function(lambda form, *values: sprintf(form, values), ("string",), 1, "any", '{{ printf "%s" "x" }}'),
    "html": Function(_escaped(_HTML), ("any",), 1, "any"),
    "js": Function(_js, ("any",), 1, "any"),
    "urlquery": Function(_urlquery, ("any",), 1, "any"),
}
