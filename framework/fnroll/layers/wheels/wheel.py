"""A wheel to its files, as they would lie in one directory: nothing is installed, no code of it runs.

The format: a zip with `NAME-VERSION.dist-info/`, and `NAME-VERSION.data/` for what installers put elsewhere (the binary
distribution format of Python's packaging guide). `scripts` come to lie in bin/, `headers` in include/.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

from fnroll.archive import unpack
from fnroll.errors import ArchiveError, LayerError
from fnroll.layers.debian.deb import File

_DATA = re.compile(r"[^/]+\.data/(purelib|platlib|data|scripts|headers)/(.+)")
_PLACES = {"purelib": "", "platlib": "", "data": "", "scripts": "bin/", "headers": "include/"}
_LICENCE = re.compile(r"[^/]+\.dist-info/(?:licen[sc]es?/)?((?:licen[sc]e|copying|notice|authors)[^/]*)", re.IGNORECASE)
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_FILE = re.compile(r"([A-Za-z0-9._]+)-([A-Za-z0-9._!+]+)(?:-[0-9][^-]*)?-[^-]+-[^-]+-[^-]+\.whl")


def named(file: str) -> tuple[str, str]:
    """(name, version) of a wheel, by its file's name; the name normalised, foo-bar. Raises LayerError."""
    found = _FILE.fullmatch(file)
    if found is None:
        raise LayerError(f"pip gave {file}, which is no wheel")
    return re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]


def files(data: bytes, where: str) -> Iterator[File]:
    """`where`: how an error names it. Raises LayerError for what is no wheel, or holds what no archive may."""
    with tempfile.TemporaryDirectory(prefix="fn-wheel-") as scratch:
        root = Path(scratch) / "wheel"
        try:
            unpack(data, root)
        except ArchiveError as error:
            member = f"holds {error.where}: " if error.where else ""
            raise LayerError(member + error.message, where=where, hint=error.hint) from error
        for path in sorted(one for one in root.rglob("*") if not one.is_dir()):
            name = path.relative_to(root).as_posix()
            if (elsewhere := _DATA.fullmatch(name)) is not None:
                name = _PLACES[elsewhere[1]] + elsewhere[2]
            if path.is_symlink():
                yield File(name, link=str(path.readlink()))
            else:
                yield File(name, path.read_bytes(), os.access(path, os.X_OK))


def licence_file(name: str) -> str | None:
    """What the licence at `name` is called by itself; None if it is none."""
    found = _LICENCE.fullmatch(name)
    return found[1] if found is not None else None


def licence_said(name: str, content: bytes) -> str | None:
    """The licence that the metadata names, where `name` is their file."""
    if not _METADATA.fullmatch(name):
        return None
    head = HeaderParser().parsestr(content.decode("utf-8", "replace"), headersonly=True)
    classifiers = [each for each in head.get_all("Classifier", []) if each.startswith("License ::")]
    return next((text for text in (head["License-Expression"], head["License"], *classifiers) if text), None)
