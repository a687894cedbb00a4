"""Which bootstrap a function starts with, and whether the kernel would start it: looked up on the host's directories.

A managed runtime has its own in /var/runtime; here ours stands in for it (managed.py), where the function brings none.

Lambda takes /var/task/bootstrap, else /opt/bootstrap, and answers Runtime.InvalidEntrypoint with the paths as the
function sees them (facts 2.5). Only file metadata and the first bytes are read here.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from pathlib import Path

from fnroll.emulator import managed, sdk
from fnroll.emulator.faults import Fault, invalid_entrypoint
from fnroll.errors import SandboxError
from fnroll.sandbox.api import Layout

PLACES = ("/var/task", "/opt")
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """The bootstrap lies in the layers (else in the function's own code), or is that of a managed runtime."""

    in_opt: bool
    managed: managed.Managed | None = None

    @property
    def path(self) -> str:
        """Where it lies on Lambda."""
        return f"{'/var/runtime' if self.managed else '/opt' if self.in_opt else '/var/task'}/bootstrap"

    def argv(self, layout: Layout) -> tuple[str, ...]:
        """What to exec. A managed runtime's bootstrap is told its interpreter. Raises SandboxError where there is
        none."""
        if self.managed is None:
            return (f"{layout.opt if self.in_opt else layout.task}/bootstrap",)
        found = self.managed.interpreter
        if found is None:
            language = self.managed.directory.name
            raise SandboxError(
                f"{self.managed.name} needs {language} on this machine, and there is none",
                hint=f"install {language} {self.managed.wanted}, or put it on PATH",
            )
        program = f"{layout.lang}/bin/{found.path.name}" if found.hidden else str(found.path)
        return (f"{layout.runtime}/bootstrap", program)

    @property
    def shown(self) -> tuple[Path | None, Path | None]:
        """The host's directories for /var/runtime and /var/lang."""
        if self.managed is None or self.managed.interpreter is None:
            return None, None
        found = self.managed.interpreter
        return self.managed.directory, found.prefix if found.hidden else None


def find(task: Path, opt: Path | None, runtime: str | None = None) -> Entrypoint | Fault:
    """The bootstrap to exec, or why Lambda would not start it. Of a managed runtime the first call may take seconds."""
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
    if (stand_in := managed.find(runtime)) is not None:
        return Entrypoint(in_opt=False, managed=_equipped(stand_in, task, opt))
    tried = " ".join(f"{place}/bootstrap" for place in PLACES)
    return invalid_entrypoint(f"Couldn't find valid bootstrap(s): [{tried}]")


def _equipped(stand_in: managed.Managed, task: Path, opt: Path | None) -> managed.Managed:
    """With what AWS puts beside its client, if the function asks for it."""
    if not stand_in.name.startswith("python") or stand_in.interpreter is None or not sdk.wanted(task, opt):
        return stand_in
    return replace(stand_in, directory=sdk.beside(stand_in.directory, stand_in.interpreter.path))


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
