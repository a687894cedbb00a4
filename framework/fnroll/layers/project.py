"""What a function is made of: its definition, the files of its package, the layers built beside it.

The one place where the three meet, for everything that runs or ships a project. Everything that can be known before
anything is run or sent is found here: a runtime that does not exist, a handler that is missing or excluded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from fnroll.archive import (
    MAX_ZIPPED,
    Cache,
    Entry,
    IgnoreRules,
    Package,
    Style,
    Survey,
    load_rules,
    pack,
    survey,
    unpack_layers,
)
from fnroll.archive.pipeline import Progress, silent
from fnroll.archive.stage import stage
from fnroll.definition import Definition
from fnroll.errors import ArchiveError, DefinitionError, Finding, LayerError
from fnroll.layers.build import RUNTIME_PREFIX, LayerPackage, build, runtime_files
from fnroll.layers.manifest import Runtime, find_runtime, handler_file
from fnroll.layers.native import check_program, foreign_libraries
from fnroll.layers.selfcontained import Say
from fnroll.layers.selfcontained import silent as said_to_nobody
from fnroll.places import cache_dir

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """A project, read: nothing in it is missing, nothing was written yet.

    `root`: where the code lies; `survey`: what of it goes into the package and what `rules` kept out; `layers` in the
    definition's order: an ARN stays a string, `runtime:NAME` and `./DIR` are built; `inside`: the runtime that is part
    of the package.
    """

    definition: Definition
    root: Path
    rules: IgnoreRules
    survey: Survey
    layers: tuple[str | LayerPackage, ...]
    inside: Runtime | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.survey.entries

    @property
    def built_layers(self) -> tuple[LayerPackage, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, LayerPackage))

    @property
    def foreign_layers(self) -> tuple[str, ...]:
        """The ARNs: layers that are not on this machine."""
        return tuple(layer for layer in self.layers if isinstance(layer, str))

    def package(self, dest: Path | None = None, *, limit: bool = True, progress: Progress = silent) -> Package:
        """The zip to ship; with `dest` also as a file there. Raises ArchiveError over Lambda's limits; `limit` False:
        it does not travel inside a request. `progress`: see archive.pack."""
        cache = Cache(cache_dir() / "archive", self.root)
        return pack(self.entries, dest=dest, limit=MAX_ZIPPED if limit else None, cache=cache, progress=progress)

    def stage(self, scratch: Path) -> tuple[Path, Path | None]:
        """Lay the function out to be run: the directories for /var/task and /opt (None without layers).

        /var/task is made below `scratch`; /opt is kept in the cache by content, so the next run finds it ready.
        """
        task = scratch / "task"
        stage(self.entries, task)
        return task, _opt_directory(self.built_layers) if self.built_layers else None


def assemble(
    definition: Definition,
    *,
    exclude_file: Path | None = None,
    keep_links: bool = False,
    src: Path | None = None,
    style: Style | None = None,
    architecture: str | None = None,
    say: Say = said_to_nobody,
) -> Parts:
    """Read the project that `definition` stands in; the code lies in `src` if that is given. `style`: what the ignore
    rules mean (archive.load_rules); `architecture` and `say`: see
    layers.build. Raises DefinitionError, LayerError and ArchiveError."""
    home = definition.directory
    root = src or home
    inside = _packed_runtime(definition)
    layers = tuple(
        entry if entry.startswith("arn:") else build(entry, home, architecture=architecture, say=say)
        for entry in definition.layers
        if inside is None or entry != f"{RUNTIME_PREFIX}{inside.name}"
    )
    rules = load_rules(home, exclude_file, style=style)
    found = survey(root, rules, keep_links=keep_links)
    runtimes = [layer.runtime for layer in layers if isinstance(layer, LayerPackage) and layer.runtime is not None]
    for runtime in (*runtimes, *([inside] if inside else [])):
        _check_handler(definition, runtime, found.entries, rules, root)
        _say_what_is_not_installed(runtime, found.entries, root, say)
    if inside is not None:
        found = _with_runtime(found, inside, architecture)
    if architecture is not None:
        check_program(definition, found.entries, architecture)
        if foreign := foreign_libraries(found.entries, architecture):
            more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
            say(f"not for {architecture}, which the function runs on: {', '.join(foreign[:_SHOWN])}{more}")
    return Parts(definition, root, rules, found, layers, inside)


def _packed_runtime(definition: Definition) -> Runtime | None:
    """The runtime that travels in the package, not as a layer."""
    names = [entry.removeprefix(RUNTIME_PREFIX) for entry in definition.layers if entry.startswith(RUNTIME_PREFIX)]
    runtimes = (find_runtime(name, definition.directory) for name in names)
    return next((runtime for runtime in runtimes if runtime.kind == "package"), None)


def _with_runtime(found: Survey, runtime: Runtime, architecture: str | None) -> Survey:
    own = runtime_files(runtime, architecture)
    if twice := {entry.name for entry in found.entries} & {entry.name for entry in own}:
        raise LayerError(
            f"the package and the runtime {runtime.name} both have the file {min(twice)}",
            hint="rename yours, leave it out by .lambdaignore, or leave the runtime out of Layers",
        )
    return replace(found, entries=tuple(sorted((*found.entries, *own), key=lambda entry: entry.name)))


def _check_handler(
    definition: Definition, runtime: Runtime, entries: tuple[Entry, ...], rules: IgnoreRules, root: Path
) -> None:
    """The file that Handler names is there, and in the package."""
    if definition.handler is None:
        raise DefinitionError(
            Finding(f"Handler is missing: the {runtime.name} runtime needs to know what to call", definition.where(""))
        )
    path = handler_file(runtime, definition.handler, root)
    name = path.relative_to(root).as_posix()
    if not path.is_file():
        raise DefinitionError(
            Finding(
                f"the handler file {name} does not exist (Handler is {definition.handler})",
                definition.where("/Handler"),
                hint=f"for the {runtime.name} runtime FILE.SUB names the sub SUB in FILE{runtime.extensions[0]}",
            )
        )
    if name not in {entry.name for entry in entries}:
        rule = rules.decide(name, False).rule
        raise ArchiveError(
            f"the handler file {name} is excluded by {rule}",
            hint="without it the function cannot start: change the rule, or move the handler"
            if rule is None or rule.line
            else "built-in excludes always apply: move the handler",
        )


def _say_what_is_not_installed(runtime: Runtime, entries: tuple[Entry, ...], root: Path, say: Say) -> None:
    """No error: what the file asks for may lie in a layer, or be there for tests alone."""
    wanted = runtime.modules
    if wanted is None or not (root / wanted.file).is_file():
        return
    if not (root / wanted.directory).is_dir():
        say(f"{wanted.file} asks for modules, and {wanted.directory} is not there: {wanted.install}")
    elif not any(entry.name.startswith(f"{wanted.directory}/") for entry in entries):
        say(f"{wanted.file} asks for modules, and the ignore rules leave {wanted.directory} out of the package")


def _opt_directory(layers: tuple[LayerPackage, ...]) -> Path:
    """The layers merged in order, unpacked once for their contents."""
    key = hashlib.sha256(" ".join(layer.code_sha256 for layer in layers).encode()).hexdigest()[:32]
    target = cache_dir() / "opt" / key
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            unpack_layers([layer.data for layer in layers], target)
        except ArchiveError:
            # Another run may have made it meanwhile: it is put there whole, in one step, under the same contents' name.
            if not target.is_dir():
                raise
    return target
