"""Where this machine finds Debian's archive: FN_DEB_MIRROR, else what its apt is configured with. No name is built in.

An archive is a URL with a suite under it, and the keys that sign it. A runtime asks for a suite (trixie); the mirror of
any suite of Debian's has them all, so a machine that runs another release, or stays on an older one, serves too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fnroll.errors import LayerUnavailable
from fnroll.layers.debian.control import fields

_CODENAMES = ("buster", "bullseye", "bookworm", "trixie", "forky", "duke")
_ALIASES = ("oldoldstable", "oldstable", "stable", "testing")
_KEYRINGS = ("usr/share/keyrings/debian-archive-keyring.gpg", "usr/share/keyrings/debian-archive-keyring.pgp")
_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+(.+)")


@dataclass(frozen=True, slots=True)
class Archive:
    """`url`/dists/`suite`. `keyrings`: files that may have signed it, () where this machine has none; `optional`: a
    suite that need not exist; `by_apt`: from apt's configuration, so apt's own downloader can reach it."""

    url: str
    suite: str
    keyrings: tuple[Path, ...]
    optional: bool = False
    by_apt: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """An entry of apt's configuration."""

    url: str
    suite: str
    signed_by: tuple[str, ...]


def archives(suite: str, environment: Mapping[str, str], root: Path = Path("/")) -> tuple[Archive, ...]:
    """The archives that make up `suite`: itself, its updates, its security updates; the order is part of a lock.

    Raises LayerUnavailable where this machine knows of no mirror.
    """
    keyrings = _keyrings(environment, root)
    if mirror := environment.get("FN_DEB_MIRROR", "").rstrip("/"):
        security = environment.get("FN_DEB_SECURITY_MIRROR", "").rstrip("/")
        return _three(suite, (mirror, keyrings), (security or f"{mirror}-security", keyrings), bool(security), False)
    said = tuple(_configured(root))
    main = next((each for each in said if each.suite in (*_CODENAMES, *_ALIASES)), None)
    if main is None:
        raise LayerUnavailable(
            "this machine's apt knows no mirror of Debian's",
            hint="FN_DEB_MIRROR names one, the URL above its dists/; FN_DEB_SECURITY_MIRROR its security archive",
        )
    secure = next(
        (
            each
            for each in said
            if each.suite.removesuffix("-security") in _CODENAMES[1:] + _ALIASES and each.suite.endswith("-security")
        ),
        None,
    )
    return _three(
        suite,
        (main.url, _signers(main, root) or keyrings),
        (secure.url, _signers(secure, root) or keyrings) if secure else (f"{main.url}-security", keyrings),
        secure is not None,
        True,
    )


def _three(
    suite: str,
    main: tuple[str, tuple[Path, ...]],
    security: tuple[str, tuple[Path, ...]],
    security_is_sure: bool,
    by_apt: bool,
) -> tuple[Archive, ...]:
    if suite in ("sid", "unstable"):
        return (Archive(*main[:1], suite, main[1], by_apt=by_apt),)
    return (
        Archive(main[0], suite, main[1], by_apt=by_apt),
        Archive(main[0], f"{suite}-updates", main[1], optional=True, by_apt=by_apt),
        Archive(security[0], f"{suite}-security", security[1], optional=not security_is_sure, by_apt=by_apt),
    )


def _keyrings(environment: Mapping[str, str], root: Path) -> tuple[Path, ...]:
    if chosen := environment.get("FN_DEB_KEYRING"):
        return (Path(chosen).expanduser(),)
    return tuple(path for name in _KEYRINGS if (path := root / name).is_file())[:1]


def _signers(said: _Said, root: Path) -> tuple[Path, ...]:
    return tuple(path for name in said.signed_by if (path := root / name.lstrip("/")).is_file())


def _configured(root: Path) -> Iterator[_Said]:
    """The entries of apt's files, in apt's own order. A file that cannot be read is passed over, as one of another
    system's."""
    parts = root / "etc/apt/sources.list.d"
    files = [root / "etc/apt/sources.list", *(sorted(parts.iterdir()) if parts.is_dir() else ())]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if path.suffix == ".sources":
            for paragraph in re.split(r"\n\s*\n", _without_comments(text)):
                yield from _modern(fields(paragraph))
        elif path.suffix == ".list":
            for line in text.splitlines():
                yield from _one_line(line.partition("#")[0].strip())


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _modern(found: Mapping[str, str]) -> Iterator[_Said]:
    if "deb" not in found.get("Types", "").split() or found.get("Enabled", "yes").lower() in ("no", "false"):
        return
    signed = found.get("Signed-By", "")
    signers = tuple(signed.split()) if not signed.startswith("-----") else ()
    if "main" in found.get("Components", "").split():
        for url in found.get("URIs", "").split():
            for suite in found.get("Suites", "").split():
                yield _Said(url.rstrip("/"), suite, signers)


def _one_line(line: str) -> Iterator[_Said]:
    match = _LINE.fullmatch(line)
    if match is None or "main" not in match[4].split():
        return
    options = dict(option.partition("=")[::2] for option in (match[1] or "").split())
    yield _Said(match[2].rstrip("/"), match[3], tuple(filter(None, options.get("signed-by", "").split(","))))
