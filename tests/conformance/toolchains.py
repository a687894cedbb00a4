"""AWS's own runtime clients, built with what this machine has into a cache outside the repository, once each.

A client whose toolchain is not here, or whose packages cannot be had, is `Unavailable`: its tests are skipped with the
reason. Packages come from wherever the machine's own pip, go, cargo, maven and npm are told to get them. A handler of
ours that does not compile is a failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fnroll import places
from scenarios.languages import PYTHON, Built, script

SOURCES = Path(__file__).parent / "clients"
PATIENCE = 1200.0
"""Seconds for one step of a build: Rust's on one busy core."""


Functions = Callable[[str], Built]
"""A client's function by the client's name."""


def asked_for() -> None:
    """For the head of a test module: building takes minutes and packages, so it is done where it was asked for."""
    if not os.environ.get("FN_CONFORMANCE"):
        pytest.skip("make conformance runs these: they build AWS's clients", allow_module_level=True)


class Unavailable(Exception):
    """Why a client cannot be run on this machine."""


@dataclass(frozen=True, slots=True)
class Client:
    """`needs`: programs of the toolchain; `inside`: those that must lie where a sandbox sees them, under /usr."""

    name: str
    needs: tuple[str, ...]
    inside: tuple[str, ...]
    make: Callable[[Path, Path], None]
    """From the copied sources (also the working directory) to `task`, `opt` and `extensions` in the directory given."""
    handler: str = "handler.handle"


def build(client: Client) -> Built:
    """The client's function, from the cache or anew. Raises Unavailable."""
    home = _made(client)
    return Built(home / "task", home / "opt", client.handler)


def extension(client: Client) -> Path:
    """The client's external extension, a program. Raises Unavailable."""
    return _made(client) / "extension"


def _made(client: Client) -> Path:
    for program in (*client.needs, *client.inside):
        if shutil.which(program) is None:
            raise Unavailable(f"{client.name}: no {program} on this machine")
    for program in client.inside:
        if not str(shutil.which(program, path="/usr/bin:/bin") or "").startswith("/"):
            raise Unavailable(f"{client.name}: {program} lies outside /usr, where a sandbox does not see it")
    cache = places.cache_dir() / "conformance"
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"{client.name}-{_digest(client)}"
    with (cache / f"{client.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _make(client, home)
            for other in cache.glob(f"{client.name}-*"):
                if other != home:
                    shutil.rmtree(other)
    return home


def _make(client: Client, home: Path) -> None:
    """Beside its place first: what lies there is whole."""
    with tempfile.TemporaryDirectory(dir=home.parent) as made:
        work, new = Path(made) / "work", Path(made) / "new"
        shutil.copytree(SOURCES / client.name, work)
        (new / "task").mkdir(parents=True)
        (new / "opt").mkdir()
        client.make(work, new)
        new.rename(home)


def _digest(client: Client) -> str:
    """Of all that a build depends on: the sources, how they are built, the machine."""
    source = SOURCES / client.name
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    parts = [platform.platform().encode(), inspect.getsource(client.make).encode()]
    for path in files:
        parts += [str(path.relative_to(source)).encode(), path.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _run(work: Path, *command: str | Path, **env: str) -> str:
    """The end of what a command said where it failed, else nothing."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=work,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than {PATIENCE:.0f} s"
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-2000:] or f"status {done.returncode}"


def _fetch(name: str, work: Path, *command: str | Path, **env: str) -> None:
    if said := _run(work, *command, **env):
        raise Unavailable(f"{name}: cannot get its packages: {said.strip().splitlines()[-1][:300]}")


def _compile(work: Path, *command: str | Path, **env: str) -> None:
    if said := _run(work, *command, **env):
        raise AssertionError(f"the handler does not build:\n{said}")


def _python(work: Path, home: Path) -> None:
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    choice = ("--python-version", version, "--only-binary", ":all:", "--no-compile")
    libraries = home / "opt" / "python"
    _fetch("python", work, sys.executable, "-m", "pip", "install", "-q", "--target", libraries, *choice, "awslambdaric")
    shutil.copy(work / "handler.py", home / "task")
    script(
        home / "opt" / "bootstrap",
        f'#!/bin/sh\nexport PYTHONPATH=/opt/python\nexec {PYTHON} -m awslambdaric "$_HANDLER"\n',
    )


def _go(work: Path, home: Path) -> None:
    _fetch("go", work, "go", "mod", "tidy")
    _compile(work, "go", "build", "-tags", "lambda.norpc", "-o", home / "task" / "bootstrap", ".", CGO_ENABLED="0")


def _rust(work: Path, home: Path) -> None:
    _fetch("rust", work, "cargo", "fetch")
    _compile(work, "cargo", "build", "--release", "--offline", "--jobs", "2")
    shutil.copy(work / "target" / "release" / "bootstrap", home / "task")
    shutil.copy(work / "target" / "release" / "extension", home)


def _java(work: Path, home: Path) -> None:
    libraries = home / "opt" / "java" / "lib"
    _fetch("java", work, "mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={libraries}")
    _compile(work, "javac", "-cp", f"{libraries}/*", "-d", home / "task", "Handler.java")
    script(
        home / "opt" / "bootstrap",
        '#!/bin/sh\n[ -z "$BROKEN" ] || { echo broken; exit 1; }\n'
        "exec /usr/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/var/task:/opt/java/lib/*' "
        'com.amazonaws.services.lambda.runtime.api.client.AWSLambda "$_HANDLER"\n',
    )


def _node(work: Path, home: Path) -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    wanted = "4" if int(version.lstrip("v").partition(".")[0]) >= 22 else "3"
    (home / "opt" / "nodejs").mkdir(parents=True)
    options = ("--no-package-lock", "--no-audit", "--no-fund", "--prefix", home / "opt" / "nodejs")
    _fetch("node", work, "npm", "install", *options, f"aws-lambda-ric@{wanted}")
    shutil.copy(work / "index.js", home / "task")
    script(
        home / "opt" / "bootstrap",
        '#!/bin/sh\nexec /usr/bin/node /opt/nodejs/node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"\n',
    )


CLIENTS = {
    client.name: client
    for client in (
        Client("python", (), ("python3",), _python),
        Client("go", ("go",), (), _go),
        Client("rust", ("cargo", "cc"), (), _rust),
        Client("java", ("mvn", "javac"), ("java",), _java, "Handler::handle"),
        Client("node", ("npm", "cmake", "g++", "make", "autoreconf", "libtoolize"), ("node",), _node, "index.handle"),
    )
}
