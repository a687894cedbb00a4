"""AWS's own runtime clients, unmodified, as functions under the emulator: what `make conformance` runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance import cases
from conformance.toolchains import Functions, asked_for
from scenarios.running import Stage
from scenarios.vocabulary import Scenario

asked_for()
pytestmark = pytest.mark.timeout(1500)


def rows() -> Iterator[object]:
    for row in cases.TABLE:
        for client in row.languages:
            reason = row.pending.get(client) or row.pending.get("all")
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            yield pytest.param(row, client, id=f"{row.name}-{client}".replace(" ", "-"), marks=marks)


@pytest.mark.parametrize(("row", "client"), list(rows()))
def test_client(row: Scenario, client: str, stage: Stage, functions: Functions) -> None:
    stage.run(stage.perform(row, functions(client), client))
