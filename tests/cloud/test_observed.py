"""What invocations leave behind, read as anybody reads it: log lines and metrics through boto3."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import Failure, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.cloud.logs import LogBuffer
from fnroll.cloud.metrics import ALL_RUNNING, MAX_ROWS, Meter, Resource
from fnroll.cloud.names import Home
from fnroll.emulator.api import FunctionConfig, Invocation, LogLine
from fnroll.errors import InvocationThrottled


def bounds() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1)}


def total(watch: Any, metric: str, dimensions: dict[str, str], stat: str = "Sum") -> float:
    """One figure over the last minutes."""
    query = {
        "Id": "m",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": 3600 * 24,
            "Stat": stat,
        },
    }
    (result,) = watch.get_metric_data(MetricDataQueries=[query], **bounds())["MetricDataResults"]
    return float(sum(result["Values"]))


def test_each_invocations_lines_are_in_the_functions_log_group(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    request_id = lambda_.invoke(FunctionName="hello")["ResponseMetadata"]["RequestId"]
    logs = client(endpoint, "logs")
    (event,) = logs.filter_log_events(logGroupName="/aws/lambda/hello")["events"]
    assert event["message"] == f"START RequestId: {request_id} Version: $LATEST"
    assert event["logStreamName"] == "2026/01/01/[$LATEST]0"
    assert abs(event["timestamp"] / 1000 - time.time()) < 600
    lambda_.invoke(FunctionName="hello")
    assert len(logs.filter_log_events(logGroupName="/aws/lambda/hello")["events"]) == 2


def test_regions_and_configured_groups_are_apart(endpoint: Endpoint) -> None:
    for region, group in (("us-east-1", "/one"), ("eu-west-1", "/two")):
        lambda_ = client(endpoint, region=region)
        make(lambda_, LoggingConfig={"LogGroup": group})
        lambda_.invoke(FunctionName="hello")
        found = client(endpoint, "logs", region).describe_log_groups()["logGroups"]
        assert [each["logGroupName"] for each in found] == [group]
        watch = client(endpoint, "cloudwatch", region)
        assert total(watch, "Invocations", {"FunctionName": "hello"}) == 1


def test_lines_nobody_reads_are_bounded_and_the_oldest_go() -> None:
    buffer = LogBuffer(limit=2000)
    for number in range(100):
        buffer.add(LogLine("f", "1", "s", None, 0, str(number)))
    texts = [line.text for line in buffer.take()]
    assert texts[-1] == "99"
    assert 1 < len(texts) < 10
    assert buffer.take() == []


def test_the_series_of_an_alias(tmp_path: Path) -> None:
    def second_fails(config: FunctionConfig, invocation: Invocation) -> Any:
        if config.version == "2":
            raise Failure("no")
        return None

    with served(tmp_path, second_fails) as (endpoint, _):
        lambda_, watch = client(endpoint), client(endpoint, "cloudwatch")
        make(lambda_, Publish=True)
        lambda_.update_function_configuration(FunctionName="hello", Description="2")
        lambda_.publish_version(FunctionName="hello")
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        for _ in range(3):
            lambda_.invoke(FunctionName="hello:live")
        lambda_.update_alias(FunctionName="hello", Name="live", FunctionVersion="2")
        for _ in range(2):
            lambda_.invoke(FunctionName="hello", Qualifier="live")
        lambda_.invoke(FunctionName="hello")
        lambda_.invoke(FunctionName="hello:2")
        name, alias = {"FunctionName": "hello"}, {"FunctionName": "hello", "Resource": "hello:live"}
        expected = [
            ({}, 7, 3),
            (name, 7, 3),
            ({**name, "Resource": "hello"}, 1, 0),
            ({**name, "Resource": "hello:2"}, 1, 1),
            (alias, 5, 2),
            ({**alias, "ExecutedVersion": "1"}, 3, 0),
            ({**alias, "ExecutedVersion": "2"}, 2, 2),
            ({**name, "Resource": "hello:2", "ExecutedVersion": "2"}, 0, 0),
        ]
        for dimensions, invocations, errors in expected:
            assert total(watch, "Invocations", dimensions) == invocations, dimensions
            assert total(watch, "Errors", dimensions) == errors, dimensions
        assert total(watch, "Duration", alias, "p95") == 1.0
        assert total(watch, "Duration", alias, "TC(0.5:)") == 5
        assert total(watch, "Duration", alias, "TC(1:)") == 0
        assert total(watch, "ConcurrentExecutions", {}, "Maximum") == 1
        listed = watch.list_metrics(Namespace="AWS/Lambda", MetricName="Errors")["Metrics"]
        assert len(listed) == 7


def test_statistics_of_one_series_are_not_those_of_its_parts(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    lambda_.invoke(FunctionName="hello")
    (point,) = client(endpoint, "cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": "hello"}],
        Period=86400,
        Statistics=["Sum", "SampleCount", "Average", "Maximum"],
        **bounds(),
    )["Datapoints"]
    assert (point["Sum"], point["SampleCount"], point["Average"], point["Maximum"]) == (1, 1, 1, 1)
    assert point["Unit"] == "Count"


def test_a_refused_invocation_is_a_throttle_and_no_invocation(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator
) -> None:
    make(lambda_)

    def refuse(config: FunctionConfig, invocation: Invocation) -> Any:
        raise InvocationThrottled("ConcurrentInvocationLimitExceeded")

    fake.function = refuse
    with pytest.raises(ClientError):
        lambda_.invoke(FunctionName="hello")
    watch = client(endpoint, "cloudwatch")
    assert total(watch, "Throttles", {"FunctionName": "hello"}) == 1
    assert total(watch, "Invocations", {"FunctionName": "hello"}) == 0


def test_metric_math_and_the_users_own_metrics(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    for _ in range(4):
        lambda_.invoke(FunctionName="hello")
    watch = client(endpoint, "cloudwatch")
    watch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "Bad", "Value": 1}])

    def query(name: str, space: str, metric: str) -> dict[str, Any]:
        stat = {"Metric": {"Namespace": space, "MetricName": metric}, "Period": 86400, "Stat": "Sum"}
        return {"Id": name, "MetricStat": stat, "ReturnData": False}

    queries = [
        query("bad", "Mine", "Bad"),
        query("all", "AWS/Lambda", "Invocations"),
        query("none", "Mine", "Absent"),
        {"Id": "rate", "Expression": "100*FILL(bad,0)/all"},
        {"Id": "nothing", "Expression": "FILL(none,0)", "Label": "zero"},
    ]
    rate, nothing = watch.get_metric_data(MetricDataQueries=queries, **bounds())["MetricDataResults"]
    assert (rate["Id"], rate["Values"], rate["Label"]) == ("rate", [25.0], "rate")
    assert (set(nothing["Values"]), nothing["Label"]) == ({0.0}, "zero")
    with pytest.raises(ClientError, match="no query of this call"):
        watch.get_metric_data(MetricDataQueries=[{"Id": "e", "Expression": "absent*2"}], **bounds())


HERE = Home("000000000000", "us-east-1")


def test_the_meters_rows_are_bounded() -> None:
    clock = iter(range(0, 10**9, 60))
    meter = Meter(lambda: float(next(clock)))
    for _ in range(MAX_ROWS + 50):
        meter.add(Resource(HERE, "f"), {"Invocations": 1})
    minutes = {point.minute for point in meter.points(HERE)}
    assert len(minutes) <= MAX_ROWS
    assert max(minutes) - min(minutes) <= 15 * 86400


def test_how_many_run_is_counted_by_function_and_in_all() -> None:
    meter = Meter(lambda: 60.0)
    assert meter.enter(HERE, "f") == (60.0, 1, 1)
    assert meter.enter(HERE, "g") == (60.0, 1, 2)
    assert meter.enter(HERE, "f") == (60.0, 2, 3)
    meter.leave(HERE, "f")
    assert meter.enter(HERE, "f") == (60.0, 2, 3)
    meter.add(Resource(HERE, "f"), {"ConcurrentExecutions": 2, ALL_RUNNING: 3})
    found = {point.dimensions: point.datum.most for point in meter.points(HERE)}
    assert found[()] == 3
    assert found[(("FunctionName", "f"),)] == 2
