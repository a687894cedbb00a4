"""Files of NAME=VALUE lines: one pure parser, and the names that a function's variables may not have.

    # a comment                     export is allowed, and means nothing
    export NAME=plain value         # up to white space and a #; without the white space at its end
    NAME='as it stands, over
    several lines'
    NAME="with \\n \\r \\t \\" \\\\ and \\$"

Nothing is expanded: what stands there is what the function gets. Of two lines with one name the later counts.
"""

from __future__ import annotations

import re
from pathlib import Path

from fnroll.definition.rules import RESERVED_VARIABLES
from fnroll.errors import UsageError

_START = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_PLAIN = re.compile(r"(?:(?![ \t]#)[^\n])*")
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_QUOTED = {
    "'": re.compile(r"'([^']*)'"),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

_INSTEAD = {
    "AWS_REGION": "--region chooses the region",
    "AWS_DEFAULT_REGION": "--region chooses the region",
    "AWS_ACCESS_KEY_ID": "--aws-credentials gives the function your own",
    "AWS_SECRET_ACCESS_KEY": "--aws-credentials gives the function your own",
    "AWS_SESSION_TOKEN": "--aws-credentials gives the function your own",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "--memory sets it",
}


def parse(text: str, path: str) -> dict[str, str]:
    """The variables of one file. Raises UsageError with `path` and the line."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if blank := _REST.match(text, at):
            at = max(blank.end(), at + 1)
            continue
        if text[at] in " \t":
            at += 1
            continue
        start = _START.match(text, at)
        if start is None:
            line = text[at:].partition("\n")[0]
            raise UsageError(f"this is not NAME=VALUE: {line[:40]}", where=_place(path, text, at))
        where = _place(path, text, at)
        check_name(start[1], where)
        found[start[1]], at = _value(text, start.end(), where)
        if "\0" in found[start[1]]:
            raise UsageError("a variable cannot hold a NUL byte", where=where)
    return found


def _value(text: str, at: int, where: str) -> tuple[str, int]:
    """The value that begins at `at`, and where the next line begins."""
    quote = text[at : at + 1]
    if quote not in _QUOTED:
        plain = _PLAIN.match(text, at)
        assert plain is not None
        value, end = plain[0].rstrip(), plain.end()
        if value.startswith("#") and text[at - 1] in " \t":
            value = ""
    else:
        quoted = _QUOTED[quote].match(text, at)
        if quoted is None:
            raise UsageError(f"the quote {quote} is not closed", where=where)
        value, end = quoted[1], quoted.end()
        if quote == '"':
            value = _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), value)
    rest = _REST.match(text, end)
    if rest is None:
        raise UsageError("something follows the closing quote", where=where)
    return value, rest.end()


def _place(path: str, text: str, at: int) -> str:
    return f"{path}:{text.count(chr(10), 0, at) + 1}"


def read(path: Path) -> dict[str, str]:
    """Raises UsageError for a file that cannot be read or parsed."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"cannot read the environment file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError("the environment file is not UTF-8", where=str(path)) from error


def variable(item: str) -> tuple[str, str]:
    """NAME=VALUE from the command line. Raises UsageError."""
    name, equals, value = item.partition("=")
    if not name or not equals:
        raise UsageError(f"--env takes NAME=VALUE, not {item!r}")
    check_name(name, "--env")
    return name, value


def check_name(name: str, where: str) -> None:
    if name in RESERVED_VARIABLES:
        raise UsageError(f"{name} is set by Lambda and cannot be given", where=where, hint=_INSTEAD.get(name))
