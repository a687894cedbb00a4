"""The functions of the scenario table: a directory and a layer for each language, made once.

perl is the repository's own runtime, python our small bootstrap (or AWS's client, in tests/conformance), native a
program in C.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.vocabulary import DIRECTORY, File, Link, Scenario

HERE = Path(__file__).parent
RUNTIMES = HERE.parents[1] / "runtimes"
PYTHON = "/usr/bin/python3"
"""An interpreter that is visible inside a sandbox: others lie in home directories."""


class Missing(Exception):
    """This machine cannot build or run the language; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Built:
    """Where a language's function lies, and its configuration."""

    task: Path
    opt: Path | None
    handler: str = "handler.handle"


def build(language: str, directory: Path) -> Built:
    """Make the function in `directory`. Raises Missing."""
    task = directory / "task"
    task.mkdir(parents=True)
    return _BUILDERS[language](task, directory / "opt")


def _perl(task: Path, opt: Path) -> Built:
    if not Path("/usr/bin/perl").exists():
        raise Missing("no /usr/bin/perl")
    shutil.copy(HERE / "handlers/handler.pl", task)
    shutil.copytree(RUNTIMES / "perl", opt)
    return Built(task, opt)


def _python(task: Path, opt: Path) -> Built:
    if not Path(PYTHON).exists():
        raise Missing(f"no {PYTHON}")
    shutil.copy(HERE / "handlers/handler.py", task)
    opt.mkdir()
    shutil.copy(HERE / "handlers/bootstrap.py", opt)
    script(opt / "bootstrap", f"#!/bin/sh\nexec {PYTHON} ${{0%/*}}/bootstrap.py\n")
    return Built(task, opt)


def _native(task: Path, opt: Path) -> Built:
    compiler = shutil.which("cc")
    if compiler is None:
        raise Missing("no C compiler (cc)")
    source = HERE / "handlers/native.c"
    command = [compiler, "-O1", "-pthread", "-o", str(task / "bootstrap"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"cc: {done.stderr.splitlines()[-1] if done.stderr else done.returncode}")
    return Built(task, None)


_BUILDERS = {"perl": _perl, "python": _python, "native": _native}


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def changed(built: Built, of: Scenario, directory: Path) -> Built:
    """The scenario's own copy of the function, where it has other files than all the rest."""
    if not of.files and not of.layer and not of.bare:
        return built
    task, opt = directory / "task", directory / "opt"
    for source, target, changes in ((built.task, task, of.files), (built.opt, opt, of.layer)):
        target.mkdir(parents=True)
        if source is not None and not of.bare:
            shutil.copytree(source, target, dirs_exist_ok=True)
        for name, change in changes.items():
            _put(target / name, change)
    return Built(task, opt if of.layer or built.opt else None, built.handler)


def _put(path: Path, change: Any) -> None:
    if path.exists() or path.is_symlink():
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(change, File):
        path.write_bytes(change.text.encode() if isinstance(change.text, str) else change.text)
        path.chmod(change.mode)
    elif isinstance(change, Link):
        path.symlink_to(change.target)
    elif change is DIRECTORY:
        path.mkdir()
