"""The life of an environment: the table is closed, and the page draws the same one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fnroll.emulator import environment
from fnroll.emulator.lifecycle import TRANSITIONS, Action, Happening, Phase, after

PAGE = Path(__file__).parents[2] / "docs" / "emulator.md"


@pytest.mark.parametrize(
    ("happenings", "end"),
    [
        ("start ready invoke answer ready", Phase.IDLE),
        ("start ready invoke deadline invoke ready answer ready", Phase.IDLE),
        ("start failed invoke exit", Phase.DOWN),
        ("start deadline invoke ready exit", Phase.DOWN),
        ("start ready exit invoke ready", Phase.INVOKE),
        ("start ready invoke answer deadline invoke", Phase.RETRY),
        ("start ready invoke exit deadline answer ready", Phase.DOWN),
        ("start close ready invoke", Phase.CLOSED),
    ],
)
def test_ways_through(happenings: str, end: Phase) -> None:
    phase = Phase.NEW
    for name in happenings.split():
        phase, _ = after(phase, Happening(name))
    assert phase is end


def test_every_phase_can_be_reached_and_left_and_every_action_is_taken_and_known() -> None:
    reached = {Phase.NEW}
    for _ in Phase:
        reached |= {aim for phase in reached for aim, _ in TRANSITIONS[phase].values()}
    assert reached == set(Phase)
    assert all(Happening.CLOSE in row for phase, row in TRANSITIONS.items() if phase is not Phase.CLOSED)
    assert {action for row in TRANSITIONS.values() for _, action in row.values()} == set(Action)
    assert set(environment._ACTIONS) == set(Action)


def test_the_page_draws_the_same_table() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if re.match(r"\| (phase|\*\*\w+\*\*) \|", line)
    ]
    (_, *columns), *rows = rows
    drawn = {}
    for name, *cells in rows:
        row = {}
        for column, cell in zip(columns, cells, strict=True):
            if cell:
                aim, _, action = cell.partition(": ")
                row[Happening(column.strip("`"))] = Phase(aim), Action(action)
        drawn[Phase(name.strip("*"))] = row
    assert drawn == {phase: dict(row) for phase, row in TRANSITIONS.items()}
