"""A lock: exactly which packages a layer is built from, so that any machine builds the same bytes.

`lock-ARCHITECTURE.json` beside a runtime's manifest. It holds names, versions and digests, and no address: where a
package lies follows from its name (Debian's pool; an index of Python's packages), and which mirror has it is this
machine's affair.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from fnroll.errors import LayerError
from fnroll.layers.debian.control import Package
from fnroll.layers.store import write_whole


@dataclass(frozen=True, slots=True)
class Locked:
    """One package. `source` and `source_version`: what it was built from; `architecture`: Debian's, amd64 or all;
    `size` in bytes; `sha256`: hex."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    size: int
    sha256: str

    @property
    def paths(self) -> tuple[str, str]:
        """Below a mirror, and below a mirror of the security archive: pool/main/p/perl/perl-base_5.36.0-7_amd64.deb.
        No policy says so, but every archive since 2000 lies so."""
        prefix = self.source[:4] if self.source.startswith("lib") else self.source[:1]
        number = self.version.partition(":")[2] or self.version
        path = f"main/{prefix}/{self.source}/{self.name}_{number}_{self.architecture}.deb"
        return f"pool/{path}", f"pool/updates/{path}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """One of Python's packages. `file`: its name, which says what it is for; `size` in bytes; `sha256`: hex."""

    name: str
    version: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """`packages` of Debian's `suite`, or `wheels` for the platform that `suite` names (recipe.py)."""

    suite: str
    architecture: str
    packages: tuple[Locked, ...] = ()
    wheels: tuple[Wheel, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """Of everything, by name."""
        return {row.name: row.version for row in self.rows}

    @property
    def rows(self) -> tuple[Locked | Wheel, ...]:
        return self.packages or self.wheels

    def text(self) -> str:
        value = {key: item for key, item in asdict(self).items() if item}
        return json.dumps(value, indent=1) + "\n"

    def write(self, directory: Path) -> Path:
        path = file_of(directory, self.architecture)
        write_whole(path, self.text().encode())
        return path


def file_of(directory: Path, architecture: str) -> Path:
    return directory / f"lock-{architecture}.json"


def lock_of(suite: str, architecture: str, packages: Iterable[Package]) -> Lock:
    rows = (
        Locked(
            name=package.name,
            version=package.version,
            architecture=package.path.rpartition("_")[2].removesuffix(".deb"),
            source=package.source[0],
            source_version=package.source[1],
            size=package.size,
            sha256=package.sha256,
        )
        for package in packages
    )
    return Lock(suite, architecture, tuple(rows))


def read_lock(directory: Path, architecture: str) -> Lock | None:
    """The lock beside the manifest; None if there is none. Raises LayerError for one that is no lock."""
    path = file_of(directory, architecture)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        packages = tuple(Locked(**row) for row in value.get("packages", ()))
        wheels = tuple(Wheel(**row) for row in value.get("wheels", ()))
        lock = Lock(value["suite"], value["architecture"], packages, wheels)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayerError(f"is no lock: {error}", where=str(path), hint="fn runtime lock NAME writes it anew") from error
    if lock.architecture != architecture:
        raise LayerError(f"is a lock for {lock.architecture}", where=str(path))
    return lock
