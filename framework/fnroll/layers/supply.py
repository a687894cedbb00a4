"""Where the packages of a layer come from: the cache, else this machine's Debian mirrors, or its pip for wheels.

The one place of this room that opens connections.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fnroll import places
from fnroll.errors import LayerError, LayerUnavailable
from fnroll.layers.debian.mirrors import Archive, archives
from fnroll.layers.debian.release import catalogue
from fnroll.layers.debian.resolve import resolve
from fnroll.layers.fetch import APT_HELPER, Apt, Missing, Offline, Plain, Transport, Wanted, offline
from fnroll.layers.lock import Lock, Locked, Wheel, lock_of
from fnroll.layers.recipe import Recipe
from fnroll.layers.store import Store
from fnroll.layers.wheels import wheel
from fnroll.layers.wheels.pip import Download, Pip

Say = Callable[[str], None]


def store() -> Store:
    return Store(places.cache_dir() / "layers" / "files")


class Supply:
    """`environment`: FN_DEB_MIRROR, FN_DEB_SECURITY_MIRROR, FN_DEB_KEYRING and FN_OFFLINE are looked up in it; `root`:
    where apt's configuration and the keyrings lie; `download`: gets wheels, else pip with this environment."""

    def __init__(
        self,
        files: Store | None = None,
        environment: Mapping[str, str] = os.environ,
        root: Path = Path("/"),
        download: Download | None = None,
    ) -> None:
        self.files = files or store()
        self._environment = environment
        self._root = root
        self._download = download or Pip(environment)

    def lock(self, recipe: Recipe, architecture: str, say: Say) -> Lock:
        """What the newest packages of the suite are now. Raises LayerUnavailable and LayerError."""
        if recipe.type == "wheel":
            return self._lock_wheels(recipe, architecture, say)
        found = archives(recipe.suite, self._environment, self._root)
        index = catalogue(found, architecture, self._transport, self.files, say=say).index
        return lock_of(recipe.suite, architecture, resolve(index, recipe.packages))

    def packages(self, lock: Lock, say: Say) -> dict[str, bytes]:
        """Each locked package's .deb or wheel, proven by its digest. Raises LayerUnavailable for what cannot be had,
        LayerError for what is not what was locked."""
        found = {row.name: self.files.get(row.sha256) for row in lock.rows}
        if wheels := [row for row in lock.wheels if found[row.name] is None]:
            found |= self._fetch_wheels(wheels, lock, say)
        if missing := [row for row in lock.packages if found[row.name] is None]:
            sources = archives(lock.suite, self._environment, self._root)
            for number, row in enumerate(missing, 1):
                say(f"fetching {row.name} {row.version} ({number} of {len(missing)})")
                found[row.name] = self._fetch(row, sources)
        return {name: data for name, data in found.items() if data is not None}

    def _lock_wheels(self, recipe: Recipe, architecture: str, say: Say) -> Lock:
        self._online(recipe.packages[0])
        say(f"asking pip for {', '.join(recipe.packages)}")
        rows = []
        for file, data in self._download(recipe.packages, recipe.suite, architecture, False).items():
            name, version = wheel.named(file)
            rows.append(Wheel(name, version, file, len(data), self.files.put(data)))
        return Lock(recipe.suite, architecture, wheels=tuple(sorted(rows, key=lambda row: row.name)))

    def _fetch_wheels(self, rows: Sequence[Wheel], lock: Lock, say: Say) -> dict[str, bytes]:
        self._online(rows[0].file)
        say(f"fetching {', '.join(f'{row.name} {row.version}' for row in rows)}")
        lines = [f"{row.name}=={row.version} --hash=sha256:{row.sha256}" for row in rows]
        got = {
            hashlib.sha256(data).hexdigest(): data
            for data in self._download(lines, lock.suite, lock.architecture, True).values()
        }
        for row in rows:
            if row.sha256 not in got:
                raise LayerError(
                    f"{row.file} is not what was asked for: its SHA-256 is another",
                    hint="somebody changed it on the index; `fn runtime lock NAME` takes what is there today",
                )
            self.files.put(got[row.sha256])
        return {row.name: got[row.sha256] for row in rows}

    def _online(self, name: str) -> None:
        if offline(self._environment):
            Offline()([Wanted(name, 0)], lambda *_: None)

    def _fetch(self, row: Locked, sources: tuple[Archive, ...]) -> bytes:
        got: list[bytes] = []
        mirrors = {source.url: source for source in sources}
        for url, path in ((url, path) for url in mirrors for path in row.paths):
            wanted = Wanted(f"{url}/{path}", row.size, row.sha256)
            try:
                self._transport(mirrors[url])([wanted], lambda _, data: got.append(data))
            except Missing:
                continue
            self.files.put(got[0])
            return got[0]
        raise LayerUnavailable(
            f"no mirror has {row.name} {row.version} any more, which the lock names",
            hint="fn runtime lock NAME takes the versions of today; a cache that has it, or FN_DEB_MIRROR, serves too",
        )

    def _transport(self, archive: Archive) -> Transport:
        if offline(self._environment):
            return Offline()
        return Apt() if archive.by_apt and APT_HELPER.is_file() else Plain()
