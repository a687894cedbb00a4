"""The model's constraints (required, length, range, pattern, enum), with the texts of AWS's Java validators.

One public function, `check`; pure. A text is `1 validation error detected: Value 'v' at 'member' failed to satisfy
constraint: Member must …`; several findings are joined by "; ". Lists and maps report for the whole collection, and
values of sensitive shapes are left out, as Lambda does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from fnroll.cloud.faults import Fault

Shape = Mapping[str, Any]
ShapeOf = Callable[[str], Shape]

_UNCHECKED = "runtime"
"""The runtime of a function: Lambda checks it itself, later, with InvalidParameterValueException."""


def check(shape_of: ShapeOf, shape: Shape, value: Mapping[str, Any]) -> None:
    """Raise Fault ValidationException with every violation in `value`, an instance of the structure `shape`."""
    found = list(_structure(shape_of, shape, value, ""))
    if found:
        errors = "error" if len(found) == 1 else "errors"
        raise Fault("ValidationException", f"{len(found)} validation {errors} detected: {'; '.join(found)}")


def _structure(shape_of: ShapeOf, shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    required = shape.get("required", ())
    for name, member in shape.get("members", {}).items():
        place = f"{path}.{_lower(name)}" if path else _lower(name)
        if value.get(name) is None:
            if name in required:
                yield f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
            continue
        yield from _value(shape_of, member["shape"], value[name], place)


def _value(shape_of: ShapeOf, name: str, value: Any, place: str) -> Iterator[str]:
    shape = shape_of(name)
    for rule in _broken(shape, value, but_enum=place == _UNCHECKED):
        yield f"{_shown(shape, value)} at '{place}' failed to satisfy constraint: {rule}"
    yield from _inside(shape_of, shape, value, place)


def _inside(shape_of: ShapeOf, shape: Shape, value: Any, place: str) -> Iterator[str]:
    kind = shape["type"]
    if kind == "structure":
        yield from _structure(shape_of, shape, value, place)
    elif kind == "list":
        inner = shape_of(shape["member"]["shape"])
        yield from _each(shape, inner, value, value, place, "Member must")
        if inner["type"] in _COMPOUND:
            for number, item in enumerate(value, 1):
                yield from _inside(shape_of, inner, item, f"{place}.{number}.member")
    elif kind == "map":
        inner = shape_of(shape["value"]["shape"])
        yield from _each(shape, shape_of(shape["key"]["shape"]), value, value.keys(), place, "Map keys must")
        yield from _each(shape, inner, value, value.values(), place, "Map value must")
        if inner["type"] in _COMPOUND:
            for key, item in value.items():
                yield from _inside(shape_of, inner, item, f"{place}.{key}.member")


_COMPOUND = frozenset({"structure", "list", "map"})


def _each(holder: Shape, inner: Shape, whole: Any, items: Iterable[Any], place: str, lead: str) -> Iterator[str]:
    """The members of a collection: one finding for the whole of it, naming every rule that each of them has."""
    if any(True for item in items for _ in _broken(inner, item)):
        rules = ", ".join([*(text for text, _ in _rules(inner)), "Member must not be null"])
        yield f"{_shown(holder, whole)} at '{place}' failed to satisfy constraint: {lead} satisfy constraint: [{rules}]"


Rule = tuple[str, Callable[[Any], bool]]


def _rules(shape: Shape, *, but_enum: bool = False) -> Iterator[Rule]:
    """Every rule of a shape: its text, and whether a value keeps it."""
    number = shape["type"] in ("integer", "long", "double", "float")
    measure, of = ("value", lambda value: value) if number else ("length", len)
    if "max" in shape:
        yield (
            f"Member must have {measure} less than or equal to {shape['max']}",
            lambda value: bool(of(value) <= shape["max"]),
        )
    if "min" in shape:
        yield (
            f"Member must have {measure} greater than or equal to {shape['min']}",
            lambda value: bool(of(value) >= shape["min"]),
        )
    if "pattern" in shape:
        pattern = _pattern(shape["pattern"])
        yield (
            f"Member must satisfy regular expression pattern: {shape['pattern']}",
            lambda value: pattern.fullmatch(value) is not None,
        )
    if "enum" in shape and not but_enum:
        yield f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]", lambda value: value in shape["enum"]


def _broken(shape: Shape, value: Any, *, but_enum: bool = False) -> Iterator[str]:
    return (text for text, keeps in _rules(shape, but_enum=but_enum) if not keeps(value))


_UNICODE = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
"""Java's classes as Python writes them; the model uses them within sets that have `_` too, so `\\w` is no wider."""


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of the model, which is written for Java."""
    flags = re.ASCII if r"\p{" not in text else re.UNICODE
    for java, python in _UNICODE.items():
        text = text.replace(java, python)
    return re.compile(text, flags)


def _lower(name: str) -> str:
    """Member names as the Java side spells them: functionName, kMSKeyArn."""
    return name[:1].lower() + name[1:]


def _shown(shape: Shape, value: Any) -> str:
    return "Value" if shape.get("sensitive") else f"Value '{_java(value)}'"


def _java(value: Any) -> str:
    """A value as Java's toString writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        return "[" + ", ".join(_java(item) for item in value) + "]"
    return str(value)
