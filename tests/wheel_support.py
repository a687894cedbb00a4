"""Wheels made for a test, and an index of them on this disk."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

PROGRAM = b'#!/bin/sh\n. "${0%/*}/../share/greeting"; echo "$greeting $* $GIVEN"\n'
FILES = {
    "greeter/bin/greet": PROGRAM,
    "greeter/share/greeting": b"greeting=hello\n",
    "greeter/manual.txt": b"words\n",
    "greeter-{v}.data/scripts/more": b"#!/bin/sh\n",
    "greeter-{v}.dist-info/licenses/LICENSE": b"take it\n",
    "greeter-{v}.dist-info/METADATA": b"Metadata-Version: 2.4\nName: greeter\nVersion: {v}\nLicense-Expression: MIT\n",
    "greeter-{v}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    "greeter-{v}.dist-info/RECORD": b"",
}


def wheel(version: str = "1.0", files: Mapping[str, bytes] = FILES) -> bytes:
    """`{v}` in names and contents is the version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name.replace("{v}", version))
            info.external_attr = (0o100755 if content.startswith(b"#!") else 0o100644) << 16
            archive.writestr(info, content.replace(b"{v}", version.encode()))
    return buffer.getvalue()


def index(root: Path, wheels: Mapping[str, bytes], project: str = "greeter") -> dict[str, str]:
    """A simple index below `root` (the Simple Repository API, as files), and the environment that points pip there."""
    folder = root / project
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, data in wheels.items():
        (folder / name).write_bytes(data)
        rows.append(f'<a href="{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a>')
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(rows)}</body></html>")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "FN_"))}
    return {**kept, "PIP_INDEX_URL": root.as_uri(), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
