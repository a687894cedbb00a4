"""A `Layers` entry of ours to a layer zip: `runtime:NAME`, or `./DIR` as it is.

The zip is a function of content alone, so its digest says whether a version of it was published before: the digest
stands in the layer version's Description, which ListLayerVersions gives, and CodeSha256 confirms it (GetLayerVersion).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from fnroll.archive import MAX_ZIPPED, Entry, Package, load_rules, pack, scan
from fnroll.archive.limits import human
from fnroll.errors import LayerError
from fnroll.layers.elf import of_this_machine
from fnroll.layers.launcher import HERE
from fnroll.layers.manifest import MANIFEST, Runtime, find_runtime
from fnroll.layers.native import check_executable
from fnroll.layers.selfcontained import Say, build_self_contained, silent
from fnroll.layers.supply import Supply

RUNTIME_PREFIX = "runtime:"
_LAYER_NAME = re.compile(r"[A-Za-z0-9_-]{1,140}")


@dataclass(frozen=True, slots=True)
class LayerPackage:
    """A layer, ready for PublishLayerVersion.

    `name`: its LayerName; `code_sha256`: base64, as Lambda gives it; `digest`: hex, over the files;
    `description`: what finds it again; `license`: LicenseInfo; `self_contained`: False if it needs an interpreter of
    this machine, and so cannot run on AWS; `runtime`: set for `runtime:NAME`; `unzipped_size` in bytes;
    `architecture`: the one it was built for, None where it does not matter.
    """

    name: str
    data: bytes
    code_sha256: str
    digest: str
    description: str
    license: str | None
    self_contained: bool
    runtime: Runtime | None
    unzipped_size: int
    architecture: str | None = None


def build(entry: str, project: Path, *, architecture: str | None = None, say: Say = silent) -> LayerPackage:
    """Build `entry` of the definition in `project`. `architecture`: make a runtime's layer that brings its interpreter,
    where its manifest says how; None: one that runs on this machine's.

    Raises LayerError, and ArchiveError for what cannot be packed."""
    if entry.startswith(RUNTIME_PREFIX):
        runtime = find_runtime(entry.removeprefix(RUNTIME_PREFIX), project)
        if architecture is not None and not runtime.self_contained and runtime.recipe is not None:
            return self_contained(runtime, architecture, say=say)
        if runtime.kind == "package":
            raise LayerError(f"the runtime {runtime.name} is no layer: it travels in the function's own package")
        layer = _package(
            f"fn-{runtime.name}",
            runtime_files(runtime, architecture),
            license=runtime.licence,
            self_contained=runtime.self_contained,
            runtime=runtime,
        )
        return replace(layer, architecture=architecture_of(runtime, architecture)) if runtime.binary else layer
    if entry.startswith(("./", "../")):
        return _package(*_directory_files(entry, project), license=None, self_contained=True, runtime=None)
    raise LayerError(
        f"{entry!r} is no layer that can be built", hint="write runtime:NAME, ./DIR, or the ARN of a layer version"
    )


def self_contained(
    runtime: Runtime, architecture: str, supply: Supply | None = None, say: Say = silent
) -> LayerPackage:
    """The layer that brings its interpreter. Raises LayerError, LayerUnavailable."""
    recipe, home = runtime.recipe, f"fn/{runtime.name}"
    loop = recipe is not None and f"{HERE}/{home}/{runtime.entry}" in recipe.arguments
    # The launcher takes the entry's place; where the entry is the loop itself, it lies with the other files.
    own = tuple(
        replace(entry, name=f"{home}/{runtime.entry}") if entry.name == "bootstrap" else entry
        for entry in runtime_files(runtime, architecture)
        if entry.name != "bootstrap" or loop
    )
    package = build_self_contained(runtime, own, architecture, supply, say)
    layer = _of(f"fn-{runtime.name}", package, license=runtime.licence, self_contained=True, runtime=runtime)
    return replace(layer, architecture=architecture)


def _package(
    name: str, entries: tuple[Entry, ...], *, license: str | None, self_contained: bool, runtime: Runtime | None
) -> LayerPackage:
    return _of(name, pack(entries, limit=None), license=license, self_contained=self_contained, runtime=runtime)


def _of(
    name: str, package: Package, *, license: str | None, self_contained: bool, runtime: Runtime | None
) -> LayerPackage:
    if package.size >= MAX_ZIPPED:
        raise LayerError(
            f"layer {name} is {human(package.size)} zipped; Lambda takes less than {human(MAX_ZIPPED)} in a request",
            hint="split it, or leave out what is not needed: .lambdaignore in a directory, 'drop' in a runtime.json",
        )
    return LayerPackage(
        name=name,
        data=bytes(package.data),
        code_sha256=package.code_sha256,
        digest=package.tree_digest,
        description=f"fn sha256:{package.tree_digest[:12]}",
        license=license,
        self_contained=self_contained,
        runtime=runtime,
        unzipped_size=package.unzipped_size,
    )


def architecture_of(runtime: Runtime, wanted: str | None) -> str:
    """The one that a binary is taken for: `wanted`, else this machine's. Raises LayerError where there is none."""
    found = wanted or of_this_machine() or ""
    if found not in runtime.architectures:
        raise LayerError(
            f"the runtime {runtime.name} is not for {found or 'this machine'}", where=str(runtime.directory / MANIFEST)
        )
    return found


def runtime_files(runtime: Runtime, architecture: str | None) -> tuple[Entry, ...]:
    """The entry as bootstrap, executable however it was installed (but for a binary, which is checked); the rest
    below fn/NAME. Raises LayerError."""
    if runtime.kind == "managed":
        raise LayerError(
            f"the runtime {runtime.name} is AWS's own: it is no layer",
            hint=f'say "Runtime": "{runtime.base}" (or another version of it), and leave runtime:{runtime.name} out',
        )
    found = scan(runtime.directory, load_rules(runtime.directory, side_files=False))
    name = runtime.entry_for(architecture_of(runtime, architecture) if runtime.binary else "")
    entry = next((one for one in found if one.name == name), None)
    if entry is None:
        raise LayerError(f"the entry {name} does not exist", where=str(runtime.directory / MANIFEST))
    if runtime.binary:
        check_executable(entry, runtime.base, architecture_of(runtime, architecture), script=False)
    files = [replace(entry, name="bootstrap", executable=True)]
    for wanted in runtime.files:
        below = [one for one in found if one.name == wanted or one.name.startswith(wanted.rstrip("/") + "/")]
        if not below:
            raise LayerError(f"{wanted} of 'files' does not exist", where=str(runtime.directory / MANIFEST))
        files += [replace(one, name=f"fn/{runtime.name}/{one.name}") for one in below]
    return tuple(files)


def _directory_files(entry: str, project: Path) -> tuple[str, tuple[Entry, ...]]:
    directory = Path(os.path.normpath(project.absolute() / entry))
    if not directory.is_dir():
        raise LayerError(f"the layer {entry} is not a directory", where=str(directory))
    if not _LAYER_NAME.fullmatch(directory.name):
        raise LayerError(
            f"the layer {entry} cannot be named after its directory: {directory.name!r}",
            where=str(directory),
            hint="rename the directory: a layer's name is 1 to 140 letters, digits, - and _",
        )
    entries = scan(directory, load_rules(directory, side_files=False))
    if not entries:
        raise LayerError(f"the layer {entry} holds no files", where=str(directory))
    return directory.name, entries
