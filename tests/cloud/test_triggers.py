"""Other services that invoke functions: S3 notifications, topics, rules, log subscriptions."""

from __future__ import annotations

import base64
import gc
import gzip
import json
import time
from collections import Counter
from typing import Any

import pytest

from cloud_support import ARN, FakeEmulator, client, make
from fnroll.cloud import Endpoint


def event(fake: FakeEmulator, lambda_: Any) -> dict[str, Any]:
    """The first event that the function got."""
    while not fake.seen:
        lambda_.get_account_settings()
    found: dict[str, Any] = json.loads(fake.seen[0][1].payload)
    return found


def test_an_object_in_a_bucket(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(lambda_)
    s3 = client(endpoint, "s3")
    s3.create_bucket(Bucket="photos")
    rules = [{"Name": "suffix", "Value": ".jpg"}]
    configuration = {
        "LambdaFunctionArn": ARN + "hello",
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    s3.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]}
    )
    s3.put_object(Bucket="photos", Key="a.txt", Body=b"x")
    s3.put_object(Bucket="photos", Key="a.jpg", Body=b"x")
    (record,) = event(fake, lambda_)["Records"]
    assert (record["eventSource"], record["s3"]["object"]["key"]) == ("aws:s3", "a.jpg")


def test_a_message_of_a_topic(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(lambda_)
    sns = client(endpoint, "sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN + "hello", ReturnSubscriptionArn=True)[
        "SubscriptionArn"
    ]
    said = {"kind": {"DataType": "String", "StringValue": "v"}}
    published = sns.publish(TopicArn=topic, Message="m", Subject="s", MessageAttributes=said)
    (record,) = event(fake, lambda_)["Records"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", subscription)
    sent = record["Sns"]
    assert (sent["Message"], sent["Subject"], sent["TopicArn"]) == ("m", "s", topic)
    assert sent["MessageId"] == published["MessageId"]
    assert sent["MessageAttributes"] == {"kind": {"Type": "String", "Value": "v"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Input": '{"fixed":1}'}, {"fixed": 1}),
        ({"InputPath": "$.detail"}, {"n": 1}),
        ({"InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"was": <n>}'}}, {"was": 1}),
    ],
)
def test_a_rule_gives_what_its_target_asks_for(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator, given: dict[str, Any], expected: Any
) -> None:
    make(lambda_)
    put(endpoint, given)
    assert event(fake, lambda_) == expected


def test_a_rule_gives_the_event(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(lambda_)
    put(endpoint, {})
    found = event(fake, lambda_)
    assert (found["source"], found["detail-type"], found["detail"]) == ("mine", "Thing", {"n": 1})
    assert (found["version"], found["account"], found["region"]) == ("0", "000000000000", "us-east-1")
    assert found["time"].endswith("Z")
    assert len(fake.seen) == 1


def put(endpoint: Endpoint, given: dict[str, Any]) -> None:
    """A rule for the source `mine`, one event of another source, and one of it."""
    events = client(endpoint, "events")
    events.put_rule(Name="r", EventPattern='{"source":["mine"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": ARN + "hello", **given}])
    for source in ("theirs", "mine"):
        events.put_events(Entries=[{"Source": source, "DetailType": "Thing", "Detail": '{"n":1}'}])


def test_lines_of_a_log_group(lambda_: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(lambda_)
    logs = client(endpoint, "logs")
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    logs.put_subscription_filter(logGroupName="/g", filterName="f", filterPattern="", destinationArn=ARN + "hello")
    logs.put_log_events(
        logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": int(time.time() * 1000), "message": "line"}]
    )
    while not (found := [call for _, call in fake.seen if b"awslogs" in call.payload]):
        lambda_.get_account_settings()
    data = json.loads(gzip.decompress(base64.b64decode(json.loads(found[-1].payload)["awslogs"]["data"])))
    assert (data["logGroup"], data["subscriptionFilters"]) == ("/g", ["f"])
    assert [each["message"] for each in data["logEvents"]] == ["line"]


def test_what_a_function_logs_goes_to_its_groups_subscriber_though_nobody_reads_it(
    lambda_: Any, endpoint: Endpoint, fake: FakeEmulator
) -> None:
    for name in ("hello", "listener"):
        make(lambda_, name)
    lambda_.invoke(FunctionName="hello")
    logs = client(endpoint, "logs")
    logs.put_subscription_filter(
        logGroupName="/aws/lambda/hello", filterName="f", filterPattern="", destinationArn=ARN + "listener"
    )
    request_id = lambda_.invoke(FunctionName="hello")["ResponseMetadata"]["RequestId"]
    while not (found := [call for config, call in fake.seen if config.name == "listener"]):
        lambda_.get_account_settings()
    data = json.loads(gzip.decompress(base64.b64decode(json.loads(found[0].payload)["awslogs"]["data"])))
    assert data["logGroup"] == "/aws/lambda/hello"
    assert [each["message"] for each in data["logEvents"]] == [f"START RequestId: {request_id} Version: $LATEST"]


def test_what_is_gone_from_other_services_is_gone_from_memory(endpoint: Endpoint) -> None:
    s3, sqs = client(endpoint, "s3"), client(endpoint, "sqs")
    s3.create_bucket(Bucket="bucket")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    for _ in range(20):
        s3.put_object(Bucket="bucket", Key="k", Body=b"x")
        sqs.send_message(QueueUrl=queue, MessageBody="m")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    from moto.s3.models import FakeKey
    from moto.sqs.models import Message

    gc.collect()
    alive = Counter(kind for each in gc.get_objects() for kind in (FakeKey, Message) if isinstance(each, kind))
    assert alive[FakeKey] <= 2
    assert alive[Message] <= 1


def test_another_user_of_moto_in_this_process_has_its_own_functions(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    client(endpoint, "sns").list_topics()
    from moto.awslambda.utils import get_backend

    assert get_backend("123456789012", "us-east-1").list_functions() == []  # type: ignore[no-untyped-call]
