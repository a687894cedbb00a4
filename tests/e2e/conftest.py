"""Fixtures of the end-to-end tests: the real `fn` process, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev_support import Dev, starter
from e2e_support import Fn


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's environment that knows nothing of the machine's: no AWS settings, own state and cache."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FN_", "LAMBROLL_"))}
    return kept | {
        "FN_STATE": str(tmp_path / "state"),
        "FN_CACHE": str(tmp_path / "cache"),
        "HOME": str(tmp_path / "home"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_COLOR": "1",
        "FN_OFFLINE": "1",  # a test that would fetch packages fails
    }


@pytest.fixture
def fn(environment: dict[str, str], tmp_path: Path) -> Fn:
    """Run `fn WORDS...` as a process. `status` is the exit code expected (None: any)."""

    def call(
        *words: str, cwd: Path | None = None, status: int | None = 0, stdin: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "fnroll", *words],
            cwd=cwd or tmp_path,
            env=environment | more,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert status is None or done.returncode == status, f"fn {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done

    return call


@pytest.fixture
def hello(fn: Fn, tmp_path: Path) -> Path:
    """A fresh project from the Perl template."""
    fn("init", "--runtime", "perl", "hello")
    return tmp_path / "hello"


@pytest.fixture
def cloud(fn: Fn) -> Iterator[str]:
    """A local cloud that is up; its URL."""
    url = fn("local", "up", "--detach", "--port", "0").stdout.strip()
    yield url
    fn("local", "down", status=None)


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., Dev]]:
    """Starts `fn dev` (dev_support.starter), and ends it after the test."""
    with starter(environment) as start:
        yield start
