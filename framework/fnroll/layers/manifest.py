"""The runtimes at hand: folders with a `runtime.json`, in the project or shipped with `fn`.

Reading and checking manifests lives here, and what follows from one without building anything: which file a Handler
names. A runtime adds no Python code; docs/runtimes.md says how to write one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast

from fnroll import places
from fnroll.errors import LayerError
from fnroll.layers import recipe as recipes
from fnroll.layers.recipe import Recipe

MANIFEST = "runtime.json"
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
ARCHITECTURE = "{architecture}"
"""In a binary's `entry`: Lambda's name of the architecture."""

Kind = Literal["layer", "package", "managed"]


@dataclass(frozen=True, slots=True)
class Modules:
    """What a function may ask for: `file` names the modules, `install` is the command that puts them into `directory`,
    where the loop finds them. Paths below the function's own directory."""

    file: str
    directory: str
    install: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """A custom runtime, as its manifest says.

    `kind`: it travels as a layer, or in the function's own package, or is AWS's and only stood in for here;
    `version`: the oldest interpreter that will do; `base`: the managed runtime that its layer stands on, a function's
    default `Runtime`; `extensions`: of handler files, the preferred one first; `entry`: the program that becomes
    /opt/bootstrap; `files`: what lies under /opt/fn/NAME, relative to `directory`; `licence`: an SPDX expression;
    `command`: the interpreter that must be on the machine, None where the layer brings its own; `binary`: `entry` is
    a program for each architecture; `recipe`: what its self-contained layer for Lambda is made of, if it has one;
    `modules`: how a function's own come.
    """

    name: str
    directory: Path
    version: str
    description: str
    base: str
    architectures: tuple[str, ...]
    extensions: tuple[str, ...]
    example: str
    entry: str
    files: tuple[str, ...]
    licence: str
    command: str | None
    recipe: Recipe | None = None
    kind: Kind = "layer"
    binary: bool = False
    modules: Modules | None = None

    @property
    def self_contained(self) -> bool:
        """Whether its layer runs where nothing is installed, as on Lambda itself."""
        return self.command is None

    def entry_for(self, architecture: str) -> str:
        """The entry's path in the folder."""
        return self.entry.replace(ARCHITECTURE, architecture)


def list_runtimes(project: Path) -> tuple[Runtime, ...]:
    """Every runtime that a definition in `project` may name, by name. Raises LayerError for a broken manifest."""
    return tuple(_read(directory) for _, directory in sorted(_directories(project).items()))


def find_runtime(name: str, project: Path) -> Runtime:
    """The runtime `name`: of `project`/runtimes, else shipped. Raises LayerError, naming the known and the nearest."""
    known = _directories(project)
    if name not in known:
        near = get_close_matches(name, known, 1)
        raise LayerError(
            f"there is no runtime {name!r}; known: {', '.join(sorted(known)) or 'none'}",
            hint=f"did you mean runtime:{near[0]}?" if near else f"a runtime of your own is {_own(project, name)}",
        )
    return _read(known[name])


def handler_file(runtime: Runtime, handler: str, task_dir: Path) -> Path:
    """The file in `task_dir` that `handler` names, whether or not it exists.

    "lib/foo.handle" is foo.pl in lib: split at the last dot, the extension is the runtime's. Of several extensions
    the first whose file exists. Raises LayerError for a handler that names no file inside `task_dir`.
    """
    file, dot, function = handler.rpartition(".")
    parts = file.split("/")
    if not dot or not function or not file or "" in parts or ".." in parts:
        raise LayerError(
            f"Handler {handler!r} names no file", hint=f"the {runtime.name} runtime wants FILE.SUB: {runtime.example}"
        )
    candidates = [task_dir / (file + extension) for extension in runtime.extensions]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _directories(project: Path) -> dict[str, Path]:
    """Name to folder; the project's own hide shipped ones."""
    found: dict[str, Path] = {}
    for root in (places.share_dir("runtimes"), project / "runtimes"):
        if root.is_dir():
            found |= {path.name: path for path in root.iterdir() if (path / MANIFEST).is_file()}
    return found


def _own(project: Path, name: str) -> Path:
    return project / "runtimes" / name / MANIFEST


# The manifest's shape: key -> (what is expected, its check, whether it may be missing).
_Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(map(_is_text, value))


def _is_inside(value: Any) -> bool:
    return _is_text(value) and not value.startswith("/") and ".." not in value.split("/")


_SHAPE: Mapping[str, tuple[str, _Check, bool]] = {
    "name": (
        "the folder's name: lower-case letters, digits and -",
        lambda v: _is_text(v) and bool(NAME.fullmatch(v)),
        False,
    ),
    "version": ("a string", _is_text, False),
    "description": ("a string", _is_text, False),
    "base": ("a string such as provided.al2023", _is_text, False),
    "architectures": (
        'a list of "x86_64" and "arm64"',
        lambda v: _is_texts(v) and set(v) <= {"x86_64", "arm64"},
        False,
    ),
    "kind": ("layer, package or managed", lambda v: v in ("layer", "package", "managed"), True),
    "source": (
        '{"type": "host", "command": NAME}, {"type": "none"} or {"type": "binary"}',
        lambda v: (
            v in ({"type": "none"}, {"type": "binary"})
            or (
                isinstance(v, dict)
                and v.keys() == {"type", "command"}
                and v["type"] == "host"
                and _is_text(v["command"])
            )
        ),
        False,
    ),
    "entry": ("a path inside the folder", _is_inside, False),
    "files": ("a list of paths inside the folder", lambda v: isinstance(v, list) and all(map(_is_inside, v)), True),
    "handler": (
        '{"extensions": [".EXT", ...], "example": "FILE.SUB"}',
        lambda v: (
            isinstance(v, dict)
            and v.keys() == {"extensions", "example"}
            and _is_texts(v["extensions"])
            and all(extension.startswith(".") for extension in v["extensions"])
            and _is_text(v["example"])
        ),
        False,
    ),
    "modules": (
        '{"file": NAME, "directory": PATH, "install": COMMAND}',
        lambda v: (
            isinstance(v, dict)
            and v.keys() == {"file", "directory", "install"}
            and all(map(_is_text, v.values()))
            and _is_inside(v["file"])
            and _is_inside(v["directory"])
        ),
        True,
    ),
    "license": ("an SPDX expression of at most 512 characters", lambda v: _is_text(v) and len(v) <= 512, False),
}


def _read(directory: Path) -> Runtime:
    path = directory / MANIFEST
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LayerError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        place = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise LayerError(f"is not JSON: {error}", where=f"{path}{place}") from error
    problems = _problems(value, directory)
    if problems:
        raise LayerError("\n".join(problems), where=str(path), hint="docs/runtimes.md describes each key")
    source = value["source"]
    return Runtime(
        name=value["name"],
        directory=directory,
        version=value["version"],
        description=value["description"],
        base=value["base"],
        architectures=tuple(value["architectures"]),
        extensions=tuple(value["handler"]["extensions"]),
        example=value["handler"]["example"],
        entry=value["entry"],
        files=tuple(value.get("files", ())),
        licence=value["license"],
        command=source.get("command"),
        recipe=recipes.recipe_of(value["layer"], value["base"]) if "layer" in value else None,
        kind=cast("Kind", value.get("kind", "layer")),
        binary=source["type"] == "binary",
        modules=Modules(**value["modules"]) if "modules" in value else None,
    )


def _problems(value: Any, directory: Path) -> list[str]:
    if not isinstance(value, dict):
        return ["is not a JSON object"]
    problems = []
    for key in value.keys() - _SHAPE.keys() - {"layer"}:
        near = get_close_matches(key, _SHAPE, 1)
        problems.append(f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    for key, (expected, check, optional) in _SHAPE.items():
        if key not in value:
            problems += [] if optional else [f"{key!r} is missing: {expected}"]
        elif not check(value[key]):
            problems.append(f"{key!r} must be {expected}")
    if "layer" in value:
        problems += recipes.problems(value["layer"], value.get("base"))
    if not problems and value["name"] != directory.name:
        problems.append(f"'name' is {value['name']!r} in a folder named {directory.name!r}")
    return sorted(problems or _at_odds(value))


def _at_odds(value: Mapping[str, Any]) -> list[str]:
    """What each key may say, and not all of them together."""
    kind, source = value.get("kind", "layer"), value["source"]["type"]
    found = []
    if kind == "package" and source == "host":
        found.append("'kind' package needs a 'source' that brings all it needs: none or binary")
    if kind != "layer" and "layer" in value:
        found.append(f"'layer' says what a layer is made of, and 'kind' is {kind}")
    if source == "binary" and "layer" in value:
        found.append("'layer' brings an interpreter, and 'source' binary needs none")
    if source != "binary" and ARCHITECTURE in value["entry"]:
        found.append(f"'entry' may hold {ARCHITECTURE} only where 'source' is binary")
    if source == "binary" and len(value["architectures"]) > 1 and ARCHITECTURE not in value["entry"]:
        found.append(f"'entry' must hold {ARCHITECTURE}: a program is for one architecture")
    return found
