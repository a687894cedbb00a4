"""An archive's signed Release file to its index: the chain from a key on this machine to the digest of each package.

    keyring -> InRelease (gpgv) -> SHA-256 of Packages.xz -> SHA-256 of each .deb

Where the machine has no keyring or no gpgv, the first link is left out, and that is said; the lock file that is made
of it then carries the digests to whoever builds from it.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from fnroll.errors import LayerError
from fnroll.layers.debian.control import Index, fields
from fnroll.layers.debian.mirrors import Archive
from fnroll.layers.fetch import Missing, Transport, Wanted
from fnroll.layers.store import Store

DEB_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
_RELEASE_LIMIT, _INDEX_LIMIT, _INDEX_UNPACKED = 4 << 20, 64 << 20, 512 << 20
_BEGIN, _SIGNATURE = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The packages of all `archives` together; an archive that does not exist has none."""

    archives: tuple[Archive, ...]
    index: Index


def catalogue(
    archives: Sequence[Archive],
    architecture: str,
    get: Callable[[Archive], Transport],
    store: Store,
    *,
    say: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
    gpgv: str | None = None,
) -> Catalogue:
    """Read the indexes of `archives` for one of Lambda's architectures. `gpgv`: the program, found if not given.

    Raises LayerUnavailable, and LayerError for a signature that is not right, or a release that is out of date.
    """
    moment = now or datetime.now(UTC)
    program = gpgv or shutil.which("gpgv")
    texts = []
    for archive in archives:
        found: list[bytes] = []
        keep = _keeper(found)
        address = f"{archive.url}/dists/{archive.suite}"
        try:
            get(archive)([Wanted(f"{address}/InRelease", _RELEASE_LIMIT)], keep)
        except Missing:
            if not archive.optional:
                raise
            say(f"{archive.suite} is not there: left out")
            texts.append("")
            continue
        release = fields(verified(found[0], archive, program, say))
        _check(release, archive, moment)
        texts.append(_packages(release, archive, DEB_ARCHITECTURES[architecture], get(archive), store))
    return Catalogue(tuple(archives), Index(texts))


def _keeper(found: list[bytes]) -> Callable[[Wanted, bytes], None]:
    return lambda _, data: found.append(data)


def verified(data: bytes, archive: Archive, gpgv: str | None, say: Callable[[str], None]) -> str:
    """The signed text of an InRelease, and nothing that stands around it. Raises LayerError for a wrong signature."""
    where = f"{archive.url}/dists/{archive.suite}/InRelease"
    missing = "gpgv" if gpgv is None else "its keyring" if not archive.keyrings else None
    if gpgv is None or not archive.keyrings:
        say(f"the signature of {archive.suite} is not checked: this machine has not {missing}")
        return _inner(data, where)
    with tempfile.TemporaryDirectory(prefix="fn-gpgv-") as scratch:
        signed, text = Path(scratch) / "InRelease", Path(scratch) / "Release"
        signed.write_bytes(data)
        keyrings = [word for path in archive.keyrings for word in ("--keyring", str(path))]
        done = subprocess.run(
            [gpgv, "--homedir", scratch, *keyrings, "--output", str(text), str(signed)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0 or not text.is_file():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("gpgv: ")
            keys = ", ".join(str(path) for path in archive.keyrings)
            raise LayerError(f"is not signed by a key in {keys}: {reason}", where=where)
        return text.read_text(encoding="utf-8")


def _inner(data: bytes, where: str) -> str:
    """The text between the lines of a clear-signed message (RFC 9580, 7)."""
    lines = data.decode("utf-8", "replace").splitlines()
    try:
        begin = lines.index("", lines.index(_BEGIN)) + 1
        return "\n".join(line.removeprefix("- ") for line in lines[begin : lines.index(_SIGNATURE)]) + "\n"
    except ValueError as error:
        raise LayerError("is no signed release of an archive", where=where) from error


def _check(release: dict[str, str], archive: Archive, now: datetime) -> None:
    """That it is the suite asked for, and none that a mirror stopped to update (or that somebody plays back)."""
    where = f"{archive.url}/dists/{archive.suite}/InRelease"
    if archive.suite not in (release.get("Suite"), release.get("Codename")):
        raise LayerError(f"is the release of {release.get('Codename', 'something else')}", where=where)
    if until := release.get("Valid-Until"):
        try:
            limit = parsedate_to_datetime(until.replace("UTC", "+0000"))
        except ValueError as error:
            raise LayerError(f"says Valid-Until: {until}, which is no date", where=where) from error
        if limit < now:
            raise LayerError(
                f"was valid until {until}", where=where, hint="the mirror is not kept up to date, or the clock is wrong"
            )


def _packages(release: dict[str, str], archive: Archive, architecture: str, get: Transport, store: Store) -> str:
    name = f"main/binary-{architecture}/Packages.xz"
    where = f"{archive.url}/dists/{archive.suite}"
    rows = (line.split() for line in release.get("SHA256", "").splitlines())
    digest, size = next(((row[0], int(row[1])) for row in rows if len(row) == 3 and row[2] == name), ("", 0))
    if not digest or size > _INDEX_LIMIT:
        raise LayerError(f"its release has no {name}", where=where)
    data = store.get(digest)
    if data is None:
        found: list[bytes] = []
        # By its digest, so that a mirror being updated meanwhile still has it.
        by_hash = release.get("Acquire-By-Hash") == "yes"
        path = f"main/binary-{architecture}/by-hash/SHA256/{digest}" if by_hash else name
        get([Wanted(f"{where}/{path}", size, digest)], lambda _, content: found.append(content))
        data = found[0]
        store.put(data)
    try:
        text = lzma.LZMADecompressor().decompress(data, _INDEX_UNPACKED)
        return text.decode("utf-8")
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise LayerError(f"{name} cannot be read: {error}", where=where) from error
