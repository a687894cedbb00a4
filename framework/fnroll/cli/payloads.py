"""The events of `fn invoke`: JSON values in a row, taken apart without being changed by a byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

from fnroll.errors import UsageError

_SPACE = " \t\n\r"


def values(data: bytes, name: str, hint: str | None = None) -> Iterator[bytes]:
    """Each JSON value of `data`, in its own bytes: `{"a":1} [2]\n"x"` -> three. Nothing in `data`: none.

    Raises UsageError with place and reason for what is no JSON or no UTF-8; `name` says where `data` came from,
    `hint` how to mend it.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the payload is not UTF-8: byte {error.start}", where=name, hint=hint) from error
    at = _skip(text, 0)
    while at < len(text):
        try:
            end = _end(text, at, name)
        except UsageError as error:
            error.hint = hint
            raise
        yield text[at:end].encode()
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _end(text: str, at: int, name: str) -> int:
    try:
        _, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise UsageError(f"the payload is not JSON: {error.msg}", where=_place(text, error.pos, name)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the payload is not JSON: {error}", where=_place(text, at, name)) from error
    # `12true` would be two values to the decoder; a typing error is what it is.
    if end < len(text) and text[end - 1] not in '}]"' and text[end] not in _SPACE + '{["':
        raise UsageError("the payload is not JSON: a value runs into the next", where=_place(text, end, name))
    return int(end)


def _place(text: str, at: int, name: str) -> str:
    line = text.count("\n", 0, at) + 1
    return f"{name}:{line}:{at - text.rfind(chr(10), 0, at)}"


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no value of JSON")


# Numbers are not turned into numbers: they may be longer than Python takes, and nobody looks at them.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=str, parse_float=str)
