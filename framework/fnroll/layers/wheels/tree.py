"""Unpacked wheels and a recipe to the files of a layer below /opt/fn/NAME. Pure but for the scratch of unpacking.

As for Debian's packages (layers/tree.py), less the libc: wheels for Linux are made to run on any that is new enough, so
the base image's serves. What is checked is that it does: the processor, the libraries, the versions of glibc's symbols.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fnroll.errors import LayerError
from fnroll.layers import elf
from fnroll.layers.bases import LIBRARIES
from fnroll.layers.lock import Lock
from fnroll.layers.recipe import Recipe, platform_of
from fnroll.layers.tree import Placed, Unpacked, kept
from fnroll.layers.wheels import wheel


def assemble(recipe: Recipe, architecture: str, lock: Lock, wheels: Mapping[str, bytes]) -> dict[str, Placed]:
    """Path below /opt/fn/NAME -> file. Raises LayerError naming what is missing or does not fit."""
    recipe = recipe.for_architecture(architecture)
    unpacked = Unpacked((name, file) for name, data in wheels.items() for file in wheel.files(data, name))
    tree = kept(recipe, unpacked)
    _, libc = platform_of(lock.suite)
    _check(tree, architecture, libc)
    givers = {file.package for file in tree.values()}
    return tree | dict(_licences(givers, unpacked, lock))


def _check(tree: Mapping[str, Placed], architecture: str, libc: tuple[int, int]) -> None:
    there = {posixpath.basename(path) for path in tree} | LIBRARIES
    for path, file in tree.items():
        parsed = elf.read(file.content, path)
        if parsed is None:
            continue
        if parsed.architecture != architecture:
            raise LayerError(
                f"{path} is for another processor ({parsed.architecture or parsed.machine})",
                hint="the wheel does not hold what its name says: ask for another version of the package",
            )
        if lacking := [name for name in parsed.needed if name not in there]:
            raise LayerError(
                f"{path} needs the library {lacking[0]}, which neither the wheels nor Lambda's image bring",
                hint="keep the directory of the wheel that it lies in, or take Debian's package of the program",
            )
        if parsed.glibc > libc:
            wanted, has = (".".join(map(str, version)) for version in (parsed.glibc, libc))
            raise LayerError(
                f"{path} needs glibc {wanted}, and the base image has {has}",
                hint="ask for an older version of the package, or take Debian's package of the program",
            )


def _licences(givers: set[str], unpacked: Unpacked, lock: Lock) -> Iterator[tuple[str, Placed]]:
    lines = ["This layer holds unchanged files of these Python packages. Their licences are beside this file.", ""]
    for row in lock.wheels:
        if row.name not in givers:
            continue
        lines.append(f"{row.name} {row.version} ({row.file}, SHA-256 {row.sha256})")
        mine = [(name, file.content) for name, file in unpacked.of(row.name)]
        texts = [(short, content) for name, content in mine if (short := wheel.licence_file(name))]
        said = next((text for name, content in mine if (text := wheel.licence_said(name, content))), None)
        if not texts and said is None:
            raise LayerError(
                f"the wheel of {row.name} says nothing of a licence, so it cannot be passed on",
                hint="ask for a version that says so, or keep nothing of this package",
            )
        if said is not None:
            lines.append(f"  licence: {said.splitlines()[0]}")
        for short, content in texts:
            yield f"licenses/{row.name}/{short}", Placed(content, False, "")
    yield "licenses/NOTICE", Placed(("\n".join(lines) + "\n").encode(), False, "")
