"""AWS's SDK for functions of the managed python runtimes, which have it on Lambda without packing it.

Where a function's code mentions it and does not bring it, our client is put into a directory of the cache together with
the packages of fn's own installation, compiled for the interpreter that will run them. Made once, in a second or two.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from fnroll import places

PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")

_MOST = 5000
"""Files that are looked into; whoever packs more has his dependencies with him."""


@lru_cache(maxsize=256)
def wanted(task: Path, opt: Path | None) -> bool:
    """Whether a file of the code speaks of the SDK that neither the package nor a layer holds."""
    homes = (task, *((opt / "python",) if opt else ()))
    if any((home / "boto3").is_dir() or (home / "botocore").is_dir() for home in homes):
        return False
    for number, path in enumerate(path for home in homes for path in home.rglob("*.py")):
        if number >= _MOST:
            return False
        try:
            if b"boto" in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def beside(client: Path, interpreter: Path, names: Sequence[str] = PACKAGES) -> Path:
    """The directory that holds `client` and the SDK; `client` alone where that cannot be had. Blocks as it is made."""
    packages = [place for name in names if (place := _place(name)) is not None]
    if len(packages) < len(names):
        return client
    target = places.cache_dir() / "managed" / f"{interpreter.name}-{_key(client, interpreter, packages)}"
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = Path(scratch) / "made"
            _make(made, client, packages, interpreter)
            made.rename(target)
    except OSError:
        # Another process may have made it meanwhile: it is put there whole, in one step.
        return target if target.is_dir() else client
    return target


def _place(name: str) -> Path | None:
    """A package's directory, or a module's file. Nothing is imported."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None:
        return None
    origin = Path(found.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _key(client: Path, interpreter: Path, packages: list[Path]) -> str:
    """Changes with anything that it is made of."""
    heads = [path / "__init__.py" if path.is_dir() else path for path in packages]
    files = [*sorted(path for path in client.rglob("*.py") if path.is_file()), *heads, interpreter]
    said = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def _make(target: Path, client: Path, packages: list[Path], interpreter: Path) -> None:
    skipped = shutil.ignore_patterns("__pycache__", "conformance")
    shutil.copytree(client, target, ignore=skipped)
    for path in packages:
        if path.is_dir():
            shutil.copytree(path, target / path.name, ignore=skipped)
        else:
            shutil.copy2(path, target)
    command = [str(interpreter), "-I", "-m", "compileall", "-q", "-j", "0", str(target)]
    subprocess.run(command, check=False, capture_output=True, env={"PATH": os.environ.get("PATH", os.defpath)})
    target.chmod(0o755)
