"""Is an event JSON? And if not, the words of AWS's parser (Jackson) about it. Pure."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from fnroll.cloud.faults import Fault

_VALUE = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"
_TOKEN = re.compile(r"[A-Za-z0-9_$]+")
_EXPECTED = (
    ("Expecting ':'", "was expecting a colon to separate field name and value"),
    ("Expecting ','", "was expecting comma to separate entries"),
    ("Expecting property name", "was expecting double-quote to start field name"),
)


def check_json(body: bytes) -> None:
    """Fault InvalidRequestContent unless `body` is one JSON value in UTF-8."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _fault(*_undecodable(body, error)) from None
    try:
        _, end = _DECODER.raw_decode(text)
        if end == len(text):
            return  # as most are: one value, and nothing around it
    except (ValueError, RecursionError):
        pass  # the parser as a whole says what is wrong, and where
    try:
        _load(text)
    except json.JSONDecodeError as error:
        raise _fault(*_unparsable(text, error)) from None
    except RecursionError:
        deep = "Document nesting depth (1001) exceeds the maximum allowed (1000, from "
        raise _fault(f"{deep}`StreamReadConstraints.getMaxNestingDepth()`)", text, 0) from None


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("Non-standard token", name, 0)


# Numbers are looked at, not converted: their length is not ours to limit, nor to pay for.
_DECODER = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_refuse_constant)


def _load(text: str) -> None:
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
    _DECODER.decode(text)


def _undecodable(body: bytes, error: UnicodeDecodeError) -> tuple[str, str, int]:
    """Jackson decodes only within strings: a bad byte elsewhere is an unexpected character."""
    text = body.decode("latin-1")
    try:
        _load(text)
    except json.JSONDecodeError as found:
        if found.pos <= error.start and text[found.pos : found.pos + 1] != '"':
            return _unparsable(text, found)
    except RecursionError:
        pass
    if error.reason == "invalid start byte":
        return f"Invalid UTF-8 start byte 0x{body[error.start]:02x}", text, error.start + 1
    middle = min(error.start + 1, len(body) - 1)
    return f"Invalid UTF-8 middle byte 0x{body[middle]:02x}", text, middle + 1


def _unparsable(text: str, error: json.JSONDecodeError) -> tuple[str, str, int]:
    if error.msg == "Non-standard token":
        place = text.find(error.doc)
        wanted = "`JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
        return f"Non-standard token '{error.doc}': enable {wanted}", text, place + len(error.doc)
    place = error.pos
    if error.msg.startswith("Unterminated string"):
        return "Unexpected end-of-input: was expecting closing quote for a string value", text, len(text)
    if place >= len(text):
        return "Unexpected end-of-input within/between entries", text, len(text)
    if error.msg.startswith("Invalid control character"):
        code = f"(CTRL-CHAR, code {ord(text[place])})"
        return (
            f"Illegal unquoted character ({code}): has to be escaped using backslash to be included in string value",
            text,
            place + 1,
        )
    token = _TOKEN.match(text, place)
    if token is not None and (error.msg.startswith("Expecting value") or error.msg == "Extra data"):
        return f"Unrecognized token '{token[0]}': was expecting ({_VALUE})", text, token.end()
    wanted = next(
        (words for prefix, words in _EXPECTED if error.msg.startswith(prefix)), f"expected a valid value ({_VALUE})"
    )
    return f"Unexpected character ({_character(text[place])}): {wanted}", text, place + 1


def _character(letter: str) -> str:
    code = ord(letter)
    return f"(CTRL-CHAR, code {code})" if code < 32 or 127 <= code < 160 else f"'{letter}' (code {code})"


def _fault(message: str, text: str, consumed: int) -> Fault:
    """`consumed`: how many characters the parser had taken in when it gave up."""
    line = text.count("\n", 0, consumed) + 1
    column = consumed - (text.rfind("\n", 0, consumed) + 1) + 1
    return Fault(
        "InvalidRequestContentException",
        f"Could not parse request body into json: Could not parse payload into json: {message}\n at [Source: REDACTED "
        f"(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]",
    )
