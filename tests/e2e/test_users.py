"""`fn run` as root, as an ordinary user, and where user namespaces are denied: same answer, and the tier said aloud.

The suite may run as root from directories that no other user can read. So the user gets a copy of what an installation
holds (the package with its shared files, and the libraries that `fn run` loads) and the system's own Python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534
LIBRARIES = ("click", "httptools", "pathspec", "deflate")

# Denies user namespaces the way a locked-down machine does: the limit of the namespace we are in becomes zero.
WITHOUT_NAMESPACES = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
    sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
with open("/proc/sys/user/max_user_namespaces", "w") as limit:
    limit.write("0")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def usable_python() -> str:
    """A Python of our version that any user can start. Skips where there is none."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/python{version}", "/usr/bin/python3"):
        probe = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(
                probe, user=NOBODY, group=NOBODY, cwd="/", capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        if done.returncode == 0 and done.stdout.strip() == version:
            return candidate
    pytest.skip(f"no Python {version} here that an ordinary user can start")


@pytest.fixture(scope="module")
def installation() -> Iterator[Path]:
    """A directory, readable by all, with what `fn run` needs."""
    with tempfile.TemporaryDirectory(prefix="fn-user-") as made:
        home = Path(made)
        hidden = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "framework" / "fnroll", home / "lib" / "fnroll", ignore=hidden)
        for kind in ("runtimes", "templates"):
            shutil.copytree(ROOT / kind, home / "lib" / "fnroll" / "_share" / kind, ignore=hidden)
        for name in LIBRARIES:
            spec = find_spec(name)
            assert spec is not None and spec.origin is not None
            shutil.copytree(Path(spec.origin).parent, home / "lib" / name, ignore=hidden)
        botocore = find_spec("botocore")
        assert botocore is not None and botocore.origin is not None
        source = Path(botocore.origin).parent
        shutil.copytree(source / "data" / "lambda", home / "lib" / "botocore" / "data" / "lambda")
        shutil.copy(source / "__init__.py", home / "lib" / "botocore")
        (home / "work").mkdir()
        subprocess.run(["chmod", "-R", "a+rX", made], check=True)
        os.chown(home / "work", NOBODY, NOBODY)
        yield home


@pytest.fixture
def as_user(installation: Path) -> Run:
    """Run `fn WORDS...` as an ordinary user; `before` is a Python program that starts it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; the rest of the suite has run as an ordinary one")
    python = usable_python()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(installation / "work"), "PYTHONPATH": str(installation / "lib")}

    def run(*words: str, cwd: Path, before: str | None = None) -> subprocess.CompletedProcess[str]:
        start = [python] if before is None else [python, "-c", before]
        return subprocess.run(
            [*start, "-m", "fnroll", *words],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def project(as_user: Run, installation: Path) -> Iterator[Path]:
    target = Path(tempfile.mkdtemp(dir=installation / "work"))
    os.chown(target, NOBODY, NOBODY)
    done = as_user("init", "hello", cwd=target)
    assert done.returncode == 0, done.stderr
    yield target / "hello"
    shutil.rmtree(target)


def test_an_ordinary_user_gets_the_isolated_sandbox(as_user: Run, project: Path) -> None:
    done = as_user("run", "-e", '{"name": "user"}', "--sandbox", "linux", cwd=project)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["message"] == "Hello, user"
    assert "sandbox: linux" in done.stderr


def test_without_namespaces_it_falls_back_and_says_what_is_missing(as_user: Run, project: Path) -> None:
    done = as_user("run", "-e", '{"name": "denied"}', cwd=project, before=WITHOUT_NAMESPACES)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["message"] == "Hello, denied"
    first = done.stderr.splitlines()[0]
    assert re.match(r"sandbox: (landlock|process); not enforced here: isolation, ", first)


def test_without_namespaces_the_linux_tier_is_refused_with_the_step(as_user: Run, project: Path) -> None:
    done = as_user("run", "--sandbox", "linux", cwd=project, before=WITHOUT_NAMESPACES)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "namespace" in done.stderr
