"""The templates that `fn init` starts from: folders of text files, with `__NAME__` for the function's name."""

from __future__ import annotations

import re
import shutil
from difflib import get_close_matches
from pathlib import Path

from fnroll import places
from fnroll.errors import LayerError, UsageError

NAME_TOKEN = "__NAME__"
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def list_templates() -> tuple[str, ...]:
    """The names of the templates shipped, sorted. Each is the name of the runtime that it is for."""
    root = places.share_dir("templates")
    return tuple(sorted(path.name for path in root.iterdir() if path.is_dir())) if root.is_dir() else ()


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
    source = places.share_dir("templates") / runtime
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise LayerError("is there already, and is not empty", where=str(target), hint="choose another name")
        return tuple(_copy(path, target / path.relative_to(source), name) for path in _files(source))
    except OSError as error:
        raise LayerError(f"cannot be written: {error.strerror}", where=str(error.filename or target)) from error


def _files(source: Path) -> list[Path]:
    return sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _copy(source: Path, target: Path, name: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8", newline="") as file:
        file.write(source.read_text(encoding="utf-8").replace(NAME_TOKEN, name))
    shutil.copymode(source, target)
    return target
