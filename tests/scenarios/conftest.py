"""Where the functions of the scenarios are made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("scenarios.running")


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A directory that the function's user may enter: where the sandbox mounts nothing, the way there counts."""
    with tempfile.TemporaryDirectory(prefix="scenarios-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
