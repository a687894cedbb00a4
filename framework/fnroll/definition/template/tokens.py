"""A template's text to its pieces: plain text and actions.

`{{-` and `-}}` with white space at their inner side trim the white space at their outer side; `{{/* */}}` is a comment.
An action becomes tokens with their offsets. What cannot be read is a fault at its offset; reading goes on after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SPACES = " \t\r\n"
LITERAL = 'a literal {{ is written {{ "{{" }}'
STRINGS = 'strings are written "..." on one line, or `...`'

_BLANK = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r"""
      `(?P<raw>[^`]*)`
    | "(?P<quoted>(?:[^"\\\n]|\\.)*)"
    | (?P<char>'(?:[^'\\\n]|\\[^\n]+?)')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
                 |(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))
    | (?P<field>\.[^\W\d]\w*)
    | (?P<variable>\$\w*)
    | (?P<name>[^\W\d]\w*)
    | (?P<mark>:=|[=,()|.])
    | (?P<other>(?:(?!\}\})[^\s|()])+)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_AFTER = re.compile(r"[\w\"'`$]")


class Fault(Exception):
    """Something wrong at an offset of the source."""

    def __init__(self, offset: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: value, field, variable, name or mark; `text` as written (a field without its dot); `value` of a literal.
    `joined`: no white space stands before it."""

    kind: str
    text: str
    offset: int
    joined: bool
    value: Any = None


@dataclass(frozen=True, slots=True)
class Plain:
    """Text that is copied: from `start` to `end` of the source."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Action:
    """One `{{ }}`: where it starts, and its tokens."""

    start: int
    tokens: tuple[Token, ...]


def pieces(text: str, faults: list[Fault]) -> Iterator[Plain | Action]:
    """The pieces in order; comments are none. What cannot be read is added to `faults` and left out."""
    at, trim = 0, False
    while (start := text.find("{{", at)) >= 0:
        if trim:
            at = min(_skip(text, at), start)
        trim_left = text.startswith("{{-", start) and text[start + 3 : start + 4] in tuple(SPACES)
        end = start
        while trim_left and end > at and text[end - 1] in SPACES:
            end -= 1
        yield Plain(at, end)
        try:
            action, at, trim = _action(text, start, start + (3 if trim_left else 2))
        except Fault as error:
            end = text.find("\n", start)
            closed = "}}" in text[start : end if end >= 0 else None]
            fault = error if closed else Fault(start, "this {{ is not closed", LITERAL)
            faults.append(fault)
            closing = text.find("}}", fault.offset)
            at, trim = (closing + 2 if closing >= 0 else len(text)), False
            continue
        if action is not None:
            yield action
    yield Plain(_skip(text, at) if trim else at, len(text))


def _action(text: str, start: int, at: int) -> tuple[Action | None, int, bool]:
    """One action from after its `{{`; the offset after its end, and whether it trims there. None for a comment."""
    inside = _skip(text, at) if at == start + 3 else at
    if text.startswith("/*", inside):
        return None, *_comment(text, start, inside)
    tokens: list[Token] = []
    while True:
        here = _skip(text, at)
        trims = here > at and text.startswith("-}}", here)
        if trims or text.startswith("}}", here):
            if not tokens:
                raise Fault(start, "this action is empty", LITERAL)
            return Action(start, tuple(tokens)), here + (3 if trims else 2), trims
        match = _TOKEN.match(text, here)
        if match is None:
            raise Fault(start, "this {{ is never closed", LITERAL)
        tokens.append(_token(match, here == at, text))
        at = match.end()


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _comment(text: str, start: int, at: int) -> tuple[int, bool]:
    end = text.find("*/", at + 2)
    if end < 0:
        raise Fault(start, "this comment is never closed", "a comment is written {{/* ... */}}")
    if text.startswith("}}", end + 2):
        return end + 4, False
    closing = _skip(text, end + 2)
    if closing > end + 2 and text.startswith("-}}", closing):
        return closing + 3, True
    raise Fault(end, "a comment must end its action", "write */}} or */ -}}")


def _token(match: re.Match[str], joined: bool, text: str) -> Token:
    offset, kind = match.start(), match.lastgroup or "other"
    said = match[kind]
    if kind in ("raw", "quoted", "char", "number") and _AFTER.match(text, match.end()):
        raise Fault(offset, f"{shown(match[0])} runs into what follows it", "put a space between the two")
    if kind == "raw":
        return Token("value", match[0], offset, joined, said.replace("\r", ""))
    if kind == "quoted":
        return Token("value", match[0], offset, joined, _unescaped(said, offset, '"'))
    if kind == "char":
        return Token("value", said, offset, joined, _character(said, offset))
    if kind == "number":
        return Token("value", said, offset, joined, _number(said, offset))
    if kind == "field":
        return Token("field", said[1:], offset, joined)
    if kind == "name" and said in ("true", "false"):
        return Token("value", said, offset, joined, said == "true")
    if kind == "other":
        raise _unreadable(said, offset)
    return Token(kind, said, offset, joined)


def _unreadable(said: str, offset: int) -> Fault:
    if said[0] in "\"'`":
        return Fault(offset, f"a string that starts with {said[0]} is not closed or not a string", STRINGS)
    if said.startswith("/*"):
        return Fault(offset, "a comment must follow its {{ at once", "write {{/* ... */}}")
    return Fault(offset, f"unexpected {shown(said)} in a template action", 'write {{ env "NAME" "default" }}')


def _character(said: str, offset: int) -> int:
    value = _unescaped(said[1:-1], offset, "'")
    if len(value) != 1:
        raise Fault(offset, f"{said} is not one character", STRINGS)
    return ord(value)


def _number(said: str, offset: int) -> int | float:
    plain = said.replace("_", "")
    whole = plain.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") or plain.lstrip("+-").isdigit()
    try:
        # Go reads 017 as octal.
        octal = re.fullmatch(r"[+-]?0[0-7]+", plain)
        value = float(plain) if not whole else int(plain, 8) if octal else int(plain, 0)
    except ValueError:
        raise Fault(offset, f"{shown(said)} is not a number") from None
    if abs(value) >= 2**63 if whole else abs(value) == float("inf"):
        raise Fault(offset, f"the number {shown(said)} is too large")
    return value


def _unescaped(said: str, offset: int, quote: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[2] or match[3]
        if code is not None:
            number = int(code, 16)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                raise Fault(offset, f"{match[0]} is not a character", STRINGS)
            return chr(number)
        # Bytes beyond ASCII alone are no text; U+FFFD stands for them in what Go makes of it, too.
        byte = int(match[1], 16) if match[1] else int(match[4], 8) if match[4] else None
        if byte is not None:
            return chr(byte) if byte < 128 else "\ufffd"
        if match[5] == quote:
            return quote
        if match[5] not in _ESCAPES:
            raise Fault(offset, f"unknown escape {match[0]} in a template string", "inside `...` nothing is escaped")
        return _ESCAPES[match[5]]

    return _ESCAPE.sub(one, said)


def shown(text: str) -> str:
    """A piece of the source as a message quotes it."""
    return json.dumps(text if len(text) <= 20 else text[:20] + "…", ensure_ascii=False)
