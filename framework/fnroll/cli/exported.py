"""`--envfile`: files whose variables are laid over the environment of the run, in the dialect that lambroll reads.

    # a comment                  export is allowed, and means nothing
    export NAME=plain value      # up to a #, without the white space around it
    NAME="with \\n \\" \\u00e9"'and as it stands'

One variable a line; quotes may open and close within a value; the escapes in double quotes are JSON's. Nothing is
expanded. (`fn run --envfile` gives variables to the function, and reads another dialect: envfile.py.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from fnroll.errors import UsageError

_NAME = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][\w./]*)", re.ASCII)
_PART = re.compile(
    r"""(?P<plain>[^"'\#\s]+) | (?P<blank>\s+) | (?P<comment>\#.*)
      | '(?P<single>[^']*)' | (?P<double>"(?:[^"\\]|\\.)*")""",
    re.VERBOSE,
)


def read(path: Path) -> dict[str, str]:
    """The variables of a file. Raises UsageError with its place for one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the environment file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError("the environment file is not UTF-8", where=str(path)) from error
    return parse(text, str(path))


def parse(text: str, path: str) -> dict[str, str]:
    """Raises UsageError with `path` and the line."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            name, value = _line(line, f"{path}:{number}")
            found[name] = value
    return found


def _line(line: str, where: str) -> tuple[str, str]:
    said, equals, rest = line.partition("=")
    match = _NAME.fullmatch(said.strip())
    if not equals or match is None:
        raise UsageError(f"this is not NAME=VALUE: {line[:40]}", where=where)
    return match["name"], _value(rest.strip(), where)


def _value(text: str, where: str) -> str:
    parts: list[str] = []
    kept = at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise UsageError(f"the quote {text[at]} is not closed", where=where)
        at = part.end()
        if part["comment"] is not None:
            break
        if part["double"] is not None:
            parts.append(_unescaped(part["double"], where))
        elif part["single"] is not None:
            parts.append(part["single"])
        else:
            parts.append(part[0])
        if part["blank"] is None:
            kept = len(parts)
    # White space at the end, or before a comment, is no part of it.
    value = "".join(parts[:kept])
    if "\0" in value:
        raise UsageError("a variable cannot hold a NUL byte", where=where)
    return value


def _unescaped(quoted: str, where: str) -> str:
    try:
        return str(json.loads(quoted, strict=False)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except ValueError:
        raise UsageError(f"an escape in {quoted[:40]} is not known", where=where, hint="they are JSON's") from None


def variables(files: Iterable[Path]) -> dict[str, str]:
    """Those of several files; of two with one name the later counts."""
    found: dict[str, str] = {}
    for file in files:
        found |= read(file)
    return found
