"""An archive's index (the text `Packages`) as data: a package is parsed when it is asked for, not before.

An index has tens of thousands of paragraphs of which a build needs twenty. Format: Debian policy, chapter 5 and 7.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from fnroll.errors import LayerError
from fnroll.layers.debian import version

_NAME = re.compile(r"^Package: (\S+)$", re.MULTILINE)
_PROVIDES = re.compile(r"^Provides: (.+)$", re.MULTILINE)
_RELATION = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?(?:\s*\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?")


class Relation(NamedTuple):
    """One alternative of a dependency: a name, and a bound on its version if `operator` is set."""

    name: str
    operator: str = ""
    bound: str = ""

    def met_by(self, found: str | None) -> bool:
        """Whether a package of this version (None: of none) meets it."""
        return not self.operator or (found is not None and version.satisfies(found, self.operator, self.bound))

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.bound})" if self.operator else self.name


@dataclass(frozen=True, slots=True)
class Package:
    """A binary package as its index describes it. `archive`: which of the mirrors has it (its place in their list);
    `path`: below that mirror; `size` in bytes; `sha256`: hex; `source`: NAME and VERSION of what it was built from."""

    name: str
    version: str
    archive: int
    path: str
    size: int
    sha256: str
    source: tuple[str, str]
    depends: tuple[tuple[Relation, ...], ...]
    provides: tuple[Relation, ...]
    essential: bool


def relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """ "a (>= 1) | b, c" -> ((a >= 1, b), (c,)). Raises LayerError for what is no dependency."""
    return tuple(tuple(map(_relation, group.split("|"))) for group in text.split(",") if group.strip())


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text.strip())
    if match is None:
        raise LayerError(f"{text.strip()!r} is no dependency that Debian knows")
    return Relation(match[1], match[2] or "", match[3] or "")


def fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph; further lines of one are joined with a newline."""
    found: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t"):
            found[name] = f"{found.get(name, '')}\n{line.strip()}".strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return found


class Index:
    """The packages of several archives, searched by name."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)

    @cached_property
    def _places(self) -> Mapping[str, list[tuple[int, int]]]:
        """Name -> (archive, offset of the paragraph)."""
        places: dict[str, list[tuple[int, int]]] = {}
        for number, text in enumerate(self._texts):
            for match in _NAME.finditer(text):
                places.setdefault(match[1], []).append((number, match.start()))
        return places

    @cached_property
    def _providers(self) -> Mapping[str, list[tuple[int, int]]]:
        """Name of what is provided -> (archive, an offset inside the paragraph that provides it)."""
        places: dict[str, list[tuple[int, int]]] = {}
        for number, text in enumerate(self._texts):
            for match in _PROVIDES.finditer(text):
                for name in {relation.name for (relation, *_) in relations(match[1])}:
                    places.setdefault(name, []).append((number, match.start()))
        return places

    def newest(self, name: str) -> Package | None:
        """The package `name` in its newest version; of equal ones that of the archive named first."""
        return self._newest(self._places.get(name, ()))

    def providing(self, name: str) -> tuple[Package, ...]:
        """The newest version of each package that provides `name`, by name."""
        names = sorted({self._at(*place).name for place in self._providers.get(name, ())})
        found = (self.newest(each) for each in names)
        return tuple(one for one in found if one is not None and any(name == said.name for said in one.provides))

    def names(self) -> Iterator[str]:
        yield from self._places

    def _newest(self, places: Iterable[tuple[int, int]]) -> Package | None:
        packages = [self._at(*place) for place in places]
        return max(packages, key=lambda one: (version.key(one.version), -one.archive), default=None)

    def _at(self, archive: int, offset: int) -> Package:
        text = self._texts[archive]
        begin = text.rfind("\n\n", 0, offset) + 2 if "\n\n" in text[:offset] else 0
        end = text.find("\n\n", offset)
        return _package(fields(text[begin : end if end >= 0 else len(text)]), archive)


def _package(found: Mapping[str, str], archive: int) -> Package:
    try:
        name, number = found["Package"], found["Version"]
        source, _, source_version = found.get("Source", name).partition(" ")
        depends = ", ".join(found[key] for key in ("Pre-Depends", "Depends") if found.get(key))
        return Package(
            name=name,
            version=number,
            archive=archive,
            path=found["Filename"],
            size=int(found["Size"]),
            sha256=found["SHA256"],
            source=(source, source_version.strip("() ") or number),
            depends=relations(depends),
            provides=tuple(group[0] for group in relations(found.get("Provides", ""))),
            essential=found.get("Essential") == "yes",
        )
    except (KeyError, ValueError) as error:
        raise LayerError(f"the index describes {found.get('Package', 'a package')} incompletely: {error}") from error
