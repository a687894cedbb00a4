"""Unpacked packages and a recipe to the files of a layer below /opt/fn/NAME. Pure: bytes in, bytes out.

    1  what `keep` names is placed, `drop` taken out of it
    2  the interpreter and other programs are placed in bin/
    3  every library that an ELF file of these needs, and theirs, is placed in lib/, with the loader and libc
    4  the licence of each package that gave a file, and a NOTICE that names what it was built from
    5  every ELF file is checked: its processor, that each library is there and defines the symbols wanted of it

A private libc is needed because Debian's programs want a newer one than Lambda's; it lies in a directory of its own and
no variable points to it, so that programs which the handler starts are not met by it (facts/runtimes.md, pitfalls).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fnroll.archive.gitignore import GitPattern, compile_line
from fnroll.errors import LayerError
from fnroll.layers import elf
from fnroll.layers.debian.deb import File, files
from fnroll.layers.lock import Lock
from fnroll.layers.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Placed:
    """A file of the layer, and the package that it came from ("" for ours)."""

    content: bytes
    executable: bool
    package: str


class Unpacked:
    """The files of all packages, by path; links are followed to what they mean."""

    def __init__(self, found: Iterable[tuple[str, File]]) -> None:
        """`found`: (package, file); of two files with one name the first counts."""
        self._files: dict[str, tuple[File, str]] = {}
        for package, file in found:
            self._files.setdefault(file.name, (file, package))

    def find(self, path: str) -> Placed | None:
        """The regular file at `path`, through links in any part of it; None if there is none."""
        for _ in range(20):
            if path in self._files:
                file, package = self._files[path]
                if file.content is not None:
                    return Placed(file.content, file.executable, package)
                path = file.same or _led(path, file.link or "")
                continue
            above = next((name for name in _above(path) if name in self._files and self._files[name][0].link), None)
            if above is None:
                return None
            path = _led(above, self._files[above][0].link or "") + path[len(above) :]
        return None

    def below(self, directory: str) -> Iterator[str]:
        """The paths below `directory`, sorted, relative to it."""
        prefix = directory.rstrip("/") + "/"
        yield from sorted(name.removeprefix(prefix) for name in self._files if name.startswith(prefix))

    def of(self, package: str) -> Iterator[tuple[str, Placed]]:
        """The files of one package, as they are named in it."""
        for name, (_, owner) in self._files.items():
            if owner == package and (file := self.find(name)) is not None:
                yield name, file


def _led(path: str, link: str) -> str:
    if link.startswith("/"):
        return posixpath.normpath(link).lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def assemble(recipe: Recipe, architecture: str, lock: Lock, debs: Mapping[str, bytes]) -> dict[str, Placed]:
    """Path below /opt/fn/NAME -> file. Raises LayerError naming what is missing or does not fit."""
    recipe = recipe.for_architecture(architecture)
    unpacked = Unpacked((package, file) for package, data in debs.items() for file in files(data, package))
    tree = kept(recipe, unpacked)
    tree |= _libraries(recipe, architecture, unpacked, tree)
    _check(tree, architecture)
    givers = sorted({file.package for file in tree.values()})
    tree |= dict(_licences(givers, unpacked, lock))
    return tree


def kept(recipe: Recipe, unpacked: Unpacked) -> dict[str, Placed]:
    """What the recipe keeps of the packages, and its programs. Raises LayerError for what they do not hold."""
    dropped = [pattern for line in recipe.drop if (pattern := compile_line(line)) is not None]
    tree: dict[str, Placed] = {}
    for source, target in recipe.keep:
        names = list(unpacked.below(source))
        if not names:
            raise LayerError(f"the packages hold nothing in {source}, which the manifest keeps")
        for name in names:
            place = f"{target}/{name}"
            file = unpacked.find(f"{source}/{name}")
            if file is not None and place not in tree and not _excluded(place, dropped):
                tree[place] = file
    for path in (recipe.interpreter, *recipe.programs):
        found = unpacked.find(path)
        if found is None:
            raise LayerError(f"the packages hold no {path}, which the manifest names as a program")
        tree[f"bin/{posixpath.basename(path)}"] = Placed(found.content, True, found.package)
    return tree


def _excluded(path: str, patterns: Iterable[GitPattern]) -> bool:
    """gitignore's meaning: what lies below an excluded directory is out; else the last line that speaks decides."""
    ordered = list(patterns)
    for above in reversed(list(_above(path))):
        if _last(above, True, ordered):
            return True
    return _last(path, False, ordered)


def _last(path: str, is_dir: bool, patterns: list[GitPattern]) -> bool:
    spoken = next((each for each in reversed(patterns) if each.matches(path, is_dir)), None)
    return spoken is not None and not spoken.includes


def _libraries(recipe: Recipe, architecture: str, unpacked: Unpacked, tree: Mapping[str, Placed]) -> dict[str, Placed]:
    """The closure over what the ELF files need, with the loader."""
    triplet, loader = elf.TRIPLETS[architecture], elf.LOADERS[architecture]
    homes = (f"usr/lib/{triplet}", "usr/lib")
    wanted = [(name, "the manifest") for name in (*recipe.libraries, loader)]
    wanted += [(needed, path) for path, file in tree.items() for needed in _needed(file, path)]
    found: dict[str, Placed] = {}
    while wanted:
        name, asker = wanted.pop()
        if name in found:
            continue
        file = next((file for home in homes if (file := unpacked.find(f"{home}/{name}"))), None)
        if file is None:
            raise LayerError(f"{asker} needs the library {name}, which no package holds")
        found[name] = Placed(file.content, name == loader, file.package)
        wanted += [(needed, name) for needed in _needed(file, name)]
    return {f"lib/{name}": file for name, file in found.items()}


def _needed(file: Placed, path: str) -> tuple[str, ...]:
    parsed = elf.read(file.content, path)
    return parsed.needed if parsed is not None else ()


def _check(tree: Mapping[str, Placed], architecture: str) -> None:
    parsed = {path: one for path, file in tree.items() if (one := elf.read(file.content, path)) is not None}
    for path, one in parsed.items():
        if one.architecture != architecture:
            raise LayerError(f"{path} is for another processor ({one.architecture or one.machine})")
        for library, versions in one.wants.items():
            there = parsed.get(f"lib/{library}")
            lacking = set(versions) - there.gives if there is not None else set()
            if lacking:
                raise LayerError(f"{path} wants {', '.join(sorted(lacking))} of {library}, which has not got it")


def _licences(givers: list[str], unpacked: Unpacked, lock: Lock) -> Iterator[tuple[str, Placed]]:
    rows = {row.name: row for row in lock.packages}
    lines = [
        f"This layer holds unchanged files of these packages of Debian {lock.suite}. Their licences are beside this",
        "file; their source is Debian's source package of the name and version given.",
        "",
    ]
    for name in givers:
        row = rows[name]
        lines.append(f"{name} {row.version} (source {row.source} {row.source_version})")
        text = unpacked.find(f"usr/share/doc/{name}/copyright")
        if text is None:
            raise LayerError(f"the package {name} holds no copyright file, so it cannot be passed on")
        yield f"licenses/{name}", Placed(text.content, False, "")
    yield "licenses/NOTICE", Placed(("\n".join(lines) + "\n").encode(), False, "")
