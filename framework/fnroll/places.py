"""Where things lie on a machine: the user's state and cache directories, and the files shipped with `fn`.

Only paths live here, and the few lines that find them; nothing is created or read.
"""

from __future__ import annotations

import os
from pathlib import Path


def state_dir() -> Path:
    """FN_STATE, else XDG's state directory: what must survive (the local cloud)."""
    if chosen := os.environ.get("FN_STATE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fnroll"


def cache_dir() -> Path:
    """FN_CACHE, else XDG's cache directory: what may be deleted at any time."""
    if chosen := os.environ.get("FN_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fnroll"


def share_dir(kind: str) -> Path:
    """The shipped `runtimes` or `templates`: inside the wheel, or beside framework/ in a checkout."""
    inside = Path(__file__).parent / "_share" / kind
    return inside if inside.is_dir() else Path(__file__).parents[2] / kind
