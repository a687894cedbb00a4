"""Where the packages of a layer come from: the cache, else this machine's Debian mirrors. The one place of this room
that opens connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from fnroll import places
from fnroll.errors import LayerUnavailable
from fnroll.layers.debian.mirrors import Archive, archives
from fnroll.layers.debian.release import catalogue
from fnroll.layers.debian.resolve import resolve
from fnroll.layers.fetch import APT_HELPER, Apt, Missing, Offline, Plain, Transport, Wanted, offline
from fnroll.layers.lock import Lock, Locked, lock_of
from fnroll.layers.recipe import Recipe
from fnroll.layers.store import Store

Say = Callable[[str], None]


def store() -> Store:
    return Store(places.cache_dir() / "layers" / "files")


class Supply:
    """`environment`: FN_DEB_MIRROR, FN_DEB_SECURITY_MIRROR, FN_DEB_KEYRING and FN_OFFLINE are looked up in it; `root`:
    where apt's configuration and the keyrings lie."""

    def __init__(
        self, files: Store | None = None, environment: Mapping[str, str] = os.environ, root: Path = Path("/")
    ) -> None:
        self.files = files or store()
        self._environment = environment
        self._root = root

    def lock(self, recipe: Recipe, architecture: str, say: Say) -> Lock:
        """What the newest packages of the suite are now. Raises LayerUnavailable and LayerError."""
        found = archives(recipe.suite, self._environment, self._root)
        index = catalogue(found, architecture, self._transport, self.files, say=say).index
        return lock_of(recipe.suite, architecture, resolve(index, recipe.packages))

    def packages(self, lock: Lock, say: Say) -> dict[str, bytes]:
        """Each locked package's .deb, proven by its digest. Raises LayerUnavailable for what cannot be had, LayerError
        for what is not what was locked."""
        found: dict[str, bytes] = {}
        missing = []
        for row in lock.packages:
            data = self.files.get(row.sha256)
            if data is None:
                missing.append(row)
            else:
                found[row.name] = data
        if missing:
            sources = archives(lock.suite, self._environment, self._root)
            for number, row in enumerate(missing, 1):
                say(f"fetching {row.name} {row.version} ({number} of {len(missing)})")
                found[row.name] = self._fetch(row, sources)
        return found

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
