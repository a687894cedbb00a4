"""The runtime's states: the table is closed, the refusals have Lambda's texts, the page shows the same table."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from fnroll.emulator.states import AIMS, TRANSITIONS, Event, Refused, State, after

PAGE = Path(__file__).parents[2] / "docs" / "emulator.md"


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ("next deliver response taken next", State.READY),
        ("next deliver error taken next", State.READY),
        ("next next deliver next next", State.RUNNING),
        ("init_error", State.INIT_ERROR),
    ],
)
def test_ways_through(events: str, end: State) -> None:
    state = State.STARTED
    for name in events.split():
        state = after(state, Event(name))
    assert state is end


@pytest.mark.parametrize(
    ("state", "event", "text"),
    [
        (State.RESPONSE_SENT, Event.RESPONSE, "RuntimeResponseSentState to InvocationResponse"),
        (State.READY, Event.ERROR, "Ready to InvocationErrorResponse"),
        (State.RUNNING, Event.INIT_ERROR, "Running to InitError"),
        (State.INIT_ERROR, Event.NEXT, "InitError to Ready"),
    ],
)
def test_refusals_name_both_states(state: State, event: Event, text: str) -> None:
    with pytest.raises(Refused) as refusal:
        after(state, event)
    assert str(refusal.value) == (
        f"State transition from {text} failed for runtime. Error: State transition is not allowed"
    )


def test_every_pair_is_allowed_or_refused_and_every_state_can_be_reached() -> None:
    for state, event in itertools.product(State, Event):
        try:
            assert after(state, event) in State
        except Refused as refusal:
            assert event not in TRANSITIONS[state]
            assert AIMS[event].value in str(refusal)
    reached = {State.STARTED}
    for _ in State:
        reached |= {aim for state in reached for aim in TRANSITIONS[state].values()}
    assert reached == set(State)


def test_the_page_draws_the_same_table() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().partition("## The runtime's states")[2].partition("\n## ")[0].splitlines()
        if re.match(r"\| (state|`\w+`) \|", line)
    ]
    (_, *columns), *rows = rows
    drawn = {
        State(row[0].strip("`")): {
            Event(column.strip("`")): State(cell.strip("`"))
            for column, cell in zip(columns, row[1:], strict=True)
            if cell
        }
        for row in rows
    }
    assert drawn == {state: dict(row) for state, row in TRANSITIONS.items()}
