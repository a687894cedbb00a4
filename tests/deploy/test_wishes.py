"""Deploys as the user wishes them: lambroll's flags and the key Fn, on our local cloud and on a moto server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from deploy_support import Calls, Project, moto_session, no_time, on_stage, outcome
from fnroll import deploy
from fnroll.aws import Session
from fnroll.aws.aliases import get_alias, list_aliases
from fnroll.aws.functions import find_function
from fnroll.aws.objects import upload
from fnroll.aws.urls import find_url, policy_sids
from fnroll.aws.versions import list_versions
from fnroll.errors import DeployError, NotFound


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    with on_stage(request.param, tmp_path) as staged:
        yield staged


def latest(session: Session) -> dict[str, Any]:
    found = find_function(session.control, "hello")
    assert found is not None
    return dict(found.configuration)


def new_bucket(session: Session) -> str:
    """moto keeps its buckets per process, whatever server they were made on."""
    name = f"code-{token_hex(8)}"
    session.service("s3").create_bucket(Bucket=name)
    return name


def numbers(session: Session) -> list[str]:
    return [state.version for state in list_versions(session.control, "hello") if state.version != "$LATEST"]


def test_no_publish_leaves_the_alias_where_it_is(stage: tuple[Session, Project]) -> None:
    session, project = stage
    assert project.deploy(session, publish=False).version is None
    assert list_aliases(session.control, "hello") == ()
    project.deploy(session)
    project.code("second")
    calls = Calls(session)
    assert project.deploy(session, publish=False).version == "1"
    assert calls.writes == ["UpdateFunctionCode", "TagResource"]
    assert numbers(session) == ["1"]
    assert project.deploy(session).version == "2"


def test_no_publish_says_what_waits_for_the_alias(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    (note,) = project.plan(session, publish=False).notes
    assert "Fn.FunctionUrl" in note
    project.deploy(session, publish=False)
    project.deploy(session)
    assert find_url(session.control, "hello", "current") is not None


def test_alias_to_latest(stage: tuple[Session, Project]) -> None:
    session, project = stage
    wishes: dict[str, Any] = {"publish": False, "to_latest": True}
    assert project.deploy(session, **wishes).version == "$LATEST"
    assert project.plan(session, **wishes).steps == ()
    assert project.deploy(session).version == "1"
    project.code("second")
    assert project.deploy(session, **wishes).version == "$LATEST"
    assert numbers(session) == ["1"]


def test_skip_configuration_deploys_the_code_alone(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition |= {"MemorySize": 256, "Tags": {"team": "a"}, "Environment": {"Variables": {"KEY": "1"}}}
    project.deploy(session)
    project.code("second")
    project.definition |= {"MemorySize": 512, "Tags": {"team": "b"}, "Environment": {"Variables": {"KEY": "2"}}}
    assert project.deploy(session, configuration=False).version == "2"
    assert outcome(session)["served"]["MemorySize"] == 256
    assert outcome(session)["served"]["Environment"]["Variables"] == {"KEY": "1"}
    assert outcome(session)["tags"]["team"] == "a"
    assert project.plan(session, configuration=False).steps == ()
    assert project.deploy(session).version == "3"
    assert outcome(session)["served"]["MemorySize"] == 512


def test_skip_function_deploys_the_key_fn_alone(stage: tuple[Session, Project]) -> None:
    session, project = stage
    with pytest.raises(DeployError, match="there is no function yet"):
        project.deploy(session, function=False)
    project.deploy(session)
    project.code("second")
    project.definition |= {"MemorySize": 512, "Fn": {"FunctionUrl": {"AuthType": "NONE"}}}
    result = project.deploy(session, function=False)
    assert (result.version, bool(result.function_url)) == ("1", True)
    assert latest(session)["MemorySize"] == 128
    assert project.plan(session, function=False).steps == ()


def test_a_url_taken_out_of_the_file_goes_and_a_foreign_one_stays(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.deploy(session)
    session.control.create_function_url_config(FunctionName="hello", Qualifier="current", AuthType="NONE")
    assert project.plan(session).steps == ()
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    project.deploy(session)
    assert len(policy_sids(session.control, "hello", "current")) == 2
    del project.definition["Fn"]
    plan = project.plan(session)
    assert [step.kind for step in plan.steps] == ["disallow", "disallow", "delete-url", "untag"]
    assert "will not answer" in plan.steps[2].reason
    assert deploy.apply(plan, session, clock=no_time()).function_url is None
    assert find_url(session.control, "hello", "current") is None
    assert project.plan(session).steps == ()


def test_keep_versions_leaves_what_is_used(stage: tuple[Session, Project]) -> None:
    session, project = stage
    for text in ("one", "two", "three", "four"):
        project.code(text)
        project.deploy(session)
    session.control.create_alias(FunctionName="hello", Name="old", FunctionVersion="1")
    project.code("five")
    project.deploy(session, keep_versions=2)
    # 5 is new, 4 the way back, 1 has an alias.
    assert numbers(session) == ["1", "4", "5"]
    assert project.plan(session, keep_versions=2).steps == ()
    assert [step.kind for step in project.plan(session, keep_versions=1).steps] == []


def test_what_is_ignored_stays_as_it_is_deployed(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition |= {"Environment": {"Variables": {"KEY": "1", "TUNED": "by hand"}}, "Tags": {"team": "a"}}
    project.deploy(session)
    project.definition |= {"Environment": {"Variables": {"KEY": "2"}}, "MemorySize": 512, "Tags": {}}
    ignore = deploy.parse_ignored(".Environment.Variables.TUNED, .MemorySize, .Tags")
    assert project.deploy(session, ignore=ignore).version == "2"
    served = outcome(session)["served"]
    assert served["Environment"]["Variables"] == {"KEY": "2", "TUNED": "by hand"}
    assert served["MemorySize"] == 128
    assert outcome(session)["tags"]["team"] == "a"
    assert project.plan(session, ignore=ignore).steps == ()


def test_code_by_way_of_s3_is_sent_once(stage: tuple[Session, Project]) -> None:
    session, project = stage
    s3, bucket = session.service("s3"), new_bucket(session)
    project.definition["Code"] = {"S3Bucket": bucket, "S3Key": "hello.zip"}
    assert [step.kind for step in project.plan(session).steps][:2] == ["upload-code", "create-function"]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket), "a plan sends nothing"
    project.deploy(session)
    assert project.plan(session).steps == ()
    project.code("second")
    project.deploy(session)
    body = s3.get_object(Bucket=bucket, Key="hello.zip")["Body"].read()
    assert latest(session)["CodeSize"] == len(body)
    package = project.desired().package
    assert package is not None and package.data == body
    sent: list[int] = []
    upload(session, bucket, "hello.zip", body, package.code_sha256, sent.append)
    assert sent == [], "an object that has this content is not sent again"


def test_a_large_object_goes_in_parts_and_a_broken_upload_leaves_none(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    s3, bucket = session.service("s3"), new_bucket(session)
    data, sent = bytes(20 << 20), list[int]()
    upload(session, bucket, "big.zip", data, "digest", sent.append)
    assert sum(sent) == len(data)
    assert s3.head_object(Bucket=bucket, Key="big.zip")["ETag"].strip('"').endswith("-3")

    def refuse(params: Any, **_: Any) -> None:
        if params["url_path"].startswith("/") and params["query_string"].get("partNumber") == 2:
            raise OSError("the line is dead")

    s3.meta.events.register("before-call.s3.UploadPart", refuse)
    with pytest.raises(OSError, match="the line is dead"):
        upload(session, bucket, "broken.zip", data, "digest")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_bucket_that_is_not_there_is_one_clear_error(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition["Code"] = {"S3Bucket": "nobodys", "S3Key": "hello.zip"}
    with pytest.raises(DeployError, match="done: nothing; not done: upload-code"):
        project.deploy(session)


def test_the_settings_of_the_key_fn_on_moto(tmp_path: Path) -> None:
    with moto_session() as (session, role):
        (tmp_path / "project").mkdir()
        project = Project(tmp_path / "project", role)
        queue = session.service("sqs").create_queue(QueueName="jobs")["QueueUrl"]
        arn = session.service("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        source = {"EventSourceArn": arn["Attributes"]["QueueArn"], "BatchSize": 5}
        project.definition["Fn"] = {
            "FunctionConcurrency": {"ReservedConcurrentExecutions": 7},
            "LogRetentionInDays": 14,
            "Permissions": [{"Principal": "events.amazonaws.com"}],
        }
        project.deploy(session)
        assert session.control.get_function_concurrency(FunctionName="hello")["ReservedConcurrentExecutions"] == 7
        (group,) = session.service("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/hello")["logGroups"]
        assert group["retentionInDays"] == 14
        assert len(policy_sids(session.control, "hello", "current")) == 1
        assert project.plan(session).steps == ()
        project.definition["Fn"] |= {"FunctionConcurrency": {}, "LogRetentionInDays": 0, "Permissions": []}
        assert [step.kind for step in project.plan(session).steps] == ["reset-setting", "reset-setting", "disallow"]
        project.deploy(session)
        assert project.plan(session).steps == ()
        assert "ReservedConcurrentExecutions" not in session.control.get_function_concurrency(FunctionName="hello")
        project.definition["Fn"] = {"EventSourceMappings": [source]}
        assert [step.kind for step in project.plan(session).steps] == ["create-event-source"]


def test_a_setting_of_a_function_that_is_gone_is_none(stage: tuple[Session, Project]) -> None:
    session, _ = stage
    with pytest.raises(NotFound):
        get_alias(session.control, "hello", "current")
