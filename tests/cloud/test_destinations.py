"""What becomes of asynchronous events: retries as configured, destinations and dead letters with Lambda's words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, Failure, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.errors import InvocationThrottled

SPEED = 10_000.0
"""Lambda's waits of minutes take milliseconds."""


class Bench:
    def __init__(self, endpoint: Endpoint, fake: FakeEmulator) -> None:
        self.fake = fake
        self.client = partial(client, endpoint)
        self.lambda_, self.sqs = client(endpoint), client(endpoint, "sqs")
        self.sns, self.events = client(endpoint, "sns"), client(endpoint, "events")
        self.watch = client(endpoint, "cloudwatch")
        make(self.lambda_)

    def queue(self, name: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:000000000000:{name}"

    def configure(self, success: str | None = None, failure: str | None = None, **given: Any) -> None:
        ways = {"OnSuccess": success, "OnFailure": failure}
        config = {way: {"Destination": arn} for way, arn in ways.items() if arn}
        self.lambda_.put_function_event_invoke_config(FunctionName="hello", DestinationConfig=config, **given)

    def event(self, payload: bytes = b'{"n":1}', name: str = "hello") -> str:
        answer = self.lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=payload)
        return str(answer["ResponseMetadata"]["RequestId"])

    def message(self, url: str) -> dict[str, Any]:
        while True:
            found = self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
            if found:
                return dict(found[0])

    def count(self, metric: str) -> float:
        query = {
            "Namespace": "AWS/Lambda",
            "MetricName": metric,
            "Dimensions": [{"Name": "FunctionName", "Value": "hello"}],
            "StartTime": 0,
            "EndTime": 4_000_000_000,
            "Period": 86400,
            "Statistics": ["Sum"],
        }
        return float(sum(point["Sum"] for point in self.watch.get_metric_statistics(**query)["Datapoints"]))


Answering = Callable[[FunctionConfig, Invocation], Any]


def fail(config: FunctionConfig, invocation: Invocation) -> Any:
    raise Failure("no")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path, speed=SPEED) as (endpoint, fake):
        yield Bench(endpoint, fake)


def test_a_failure_goes_to_its_destination_and_the_event_to_the_dead_letters(bench: Bench) -> None:
    bench.fake.function = fail
    (failed, failed_arn), (dead, dead_arn) = bench.queue("failed"), bench.queue("dead")
    bench.configure(failure=failed_arn)
    bench.lambda_.update_function_configuration(FunctionName="hello", DeadLetterConfig={"TargetArn": dead_arn})
    request_id = bench.event()
    record = json.loads(bench.message(failed)["Body"])
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": ARN + "hello:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "Failure", "errorMessage": "no"},
    }
    letter = bench.message(dead)
    assert letter["Body"] == '{"n":1}'
    said = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert said == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no"}
    assert len(bench.fake.seen) == 3
    assert [bench.count(metric) for metric in ("AsyncEventsReceived", "AsyncEventsDropped", "Errors")] == [1, 1, 3]


def test_a_success_goes_to_a_function(bench: Bench) -> None:
    make(bench.lambda_, "next")
    bench.configure(success=ARN + "next")
    bench.event()
    while not (calls := [call for config, call in bench.fake.seen if config.name == "next"]):
        bench.lambda_.get_account_settings()
    record = json.loads(calls[0].payload)
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"version": "$LATEST", "event": {"n": 1}}
    assert calls[0].request_id != record["requestContext"]["requestId"]


def test_a_topic_and_a_bus_get_it_too(bench: Bench) -> None:
    url, arn = bench.queue("told")
    topic = bench.sns.create_topic(Name="t")["TopicArn"]
    bench.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    bench.configure(success=topic)
    bench.event()
    said = json.loads(json.loads(bench.message(url)["Body"])["Message"])
    assert said["requestContext"]["condition"] == "Success"
    url, arn = bench.queue("bussed")
    bench.events.put_rule(Name="r", EventPattern='{"source":["lambda"]}')
    bench.events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    bench.configure(success="arn:aws:events:us-east-1:000000000000:event-bus/default")
    bench.event()
    event = json.loads(bench.message(url)["Body"])
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["resources"] == [ARN + "hello:$LATEST"]
    assert event["detail"]["requestPayload"] == {"n": 1}


def test_a_bucket_gets_the_record_of_a_failure(bench: Bench, tmp_path: Path) -> None:
    bench.fake.function = fail
    s3 = bench.client("s3")
    s3.create_bucket(Bucket="failed")
    bench.configure(failure="arn:aws:s3:::failed")
    request_id = bench.event()
    while not (found := s3.list_objects_v2(Bucket="failed").get("Contents")):
        pass
    (key,) = [each["Key"] for each in found]
    record = json.loads(s3.get_object(Bucket="failed", Key=key)["Body"].read())
    assert record["requestContext"]["requestId"] == request_id
    dated = rf"aws/lambda/async/hello/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-{request_id}"
    assert re.fullmatch(dated, key)
    assert record["responsePayload"]["errorMessage"] == "no"


def test_a_topic_gets_dead_letters(bench: Bench) -> None:
    bench.fake.function = fail
    url, arn = bench.queue("dead")
    topic = bench.sns.create_topic(Name="dead")["TopicArn"]
    bench.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    bench.lambda_.update_function_configuration(FunctionName="hello", DeadLetterConfig={"TargetArn": topic})
    request_id = bench.event()
    said = json.loads(bench.message(url)["Body"])
    assert said["Message"] == '{"n":1}'
    attributes = {name: value["Value"] for name, value in said["MessageAttributes"].items()}
    assert attributes == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no"}


def test_no_more_retries_than_configured(bench: Bench) -> None:
    bench.fake.function = fail
    url, arn = bench.queue("failed")
    bench.configure(failure=arn, MaximumRetryAttempts=0)
    bench.event()
    assert json.loads(bench.message(url)["Body"])["requestContext"]["approximateInvokeCount"] == 1
    assert len(bench.fake.seen) == 1


def test_a_throttled_event_is_tried_until_it_is_too_old(bench: Bench) -> None:
    def refuse(config: FunctionConfig, invocation: Invocation) -> Any:
        raise InvocationThrottled("ConcurrentInvocationLimitExceeded")

    bench.fake.function = refuse
    url, arn = bench.queue("old")
    bench.configure(failure=arn, MaximumEventAgeInSeconds=60)
    bench.event()
    record = json.loads(bench.message(url)["Body"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert "responsePayload" not in record


def test_a_function_without_concurrency_is_not_tried(bench: Bench) -> None:
    url, arn = bench.queue("zero")
    bench.configure(failure=arn)
    bench.lambda_.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=0)
    bench.event()
    context = json.loads(bench.message(url)["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert bench.fake.seen == []


def test_a_destination_that_is_not_there_is_counted(bench: Bench) -> None:
    bench.configure(success="arn:aws:sqs:us-east-1:000000000000:gone")
    bench.event()
    while bench.count("DestinationDeliveryFailures") != 1:
        pass


def test_the_configuration_is_of_the_qualifier_that_was_invoked(bench: Bench) -> None:
    url, arn = bench.queue("alias")
    bench.lambda_.publish_version(FunctionName="hello")
    bench.lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    bench.lambda_.put_function_event_invoke_config(
        FunctionName="hello", Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    bench.event(b'"latest"')
    bench.event(b'"alias"', "hello:live")
    record = json.loads(bench.message(url)["Body"])
    assert (record["requestPayload"], record["requestContext"]["functionArn"]) == ("alias", ARN + "hello:live")


def test_update_keeps_what_it_does_not_name_and_list_shows_all(bench: Bench) -> None:
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        bench.lambda_.update_function_event_invoke_config(FunctionName="hello", MaximumRetryAttempts=1)
    bench.configure(MaximumEventAgeInSeconds=100)
    answer = bench.lambda_.update_function_event_invoke_config(FunctionName="hello", MaximumRetryAttempts=1)
    assert (answer["MaximumRetryAttempts"], answer["MaximumEventAgeInSeconds"]) == (1, 100)
    listed = bench.lambda_.list_function_event_invoke_configs(FunctionName="hello")["FunctionEventInvokeConfigs"]
    assert [(each["FunctionArn"], each["MaximumRetryAttempts"]) for each in listed] == [(ARN + "hello:$LATEST", 1)]


@pytest.mark.parametrize(
    ("way", "target", "message"),
    [
        ("OnSuccess", ARN + "hello", "You can't specify the function as a destination for itself"),
        ("OnFailure", ARN + "hello:live", "You can't specify the function as a destination for itself"),
        ("OnSuccess", "arn:aws:kinesis:us-east-1:000000000000:stream/s", "destination config DestinationConfig"),
        ("OnSuccess", "arn:aws:s3:::bucket", "destination config DestinationConfig"),
    ],
)
def test_what_can_be_no_destination(bench: Bench, way: str, target: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        bench.lambda_.put_function_event_invoke_config(
            FunctionName="hello", DestinationConfig={way: {"Destination": target}}
        )
