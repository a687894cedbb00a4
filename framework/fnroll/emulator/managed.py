"""AWS's managed runtimes on this machine: the client of ours that speaks for one, and the interpreter that it runs in.

On Lambda both are AWS's, in /var/runtime and /var/lang. Here the client is a folder of `runtimes/`, and the interpreter
the machine's: of the version that the runtime names where there is one, else the nearest at hand, and `notice` says so.
Looked for are programs on PATH and where version managers keep theirs; their shims, which are scripts, are passed over.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fnroll import places

SYSTEM = ("/usr/", "/bin/", "/lib/")
"""What every sandbox shows of the machine: an interpreter that lies there needs not be shown."""


@dataclass(frozen=True, slots=True)
class Family:
    """The runtimes of one language. `names`: its programs, `{v}` being the version; `homes`: version managers' folders,
    as globs below the home directory or a variable's value; `version`: finds the version in a runtime's name."""

    folder: str
    version: re.Pattern[str]
    names: tuple[str, ...]
    homes: tuple[str, ...]


FAMILIES: Mapping[str, Family] = {
    "python": Family(
        "python",
        re.compile(r"python(\d+\.\d+)"),
        ("python{v}", "python3"),
        (
            "{PYENV_ROOT:.pyenv}/versions/{v}.*/bin/python{v}",
            ".local/share/uv/python/cpython-{v}.*/bin/python{v}",
            ".local/share/mise/installs/python/{v}.*/bin/python{v}",
            ".asdf/installs/python/{v}.*/bin/python{v}",
        ),
    ),
    "nodejs": Family(
        "node",
        re.compile(r"nodejs(\d+)\.x"),
        ("node", "nodejs"),
        (
            "{NVM_DIR:.nvm}/versions/node/v{v}.*/bin/node",
            ".volta/tools/image/node/{v}.*/bin/node",
            ".local/share/fnm/node-versions/v{v}.*/installation/bin/node",
            ".local/share/mise/installs/node/{v}.*/bin/node",
            ".asdf/installs/nodejs/{v}.*/bin/node",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A program of this machine. `version` as the family counts: 3.12 of python, 22 of node."""

    path: Path
    version: str

    @property
    def prefix(self) -> Path:
        return self.path.parent.parent

    @property
    def hidden(self) -> bool:
        """Whether a sandbox has to be shown its folder."""
        return not str(self.path).startswith(SYSTEM)


@dataclass(frozen=True, slots=True)
class Managed:
    """A managed runtime as it runs here. `wanted`: its version; `interpreter` None: there is none on this machine."""

    name: str
    wanted: str
    directory: Path
    interpreter: Interpreter | None

    @property
    def notice(self) -> str | None:
        """What the user should know of the difference to Lambda."""
        if self.interpreter is None or self.interpreter.version == self.wanted:
            return None
        return f"{self.name} runs on {self.interpreter.path} here, which is version {self.interpreter.version}"


def family(runtime: str | None) -> Family | None:
    return next((one for one in FAMILIES.values() if one.version.fullmatch(runtime or "")), None)


def find(runtime: str | None) -> Managed | None:
    """None: not a runtime that this machine can stand in for."""
    found = family(runtime)
    match = None if found is None else found.version.fullmatch(runtime or "")
    if found is None or match is None or runtime is None:
        return None
    directory = places.share_dir("runtimes") / found.folder
    if not (directory / "bootstrap").is_file():
        return None
    return Managed(runtime, match[1], directory, _interpreter(found.folder, match[1], os.environ.get("PATH")))


@lru_cache
def _interpreter(folder: str, version: str, path: str | None) -> Interpreter | None:
    of = next(one for one in FAMILIES.values() if one.folder == folder)
    others: list[Interpreter] = []
    for program in _programs(of, version, path or os.defpath):
        found = _identified(program, folder)
        if found is not None and found.version == version:
            return found
        others += [found] if found is not None else []
    return others[0] if others else None


def _programs(of: Family, version: str, path: str) -> Iterator[Path]:
    """Candidates, most wanted first."""
    for name in of.names:
        for directory in path.split(os.pathsep):
            yield Path(directory) / name.format(v=version)
    for home in of.homes:
        yield from _installed(home, version)
    if of.folder == "python":
        yield Path(getattr(sys, "_base_executable", None) or sys.executable)


def _installed(home: str, version: str) -> Iterator[Path]:
    """What a glob of a version manager's folder finds, newest first."""
    start = Path.home()
    if match := re.match(r"\{(\w+):([^}]+)\}/", home):
        start = Path(os.environ.get(match[1]) or start / match[2])
        home = home[match.end() :]
    return iter(sorted(start.glob(home.format(v=version)), key=_release, reverse=True))


def _release(program: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(program))]


def _identified(program: Path, folder: str) -> Interpreter | None:
    """Links are followed: a virtual environment's python is the one that it was made from."""
    try:
        real = program.resolve(strict=True)
        with real.open("rb") as file:
            if not os.access(real, os.X_OK) or file.read(2) == b"#!":
                return None
    except OSError:
        return None
    if folder == "python":
        match = re.fullmatch(r"python(\d+\.\d+)", real.name)
        whole = match and (real.parent.parent / "lib" / real.name / "os.py").is_file()
        return Interpreter(real, match[1]) if match and whole else None
    try:
        said = subprocess.run([real, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v(\d+)\.", said)
    return Interpreter(real, match[1]) if match else None
