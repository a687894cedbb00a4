"""Which bootstrap a function starts with, and whether the kernel would start it: looked up on the host's directories.

Lambda takes /var/task/bootstrap, else /opt/bootstrap, and answers Runtime.InvalidEntrypoint with the paths as the
function sees them (facts 2.5). Only file metadata and the first bytes are read here.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from fnroll.emulator.faults import Fault, invalid_entrypoint

PLACES = ("/var/task", "/opt")
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """The bootstrap lies in the layers (else in the function's own code)."""

    in_opt: bool


def find(task: Path, opt: Path | None) -> Entrypoint | Fault:
    """The bootstrap to exec, or why Lambda would not start it."""
    roots = dict(zip(PLACES, (task, opt), strict=True))
    for place, root in roots.items():
        if root is None:
            continue
        path = _inside(root / "bootstrap", roots)
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode):
            continue
        reason = _refusal(path, mode)
        if reason is not None:
            return invalid_entrypoint(f"fork/exec {place}/bootstrap: {reason}")
        return Entrypoint(in_opt=place == "/opt")
    tried = " ".join(f"{place}/bootstrap" for place in PLACES)
    return invalid_entrypoint(f"Couldn't find valid bootstrap(s): [{tried}]")


def _inside(path: Path, roots: dict[str, Path | None]) -> Path:
    """Follow links as the function would: /var/task and /opt in a link's target are the host's directories."""
    for _ in range(_MAX_LINKS):
        if not path.is_symlink():
            break
        target = path.readlink()
        homes = [root / target.relative_to(at) for at, root in roots.items() if root and target.is_relative_to(at)]
        path = homes[0] if homes else path.parent / target
    return path


def _refusal(path: Path, mode: int) -> str | None:
    """The kernel's word against executing this file, if it has one."""
    if not mode & 0o111:
        return "permission denied"
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError:
        return "permission denied"
    return None if magic.startswith((b"#!", b"\x7fELF")) else "exec format error"
