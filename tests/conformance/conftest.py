"""What the conformance tests share. They build AWS's clients and so run with `make conformance` alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from conformance.toolchains import CLIENTS, Functions, Unavailable, build
from scenarios.languages import Built

if TYPE_CHECKING:
    from scenarios.running import Stage

pytest.register_assert_rewrite("scenarios.running")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    from scenarios.running import Stage  # after the line above that has its assertions explained

    opened = Stage(tmp_path_factory.mktemp("conformance"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def functions() -> Functions:
    """A client's function by the client's name; skips the test where there is none."""
    found: dict[str, Built | Unavailable] = {}

    def function(name: str) -> Built:
        if name not in found:
            try:
                found[name] = build(CLIENTS[name])
            except Unavailable as reason:
                found[name] = reason
        client = found[name]
        if isinstance(client, Unavailable):
            pytest.skip(str(client))
        return client

    return function
