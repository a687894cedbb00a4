"""Every mistake in a definition at once, each with its place, plain words and the nearest right thing.

Two depths. The walk knows unknown keys and JSON types and needs no library: what `fn run` can rely on. The full check
adds what jsonschema finds in values (imported inside the function) and what the service model cannot say (`rules`).
A place is reported once. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fnroll.definition import rules
from fnroll.definition.positions import Places, escape, pointer
from fnroll.errors import Finding

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Schema = Mapping[str, Any]

_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding before it has a line: at the value of a pointer, or at its key. `near` is the known key meant."""

    pointer: str
    message: str
    hint: str | None = None
    key: bool = False
    near: str | None = None


def findings(value: Any, places: Places, schema: Schema, *, full: bool) -> tuple[Finding, ...]:
    """What is wrong with a definition's JSON value, in the file's order; empty if nothing is."""
    problems = list(_walk(value, schema, "", schema))
    if isinstance(value, dict):
        needed = schema["required"] if full else [key for key in ("FunctionName",) if key in schema["required"]]
        problems += _missing(value, needed, "", problems)
    if full:
        problems += _values(value, schema, problems)
        if isinstance(value, dict) and "FunctionName" in schema["required"]:  # what only holds of a function
            meant = _meant_in("", problems)
            problems += [Problem(*rule) for rule in rules.broken(value) if rule[0][1:] not in meant]
    found: dict[tuple[str, bool], Finding] = {}
    for problem in problems:
        if (problem.pointer, problem.key) not in found:
            made = places.finding(problem.pointer, problem.message, problem.hint, key=problem.key)
            found[problem.pointer, problem.key] = made
    return tuple(sorted(found.values(), key=lambda finding: (finding.line, finding.column)))


# The walk: unknown keys and JSON types.


def _walk(value: Any, node: Schema, at: str, root: Schema) -> Iterator[Problem]:
    node = _resolve(node, root)
    wanted = node.get("type")
    if wanted is not None and not _is(value, wanted):
        yield Problem(at, f"{_name(at)} must be {_WORDS[wanted]}, not {_WORDS[_kind(value)]}", _mend(value, wanted))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _member(key, item, node, f"{at}/{escape(key)}", root)
    elif isinstance(value, list) and "items" in node:
        for index, item in enumerate(value):
            yield from _walk(item, node["items"], f"{at}/{index}", root)


def _member(key: str, item: Any, node: Schema, at: str, root: Schema) -> Iterator[Problem]:
    known: Schema = node.get("properties", {})
    found = known.get(key, node.get("additionalProperties", True))
    if found is False:
        near = nearest(key, known)
        inside = _name(at.rpartition("/")[0])
        message = f"unknown key {quoted(key)}" + (f" in {inside}" if at.count("/") > 1 else "")
        yield Problem(at, message, _meant(near, known), key=True, near=near)
    elif isinstance(found, Mapping) and "not" in found:
        yield Problem(at, f"{_name(at)} {found['description']}", key=True)
    elif isinstance(found, Mapping):
        yield from _walk(item, found, at, root)


def _resolve(node: Schema, root: Schema) -> Schema:
    target: Schema = root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return target


def _is(value: Any, wanted: str) -> bool:
    return _kind(value) == wanted or (wanted == "number" and _kind(value) == "integer")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _mend(value: Any, wanted: str) -> str | None:
    """How to write what was meant. The value is not repeated unless it is a number: it may be a secret."""
    kind = _kind(value)
    if kind == "null":
        return "leave the key out"
    if wanted == "string" and kind in ("integer", "number", "boolean"):
        return "put it in quotes"
    if wanted == "integer" and kind == "number" and value == int(value):
        return f"write {int(value)}"
    if kind == "string" and wanted in ("integer", "number", "boolean"):
        return "remove the quotes" if _reads_as(value, wanted) else f"write {_WORDS[wanted]} without quotes"
    return "put it in [ ]" if wanted == "array" and kind != "object" else None


def _reads_as(text: str, wanted: str) -> bool:
    patterns = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false"}
    return wanted in patterns and re.fullmatch(patterns[wanted], text) is not None


def _missing(value: Mapping[str, Any], needed: Sequence[str], at: str, problems: Sequence[Problem]) -> list[Problem]:
    """Required keys that are not there, but for those of which a misspelling was found in the same object."""
    meant = _meant_in(at, problems)
    inside = f" in {_name(at)}" if at else ""
    return [
        Problem(f"{at}/{escape(key)}", f"missing key {quoted(key)}{inside}")
        for key in needed
        if key not in value and key not in meant
    ]


def _meant_in(at: str, problems: Sequence[Problem]) -> set[str | None]:
    """The known keys that misspelt ones in the object at a pointer stand for."""
    return {problem.near for problem in problems if problem.key and problem.pointer.rpartition("/")[0] == at}


# The full check: what jsonschema finds in values.


def _values(value: Any, schema: Schema, problems: Sequence[Problem]) -> Iterator[Problem]:
    from jsonschema import Draft202012Validator, validators

    extend: Any = validators.extend  # untyped in jsonschema's stubs
    validator = extend(Draft202012Validator, {"pattern": _pattern})(schema)
    for error in validator.iter_errors(value):
        at = pointer(error.absolute_path)
        if error.validator == "required":
            yield from _missing(error.instance, error.validator_value, at, problems)
        elif error.validator in _TEXTS:
            yield _judged(error, at)


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """As jsonschema's, but no line break may follow the match."""
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and re.fullmatch(pattern, instance) is None:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _judged(error: ValidationError, at: str) -> Problem:
    """A value that the schema refuses, in our words; the name of a map's member stands at its key."""
    key = "propertyNames" in error.absolute_schema_path
    if key:
        at = f"{at}/{escape(str(error.instance))}"
        name = f"the key {quoted(str(error.instance))} of {_name(at.rpartition('/')[0])}"
    else:
        name = _name(at)
    message, hint = _TEXTS[str(error.validator)](name, error.instance, error.validator_value, error.schema, key)
    return Problem(at, message, hint, key=key)


Told = tuple[str, str | None]


def _enum(name: str, value: Any, known: Any, schema: Any, key: bool) -> Told:
    hint = _meant(nearest(value, known), known) if isinstance(value, str) else _around(value, known)
    if name == "Runtime":
        newer = "a newer botocore may know it: pip install --upgrade botocore"
        hint = f"{hint} (or {newer})" if hint else newer
    return f"{quoted(value)} is no known {name}", hint


def _around(value: Any, known: Any) -> str | None:
    """The numbers next to one that is not among them."""
    numbers = sorted(item for item in known if isinstance(item, int) and item != value)
    if not isinstance(value, int | float) or not numbers:
        return None
    near = [item for item in numbers if item < value][-1:] + [item for item in numbers if item > value][:1]
    return f"write {' or '.join(map(str, near))}"


def _unmatched(name: str, value: Any, pattern: Any, schema: Any, key: bool) -> Told:
    subject = name if key else f"{name} {quoted(value)}"
    return f"{subject} {schema.get('patternErrorMessage', f'does not match {pattern}')}", None


def _bound(most: bool, unit: str) -> Any:
    def told(name: str, value: Any, limit: Any, schema: Any, key: bool) -> Told:
        size = f"has {len(value)} {unit if len(value) != 1 else _ONE[unit]}" if unit else f"is {value}"
        return f"{name} {size}; the {'most' if most else 'least'} is {limit}", None

    return told


_ONE = {"characters": "character", "entries": "entry", "members": "member"}
_TEXTS: Mapping[str, Any] = {
    "enum": _enum,
    "pattern": _unmatched,
    "minimum": _bound(False, ""),
    "maximum": _bound(True, ""),
    "minLength": _bound(False, "characters"),
    "maxLength": _bound(True, "characters"),
    "minItems": _bound(False, "entries"),
    "maxItems": _bound(True, "entries"),
    "minProperties": _bound(False, "members"),
    "maxProperties": _bound(True, "members"),
}


# Words.


def nearest(word: str, known: Sequence[str] | Mapping[str, Any]) -> str | None:
    """The known word most like this one, whatever the case of its letters; None if none is like it."""
    from difflib import get_close_matches

    folded = {item.casefold(): item for item in known}
    close = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _meant(near: str | None, known: Sequence[str] | Mapping[str, Any]) -> str | None:
    if near is not None:
        return f"did you mean {quoted(near)}?"
    return f"known are {', '.join(known)}" if 0 < len(known) <= 8 else None


def _name(at: str) -> str:
    """A JSON pointer as people write it: Environment.Variables, Layers[0]."""
    if not at:
        return "the definition"
    steps = [step.replace("~1", "/").replace("~0", "~") for step in at.split("/")[1:]]
    named = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps)
    return named.removeprefix(".")


def quoted(value: Any) -> str:
    """A value as JSON, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:76]}…" + ('"' if text.startswith('"') else "")
