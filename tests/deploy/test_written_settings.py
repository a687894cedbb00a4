"""What stands beside a function, written as the key Fn: a deploy of it would change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fnroll.aws import FunctionUrl
from fnroll.deploy.settings import OF_ALIAS, OF_FUNCTION, setting_steps, source_steps
from fnroll.deploy.urls import Door, Url, door_steps, permission, url_statements
from fnroll.deploy.written_settings import extras_of

QUEUE = "arn:aws:sqs:us-east-1:1:q"
STREAM = "arn:aws:kinesis:us-east-1:1:stream/s"
FILLED = {
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "BisectBatchOnFunctionError": False,
    "TumblingWindowInSeconds": 0,
    "DestinationConfig": {"OnFailure": {}},
    "FunctionResponseTypes": [],
    "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
    "UUID": "u",
    "FunctionArn": "arn:aws:lambda:us-east-1:1:function:f:current",
}


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ({"FunctionConcurrency": {}}, {}),
        ({"FunctionConcurrency": {"ReservedConcurrentExecutions": 0}}, {"ReservedConcurrentExecutions": 0}),
        ({"RecursionConfig": {"RecursiveLoop": "Terminate"}}, {}),
        ({"RecursionConfig": {"RecursiveLoop": "Allow"}}, {"RecursiveLoop": "Allow"}),
        ({"RuntimeManagementConfig": {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": None}}, {}),
        ({"RuntimeManagementConfig": {"UpdateRuntimeOn": "FunctionUpdate"}}, {"UpdateRuntimeOn": "FunctionUpdate"}),
        ({"LogRetentionInDays": {"retentionInDays": 7}}, 7),
        (
            {"EventInvokeConfig": {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}}},
            {"MaximumRetryAttempts": 0},
        ),
        ({"ProvisionedConcurrency": {"ProvisionedConcurrentExecutions": 2}}, {"ProvisionedConcurrentExecutions": 2}),
    ],
)
def test_a_setting(settings: dict[str, Any], written: Any) -> None:
    found, notes = extras_of(settings, (), None, ())
    [key] = settings
    assert (found, notes) == ({key: written} if written else {}, ())
    assert [*setting_steps((*OF_FUNCTION, *OF_ALIAS), found, settings, "f")] == []


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ({"EventSourceArn": QUEUE, "BatchSize": 10, "State": "Enabled"}, {"EventSourceArn": QUEUE}),
        (
            {"EventSourceArn": QUEUE, "BatchSize": 5, "State": "Disabled", "ScalingConfig": {"MaximumConcurrency": 2}},
            {"EventSourceArn": QUEUE, "BatchSize": 5, "Enabled": False, "ScalingConfig": {"MaximumConcurrency": 2}},
        ),
        (
            {"EventSourceArn": STREAM, "BatchSize": 100, "StartingPosition": "TRIM_HORIZON"},
            {"EventSourceArn": STREAM, "StartingPosition": "TRIM_HORIZON"},
        ),
        ({"EventSourceArn": STREAM}, {"EventSourceArn": STREAM, "StartingPosition": "LATEST"}),
        (
            {
                "EventSourceArn": STREAM,
                "StartingPosition": "AT_TIMESTAMP",
                "StartingPositionTimestamp": datetime(2026, 1, 2, tzinfo=UTC),
            },
            {
                "EventSourceArn": STREAM,
                "StartingPosition": "AT_TIMESTAMP",
                "StartingPositionTimestamp": "2026-01-02T00:00:00+00:00",
            },
        ),
    ],
)
def test_an_event_source_mapping(row: dict[str, Any], written: dict[str, Any]) -> None:
    rows = [{**FILLED, "State": "Enabled", **row}, {"EventSourceArn": "gone", "State": "Deleting"}]
    found, _ = extras_of({}, rows, None, ())
    assert found == {"EventSourceMappings": [written]}
    assert [*source_steps(found["EventSourceMappings"], rows)] == []


def statement(entry: dict[str, Any], principal: Any, **condition: Any) -> dict[str, Any]:
    """As a policy has what `entry` asks for."""
    request = permission(entry)
    return {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal,
        "Action": request["Action"],
        "Resource": "arn:aws:lambda:us-east-1:1:function:f:current",
        **({"Condition": condition} if condition else {}),
    }


S3 = {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": "1"}
ENTRIES = [
    statement(
        S3,
        {"Service": "s3.amazonaws.com"},
        ArnLike={"AWS:SourceArn": "arn:aws:s3:::b"},
        StringEquals={"AWS:SourceAccount": "1"},
    ),
    statement({"StatementId": "by-name", **S3}, {"Service": "s3.amazonaws.com"}),
    statement({"Principal": "210987654321"}, {"AWS": "arn:aws:iam::210987654321:root"}),
    statement(
        {"Principal": "*", "Action": "lambda:GetFunction", "PrincipalOrgID": "o-1"},
        "*",
        StringEquals={"aws:PrincipalOrgID": "o-1"},
    ),
]
ENTRIES[1]["Condition"] = ENTRIES[0]["Condition"]
WRITTEN = [
    S3,
    {"StatementId": "by-name", **S3},
    {"Principal": "210987654321"},
    {"Principal": "*", "Action": "lambda:GetFunction", "PrincipalOrgID": "o-1"},
]


def test_permissions_of_ours_are_written_and_others_named() -> None:
    foreign = {"Sid": "s3-event", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:*"}
    found, notes = extras_of({}, (), None, [*ENTRIES, foreign])
    assert found == {"Permissions": WRITTEN}
    assert notes == ("permissions that fn did not give stay as they are and are not written: s3-event",)
    sids = frozenset(entry["Sid"] for entry in ENTRIES)
    assert [*door_steps(None, "current", (), {"current": Door(None, sids)}, found["Permissions"])] == []


def opening(auth_type: str, callers: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    return [
        {"Sid": one["StatementId"], "Effect": "Allow", "Principal": one["Principal"], "Action": one["Action"]}
        | {"Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": auth_type}}}
        for one in url_statements(auth_type, callers)
    ]


@pytest.mark.parametrize("auth_type", ["NONE", "AWS_IAM"])
def test_a_url_that_is_opened_by_its_auth_type(auth_type: str) -> None:
    url = FunctionUrl("https://x", auth_type, {"AllowOrigins": ["*"]}, "BUFFERED")
    statements = opening(auth_type)
    found, notes = extras_of({}, (), url, statements)
    assert (found, notes) == ({"FunctionUrl": {"AuthType": auth_type, "Cors": {"AllowOrigins": ["*"]}}}, ())
    door = Door(url, frozenset(one["Sid"] for one in statements))
    assert [*door_steps(Url(found["FunctionUrl"]), "current", ("current",), {"current": door})] == []


def test_callers_of_a_url_are_for_a_file_of_its_own() -> None:
    url = FunctionUrl("https://x", "AWS_IAM", {}, "BUFFERED")
    found, notes = extras_of({}, (), url, opening("AWS_IAM", [{"Principal": "cloudfront.amazonaws.com"}]))
    assert found == {}
    assert len(notes) == 1 and "--function-url" in notes[0]
