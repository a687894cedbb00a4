"""What SAM's and the Serverless Framework's files have in common for whoever reads them: YAML with CloudFormation's
tags, and texts with parts that only a deploy could fill in, which become templates of ours.

A converter never guesses: what it cannot say in a definition stands in `Converted.notes`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from fnroll.definition import writing
from fnroll.errors import DefinitionError, Finding, FnError

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around a template while the rest of its text is escaped: characters of the private use area."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A value that CloudFormation would make: `!Sub text` is Tag("Sub", "text")."""

    name: str
    value: Any


@dataclass(slots=True)
class Converted:
    """One function. `key`: its name in the file; `code`: where its code lies, relative to the file; `notes`: what has
    no counterpart, a sentence each."""

    key: str
    definition: dict[str, Any]
    code: str = "."
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """function.json."""
        text = writing.as_json(self.definition)
        parts = re.split(f"{_OPEN}(.*?){_CLOSE}", text)
        # Every second part is a template, which is no text of JSON's: what that escaped in it is as it was.
        return (
            "".join(
                "{{ " + json.loads(f'"{part}"') + " }}" if number % 2 else writing.escaped(part)
                for number, part in enumerate(parts)
            )
            + "\n"
        )


def template(function: str, *arguments: str) -> str:
    """A template of ours that calls `function`, in a text that will be escaped."""
    escaped = " | json_escape" if any(json.dumps(one, ensure_ascii=False) != f'"{one}"' for one in arguments) else ""
    return f"{_OPEN}{' '.join((function, *map(_quoted, arguments)))}{escaped}{_CLOSE}"


def _quoted(argument: str) -> str:
    """As a template has a text: in back quotes, which hold no back quote, else in double ones."""
    return f"`{argument}`" if "`" not in argument else json.dumps(argument, ensure_ascii=False)


def variable(name: str, default: Any = None) -> str:
    """What the user has to say, or may: an environment variable."""
    if default is None:
        return template("must_env", environment_name(name))
    return template("env", environment_name(name), str(default))


def asked(name: str, notes: list[str], what: str) -> str:
    """A variable in place of `what` only a deploy of theirs could say, and a note of that."""
    notes.append(f"{what} is read from ${environment_name(name)}: say what it is")
    return variable(name)


def document(directory: Path, names: Sequence[str], what: str) -> tuple[Path, Mapping[str, Any]]:
    """The first of these files that is there, and what it says. Raises FnError where there is none, else as
    load_yaml."""
    path = next((directory / name for name in names if (directory / name).is_file()), None)
    if path is None:
        raise FnError(f"no {what} in {directory}: {', '.join(names)}")
    return path, mapped(load_yaml(path))


def environment_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()).strip("_") or "VALUE"


def load_yaml(path: Path) -> Any:
    """The document; CloudFormation's tags as Tag. Raises DefinitionError, and FnError where there is no YAML reader."""
    try:
        yaml: Any = import_module("yaml")
    except ImportError as error:
        raise FnError("reading YAML takes PyYAML", hint="pip install pyyaml") from error

    reader: Any = type("Reader", (yaml.SafeLoader,), {})

    def tagged(loader: Any, suffix: str, node: Any) -> Tag:
        if isinstance(node, yaml.ScalarNode):
            return Tag(suffix, loader.construct_scalar(node))
        if isinstance(node, yaml.SequenceNode):
            return Tag(suffix, loader.construct_sequence(node, deep=True))
        return Tag(suffix, loader.construct_mapping(node, deep=True))

    reader.add_multi_constructor("!", tagged)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), reader)
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(Finding(f"cannot be read: {error}", str(path))) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise DefinitionError(Finding(f"is no YAML: {error.problem}", str(path), *place)) from error


def mapped(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def pruned(value: Any) -> Any:
    """Without members that are None, all the way down."""
    if isinstance(value, Mapping):
        return {key: pruned(item) for key, item in value.items() if item is not None}
    return [pruned(item) for item in value] if isinstance(value, list) else value


def walked(value: Any, change: Callable[[Any], Any]) -> Any:
    """Every text and Tag of `value` as `change` makes it."""
    if isinstance(value, Mapping):
        return {key: walked(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [walked(item, change) for item in value]
    return change(value)
