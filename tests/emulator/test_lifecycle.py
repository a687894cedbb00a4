"""The life of an environment: the table is closed, and the page draws the same one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fnroll.emulator import environment
from fnroll.emulator.faults import Fault, exited, invalid_entrypoint
from fnroll.emulator.inits import LONGEST_PAUSE, InitFailure, pause_after
from fnroll.emulator.lifecycle import TRANSITIONS, Action, Happening, Phase, after
from fnroll.emulator.runtime_api import InitError
from fnroll.sandbox.api import Exit

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


@pytest.mark.parametrize(
    ("how", "crash", "error_type"),
    [
        (Exit(None, 11), True, "Runtime.ExitError"),
        (Exit(None, 9), True, "Runtime.ExitError"),
        (Exit(None, 9, oom=True), False, "Runtime.OutOfMemory"),
        (Exit(1, None), False, "Runtime.ExitError"),
        (Exit(0, None), False, "Runtime.ExitError"),
    ],
)
def test_only_a_signal_is_a_crash_that_is_tried_again(how: Exit, crash: bool, error_type: str) -> None:
    failure = InitFailure(None, exited(how), how)
    assert (failure.crash, failure.status, failure.error_type) == (crash, "error", error_type)


@pytest.mark.parametrize(
    ("failure", "status", "error_type"),
    [
        (InitFailure(), "timeout", None),
        (InitFailure(InitError(b"{}", "Runtime.X"), exited(Exit(None, 11)), Exit(None, 11)), "error", "Runtime.X"),
        (InitFailure(None, invalid_entrypoint("no")), "error", "Runtime.InvalidEntrypoint"),
        (InitFailure(None, Fault("Extension.Crash", "signal: killed"), Exit(None, 9)), "error", "Extension.Crash"),
    ],
)
def test_other_failures_are_not(failure: InitFailure, status: str, error_type: str | None) -> None:
    assert (failure.crash, failure.status, failure.error_type) == (False, status, error_type)


def test_pauses_grow_and_are_bounded() -> None:
    pauses = [pause_after(tries) for tries in range(1, 1000)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.1, LONGEST_PAUSE)
