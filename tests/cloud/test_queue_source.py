"""SQS queues feeding functions: batches, failures, filters, and what CreateEventSourceMapping refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, Failure, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation


class Bench:
    """A queue `q`, the function hello, and what it was fed."""

    def __init__(self, endpoint: Endpoint, fake: FakeEmulator) -> None:
        self.lambda_, self.sqs = client(endpoint), client(endpoint, "sqs")
        self.fed: list[list[dict[str, Any]]] = []
        self.changed = threading.Condition()
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda records: None
        fake.function = self.handle
        make(self.lambda_)
        self.url, self.arn = self.queue("q")

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["QueueArn"]
        return url, arn

    def handle(self, config: FunctionConfig, invocation: Invocation) -> Any:
        records = json.loads(invocation.payload)["Records"]
        with self.changed:
            self.fed.append(records)
            self.changed.notify_all()
        return self.answer(records)

    def map(self, **given: Any) -> dict[str, Any]:
        arn = given.pop("EventSourceArn", self.arn)
        return dict(self.lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName="hello", **given))

    def bodies(self, count: int) -> list[str]:
        """The bodies of the first so many messages, once they have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: sum(map(len, self.fed)) >= count, 30), self.fed
            return [record["body"] for batch in self.fed for record in batch]

    def left(self) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def until_left(self, count: int) -> None:
        while self.left() != count:
            pass


@pytest.fixture
def bench(endpoint: Endpoint, fake: FakeEmulator) -> Bench:
    return Bench(endpoint, fake)


def test_a_message_is_fed_with_lambdas_record_and_deleted(bench: Bench) -> None:
    made = bench.map()
    assert (made["State"], made["BatchSize"], made["FunctionArn"]) == ("Creating", 10, ARN + "hello")
    sent = bench.sqs.send_message(
        QueueUrl=bench.url,
        MessageBody="hällo",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}},
    )
    assert bench.bodies(1) == ["hällo"]
    ((record,),) = bench.fed
    assert record["messageId"] == sent["MessageId"]
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", bench.arn, "us-east-1")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "x",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    bench.until_left(0)


def test_what_was_there_before_the_mapping_is_fed_in_batches(bench: Bench) -> None:
    for number in range(12):
        bench.sqs.send_message(QueueUrl=bench.url, MessageBody=str(number))
    bench.map(BatchSize=5)
    assert sorted(map(int, bench.bodies(12))) == list(range(12))
    assert max(map(len, bench.fed)) == 5
    bench.until_left(0)


def test_a_batch_that_fails_comes_back_whole(bench: Bench) -> None:
    def first_fails(records: list[dict[str, Any]]) -> Any:
        if len(bench.fed) == 1:
            raise Failure("no")

    bench.answer = first_fails
    bench.sqs.set_queue_attributes(QueueUrl=bench.url, Attributes={"VisibilityTimeout": "3"})
    bench.map()
    bench.sqs.send_message(QueueUrl=bench.url, MessageBody="again")
    assert bench.bodies(2) == ["again", "again"]
    assert bench.fed[1][0]["attributes"]["ApproximateReceiveCount"] == "2"
    bench.until_left(0)


def test_of_a_batch_that_reports_failures_the_others_are_deleted(bench: Bench) -> None:
    def even_fail(records: list[dict[str, Any]]) -> Any:
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records if int(r["body"]) % 2 == 0]}

    bench.answer = even_fail
    for number in range(6):
        bench.sqs.send_message(QueueUrl=bench.url, MessageBody=str(number))
    bench.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    bench.bodies(6)
    bench.until_left(3)


def test_filters_let_through_and_delete_the_rest(bench: Bench) -> None:
    bench.map(FilterCriteria={"Filters": [{"Pattern": '{"body":{"kind":["good"]}}'}]})
    for body in ('{"kind":"bad"}', "no json", '{"kind":"good","n":1}'):
        bench.sqs.send_message(QueueUrl=bench.url, MessageBody=body)
    assert bench.bodies(1) == ['{"kind":"good","n":1}']
    bench.until_left(0)


def test_a_window_gathers_a_batch(bench: Bench) -> None:
    bench.map(BatchSize=20, MaximumBatchingWindowInSeconds=300)
    for number in range(20):
        bench.sqs.send_message(QueueUrl=bench.url, MessageBody=str(number))
    bench.bodies(20)
    assert len(bench.fed) == 1


def test_no_more_at_a_time_than_the_mapping_allows(bench: Bench, fake: FakeEmulator) -> None:
    fake.takes = 0.05
    bench.map(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    for number in range(8):
        bench.sqs.send_message(QueueUrl=bench.url, MessageBody=str(number))
    bench.bodies(8)
    assert fake.most == 2


def test_disabled_means_nothing_is_fed_and_enabled_goes_on(bench: Bench) -> None:
    uuid = bench.map(Enabled=False)["UUID"]
    bench.sqs.send_message(QueueUrl=bench.url, MessageBody="x")
    assert bench.lambda_.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    assert not bench.fed
    assert bench.lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Updating"
    assert bench.bodies(1) == ["x"]
    assert bench.lambda_.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"
    assert bench.lambda_.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        bench.lambda_.get_event_source_mapping(UUID=uuid)


def test_mappings_are_listed_and_survive_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, fake):
        bench = Bench(endpoint, fake)
        other = bench.queue("other")[1]
        uuid = bench.map()["UUID"]
        bench.map(EventSourceArn=other, BatchSize=1)
        listed = bench.lambda_.list_event_source_mappings(EventSourceArn=bench.arn)["EventSourceMappings"]
        assert [each["UUID"] for each in listed] == [uuid]
        assert len(bench.lambda_.list_event_source_mappings(FunctionName="hello")["EventSourceMappings"]) == 2
        assert bench.lambda_.list_event_source_mappings(FunctionName="nobody")["EventSourceMappings"] == []
    with served(tmp_path) as (endpoint, _):
        assert client(endpoint).get_event_source_mapping(UUID=uuid)["BatchSize"] == 10


def test_a_mapping_whose_queue_ended_with_its_cloud_says_so_once_and_feeds_from_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path) as (endpoint, fake):
        Bench(endpoint, fake).map()
    with served(tmp_path) as (endpoint, fake):
        sqs, said = client(endpoint, "sqs"), []
        while not said:
            sqs.list_queues()
            said = [line for line in caplog.messages if ":q feeds hello: " in line]
        for _ in range(20):
            sqs.list_queues()
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="again")
        while not fake.seen:
            sqs.list_queues()
        assert len([line for line in caplog.messages if ":q feeds hello: " in line]) == 1


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"FunctionName": "nobody"}, "InvalidParameterValueException", "Function does not exist"),
        ({"FunctionName": "hello:nobody"}, "InvalidParameterValueException", "Function does not exist"),
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:gone"}, None, "NonExistentQueue"),
        ({"BatchSize": 11}, None, "batch window in seconds must be greater than 0"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, None, "Invalid filter pattern definition"),
        ({"Topics": ["topic"]}, "NotImplementedException", "Topics"),
        ({"EventSourceArn": "arn:aws:mq:us-east-1:000000000000:broker:b:b-1"}, "NotImplementedException", "mq"),
    ],
)
def test_what_is_refused(bench: Bench, given: dict[str, Any], code: str | None, message: str) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        bench.lambda_.create_event_source_mapping(**{"FunctionName": "hello", "EventSourceArn": bench.arn, **given})
    assert refused.value.response["Error"]["Code"] == code or code is None
    assert bench.lambda_.list_event_source_mappings()["EventSourceMappings"] == []


def test_a_second_mapping_of_the_same_two_is_refused(bench: Bench) -> None:
    uuid = bench.map(Enabled=False)["UUID"]
    with pytest.raises(ClientError, match=f"update or delete the existing mapping with UUID {uuid}"):
        bench.map()


def test_a_queue_that_shows_messages_again_too_early_is_refused(bench: Bench) -> None:
    bench.lambda_.update_function_configuration(FunctionName="hello", Timeout=60)
    with pytest.raises(ClientError, match="30 seconds is less than Function timeout: 60 seconds"):
        bench.map()
