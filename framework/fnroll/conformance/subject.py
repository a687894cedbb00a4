"""A runtime ready to be tested: its layer unpacked, its test handlers in a package, and what it goes without.

The handlers lie in the runtime's folder under `conformance/`, with an optional `suite.json`:

    {"without": {"CASE": "why"}, "handler": "handler.handle"}

`without` names cases that the language or its conventions rule out; the reason is shown. `handler`: else the manifest's
example. A managed runtime has no layer: fn stands in for AWS's client (its folder is /var/runtime).

A program of its own (Go, Rust, C) is tested as the package that it is: a directory with `bootstrap` and no manifest,
where suite.json may lie too. It has no handler files, and so goes without the cases about them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fnroll.archive import unpack
from fnroll.archive.stage import stage
from fnroll.conformance.cases import CASES, Handler
from fnroll.errors import LayerError, UsageError
from fnroll.layers import build, find_runtime
from fnroll.layers.build import runtime_files
from fnroll.layers.manifest import MANIFEST
from fnroll.layers.selfcontained import Say, silent

FOLDER = "conformance"
SUITE = "suite.json"
_KEYS = {"without": dict, "handler": str}
_NO_FILES = {case.name: "a program of its own has no handler files" for case in CASES if case.handler != "good"}


@dataclass(frozen=True, slots=True)
class Subject:
    """`task` and `opt` as a function would have them; `runtime`: what its definition would say."""

    name: str
    task: Path
    opt: Path | None
    runtime: str
    handler: str
    without: Mapping[str, str]
    self_contained: bool

    def handler_for(self, kind: Handler) -> str:
        """The value of Handler for a case."""
        file, _, function = self.handler.rpartition(".")
        folder, slash, _ = file.rpartition("/")
        return {
            "good": self.handler,
            "malformed": "nodot",
            "no file": f"{folder}{slash}absent.{function}",
            "no function": f"{file}.nothere",
            "broken": f"{folder}{slash}broken.{function}",
            "raises": f"{folder}{slash}raises.{function}",
        }[kind]


def prepare(name: str, project: Path, scratch: Path, architecture: str | None = None, say: Say = silent) -> Subject:
    """Lay out the runtime `name`: a folder with a manifest, else one that `project` may name. `scratch` is an empty
    directory that has to live as long as the subject. `architecture`: take its layer for
    that, which brings its interpreter, if it has one; `say`: see layers.build.

    Raises LayerError, ArchiveError, UsageError."""
    directory = project / name
    if "/" in name or name in (".", "..") or (directory / MANIFEST).is_file():
        directory = directory.resolve()
        if not directory.is_dir():
            raise UsageError("there is no such directory", where=name)
    else:
        directory = find_runtime(name, project).directory
    if (directory / "bootstrap").is_file() and not any((directory / name).exists() for name in (MANIFEST, FOLDER)):
        return _program(directory, scratch)
    handlers = directory / FOLDER
    if not handlers.is_dir():
        raise LayerError(
            "the runtime has no handlers to be tested with",
            where=str(handlers),
            hint="docs/runtimes.md says what they have to do; fn runtime new writes a skeleton",
        )
    told = _suite(handlers / SUITE)
    task = scratch / "task"
    shutil.copytree(handlers, task, ignore=shutil.ignore_patterns(SUITE, "__pycache__"))
    home = scratch / "runtimes"
    home.mkdir()
    shutil.copytree(directory, home / directory.name)
    runtime = find_runtime(directory.name, scratch)
    handler, without = told.get("handler", runtime.example), told.get("without", {})
    if runtime.kind == "managed":
        return Subject(runtime.name, task, None, runtime.base, handler, without, False)
    if runtime.kind == "package":
        stage(runtime_files(runtime, architecture), scratch / "runtime")
        shutil.copytree(scratch / "runtime", task, dirs_exist_ok=True)
        return Subject(runtime.name, task, None, runtime.base, handler, without, True)
    layer = build(f"runtime:{runtime.name}", scratch, architecture=architecture, say=say)
    opt = scratch / "opt"
    unpack(layer.data, opt)
    return Subject(runtime.name, task, opt, runtime.base, handler, without, layer.self_contained)


def _program(directory: Path, scratch: Path) -> Subject:
    task = scratch / "task"
    shutil.copytree(directory, task)
    without = _NO_FILES | _suite(directory / SUITE).get("without", {})
    return Subject(directory.name, task, None, "provided.al2023", "bootstrap", without, True)


def _suite(path: Path) -> dict[str, Any]:
    """What suite.json says; nothing where there is none. Raises LayerError."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LayerError(f"is not JSON: {error}", where=str(path)) from error
    if not isinstance(value, dict):
        raise LayerError("is not a JSON object", where=str(path))
    for key, member in value.items():
        if key not in _KEYS or not isinstance(member, _KEYS[key]):
            raise LayerError(
                f"does not know {key!r} with {member!r}", where=str(path), hint=f"known: {', '.join(_KEYS)}"
            )
    known = [case.name for case in CASES]
    for name, reason in value.get("without", {}).items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else None
            raise LayerError(f"there is no case {name!r}", where=str(path), hint=hint)
        if not isinstance(reason, str) or not reason:
            raise LayerError(f"says nothing about why {name!r} is left out", where=str(path))
    return value
