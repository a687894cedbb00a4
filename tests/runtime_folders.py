"""Folders of runtimes with a manifest, for tests of what reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOOD: dict[str, Any] = {
    "name": "lua",
    "version": "5.4",
    "description": "Lua",
    "base": "provided.al2023",
    "architectures": ["x86_64"],
    "source": {"type": "none"},
    "entry": "bootstrap",
    "files": ["lib"],
    "handler": {"extensions": [".lua", ".luac"], "example": "handler.handle"},
    "license": "MIT",
}


def runtime_folder(project: Path, name: str = "lua", **changes: Any) -> Path:
    folder = project / "runtimes" / name
    folder.mkdir(parents=True)
    value = {key: item for key, item in {**GOOD, "name": name, **changes}.items() if item is not ...}
    (folder / "runtime.json").write_text(json.dumps(value))
    return folder
