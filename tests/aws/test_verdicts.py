"""What one look at a function says about a wait, by table."""

from __future__ import annotations

import pytest

from fnroll.aws.functions import state_of
from fnroll.aws.waits import Verdict, active, updated

READY, GOING_ON, DEAD_END = Verdict.READY, Verdict.GOING_ON, Verdict.DEAD_END


@pytest.mark.parametrize(
    ("state", "last_update", "for_updates", "for_traffic"),
    [
        ("Active", "Successful", READY, READY),
        ("Active", "InProgress", GOING_ON, READY),
        ("Active", "Failed", DEAD_END, READY),
        ("Active", "", READY, READY),
        ("Pending", "", GOING_ON, GOING_ON),
        ("Failed", "", DEAD_END, DEAD_END),
        ("Inactive", "Successful", DEAD_END, DEAD_END),
        ("Deactivating", "", DEAD_END, DEAD_END),
        ("Deactivated", "", DEAD_END, DEAD_END),
        ("ActiveNonInvocable", "Successful", READY, DEAD_END),
        ("ActiveNonInvocable", "InProgress", GOING_ON, DEAD_END),
        ("Deleting", "", DEAD_END, DEAD_END),
        ("AStateOfTomorrow", "Successful", READY, GOING_ON),
        ("", "Successful", READY, GOING_ON),
    ],
)
def test_a_look(state: str, last_update: str, for_updates: Verdict, for_traffic: Verdict) -> None:
    look = state_of({"FunctionName": "hello", "State": state, "LastUpdateStatus": last_update})
    assert (updated(look), active(look)) == (for_updates, for_traffic)
