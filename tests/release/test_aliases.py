"""The list of aliases: who serves with what share."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.stub import Stubber

from deploy_support import Project, moto_session
from fnroll.aws import AwsOptions, Session
from fnroll.errors import NotFound
from fnroll.release import list_rows


def test_every_alias_with_its_shares(tmp_path: Path) -> None:
    with moto_session() as (session, role):
        project = Project(tmp_path, role)
        project.deploy(session)
        project.code("second")
        project.deploy(session)
        session.control.create_alias(
            FunctionName="hello",
            Name="canary",
            FunctionVersion="1",
            Description="ten in a hundred",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
        )
        rows = list_rows(session, "hello")
    assert [(row.name, dict(row.traffic)) for row in rows] == [
        ("canary", {"1": 0.9, "2": 0.1}),
        ("current", {"2": 1.0}),
    ]
    assert rows[0].description == "ten in a hundred"


def test_no_function_no_aliases() -> None:
    with moto_session() as (session, _), pytest.raises(NotFound):
        list_rows(session, "absent")


def test_pages_are_followed() -> None:
    session = Session(AwsOptions(endpoint="http://127.0.0.1:1", local=True))
    with Stubber(session.control) as stub:
        asked = {"FunctionName": "hello"}
        first = {"NextMarker": "m", "Aliases": [{"Name": "b", "FunctionVersion": "2"}]}
        stub.add_response("list_aliases", first, asked)
        stub.add_response("list_aliases", {"Aliases": [{"Name": "a", "FunctionVersion": "1"}]}, asked | {"Marker": "m"})
        assert [row.name for row in list_rows(session, "hello")] == ["a", "b"]
        stub.assert_no_pending_responses()
