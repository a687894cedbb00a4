"""A strict JSON reader that knows where everything stands, and says in plain words what is wrong.

The standard library's reader keeps the last of duplicate keys in silence and gives no places; ours costs little at a
definition's size. It reads RFC 8259, and comments and trailing commas, which are reported as what they are: other tools
refuse them. Single quotes and text after the value are errors named as such. Nesting is bounded. Duplicate keys are all
reported; at a syntax error reading ends. Whatever the text, nothing but DefinitionError is raised.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fnroll.definition.positions import Places, SourceMap, Span, escape
from fnroll.errors import DefinitionError, Finding

MAX_DEPTH = 64
"""Objects and lists inside each other; Lambda's own requests are 6 deep."""

_MAX_DIGITS = 400
_BLANK = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<float>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_WORD = re.compile(r"[\w.+-]+")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = {"true": True, "false": False, "null": None}
_LOOKALIKES = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}


def read(text: str, source: SourceMap) -> tuple[Any, Places, tuple[Finding, ...]]:
    """The value of a JSON text, the places of its members, and warnings. Raises DefinitionError with every finding.

    `source` maps offsets of `text` to the file that it was rendered from (SourceMap(path, text) if it was not).
    """
    reader = _Reader(text, source)
    try:
        value = reader.document()
    except _Stop as stop:
        reader.findings.append(stop.finding)
        raise DefinitionError(*reader.findings) from None
    if reader.findings:
        raise DefinitionError(*reader.findings)
    warnings = [reader.finding(message, hint, at) for message, hint, at in reader.extensions.values()]
    return value, Places(source, reader.spans), tuple(warnings)


class _Stop(Exception):
    """A syntax error: nothing after it can be read."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class _Reader:
    """One reading of one text; `at` is the offset of what comes next."""

    def __init__(self, text: str, source: SourceMap) -> None:
        self.text = text
        self.source = source
        self.at = 0
        self.spans: dict[str, Span] = {}
        self.findings: list[Finding] = []
        self.extensions: dict[str, tuple[str, str | None, int]] = {}

    def document(self) -> Any:
        if self.text.startswith("\ufeff"):
            raise self.stop("the file begins with a byte order mark", "save it as UTF-8 without one")
        self.blank()
        if self.at == len(self.text):
            raise self.stop("the file is empty", "fn init --runtime perl NAME writes one to start from")
        self.spans[""] = Span(self.at, self.at)
        value = self.value("", 0)
        self.blank()
        if self.at < len(self.text):
            raise self.stop("unexpected text after the end of the JSON value", "a definition is one JSON object")
        return value

    def value(self, pointer: str, depth: int) -> Any:
        char = self.peek()
        if char in ("{", "["):
            if depth == MAX_DEPTH:
                raise self.stop(f"nested more than {MAX_DEPTH} deep")
            return self.object(pointer, depth + 1) if char == "{" else self.array(pointer, depth + 1)
        if char == '"':
            return self.string()
        if match := _NUMBER.match(self.text, self.at):
            return self.number(match)
        return self.literal()

    def object(self, pointer: str, depth: int) -> dict[str, Any]:
        opened = self.at
        result: dict[str, Any] = {}
        self.at += 1
        self.blank()
        while self.peek() != "}":
            key_at = self.at
            key = self.key(opened)
            step = f"{pointer}/{escape(key)}"
            self.blank()
            if self.peek() != ":":
                raise self.unexpected(f"expected ':' after the key {_quoted(key)}", opened)
            self.at += 1
            self.blank()
            if key in result:
                self.duplicate(key, key_at, step)
            self.spans[step] = Span(key_at, self.at)
            result[key] = self.value(step, depth)
            self.comma("}", f"after the value of {_quoted(key)}", opened)
        self.at += 1
        return result

    def array(self, pointer: str, depth: int) -> list[Any]:
        opened = self.at
        result: list[Any] = []
        self.at += 1
        self.blank()
        while self.peek() != "]":
            step = f"{pointer}/{len(result)}"
            self.spans[step] = Span(self.at, self.at)
            result.append(self.value(step, depth))
            self.comma("]", f"after entry {len(result)} of the list", opened)
        self.at += 1
        return result

    def key(self, opened: int) -> str:
        char = self.peek()
        if char == '"':
            return self.string()
        if word := _WORD.match(self.text, self.at):
            raise self.stop(f"the key {_quoted(word[0])} is not quoted", f"write {_quoted(word[0])}")
        raise self.unexpected("expected a key or '}'", opened)

    def comma(self, closing: str, after: str, opened: int) -> None:
        """Past the comma to the next member, or to the closing bracket."""
        self.blank()
        char = self.peek()
        if char == ",":
            comma = self.at
            self.at += 1
            self.blank()
            if self.peek() == closing:
                self.extension("a trailing comma", f"before {closing!r}", comma)
        elif char != closing:
            raise self.unexpected(f"expected ',' or {closing!r} {after}", opened)

    def string(self) -> str:
        opened = self.at
        self.at += 1
        parts: list[str] = []
        while True:
            match = _PLAIN.match(self.text, self.at)
            assert match is not None, "the pattern matches the empty text"
            parts.append(match[0])
            self.at = match.end()
            char = self.peek()
            if char == '"':
                self.at += 1
                if len(parts) == 1:
                    return parts[0]
                # Halves of surrogate pairs that met are one character; one alone is none (Go gives U+FFFD too).
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if char == "\\":
                parts.append(self.escape())
            elif char in ("", "\n", "\r"):
                raise self.stop("this string is never closed", 'close it with "; a line break inside is \\n', at=opened)
            else:
                name = f"U+{ord(char):04X}"
                raise self.stop(f"the control character {name} stands in a string", f"write \\u{ord(char):04x}")

    def escape(self) -> str:
        char = self.text[self.at + 1 : self.at + 2]
        if char == "u":
            match = _HEX.match(self.text, self.at + 2)
            if match is None:
                raise self.stop("\\u needs four hexadecimal digits")
            self.at = match.end()
            return chr(int(match[0], 16))
        if char not in _ESCAPES:
            raise self.stop(f"unknown escape {_quoted(chr(92) + char)} in a string", 'a backslash is written "\\\\"')
        self.at += 2
        return _ESCAPES[char]

    def number(self, match: re.Match[str]) -> int | float:
        text = match[0]
        word = _WORD.match(self.text, self.at)
        if word is not None and word.end() > match.end():
            raise self.stop(f"{_quoted(word[0])} is not a number of JSON", "numbers are like 128, -1, 0.5 or 1e3")
        if len(text) > _MAX_DIGITS:
            raise self.stop("this number is too long")
        value = float(text) if match["float"] else int(text)
        if value in (float("inf"), float("-inf")):
            raise self.stop(f"the number {text} is too large")
        self.at = match.end()
        return value

    def literal(self) -> Any:
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self.unexpected("expected a value")
        if word[0] not in _LITERALS:
            if word[0] in _LOOKALIKES:
                raise self.stop(f"{word[0]} is no JSON", f"write {_LOOKALIKES[word[0]]}")
            raise self.stop(f"unexpected {_quoted(word[0])}", "a text stands in double quotes")
        self.at = word.end()
        return _LITERALS[word[0]]

    def duplicate(self, key: str, key_at: int, step: str) -> None:
        line, column = self.source.rendered(self.spans[step].key)
        self.findings.append(
            self.finding(f"duplicate key {_quoted(key)}", f"it stands at {line}:{column} already", key_at)
        )

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def blank(self) -> None:
        while True:
            match = _BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if not self.text.startswith(("//", "/*", "#"), self.at):
                return
            comment = _COMMENT.match(self.text, self.at)
            if comment is None:
                raise self.stop("this comment is never closed", "write */ behind it")
            self.extension("a comment", None, self.at)
            self.at = comment.end()

    def extension(self, what: str, where: str | None, at: int) -> None:
        """Something that is read though it is no JSON; told once."""
        message = f"{what}{f' {where}' if where else ''} is no JSON: fn reads it, other tools may not"
        self.extensions.setdefault(what, (message, None, at))

    def unexpected(self, expected: str, opened: int | None = None) -> _Stop:
        """What was expected, and what stands there instead."""
        char = self.peek()
        if not char:
            hint = None
            if opened is not None:
                line, column = self.source.rendered(opened)
                hint = f"the {self.text[opened]!r} at {line}:{column} is not closed"
            return self.stop(f"{expected}, but the file ends", hint)
        if char == "'":
            return self.stop(f"{expected}, not a single quote", "JSON's strings stand in double quotes")
        return self.stop(f"{expected}, not {char!r}")

    def stop(self, message: str, hint: str | None = None, *, at: int | None = None) -> _Stop:
        at = self.at if at is None else at
        if hint is None and self.source.inserted_before(at):
            hint = "what the template put in may need | json_escape"
        return _Stop(self.finding(message, hint, at))

    def finding(self, message: str, hint: str | None, at: int) -> Finding:
        return self.source.at(*self.source.rendered(at), message, hint)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else text[:60] + "…", ensure_ascii=False)
