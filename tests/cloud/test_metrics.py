"""Lambda's metrics beside those of plain invocations, read through boto3: each is where it belongs, and only there."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import Failure, FakeEmulator, Raw, client, make, package, raw, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.errors import InvocationThrottled

NAME = {"FunctionName": "hello"}
LIVE = {**NAME, "Resource": "hello:live"}


class Metrics:
    """Reads CloudWatch."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.watch = client(endpoint, "cloudwatch")

    def __call__(self, metric: str, dimensions: dict[str, str], stat: str = "Sum") -> float | None:
        """One figure of all time; None where there is no point."""
        listed = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        whole = {"Metric": {"Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": listed}, "Period": 10**9}
        query = {"Id": "m", "MetricStat": {**whole, "Stat": stat}}
        bounds = {"StartTime": 0, "EndTime": 4_000_000_000}
        (found,) = self.watch.get_metric_data(MetricDataQueries=[query], **bounds)["MetricDataResults"]
        return found["Values"][0] if found["Values"] else None

    def listed(self, metric: str) -> list[dict[str, str]]:
        """The dimensions of each series."""
        found = self.watch.list_metrics(Namespace="AWS/Lambda", MetricName=metric)["Metrics"]
        return [{each["Name"]: each["Value"] for each in one["Dimensions"]} for one in found]

    def unit(self, metric: str) -> str:
        bounds = {"StartTime": 0, "EndTime": 4_000_000_000, "Period": 10**9, "Statistics": ["Sum"]}
        (point,) = self.watch.get_metric_statistics(Namespace="AWS/Lambda", MetricName=metric, **bounds)["Datapoints"]
        return str(point["Unit"])


@pytest.fixture
def metrics(endpoint: Endpoint) -> Metrics:
    return Metrics(endpoint)


def until(condition: Any, lambda_: Any) -> None:
    while not condition():
        lambda_.get_account_settings()


def test_how_many_run_without_a_reservation(lambda_: Any, metrics: Metrics) -> None:
    for name in ("hello", "other"):
        make(lambda_, name)
    lambda_.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=5)
    lambda_.invoke(FunctionName="hello")
    assert metrics("UnreservedConcurrentExecutions", {}, "Maximum") is None
    lambda_.invoke(FunctionName="other")
    assert metrics("UnreservedConcurrentExecutions", {}, "Maximum") == 1
    assert metrics.listed("UnreservedConcurrentExecutions") == [{}]
    lambda_.delete_function_concurrency(FunctionName="hello")
    lambda_.invoke(FunctionName="hello")
    assert metrics("UnreservedConcurrentExecutions", {}, "SampleCount") == 2


def test_provisioned_concurrency_and_what_spills_over(lambda_: Any, fake: FakeEmulator, metrics: Metrics) -> None:
    make(lambda_, Publish=True)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    lambda_.invoke(FunctionName="hello:live")
    asked = {"FunctionName": "hello", "Qualifier": "live"}
    lambda_.put_provisioned_concurrency_config(**asked, ProvisionedConcurrentExecutions=2)
    until(lambda: lambda_.get_provisioned_concurrency_config(**asked)["Status"] == "READY", lambda_)
    lambda_.invoke(FunctionName="hello:live")
    assert metrics("ProvisionedConcurrencyInvocations", LIVE) == 1
    assert metrics("ProvisionedConcurrencySpilloverInvocations", LIVE) == 0
    assert metrics("ProvisionedConcurrencyUtilization", LIVE, "Maximum") == 0.5
    fake.takes, done = 0.1, 1
    while fake.most < 3:
        threads = [threading.Thread(target=lambda_.invoke, kwargs={"FunctionName": "hello:live"}) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done += 3
    assert metrics("ProvisionedConcurrentExecutions", LIVE, "Maximum") == 2
    assert metrics("ProvisionedConcurrencyUtilization", {**LIVE, "ExecutedVersion": "1"}, "Maximum") == 1
    counted = [metrics(f"ProvisionedConcurrency{what}Invocations", LIVE) for what in ("", "Spillover")]
    assert sum(each or 0 for each in counted) == done
    assert counted[1]
    assert metrics.unit("ProvisionedConcurrencyUtilization") == "None"
    lambda_.delete_provisioned_concurrency_config(**asked)
    lambda_.invoke(FunctionName="hello:live")
    assert metrics("ProvisionedConcurrencyInvocations", LIVE, "SampleCount") == done


def test_what_extensions_took_after_the_answer(lambda_: Any, metrics: Metrics) -> None:
    layer = lambda_.publish_layer_version(LayerName="l", Content={"ZipFile": package({"extensions/agent": "x"})})
    make(lambda_, Layers=[layer["LayerVersionArn"]])
    make(lambda_, "without")
    for name in ("hello", "without"):
        lambda_.invoke(FunctionName=name)
    assert metrics("PostRuntimeExtensionsDuration", NAME, "Average") == 7.0
    assert metrics("PostRuntimeExtensionsDuration", {"FunctionName": "without"}) is None
    assert metrics.unit("PostRuntimeExtensionsDuration") == "Milliseconds"


def url(lambda_: Any, qualifier: str | None = None) -> str:
    """The path of a URL that anybody may call."""
    at = {"Qualifier": qualifier} if qualifier else {}
    made = lambda_.create_function_url_config(FunctionName="hello", AuthType="NONE", **at)["FunctionUrl"]
    given = {"FunctionName": "hello", "Principal": "*", **at}
    lambda_.add_permission(StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE", **given)
    lambda_.add_permission(StatementId="call", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True, **given)
    return f"/.fn/url/{made.removeprefix('http://').partition('.')[0]}/"


def test_requests_of_a_url_by_how_they_ended(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator, metrics: Metrics
) -> None:
    def handle(config: FunctionConfig, invocation: Invocation) -> Any:
        path = json.loads(invocation.payload)["rawPath"]
        if path == "/fail":
            raise Failure("no")
        if path == "/throttle":
            raise InvocationThrottled("ConcurrentInvocationLimitExceeded")
        return {"statusCode": int(path[1:])}

    fake.function = handle
    make(lambda_, Publish=True)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    plain, live = url(lambda_), url(lambda_, "live")

    def get(path: str) -> Raw:
        return raw(endpoint, "GET", path)

    asked = [get(plain + end).status for end in ("200", "404", "500", "fail", "throttle")]
    assert asked == [200, 404, 500, 502, 429]
    assert get(live + "200").status == 200
    lambda_.remove_permission(FunctionName="hello", StatementId="url", Qualifier="live")
    assert get(live + "200").status == 403
    at = {**NAME, "Resource": "hello:$LATEST"}
    for dimensions, expected in (
        (NAME, [7, 3, 2]),
        (at, [5, 2, 2]),
        ({**at, "ExecutedVersion": "$LATEST"}, [5, 2, 2]),
        (LIVE, [2, 1, 0]),
        ({**LIVE, "ExecutedVersion": "1"}, [1, 0, 0]),
    ):
        counted = [metrics(name, dimensions) for name in ("UrlRequestCount", "Url4xxCount", "Url5xxCount")]
        assert counted == expected, dimensions
        assert metrics("UrlRequestLatency", dimensions, "SampleCount") == expected[0]
    assert metrics.unit("UrlRequestLatency") == "Milliseconds"


def test_the_age_of_an_event_is_counted_with_each_attempt(tmp_path: Path) -> None:
    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    with served(tmp_path, fail, speed=10_000) as (endpoint, _):
        lambda_, metrics = client(endpoint), Metrics(endpoint)
        make(lambda_, DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:000000000000:gone"})
        lambda_.invoke(FunctionName="hello", InvocationType="Event")
        until(lambda: metrics("DeadLetterErrors", NAME), lambda_)
        assert metrics("AsyncEventsReceived", NAME) == 1
        assert metrics("AsyncEventAge", NAME, "SampleCount") == 3
        assert metrics("AsyncEventAge", NAME, "Maximum") >= 180_000  # type: ignore[operator]
        assert metrics("AsyncEventsDropped", {**NAME, "Resource": "hello"}) == 1
        assert metrics("Errors", NAME) == 3
        assert metrics.unit("AsyncEventAge") == "Milliseconds"


def test_a_queue_counts_its_events_where_it_is_asked_to(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator, metrics: Metrics
) -> None:
    def last_fails(config: FunctionConfig, invocation: Invocation) -> Any:
        records = json.loads(invocation.payload)["Records"]
        return {
            "batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in records if each["body"] == '"c"']
        }

    fake.function = last_fails
    make(lambda_)
    sqs, arns = client(endpoint, "sqs"), []
    for name in ("counted", "silent"):
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        for body in ('"a"', '"b"', '"c"', '"unwanted"'):
            sqs.send_message(QueueUrl=queue, MessageBody=body)
        arns.append(f"arn:aws:sqs:us-east-1:000000000000:{name}")
    asked = {
        "FunctionName": "hello",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": '{"body":[{"anything-but":["\\"unwanted\\""]}]}'}]},
    }
    made = lambda_.create_event_source_mapping(
        EventSourceArn=arns[0], MetricsConfig={"Metrics": ["EventCount"]}, **asked
    )
    lambda_.create_event_source_mapping(EventSourceArn=arns[1], **asked)
    of_mapping = {"EventSourceMappingUUID": made["UUID"]}
    until(lambda: metrics("DeletedEventCount", of_mapping) == 2, lambda_)
    names = ("PolledEventCount", "FilteredOutEventCount", "InvokedEventCount", "FailedInvokeEventCount")
    assert [metrics(name, of_mapping) for name in names] == [4, 1, 3, 1]
    assert metrics.listed("PolledEventCount") == [of_mapping]


def test_a_stream_counts_its_events_its_age_and_what_it_could_not_deliver(tmp_path: Path) -> None:
    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    with served(tmp_path, fail, speed=1000) as (endpoint, _):
        lambda_, metrics, kinesis = client(endpoint), Metrics(endpoint), client(endpoint, "kinesis")
        make(lambda_)
        kinesis.create_stream(StreamName="s", ShardCount=1)
        client(endpoint, "sqs").create_queue(QueueName="lost")
        for name in ("lost", "gone"):
            kinesis.put_record(StreamName="s", Data=b"x", PartitionKey="k")
            made = lambda_.create_event_source_mapping(
                EventSourceArn="arn:aws:kinesis:us-east-1:000000000000:stream/s",
                FunctionName="hello",
                StartingPosition="TRIM_HORIZON",
                MaximumRetryAttempts=1,
                MetricsConfig={"Metrics": ["EventCount"]},
                DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:000000000000:{name}"}},
            )
            of_mapping = {"EventSourceMappingUUID": made["UUID"]}
            until(lambda: metrics("DroppedEventCount", of_mapping), lambda_)  # noqa: B023 - called at once
            if name == "lost":
                until(lambda: metrics("OnFailureDestinationDeliveredEventCount", of_mapping) == 1, lambda_)  # noqa: B023
                assert metrics("InvokedEventCount", of_mapping) == metrics("FailedInvokeEventCount", of_mapping) == 2
                assert metrics("IteratorAge", NAME, "SampleCount") == 2
                assert metrics("DestinationDeliveryFailures", NAME) is None
            else:
                until(lambda: metrics("DestinationDeliveryFailures", NAME) == 1, lambda_)
            lambda_.delete_event_source_mapping(UUID=made["UUID"])
        assert metrics.unit("IteratorAge") == "Milliseconds"


def test_a_series_without_dimensions_is_listed_once(lambda_: Any, metrics: Metrics) -> None:
    make(lambda_)
    with pytest.raises(ClientError):
        lambda_.invoke(FunctionName="nobody")
    for _ in range(3):
        lambda_.invoke(FunctionName="hello")
    assert metrics.listed("Invocations") == [{}, NAME, {**NAME, "Resource": "hello"}]
