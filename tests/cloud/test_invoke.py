"""Invoke through boto3 and raw HTTP, with an emulator that answers from Python."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, Failure, FakeEmulator, client, make, package, raw, served
from fnroll.cloud import Endpoint
from fnroll.cloud.records import AliasRow, FunctionRow
from fnroll.cloud.resolve import draw
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.errors import EmulatorError, InvocationThrottled

INVOKE = "/2015-03-31/functions/hello/invocations"


def test_an_answer_has_lambdas_headers(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    answer = raw(endpoint, "POST", INVOKE, b'{"a":1}')
    assert answer.status == 200
    assert json.loads(answer.body) == {"version": "$LATEST", "event": {"a": 1}}
    assert answer.headers["x-amz-executed-version"] == "$LATEST"
    assert "x-amz-function-error" not in answer.headers
    assert "x-amz-log-result" not in answer.headers


def test_the_tail_of_the_log_is_its_last_four_kilobytes(lambda_: Any) -> None:
    make(lambda_)
    answer = lambda_.invoke(FunctionName="hello", LogType="Tail")
    assert base64.b64decode(answer["LogResult"]) == b"x" * 4096


def test_no_event_is_an_empty_object(lambda_: Any) -> None:
    make(lambda_)
    assert json.loads(lambda_.invoke(FunctionName="hello")["Payload"].read())["event"] == {}


def test_what_the_emulator_is_given(lambda_: Any, fake: FakeEmulator) -> None:
    layer = lambda_.publish_layer_version(LayerName="one", Content={"ZipFile": package({"a": "1", "b": "1"})})
    other = lambda_.publish_layer_version(LayerName="two", Content={"ZipFile": package({"b": "2"})})
    make(
        lambda_,
        Timeout=7,
        MemorySize=256,
        EphemeralStorage={"Size": 600},
        Environment={"Variables": {"KEY": "value"}},
        Layers=[layer["LayerVersionArn"], other["LayerVersionArn"]],
    )
    context = base64.b64encode(b'{"custom":{}}').decode()
    lambda_.invoke(FunctionName="hello", ClientContext=context)
    ((config, invocation),) = fake.seen
    assert (config.name, config.arn, config.version) == ("hello", ARN + "hello", "$LATEST")
    assert (config.timeout, config.memory_mb, config.tmp_mb) == (7, 256, 600)
    assert (config.task / "handler.py").read_text() == "def handle(event, context): return event"
    assert config.opt is not None
    assert [(config.opt / name).read_text() for name in ("a", "b")] == ["1", "2"]
    # No network unless it is asked for, and then no address of this cloud either.
    assert (config.network, config.environment) == ("none", {"KEY": "value"})
    assert config.log_group == "/aws/lambda/hello"
    assert invocation.client_context == '{"custom":{}}'
    assert invocation.arn == ARN + "hello"


def test_the_arn_carries_a_qualifier_only_if_the_caller_gave_one(lambda_: Any, fake: FakeEmulator) -> None:
    make(lambda_, Publish=True)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    lambda_.invoke(FunctionName="hello", Qualifier="live")
    lambda_.invoke(FunctionName="hello:1")
    assert [call.arn for _, call in fake.seen] == [ARN + "hello:live", ARN + "hello:1"]
    assert [config.version for config, _ in fake.seen] == ["1", "1"]


def test_the_revision_moves_with_code_and_configuration_only(lambda_: Any, fake: FakeEmulator) -> None:
    make(lambda_)
    lambda_.invoke(FunctionName="hello")
    lambda_.publish_version(FunctionName="hello")
    lambda_.invoke(FunctionName="hello")
    lambda_.update_function_configuration(FunctionName="hello", Timeout=9)
    lambda_.invoke(FunctionName="hello")
    first, second, third = [config.revision for config, _ in fake.seen]
    assert first == second != third


def test_an_error_of_the_function_is_a_200_with_a_header(tmp_path: Path) -> None:
    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    with served(tmp_path, fail) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_)
        answer = lambda_.invoke(FunctionName="hello")
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        assert json.loads(answer["Payload"].read()) == {"errorType": "Failure", "errorMessage": "no"}


def test_an_emulator_that_cannot_run_it_is_a_service_exception(tmp_path: Path) -> None:
    def broken(config: FunctionConfig, invocation: Invocation) -> Any:
        raise EmulatorError("no python3.13 on this machine", hint="install it")

    with served(tmp_path, broken) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_)
        answer = raw(endpoint, "POST", INVOKE)
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (500, "ServiceException")
        assert "no python3.13 on this machine" in json.loads(answer.body)["Message"]


def test_a_dry_run_runs_nothing(lambda_: Any, fake: FakeEmulator) -> None:
    make(lambda_)
    answer = lambda_.invoke(FunctionName="hello", InvocationType="DryRun")
    assert (answer["StatusCode"], fake.seen) == (204, [])


def test_an_image_is_stored_and_not_run(lambda_: Any, endpoint: Endpoint) -> None:
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:1"
    lambda_.create_function(
        FunctionName="hello", Role="arn:aws:iam::000000000000:role/x", PackageType="Image", Code={"ImageUri": image}
    )
    assert lambda_.get_function(FunctionName="hello")["Code"]["ImageUri"] == image
    answer = raw(endpoint, "POST", INVOKE)
    assert answer.status == 501
    assert "container image" in json.loads(answer.body)["message"]


def test_a_zip_that_would_escape_is_refused_when_it_is_unpacked(lambda_: Any, tmp_path: Path) -> None:
    make(lambda_, Code={"ZipFile": package({"../../escaped": "x"})})
    with pytest.raises(ClientError, match="Could not unzip uploaded file"):
        lambda_.invoke(FunctionName="hello")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    ("weights", "drawn", "version"),
    [
        ({}, 0.0, "1"),
        ({"2": 0.25}, 0.0, "2"),
        ({"2": 0.25}, 0.2499, "2"),
        ({"2": 0.25}, 0.25, "1"),
        ({"2": 0.25}, 0.9999, "1"),
        ({"2": 0.0}, 0.0, "1"),
        ({"2": 1.0}, 0.9999, "2"),
    ],
)
def test_a_version_is_drawn_by_weight(weights: dict[str, float], drawn: float, version: str) -> None:
    alias = AliasRow(FunctionRow(1, "us-east-1", "hello", 3, {}), "live", "1", "", weights, "r")
    assert draw(alias, lambda: drawn) == version


def test_a_weighted_alias_reaches_both_versions(lambda_: Any) -> None:
    make(lambda_, Publish=True)
    lambda_.update_function_configuration(FunctionName="hello", Description="2")
    lambda_.publish_version(FunctionName="hello")
    lambda_.create_alias(
        FunctionName="hello", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    # One in 2^80 that a right answer looks wrong.
    served_by = {lambda_.invoke(FunctionName="hello:live")["ExecutedVersion"] for _ in range(80)}
    assert served_by == {"1", "2"}


def test_an_invocation_too_many_is_refused_with_lambdas_reason(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator
) -> None:
    make(lambda_)

    def refuse(config: FunctionConfig, invocation: Invocation) -> Any:
        raise InvocationThrottled("ReservedFunctionConcurrentInvocationLimitExceeded")

    fake.function = refuse
    answer = raw(endpoint, "POST", INVOKE, b"{}")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert json.loads(answer.body) == {
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    }


def test_what_is_kept_of_an_alias_lasts_until_it_moves(lambda_: Any) -> None:
    """Rows are kept between invocations: a write of any kind is seen by the next."""

    def version(qualifier: str) -> str:
        said: str = lambda_.invoke(FunctionName="hello", Qualifier=qualifier)["ExecutedVersion"]
        return said

    make(lambda_)
    for description in ("one", "two"):
        lambda_.publish_version(FunctionName="hello", Description=description)
        lambda_.update_function_configuration(FunctionName="hello", Description=description)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    assert [version("live"), version("live"), version("2")] == ["1", "1", "2"]
    lambda_.update_alias(FunctionName="hello", Name="live", FunctionVersion="2")
    assert version("live") == "2"
    lambda_.delete_alias(FunctionName="hello", Name="live")
    with pytest.raises(ClientError, match="Cannot find alias arn"):
        version("live")
    lambda_.delete_function(FunctionName="hello", Qualifier="2")
    with pytest.raises(ClientError, match="Function not found"):
        version("2")
    lambda_.delete_function(FunctionName="hello")
    with pytest.raises(ClientError, match="Function not found"):
        version("$LATEST")
