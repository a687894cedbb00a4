"""Our clients for AWS's managed runtimes against the table that AWS's own clients are held to (tests/conformance)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import cases
from fnroll.emulator import managed
from scenarios.languages import HERE, Built
from scenarios.running import Stage
from scenarios.test_scenarios import TABLE
from scenarios.vocabulary import Scenario

CLIENTS = Path(__file__).parents[1] / "conformance" / "clients"
RUNTIMES = {"python": "python3.13", "node": "nodejs20.x"}
HANDLERS = {"python": "handler.handle", "node": "index.handle"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    opened = Stage(tmp_path_factory.mktemp("managed"))
    yield opened
    opened.close()


def rows() -> Iterator[object]:
    for row in cases.TABLE:
        for client in row.languages:
            if client in RUNTIMES:
                reason = row.pending.get(client)
                marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
                yield pytest.param(row, client, id=f"{row.name}-{client}".replace(" ", "-"), marks=marks)


@pytest.mark.parametrize(("row", "client"), list(rows()))
def test_client(row: Scenario, client: str, stage: Stage, tmp_path: Path) -> None:
    found = managed.find(RUNTIMES[client])
    if found is None or found.interpreter is None:
        pytest.skip(f"no {client} on this machine")
    task = tmp_path / "task"
    shutil.copytree(CLIENTS / client, task)
    # The line in which npm's client greets is not one that Lambda's managed runtime prints.
    quiet = tuple(replace(call, init_log=()) if call.init_log is cases.LOADED else call for call in row.calls)
    row = replace(row, calls=quiet, config={"handler": HANDLERS[client], **row.config, "runtime": RUNTIMES[client]})
    stage.run(stage.perform(row, Built(task, None, HANDLERS[client]), client))


def python_rows() -> Iterator[object]:
    for row in TABLE:
        if "python" in row.languages and row.name != "the platform's variables":  # those of a provided runtime
            reason = row.pending.get("python") or row.pending.get("all")
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            yield pytest.param(row, id=row.name.replace(" ", "-"), marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize("row", list(python_rows()))
def test_python_scenario(row: Scenario, stage: Stage, tmp_path: Path) -> None:
    """What the emulator's own table says of Python."""
    task = tmp_path / "task"
    task.mkdir()
    shutil.copy(HERE / "handlers" / "handler.py", task)
    config = (
        {**row.config}
        if row.config.get("runtime", "").startswith("python")
        else {**row.config, "runtime": "python3.13"}
    )
    row = replace(row, config=config)
    stage.run(stage.perform(row, Built(task, None), "python", unseen="[WARNING]\t"))
