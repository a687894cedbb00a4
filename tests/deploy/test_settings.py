"""The key Fn as a table: what the file says, what is there, which steps. Pure; nothing answers here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fnroll.aws import FunctionUrl
from fnroll.deploy.settings import OF_ALIAS, OF_FUNCTION, setting_steps, source_steps
from fnroll.deploy.urls import Door, door_steps, permission, permission_steps, url_statements
from fnroll.errors import DeployError

QUEUE = "arn:aws:sqs:us-east-1:1:q"
CONFIG = "EventInvokeConfig"

SETTINGS: list[tuple[str, Any, Any, list[tuple[str, Any]]]] = [
    (
        "FunctionConcurrency",
        {"ReservedConcurrentExecutions": 5},
        {},
        [("put-setting", {"ReservedConcurrentExecutions": 5})],
    ),
    ("FunctionConcurrency", {"ReservedConcurrentExecutions": 5}, {"ReservedConcurrentExecutions": 5}, []),
    (
        "FunctionConcurrency",
        {"ReservedConcurrentExecutions": 0},
        {},
        [("put-setting", {"ReservedConcurrentExecutions": 0})],
    ),
    ("FunctionConcurrency", {}, {"ReservedConcurrentExecutions": 5}, [("reset-setting", {})]),
    ("FunctionConcurrency", {}, {}, []),
    ("RecursionConfig", {"RecursiveLoop": "Terminate"}, None, []),
    ("RecursionConfig", {}, {"RecursiveLoop": "Allow"}, [("put-setting", {"RecursiveLoop": "Terminate"})]),
    (
        "RuntimeManagementConfig",
        {"UpdateRuntimeOn": "Auto"},
        {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": None},
        [],
    ),
    (CONFIG, {"MaximumRetryAttempts": 0}, {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnSuccess": {}}}, []),
    (
        CONFIG,
        {"MaximumRetryAttempts": 1},
        {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
        [("put-setting", {"MaximumRetryAttempts": 1})],
    ),
    ("LogRetentionInDays", 7, {"retentionInDays": 7}, []),
    ("LogRetentionInDays", 7, {}, [("put-setting", {"retentionInDays": 7})]),
    ("LogRetentionInDays", 0, {"retentionInDays": 7}, [("reset-setting", {})]),
]


@pytest.mark.parametrize(("key", "wanted", "there", "steps"), SETTINGS)
def test_a_setting(key: str, wanted: Any, there: Any, steps: list[tuple[str, Any]]) -> None:
    found = [*setting_steps((*OF_FUNCTION, *OF_ALIAS), {key: wanted}, {key: there}, "f")]
    assert [(step.kind, dict(step.sends)) for step in found] == steps
    assert all(step.target == key and key in step.reason for step in found)


def test_what_the_file_does_not_name_is_left_alone() -> None:
    assert [*setting_steps(OF_FUNCTION, {}, {"FunctionConcurrency": {"ReservedConcurrentExecutions": 1}}, "f")] == []
    assert [*source_steps(None, [{"EventSourceArn": QUEUE, "UUID": "u"}])] == []
    assert [*permission_steps(None, {"fn-perm-1"})] == []


def mapping(**more: Any) -> dict[str, Any]:
    return {"EventSourceArn": QUEUE, "UUID": "u", "State": "Enabled", "BatchSize": 10, **more}


SOURCES: list[tuple[Any, list[Any], list[tuple[str, Any]]]] = [
    ([{"EventSourceArn": QUEUE}], [], [("create-event-source", {"EventSourceArn": QUEUE})]),
    ([{"EventSourceArn": QUEUE, "BatchSize": 10}], [mapping()], []),
    (
        [{"EventSourceArn": QUEUE, "BatchSize": 5}],
        [mapping()],
        [("update-event-source", {"UUID": "u", "BatchSize": 5})],
    ),
    (
        [{"EventSourceArn": QUEUE}],
        [mapping(FunctionResponseTypes=["ReportBatchItemFailures"])],
        [("update-event-source", {"UUID": "u", "FunctionResponseTypes": []})],
    ),
    (
        [{"EventSourceArn": QUEUE, "Enabled": False}],
        [mapping()],
        [("update-event-source", {"UUID": "u", "Enabled": False})],
    ),
    ([{"EventSourceArn": QUEUE, "Enabled": False}], [mapping(State="Disabling")], []),
    ([{"EventSourceArn": QUEUE, "StartingPosition": "LATEST"}], [mapping()], []),
    (
        [{"EventSourceArn": QUEUE, "StartingPositionTimestamp": "2026-11-01T12:00:00Z"}],
        [mapping(StartingPositionTimestamp=datetime(2026, 11, 1, 12, tzinfo=UTC))],
        [],
    ),
    ([], [mapping()], [("delete-event-source", {"UUID": "u"})]),
    ([], [mapping(State="Deleting")], []),
]


@pytest.mark.parametrize(("wanted", "there", "steps"), SOURCES)
def test_event_source_mappings(wanted: Any, there: list[Any], steps: list[tuple[str, Any]]) -> None:
    assert [(step.kind, dict(step.sends)) for step in source_steps(wanted, there)] == steps


def test_a_mapping_that_cannot_be_changed_so_is_refused() -> None:
    stream = {"EventSourceArn": "arn:aws:kinesis:us-east-1:1:stream/s", "StartingPosition": "LATEST"}
    with pytest.raises(DeployError, match=r"StartingPosition of the event source mapping of .* cannot be changed"):
        [*source_steps([{**stream, "StartingPosition": "TRIM_HORIZON"}], [{**stream, "UUID": "u"}])]


def test_permissions_are_added_and_ours_alone_are_removed() -> None:
    s3 = {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b"}
    sid = permission(s3)["StatementId"]
    there = {"fn-perm-old", "fn-url-x", "s3-event", "lambroll-1"}
    found = [(step.kind, step.sends["StatementId"]) for step in permission_steps([s3], there)]
    assert found == [("allow", sid), ("disallow", "fn-perm-old")]
    assert [*permission_steps([s3], {sid})] == []


def test_a_permission_has_the_default_action_and_keeps_its_name_in_its_sid() -> None:
    made = permission({"Principal": "events.amazonaws.com", "StatementId": "nightly"})
    assert made["Action"] == "lambda:InvokeFunction"
    assert made["StatementId"].startswith("fn-perm-nightly-")
    assert permission({"Principal": "x"}) != permission({"Principal": "y"})


def test_a_url_that_the_file_lost_goes_if_it_is_ours() -> None:
    url = FunctionUrl("https://u/", "NONE", {}, "BUFFERED")
    sids = {statement["StatementId"] for statement in url_statements("NONE")} | {"theirs"}
    doors = {"current": Door(url, frozenset(sids))}
    found = [(step.kind, step.target) for step in door_steps(None, "current", {"current"}, doors)]
    assert found == [(kind, "current") for kind in ("disallow", "disallow", "delete-url")]
    assert [*door_steps(None, "current", (), doors)] == []
    assert [*door_steps(None, "other", {"current"}, doors)] == []
    assert [*door_steps(None, "current", {"current"}, {"current": Door(None, frozenset({"theirs"}))})] == []
