"""The Python half of the scenario table under AWS's own client: our small bootstrap must not have invented anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.toolchains import Functions, asked_for
from scenarios.languages import HERE, Built
from scenarios.running import Stage
from scenarios.test_scenarios import TABLE
from scenarios.vocabulary import Scenario

asked_for()
pytestmark = pytest.mark.timeout(1500)

OTHERWISE = {
    "the platform's variables": "the bootstrap of this test names a managed runtime, so that the client writes UTF-8",
}


def rows() -> Iterator[object]:
    for row in TABLE:
        if "python" in row.languages:
            reason = row.pending.get("python") or row.pending.get("all")
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            if row.name in OTHERWISE:
                marks = [pytest.mark.skip(reason=OTHERWISE[row.name])]
            yield pytest.param(row, id=row.name.replace(" ", "-"), marks=marks)


@pytest.fixture(scope="session")
def handler(functions: Functions, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The table's handler, with AWS's client in the layer."""
    client = functions("python")
    home = tmp_path_factory.mktemp("client")
    task, opt = home / "task", home / "opt"  # not `home` itself, which is this user's alone
    task.mkdir()
    shutil.copy(HERE / "handlers" / "handler.py", task)
    assert client.opt is not None
    shutil.copytree(client.opt, opt)
    bootstrap = Path(opt / "bootstrap")
    bootstrap.write_text(bootstrap.read_text().replace("exec", "export AWS_EXECUTION_ENV=AWS_Lambda_python3.13\nexec"))
    return replace(client, task=task, opt=opt)


@pytest.mark.parametrize("row", list(rows()))
def test_scenario(row: Scenario, handler: Built, stage: Stage) -> None:
    stage.run(stage.perform(row, handler, "python", unseen="[WARNING]\t"))
