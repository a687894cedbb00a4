"""Traffic by hand: what is refused before it is sent, and what an alias routes to afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Calls, Project, on_stage
from fnroll.aws import FunctionState, Session
from fnroll.aws.aliases import get_alias, list_aliases
from fnroll.errors import FnError, NotFound, PreconditionFailed
from fnroll.release import shift as shifting
from fnroll.release.shift import Shift, refusal, remove_alias, set_alias


def version(number: str, **more: Any) -> FunctionState:
    return FunctionState("f", number, {"Role": "r", "State": "Active", **more})


STATES = {
    "1": version("1"),
    "2": version("2"),
    "3": version("3", Role="another"),
    "4": version("4", DeadLetterConfig={"TargetArn": "q"}),
    "5": version("5", State="Pending"),
    "$LATEST": version("$LATEST"),
}

TABLE: list[tuple[Shift, bool, str | None]] = [
    (Shift("a", "1", {}), False, None),
    (Shift("a", "1", {"2": 0.05}), False, None),
    (Shift("a", "$LATEST", {}), False, None),
    (Shift("a", "1", {}), True, None),
    (Shift("12", "1", {}), False, "no alias name"),
    (Shift("a b", "1", {}), False, "no alias name"),
    (Shift("a", "9", {}), False, "there is no version 9"),
    (Shift("a", "1", {"9": 0.1}), False, "there is no version 9"),
    (Shift("a", "5", {}), False, "version 5 is Pending"),
    (Shift("a", "1", {"2": 0.1, "4": 0.1}), False, "one version beside"),
    (Shift("a", "1", {"1": 0.1}), False, "the first already"),
    (Shift("a", "1", {"2": 1.5}), False, "between 0 and 1"),
    (Shift("a", "1", {"2": -0.1}), False, "between 0 and 1"),
    (Shift("a", "1", {"$LATEST": 0.1}), False, r"\$LATEST cannot share"),
    (Shift("a", "$LATEST", {"1": 0.1}), False, r"\$LATEST cannot share"),
    (Shift("a", "1", {"3": 0.1}), False, "differ in their role"),
    (Shift("a", "1", {"4": 0.1}), False, "differ in their dead-letter queue"),
    (Shift("a", "1", {"2": 0.1}), True, "provisioned concurrency cannot split"),
]


@pytest.mark.parametrize(("shift", "provisioned", "reason"), TABLE, ids=lambda value: str(value)[:60])
def test_what_lambda_would_refuse(shift: Shift, provisioned: bool, reason: str | None) -> None:
    found = refusal(shift, STATES, provisioned=provisioned)
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(reason, found)


@pytest.fixture(params=["cloud", "moto"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """With the function hello in two versions, current at the second."""
    with on_stage(request.param, tmp_path) as (opened, project):
        two_versions(opened, project)
        yield opened


def two_versions(session: Session, project: Project) -> None:
    for text in ("one", "two"):
        project.code(text)
        project.deploy(session)


def test_an_alias_is_made_moved_split_and_whole_again(session: Session) -> None:
    assert set_alias(session, "hello", Shift("staging", "1", {}))[0] is None
    before, now = set_alias(session, "hello", Shift("staging", "2", {"1": 0.25}, "by hand"))
    assert before is not None and before.traffic == {"1": 1.0}
    assert (now.traffic, now.description) == ({"2": 0.75, "1": 0.25}, "by hand")
    now = set_alias(session, "hello", Shift("staging", "2", {}))[1]
    assert (now.traffic, now.description) == ({"2": 1.0}, "by hand")
    assert remove_alias(session, "hello", "staging").version == "2"
    assert [row.name for row in list_aliases(session.control, "hello")] == ["current"]


def test_what_is_refused_sends_no_write(session: Session) -> None:
    calls = Calls(session)
    with pytest.raises(FnError, match="there is no version 7"):
        set_alias(session, "hello", Shift("current", "2", {"7": 0.1}))
    with pytest.raises(NotFound):
        set_alias(session, "nobody", Shift("current", "1", {}))
    with pytest.raises(NotFound):
        remove_alias(session, "hello", "nothing")
    assert calls.writes == []


def test_an_alias_that_moved_meanwhile_is_left_alone(tmp_path: Path) -> None:
    with on_stage("cloud", tmp_path) as (session, project):
        two_versions(session, project)
        stale = get_alias(session.control, "hello", "current")
        set_alias(session, "hello", Shift("current", "1", {}))
        with pytest.raises(PreconditionFailed):
            shifting.route_alias(session.control, "hello", stale, "2", {"1": 0.5})
        assert get_alias(session.control, "hello", "current").traffic == {"1": 1.0}
