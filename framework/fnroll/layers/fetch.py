"""Files over the network: by URL, bounded in size, proven by digest where one is known.

Two ways, one result. `Apt` hands the URLs to apt's own downloader, which knows the proxies, credentials and transports
that this machine's apt is configured with; it is taken for mirrors that were found in that configuration. `Plain` is
urllib (with http_proxy and its like), for everything else. FN_OFFLINE forbids both.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fnroll.errors import LayerError, LayerUnavailable

APT_HELPER = Path("/usr/lib/apt/apt-helper")
_TIMEOUT = 30.0
_AT_ONCE = 4
_CHUNK = 1 << 18

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`limit`: bytes that it may have at most; `sha256`: hex, None where only a signature can prove it."""

    url: str
    limit: int
    sha256: str | None = None


class Transport(Protocol):
    def __call__(self, wanted: Sequence[Wanted], took: Callable[[Wanted, bytes], None]) -> None:
        """Get each and hand it to `took`, in any order, proven as far as that goes. Raises LayerUnavailable for what
        cannot be had, LayerError for what is not what was wanted."""


class Missing(LayerUnavailable):
    """The mirror is there and does not have it."""


def offline(environment: Mapping[str, str]) -> bool:
    return environment.get("FN_OFFLINE", "").lower() not in ("", "0", "false", "no")


class Offline:
    """No network: by the user's word."""

    def __call__(self, wanted: Sequence[Wanted], took: Callable[[Wanted, bytes], None]) -> None:
        if wanted:
            raise LayerUnavailable(
                f"{_name(wanted[0].url)} is not in the cache, and FN_OFFLINE forbids to fetch it",
                hint="unset FN_OFFLINE once, with the network there",
            )


class Plain:
    def __call__(self, wanted: Sequence[Wanted], took: Callable[[Wanted, bytes], None]) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
            for each, data in zip(wanted, pool.map(_get, wanted), strict=True):
                took(each, data)


class Apt:
    def __init__(self, helper: Path = APT_HELPER) -> None:
        self._helper = helper

    def __call__(self, wanted: Sequence[Wanted], took: Callable[[Wanted, bytes], None]) -> None:
        if not wanted:
            return
        with tempfile.TemporaryDirectory(prefix="fn-fetch-") as scratch:
            places = [Path(scratch) / str(number) for number in range(len(wanted))]
            words = [word for each, place in zip(wanted, places, strict=True) for word in _request(each, place)]
            # As root apt would fetch as a user of its own, who cannot write here.
            options = ("-qq", "-o", "APT::Sandbox::User=")
            try:
                done = subprocess.run(
                    [self._helper, *options, "download-file", *words],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    env={**os.environ, "LC_ALL": "C"},
                    check=False,
                )
            except OSError as error:
                raise LayerUnavailable(f"cannot be started: {error.strerror}", where=str(self._helper)) from error
            for each, place in zip(wanted, places, strict=True):
                if not place.is_file():
                    raise _failure(each, done.stderr)
                took(each, _proven(each, place.read_bytes()))


def _request(wanted: Wanted, place: Path) -> tuple[str, ...]:
    return (wanted.url, str(place), *((f"SHA256:{wanted.sha256}",) if wanted.sha256 else ()))


def _failure(wanted: Wanted, said: str) -> LayerUnavailable:
    """From what apt printed: "E: Failed to fetch URL  404  Not Found [IP: …]"."""
    lines = [line.removeprefix("E: ").strip() for line in said.splitlines() if line.startswith("E:")]
    mine = next((line for line in lines if wanted.url in line), lines[0] if lines else "apt's downloader gave nothing")
    kind = Missing if " 404 " in mine or "File not found" in mine else LayerUnavailable
    return kind(f"{_name(wanted.url)} cannot be fetched: {mine}", hint=_ADVICE)


def _get(wanted: Wanted) -> bytes:
    try:
        with urllib.request.urlopen(wanted.url, timeout=_TIMEOUT) as answer:
            data = b""
            while len(data) <= wanted.limit and (chunk := answer.read(_CHUNK)):
                data += chunk
    except urllib.error.HTTPError as error:
        kind = Missing if error.code in (404, 410) else LayerUnavailable
        raise kind(f"{wanted.url} is answered with {error.code} {error.reason}", hint=_ADVICE) from error
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, FileNotFoundError):
            raise Missing(f"{wanted.url} does not exist") from error
        raise LayerUnavailable(f"{wanted.url} cannot be fetched: {reason}", hint=_ADVICE) from error
    return _proven(wanted, data)


def _proven(wanted: Wanted, data: bytes) -> bytes:
    if len(data) > wanted.limit:
        raise LayerError(f"{wanted.url} is larger than the {wanted.limit} bytes that it may have")
    if wanted.sha256 is not None and hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise LayerError(
            f"{wanted.url} is not what was asked for: its SHA-256 is another",
            hint="a proxy or a mirror in between changes files, or the mirror is being updated: try again",
        )
    return data


def _name(url: str) -> str:
    return url.rpartition("/")[2]


_ADVICE = "FN_DEB_MIRROR names another mirror; what is in the cache needs no network"
