"""A runtime ready to be tested: its layer unpacked, its test handlers in a package, and what it goes without.

The handlers lie in the runtime's folder under `conformance/`, with an optional `suite.json`:

    {"without": {"CASE": "why"}, "handler": "handler.handle", "managed": "python3.12"}

`without` names cases that the language or its conventions rule out; the reason is shown. `handler`: else the manifest's
example. `managed`: the runtime stands in for this one of AWS's and has no layer (its folder is /var/runtime).

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

from fnroll import places
from fnroll.archive import unpack
from fnroll.conformance.cases import CASES, Handler
from fnroll.errors import LayerError, UsageError
from fnroll.layers import build, find_runtime, self_contained
from fnroll.layers.manifest import MANIFEST
from fnroll.layers.selfcontained import Say, silent

FOLDER = "conformance"
SUITE = "suite.json"
_KEYS = {"without": dict, "handler": str, "managed": str}
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
        directory = _shipped_managed(name) or find_runtime(name, project).directory
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
    if "managed" in told:
        runtime, handler = told["managed"], told.get("handler", "handler.handle")
        return Subject(directory.name, task, None, runtime, handler, told.get("without", {}), False)
    home = scratch / "runtimes"
    home.mkdir()
    shutil.copytree(directory, home / directory.name)
    runtime = find_runtime(directory.name, scratch)
    if architecture is not None and runtime.recipe is not None:
        layer = self_contained(runtime, architecture, say=say)
    else:
        layer = build(f"runtime:{directory.name}", scratch)
    assert layer.runtime is not None
    opt = scratch / "opt"
    unpack(layer.data, opt)
    handler = told.get("handler", layer.runtime.example)
    without = told.get("without", {})
    return Subject(directory.name, task, opt, layer.runtime.base, handler, without, layer.self_contained)


def _program(directory: Path, scratch: Path) -> Subject:
    task = scratch / "task"
    shutil.copytree(directory, task)
    without = _NO_FILES | _suite(directory / SUITE).get("without", {})
    return Subject(directory.name, task, None, "provided.al2023", "bootstrap", without, True)


def _shipped_managed(name: str) -> Path | None:
    """A stand-in for AWS's own client, which no definition names as a layer."""
    directory = places.share_dir("runtimes") / name
    return directory if "managed" in _suite(directory / FOLDER / SUITE) else None


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
