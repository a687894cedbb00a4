"""Package names to all the packages that are needed to run what they hold. Pure: an index in, packages out.

Simpler than apt's: nothing is installed beside anything else, so nothing conflicts, and the newest version is taken or
none. Left out is what only an installed system needs: Essential packages (unless they are asked for by name) and the
helpers of maintainer scripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fnroll.errors import LayerError
from fnroll.layers.debian.control import Index, Package, Relation

NOT_NEEDED = frozenset({"cdebconf", "debconf", "debconf-2.0", "dpkg", "install-info", "sensible-utils", "ucf"})
"""Run by maintainer scripts, which are not run here."""


def resolve(index: Index, wanted: Iterable[str], without: Iterable[str] = ()) -> tuple[Package, ...]:
    """What `wanted` names and everything that it depends on, by name. Neither what `without` names nor what only that
    depends on. Raises LayerError naming a package that is not there, and who asked for it."""
    left_out = NOT_NEEDED | set(without)
    chosen: dict[str, Package] = {}
    queue: deque[tuple[str, str]] = deque((name, "the manifest") for name in dict.fromkeys(wanted))
    asked = {name for name, _ in queue}
    while queue:
        name, asker = queue.popleft()
        if name in chosen:
            continue
        package = index.newest(name)
        if package is None:
            raise LayerError(f"the archive has no package {name!r}, which {asker} asks for")
        chosen[name] = package
        for group in package.depends:
            if any(each.name in left_out for each in group) or _met(group, chosen.values()):
                continue
            found = _choose(index, group)
            if found is None:
                said = " | ".join(map(str, group))
                raise LayerError(f"{package.name} {package.version} needs {said}, which the archive does not have")
            if not found.essential or found.name in asked:
                queue.append((found.name, package.name))
    return tuple(chosen[name] for name in sorted(chosen))


def _met(group: tuple[Relation, ...], packages: Iterable[Package]) -> bool:
    return any(_meets(package, relation) for package in packages for relation in group)


def _meets(package: Package, relation: Relation) -> bool:
    if package.name == relation.name and relation.met_by(package.version):
        return True
    return any(said.name == relation.name and relation.met_by(said.bound or None) for said in package.provides)


def _choose(index: Index, group: tuple[Relation, ...]) -> Package | None:
    """The first alternative that the archive has: a package of the name itself, else the first that provides it."""
    for relation in group:
        package = index.newest(relation.name)
        if package is not None and relation.met_by(package.version):
            return package
        for provider in index.providing(relation.name):
            if _meets(provider, relation):
                return provider
    return None
