"""A fresh cloud with a fake emulator for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support import FakeEmulator, client, served
from fnroll.cloud import Endpoint


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Endpoint, FakeEmulator]]:
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def endpoint(up: tuple[Endpoint, FakeEmulator]) -> Endpoint:
    return up[0]


@pytest.fixture
def fake(up: tuple[Endpoint, FakeEmulator]) -> FakeEmulator:
    return up[1]


@pytest.fixture
def lambda_(endpoint: Endpoint) -> Any:
    return client(endpoint)
