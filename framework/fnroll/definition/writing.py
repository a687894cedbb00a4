"""A value as the text of a definition: JSON, or Jsonnet as its own formatter would lay it out. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = frozenset(
    {"assert", "else", "error", "false", "for", "function", "if", "import", "importstr", "importbin", "in"}
    | {"local", "null", "self", "super", "tailstrict", "then", "true"}
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_STEP: Final = "  "


def as_json(value: Any) -> str:
    """As JSON, indented, its own letters kept."""
    return json.dumps(value, indent=len(_STEP), ensure_ascii=False)


def as_jsonnet(value: Any, indent: str = "") -> str:
    """As Jsonnet: keys bare where they may be, texts in single quotes, a comma behind every member."""
    inner = indent + _STEP
    if isinstance(value, Mapping) and value:
        members = (f"{inner}{_key(key)}: {as_jsonnet(item, inner)},\n" for key, item in value.items())
        return "{\n" + "".join(members) + indent + "}"
    if isinstance(value, list) and value:
        return "[\n" + "".join(f"{inner}{as_jsonnet(item, inner)},\n" for item in value) + indent + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def escaped(text: str) -> str:
    """The text of a definition as a template that renders to it: no `{{` of a value is taken for an action."""
    return text.replace("{{", "{{`{{`}}")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) and key not in _WORDS else _text(key)


def _text(value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    if "'" in value:
        return quoted
    return "'" + _ESCAPE.sub(lambda found: '"' if found[1] == '"' else found[0], quoted[1:-1]) + "'"
