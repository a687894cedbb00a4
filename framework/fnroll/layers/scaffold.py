"""What `fn init` and `fn runtime new` start from: folders of text files with tokens in them, such as `__NAME__`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from fnroll import places
from fnroll.errors import LayerError, UsageError
from fnroll.layers.manifest import NAME as RUNTIME_NAME

NAME_TOKEN = "__NAME__"
SKELETON = "_runtime"
_COMMENTS = {
    ".lua": "--",
    ".sql": "--",
    ".hs": "--",
    ".js": "//",
    ".mjs": "//",
    ".ts": "//",
    ".scm": ";;",
    ".lisp": ";;",
}
"""How a line of comment begins, by the extension; # in all others."""

_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def list_templates() -> tuple[str, ...]:
    """The names of the templates shipped, sorted. Each is the name of the runtime that it is for."""
    root = places.share_dir("templates")
    if not root.is_dir():
        return ()
    return tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and path.name != SKELETON))


def write_template(runtime: str, name: str, target: Path) -> tuple[Path, ...]:
    """Write the template for `runtime` to `target`, for a function called `name`; the files written, sorted.

    Raises UsageError for a name that Lambda would not take; LayerError for an unknown template, for a `target` that
    holds something already, and for one that cannot be written.
    """
    if not _FUNCTION_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a function", hint="Lambda takes 1 to 64 letters, digits, - and _"
        )
    known = list_templates()
    if runtime not in known:
        near = get_close_matches(runtime, known, 1)
        raise LayerError(
            f"there is no template for {runtime!r}; known: {', '.join(known) or 'none'}",
            hint=f"did you mean {near[0]}?" if near else None,
        )
    return _write(runtime, target, {NAME_TOKEN: name})


def write_runtime(name: str, command: str, extension: str, project: Path) -> tuple[Path, ...]:
    """Write the skeleton of a runtime to `project`/runtimes/NAME; the files written, sorted. `command` is its
    interpreter, `extension` what handler files end in. Raises UsageError and LayerError."""
    if not RUNTIME_NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a runtime", hint="write lower-case letters, digits and -")
    if not re.fullmatch(r"\.[A-Za-z0-9]+", extension):
        raise UsageError(f"{extension!r} is no extension of a file", hint="write it as in --extension .lua")
    if not re.fullmatch(r"[A-Za-z0-9._+-]+", command):
        raise UsageError(f"{command!r} is no program's name", hint="write it as in --command lua")
    tokens = {NAME_TOKEN: name, "__COMMAND__": command, "__EXT__": extension}
    return _write(SKELETON, project / "runtimes" / name, tokens | {"__COMMENT__": _COMMENTS.get(extension, "#")})


def _write(template: str, target: Path, tokens: Mapping[str, str]) -> tuple[Path, ...]:
    source = places.share_dir("templates") / template
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise LayerError("is there already, and is not empty", where=str(target), hint="choose another name")
        return tuple(
            _copy(path, target / _filled(str(path.relative_to(source)), tokens), tokens) for path in _files(source)
        )
    except OSError as error:
        raise LayerError(f"cannot be written: {error.strerror}", where=str(error.filename or target)) from error


def _filled(text: str, tokens: Mapping[str, str]) -> str:
    for token, value in tokens.items():
        text = text.replace(token, value)
    return text


def _files(source: Path) -> list[Path]:
    return sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _copy(source: Path, target: Path, tokens: Mapping[str, str]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8", newline="") as file:
        file.write(_filled(source.read_text(encoding="utf-8"), tokens))
    shutil.copymode(source, target)
    return target
