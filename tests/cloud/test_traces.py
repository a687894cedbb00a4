"""X-Ray's trace header goes through: to the function, to each attempt, on to whatever a call or an event sets off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support import ARN, Failure, FakeEmulator, client, make, raw, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
OTHER = TRACE.replace("5759e988", "00000001")
ACCOUNT_ARN = "arn:aws:{}:us-east-1:000000000000:{}"


class Bench:
    def __init__(self, endpoint: Endpoint, fake: FakeEmulator) -> None:
        self.endpoint, self.fake = endpoint, fake
        self.lambda_ = client(endpoint)
        for name in ("hello", "next"):
            make(self.lambda_, name)

    def traced(self, service: str, trace: str = TRACE) -> Any:
        """A client whose every call is of the trace."""

        def add(params: dict[str, Any], **_: Any) -> None:
            params["headers"]["X-Amzn-Trace-Id"] = trace

        made = client(self.endpoint, service)
        made.meta.events.register("before-call", add)
        return made

    def until(self, name: str, count: int = 1) -> list[str | None]:
        """The traces of a function's invocations, once there were so many."""
        while True:
            found = [call.trace_id for config, call in self.fake.seen if config.name == name]
            if len(found) >= count:
                return found
            self.lambda_.get_account_settings()

    def queue(self, name: str) -> tuple[str, str]:
        url = client(self.endpoint, "sqs").create_queue(QueueName=name)["QueueUrl"]
        return url, ACCOUNT_ARN.format("sqs", name)

    def message(self, url: str) -> str | None:
        """The trace that a message carries."""
        while True:
            found = client(self.endpoint, "sqs").receive_message(QueueUrl=url, AttributeNames=["AWSTraceHeader"])
            for each in found.get("Messages", ()):
                return each.get("Attributes", {}).get("AWSTraceHeader")

    def configure(self, **ways: str) -> None:
        config = {way: {"Destination": arn} for way, arn in ways.items()}
        self.lambda_.put_function_event_invoke_config(FunctionName="hello", DestinationConfig=config)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path, speed=10_000) as (endpoint, fake):
        yield Bench(endpoint, fake)


def fail(config: FunctionConfig, invocation: Invocation) -> Any:
    if config.name == "hello":
        raise Failure("no")


def test_a_synchronous_call_and_a_url(bench: Bench) -> None:
    bench.traced("lambda").invoke(FunctionName="hello")
    made = bench.lambda_.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"]
    given = {"FunctionName": "hello", "Principal": "*"}
    for sid, action in (
        ("a", {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}),
        ("b", {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}),
    ):
        bench.lambda_.add_permission(StatementId=sid, **given, **action)
    path = f"/.fn/url/{made.removeprefix('http://').partition('.')[0]}/"
    answer = raw(bench.endpoint, "GET", path, headers={"X-Amzn-Trace-Id": OTHER})
    assert bench.until("hello", 2) == [TRACE, OTHER]
    assert json.loads(answer.body)["event"]["headers"]["x-amzn-trace-id"] == OTHER


def test_every_attempt_and_what_it_ends_in_are_of_one_trace(bench: Bench) -> None:
    bench.fake.function = fail
    url, arn = bench.queue("dead")
    bench.lambda_.update_function_configuration(FunctionName="hello", DeadLetterConfig={"TargetArn": arn})
    bench.configure(OnFailure=ARN + "next")
    bench.traced("lambda").invoke(FunctionName="hello", InvocationType="Event")
    assert bench.until("next") == [TRACE]
    assert bench.until("hello", 3) == [TRACE] * 3
    assert bench.message(url) == TRACE


def test_an_event_without_a_trace_gets_one_that_stays(bench: Bench) -> None:
    bench.fake.function = fail
    bench.configure(OnFailure=ARN + "next")
    sns = client(bench.endpoint, "sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN + "hello")
    sns.publish(TopicArn=topic, Message="m")
    (last,) = bench.until("next")
    assert last is not None
    assert last.startswith("Root=1-")
    assert set(bench.until("hello", 3)) == {last}


def to_a_queue(bench: Bench) -> str | None:
    url, arn = bench.queue("q")
    bench.configure(OnSuccess=arn)
    bench.traced("lambda").invoke(FunctionName="hello", InvocationType="Event")
    return bench.message(url)


def to_a_topic(bench: Bench) -> str | None:
    sns = client(bench.endpoint, "sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN + "next")
    bench.configure(OnSuccess=topic)
    bench.traced("lambda").invoke(FunctionName="hello", InvocationType="Event")
    return bench.until("next")[0]


def to_a_bus(bench: Bench) -> str | None:
    events = client(bench.endpoint, "events")
    events.put_rule(Name="r", EventPattern='{"source":["lambda"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": ARN + "next"}])
    bench.configure(OnSuccess=ACCOUNT_ARN.format("events", "event-bus/default"))
    bench.traced("lambda").invoke(FunctionName="hello", InvocationType="Event")
    return bench.until("next")[0]


def to_a_bucket(bench: Bench) -> str | None:
    bench.fake.function = fail
    notified(bench)
    bench.configure(OnFailure="arn:aws:s3:::bucket")
    bench.traced("lambda").invoke(FunctionName="hello", InvocationType="Event")
    return bench.until("next")[0]


@pytest.mark.parametrize("way", [to_a_queue, to_a_topic, to_a_bus, to_a_bucket])
def test_a_destination_carries_it_on(bench: Bench, way: Callable[[Bench], str | None]) -> None:
    assert way(bench) == TRACE


def notified(bench: Bench) -> None:
    """A bucket whose objects invoke `next`."""
    s3 = client(bench.endpoint, "s3")
    s3.create_bucket(Bucket="bucket")
    target = {"LambdaFunctionArn": ARN + "next", "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"LambdaFunctionConfigurations": [target]}
    )


def test_a_rule_carries_it_on_to_a_queue(bench: Bench) -> None:
    url, arn = bench.queue("q")
    events = bench.traced("events")
    events.put_rule(Name="r", EventPattern='{"source":["mine"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    events.put_events(Entries=[{"Source": "mine", "DetailType": "d", "Detail": "{}"}])
    assert bench.message(url) == TRACE


def test_an_object_that_is_put_carries_it_on(bench: Bench) -> None:
    notified(bench)
    bench.traced("s3").put_object(Bucket="bucket", Key="k", Body=b"x")
    assert bench.until("next") == [TRACE]


def test_a_message_tells_the_function_its_own(bench: Bench) -> None:
    url, arn = bench.queue("q")
    said = {"AWSTraceHeader": {"DataType": "String", "StringValue": OTHER}}
    bench.traced("sqs").send_message(QueueUrl=url, MessageBody="header")
    bench.traced("sqs").send_message(QueueUrl=url, MessageBody="attribute", MessageSystemAttributes=said)
    client(bench.endpoint, "sqs").send_message(QueueUrl=url, MessageBody="none")
    bench.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName="next")
    found: dict[str, str | None] = {}
    while len(found) < 3:
        bench.until("next")
        for _, call in list(bench.fake.seen):
            for each in json.loads(call.payload)["Records"]:
                found[each["body"]] = each["attributes"].get("AWSTraceHeader")
    assert found == {"header": TRACE, "attribute": OTHER, "none": None}
