"""A runtime's layer that needs nothing of the machine it runs on: lock, fetch, assemble, pack, keep.

    lock       which packages exactly (lock.py); made and written beside the manifest where there is none
    fetch      from the cache by digest, else from a mirror (supply.py)
    assemble   their files, closed over what they need (tree.py; wheels/tree.py)
    launch     /opt/bootstrap and /opt/bin/INTERPRETER, programs of our own writing (launcher.py)
    pack       with the runtime's own files, as any layer
    keep       the zip in the cache, under what it was made from

Each step's result is written whole or not at all and proven when it is read, so a build that was killed is gone on
with, never believed. Works as an ordinary user, for either architecture.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from fnroll import places
from fnroll.archive import Entry, Package, pack
from fnroll.errors import LayerError
from fnroll.layers import elf, tree
from fnroll.layers.launcher import HERE, launcher
from fnroll.layers.lock import Lock, read_lock
from fnroll.layers.manifest import Runtime
from fnroll.layers.recipe import Recipe
from fnroll.layers.store import sweep, write_whole
from fnroll.layers.supply import Supply
from fnroll.layers.tree import Placed
from fnroll.layers.wheels import tree as wheels

BUILDER = 1
"""Raised with every change that makes other bytes of the same packages: it is part of what a built layer is kept by."""

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Nobody listens."""


def locked(runtime: Runtime, architecture: str, supply: Supply, say: Say = silent) -> Lock:
    """The lock beside the manifest, made where there is none (or it is of another suite). Raises LayerError."""
    recipe = _recipe(runtime, architecture)
    lock = read_lock(runtime.directory, architecture)
    if lock is None or lock.suite != recipe.suite:
        lock = relock(runtime, architecture, supply, say)
    return lock


def relock(runtime: Runtime, architecture: str, supply: Supply, say: Say = silent) -> Lock:
    """Today's versions, written beside the manifest. Raises LayerError."""
    lock = supply.lock(_recipe(runtime, architecture), architecture, say)
    path = lock.write(runtime.directory)
    say(f"locked {len(lock.versions)} packages of {lock.suite} in {path}")
    return lock


def build_self_contained(
    runtime: Runtime, own: tuple[Entry, ...], architecture: str, supply: Supply | None = None, say: Say = silent
) -> Package:
    """The layer's zip. `own`: the runtime's files as they lie in it. Raises LayerError, LayerUnavailable."""
    supply = supply or Supply()
    recipe = _recipe(runtime, architecture)
    lock = locked(runtime, architecture, supply, say)
    note = places.cache_dir() / "layers" / "built" / f"{_key(runtime, recipe, lock, own)}.json"
    kept = _kept(note, supply)
    if kept is not None:
        return kept
    packages = supply.packages(lock, say)
    say(f"building the layer of {runtime.name} for {architecture}")
    assembled = (wheels if recipe.type == "wheel" else tree).assemble(recipe, architecture, lock, packages)
    files = {f"fn/{runtime.name}/{path}": file for path, file in assembled.items()}
    files |= _launchers(runtime, recipe.for_architecture(architecture), architecture, {entry.name for entry in own})
    with tempfile.TemporaryDirectory(prefix="fn-layer-") as scratch:
        package = pack([*own, *_laid_out(files, Path(scratch), own)], limit=None)
    digest = supply.files.put(bytes(package.data))
    facts = {"zip": digest, "tree": package.tree_digest, "unzipped": package.unzipped_size, "files": package.files}
    write_whole(note, json.dumps(facts).encode())
    sweep(note.parent)
    return package


def _recipe(runtime: Runtime, architecture: str) -> Recipe:
    if runtime.recipe is None:
        raise LayerError(
            f"the runtime {runtime.name} has no recipe for a layer of its own",
            where=str(runtime.directory),
            hint="the key 'layer' of runtime.json says what it is made of (docs/runtimes.md)",
        )
    if architecture not in runtime.architectures:
        raise LayerError(f"the runtime {runtime.name} is not for {architecture}", where=str(runtime.directory))
    return runtime.recipe


def _key(runtime: Runtime, recipe: Recipe, lock: Lock, own: tuple[Entry, ...]) -> str:
    """Everything that decides the zip."""
    mine = pack(own).code_sha256
    said = json.dumps([BUILDER, runtime.name, asdict(recipe), lock.text(), mine], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:40]


def _kept(note: Path, supply: Supply) -> Package | None:
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        data = supply.files.get(facts["zip"])
        if data is None:
            return None
        code = base64.b64encode(bytes.fromhex(facts["zip"])).decode()
        return Package(data, code, facts["tree"], len(data), facts["unzipped"], facts["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _launchers(runtime: Runtime, recipe: Recipe, architecture: str, own: Collection[str]) -> Mapping[str, Placed]:
    """/opt/bootstrap; /opt/bin/INTERPRETER, the same without the loop, whose place a script of the user's takes; and
    one for each further program."""
    home, loader = f"{HERE}/fn/{runtime.name}", elf.LOADERS[architecture]
    private = recipe.type == "deb"  # a libc of its own, so the loader that belongs to it
    variables = dict(recipe.environment)
    loop = next((at for at, word in enumerate(recipe.arguments) if word.removeprefix(f"{HERE}/") in own), None)

    def start(path: str, arguments: tuple[str, ...], settings: Mapping[str, str], up: int) -> Placed:
        name = path.rpartition("/")[2]
        program = f"{home}/bin/{name}"
        words = [f"{home}/lib/{loader}", loader, "--library-path", f"{home}/lib", "--argv0", name, program]
        words = words if private else [program, name]
        return Placed(launcher(architecture, [*words, *arguments], settings, up=up), True, "")

    tools = {f"fn/{runtime.name}/tools/{path.rpartition('/')[2]}": path for path in recipe.programs}
    return {
        "bootstrap": start(recipe.interpreter, recipe.arguments, variables, 0),
        f"bin/{recipe.interpreter.rpartition('/')[2]}": start(
            recipe.interpreter, recipe.arguments[:loop], variables, 1
        ),
        **{name: start(path, (), {}, 3) for name, path in tools.items()},
    }


def _laid_out(files: Mapping[str, Placed], scratch: Path, own: tuple[Entry, ...]) -> list[Entry]:
    taken = {entry.name for entry in own}
    entries = []
    for number, (name, file) in enumerate(files.items()):
        if name in taken:
            raise LayerError(f"the packages and the runtime's own files both want {name}")
        source = scratch / str(number)
        source.write_bytes(file.content)
        entries.append(Entry(name, source, len(file.content), file.executable))
    return entries
