"""A `Layers` entry of ours to a layer zip: `runtime:NAME`, or `./DIR` as it is.

The zip is a function of content alone, so its digest says whether a version of it was published before: the digest
stands in the layer version's Description, which ListLayerVersions gives, and CodeSha256 confirms it (GetLayerVersion).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fnroll.archive import Entry, Package, load_rules, pack, scan
from fnroll.errors import LayerError
from fnroll.layers.launcher import HERE
from fnroll.layers.manifest import MANIFEST, Runtime, find_runtime
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
        return _package(
            f"fn-{runtime.name}",
            tuple(_runtime_files(runtime)),
            license=runtime.licence,
            self_contained=runtime.self_contained,
            runtime=runtime,
        )
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
        for entry in _runtime_files(runtime)
        if entry.name != "bootstrap" or loop
    )
    package = build_self_contained(runtime, own, architecture, supply, say)
    layer = _of(f"fn-{runtime.name}", package, license=runtime.licence, self_contained=True, runtime=runtime)
    return replace(layer, architecture=architecture)


def _package(
    name: str, entries: tuple[Entry, ...], *, license: str | None, self_contained: bool, runtime: Runtime | None
) -> LayerPackage:
    return _of(name, pack(entries), license=license, self_contained=self_contained, runtime=runtime)


def _of(
    name: str, package: Package, *, license: str | None, self_contained: bool, runtime: Runtime | None
) -> LayerPackage:
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


def _runtime_files(runtime: Runtime) -> Iterator[Entry]:
    """The entry as /opt/bootstrap, executable however it was installed; the rest under /opt/fn/NAME."""
    found = scan(runtime.directory, load_rules(runtime.directory, side_files=False))
    entry = next((one for one in found if one.name == runtime.entry), None)
    if entry is None:
        raise LayerError(f"the entry {runtime.entry} does not exist", where=str(runtime.directory / MANIFEST))
    yield replace(entry, name="bootstrap", executable=True)
    for wanted in runtime.files:
        below = [one for one in found if one.name == wanted or one.name.startswith(wanted.rstrip("/") + "/")]
        if not below:
            raise LayerError(f"{wanted} of 'files' does not exist", where=str(runtime.directory / MANIFEST))
        for one in below:
            yield replace(one, name=f"fn/{runtime.name}/{one.name}")


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
