"""The other services beside functions of several accounts: sources, destinations, triggers, schedules, logs, metrics.

Each account has the same names, so that what went to the wrong one would be seen there.
"""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_accounts_support import ONE, TWO, arn
from cloud_support import Failure, FakeEmulator, client, make, package, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation


class Account:
    """Clients of one account, and what its function hello was given."""

    def __init__(self, endpoint: Endpoint, fake: FakeEmulator, account: str) -> None:
        self.account, self.endpoint, self._fake = account, endpoint, fake
        self.arn = arn(account)
        self._clients: dict[str, Any] = {}
        make(self.client("lambda"))

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client(self.endpoint, service, key=self.account)
        return self._clients[service]

    def queue(self, name: str) -> tuple[str, str]:
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def given(self) -> list[Any]:
        """What it was given by now; a call in between lets the cloud go on."""
        self.client("lambda").get_account_settings()
        return [json.loads(call.payload) for config, call in list(self._fake.seen) if config.arn == self.arn]

    def event(self) -> Any:
        """The first event that the function was given, once it was."""
        return until(self.given)[0]


def until(look: Callable[[], Any]) -> Any:
    """What `look` gives, once it gives anything."""
    while not (found := look()):
        pass
    return found


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[tuple[Account, Account]]:
    with served(tmp_path, speed=600) as (endpoint, fake):
        yield Account(endpoint, fake, ONE), Account(endpoint, fake, TWO)


Accounts = tuple[Account, Account]


def test_a_queue_feeds_the_function_of_its_account(accounts: Accounts) -> None:
    for each in accounts:
        url, queue = each.queue("q")
        assert queue == f"arn:aws:sqs:us-east-1:{each.account}:q"
        made = each.client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName="hello")
        assert made["FunctionArn"] == each.arn
        assert made["EventSourceMappingArn"] == arn(each.account, f"event-source-mapping:{made['UUID']}")
        each.client("sqs").send_message(QueueUrl=url, MessageBody=each.account)
    for each in accounts:
        (record,) = each.event()["Records"]
        assert (record["body"], record["eventSourceARN"].split(":")[4]) == (each.account, each.account)


def test_a_stream_feeds_the_function_of_its_account(accounts: Accounts) -> None:
    for each in accounts:
        kinesis = each.client("kinesis")
        kinesis.create_stream(StreamName="s", ShardCount=1)
        stream = f"arn:aws:kinesis:us-east-1:{each.account}:stream/s"
        each.client("lambda").create_event_source_mapping(
            EventSourceArn=stream, FunctionName="hello", StartingPosition="TRIM_HORIZON"
        )
        kinesis.put_record(StreamName="s", Data=each.account.encode(), PartitionKey="k")
    for each in accounts:
        (record,) = each.event()["Records"]
        assert base64.b64decode(record["kinesis"]["data"]).decode() == each.account


def test_what_becomes_of_an_event_goes_where_its_account_says(accounts: Accounts) -> None:
    urls = {}
    for each in accounts:
        urls[each.account], queue = each.queue("done")
        each.client("lambda").put_function_event_invoke_config(
            FunctionName="hello", DestinationConfig={"OnSuccess": {"Destination": queue}}
        )
    for each in accounts:
        each.client("lambda").invoke(FunctionName="hello", InvocationType="Event", Payload=b"1")
    for each in accounts:
        sqs = each.client("sqs")
        (message,) = until(lambda: sqs.receive_message(QueueUrl=urls[each.account]).get("Messages"))  # noqa: B023
        assert json.loads(message["Body"])["requestContext"]["functionArn"] == f"{each.arn}:$LATEST"


def test_a_function_of_another_account_is_a_destination_if_its_policy_allows_it(accounts: Accounts) -> None:
    one, two = accounts
    api = one.client("lambda")
    api.put_function_event_invoke_config(
        FunctionName="hello", DestinationConfig={"OnSuccess": {"Destination": two.arn}}
    )
    watch = one.client("cloudwatch")

    def failures() -> float:
        found = watch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="DestinationDeliveryFailures",
            Dimensions=[{"Name": "FunctionName", "Value": "hello"}],
            StartTime=0,
            EndTime=4_000_000_000,
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in found))

    api.invoke(FunctionName="hello", InvocationType="Event", Payload=b"1")
    assert until(failures) == 1
    assert two.given() == []
    two.client("lambda").add_permission(
        FunctionName="hello", StatementId="s", Action="lambda:InvokeFunction", Principal=ONE
    )
    api.invoke(FunctionName="hello", InvocationType="Event", Payload=b"2")
    assert two.event()["requestPayload"] == 2


def test_a_dead_letter_queue_of_another_account(tmp_path: Path) -> None:
    def fail(config: FunctionConfig, invocation: Invocation) -> Any:
        raise Failure("no")

    with served(tmp_path, fail, speed=10_000) as (endpoint, fake):
        one, two = Account(endpoint, fake, ONE), Account(endpoint, fake, TWO)
        url, queue = two.queue("dead")
        one.queue("dead")
        one.client("lambda").update_function_configuration(FunctionName="hello", DeadLetterConfig={"TargetArn": queue})
        one.client("lambda").invoke(FunctionName="hello", InvocationType="Event", Payload=b'"lost"')
        sqs = two.client("sqs")
        (message,) = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
        assert message["Body"] == '"lost"'


def test_buckets_topics_rules_and_log_groups_invoke_in_their_account(accounts: Accounts) -> None:
    one, two = accounts
    s3 = one.client("s3")
    s3.create_bucket(Bucket="photos")
    notified = {"LambdaFunctionArn": one.arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration={"LambdaFunctionConfigurations": [notified]}
    )
    assert two.client("s3").list_buckets()["Buckets"] == []
    s3.put_object(Bucket="photos", Key="a", Body=b"x")
    assert until(one.given)[-1]["Records"][0]["s3"]["object"]["key"] == "a"

    sns = two.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    assert topic == f"arn:aws:sns:us-east-1:{TWO}:t"
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=two.arn)
    sns.publish(TopicArn=topic, Message="m")
    assert until(two.given)[-1]["Records"][0]["Sns"]["TopicArn"] == topic

    events = two.client("events")
    events.put_rule(Name="r", EventPattern='{"source":["mine"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": two.arn}])
    events.put_events(Entries=[{"Source": "mine", "DetailType": "d", "Detail": "{}"}])
    event = until(lambda: [each for each in two.given() if each.get("source") == "mine"])[0]
    assert event["account"] == TWO

    logs = two.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    logs.put_subscription_filter(logGroupName="g", filterName="f", filterPattern="", destinationArn=two.arn)
    logs.put_log_events(
        logGroupName="g", logStreamName="s", logEvents=[{"timestamp": int(time.time() * 1000), "message": "m"}]
    )
    packed = until(lambda: [each["awslogs"] for each in two.given() if "awslogs" in each])[0]["data"]
    assert json.loads(gzip.decompress(base64.b64decode(packed)))["owner"] == TWO
    assert len(one.given()) == 1


def test_schedules_invoke_in_their_account(accounts: Accounts) -> None:
    for each in accounts:
        events = each.client("events")
        events.put_rule(Name="r", ScheduleExpression="rate(1 minute)")
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": each.arn}])
        target = {"Arn": each.arn, "RoleArn": f"arn:aws:iam::{each.account}:role/r", "Input": f'"{each.account}"'}
        each.client("scheduler").create_schedule(
            Name="s", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
    for each in accounts:
        until(lambda: each.account in each.given())  # noqa: B023
        rule = until(lambda: [event for event in each.given() if event != each.account])[0]  # noqa: B023
        assert (rule["account"], rule["resources"]) == (
            each.account,
            [f"arn:aws:events:us-east-1:{each.account}:rule/r"],
        )
        assert {event for event in each.given() if isinstance(event, str)} == {each.account}


def test_logs_and_metrics_are_of_the_functions_account(accounts: Accounts) -> None:
    for count, each in enumerate(accounts, 1):
        for _ in range(count):
            each.client("lambda").invoke(FunctionName="hello")
    for count, each in enumerate(accounts, 1):
        lines = each.client("logs").filter_log_events(logGroupName="/aws/lambda/hello")["events"]
        assert len(lines) == count
        for dimensions in ([], [{"Name": "FunctionName", "Value": "hello"}]):
            (point,) = each.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/Lambda",
                MetricName="Invocations",
                Dimensions=dimensions,
                StartTime=0,
                EndTime=4_000_000_000,
                Period=86400,
                Statistics=["Sum"],
            )["Datapoints"]
            assert point["Sum"] == count
    assert client(accounts[0].endpoint, "cloudwatch").list_metrics(Namespace="AWS/Lambda")["Metrics"] == []


def test_code_comes_from_a_bucket_of_the_callers(accounts: Accounts) -> None:
    s3 = accounts[0].client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="k", Body=package({"mine.py": ""}))
    api = accounts[0].client("lambda")
    assert make(api, "stored", Code={"S3Bucket": "code", "S3Key": "k"})["FunctionArn"] == arn(ONE, "function:stored")
