"""A canary against moto, as far as moto goes: it keeps aliases but checks no RevisionId, and counts no invocations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_support import Project, on_stage
from fnroll.aws import Session
from fnroll.aws.aliases import get_alias, look_at_alias
from fnroll.release import moves
from fnroll.release.drive import Target, drive, write
from fnroll.release.plan import Plan, Step
from fnroll.release.start import start

PLAN = Plan(steps=(Step(0.1, 60, 20), Step(0.5, 60, 20)))
TARGET = Target("hello", "current", PLAN, "me@here")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """With the function hello in two versions, current at the first."""
    with on_stage("moto", tmp_path) as (opened, project):
        two_versions(opened, project)
        yield opened


def two_versions(session: Session, project: Project) -> None:
    for text in ("one", "two"):
        project.code(text)
        project.deploy(session)
    session.control.update_alias(FunctionName="hello", Name="current", FunctionVersion="1", Description="mine")


def test_it_starts_holds_without_data_and_ends_where_it_is_sent(session: Session) -> None:
    done = start(session, TARGET, None)
    assert (done.record.baseline, done.record.canary) == ("1", "2")
    assert dict(get_alias(session.control, "hello", "current").weights) == {"2": 0.1}
    held = drive(session, TARGET)
    assert held.action.kind == "wait"
    assert held.action.write is None
    alias, now = look_at_alias(session.control, "hello", "current")
    write(session, "hello", alias, moves.promote_step(alias, PLAN, now, "me@here"))
    assert dict(get_alias(session.control, "hello", "current").weights) == {"2": 0.5}
    write(session, "hello", get_alias(session.control, "hello", "current"), moves.promote(alias))
    ended = get_alias(session.control, "hello", "current")
    assert (ended.version, dict(ended.weights), ended.description) == ("2", {}, "mine")
