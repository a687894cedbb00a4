"""Kinesis streams and the streams of DynamoDB tables feeding functions."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support import ARN, Failure, FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.emulator.api import FunctionConfig, Invocation
from fnroll.errors import InvocationThrottled

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"


class Bench:
    """A stream `s` of one shard, the function hello, and what it was fed."""

    def __init__(self, endpoint: Endpoint, fake: FakeEmulator) -> None:
        self.endpoint = endpoint
        self.lambda_, self.kinesis = client(endpoint), client(endpoint, "kinesis")
        self.fed: list[list[dict[str, Any]]] = []
        self.changed = threading.Condition()
        self.answer: Callable[[list[str]], Any] = lambda data: None
        fake.function = self.handle
        make(self.lambda_)
        self.kinesis.create_stream(StreamName="s", ShardCount=1)

    def handle(self, config: FunctionConfig, invocation: Invocation) -> Any:
        records = json.loads(invocation.payload)["Records"]
        with self.changed:
            self.fed.append(records)
            self.changed.notify_all()
        return self.answer([said(record) for record in records])

    def map(self, arn: str = STREAM, **given: Any) -> dict[str, Any]:
        defaults = {"StartingPosition": "TRIM_HORIZON", "EventSourceArn": arn, "FunctionName": "hello"}
        return dict(self.lambda_.create_event_source_mapping(**{**defaults, **given}))

    def put(self, *data: str, key: str = "k") -> None:
        self.kinesis.put_records(
            StreamName="s", Records=[{"Data": each.encode(), "PartitionKey": key} for each in data]
        )

    def batches(self, count: int) -> list[list[str]]:
        """What the function was fed, once it was invoked so often."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.fed) >= count, 30), self.fed
            return [[said(record) for record in batch] for batch in self.fed]


def said(record: dict[str, Any]) -> str:
    if "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"]).decode()
    return str(record["eventName"])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path, speed=1000) as (endpoint, fake):
        yield Bench(endpoint, fake)


def test_a_record_is_fed_as_lambdas(bench: Bench) -> None:
    bench.put("before")
    made = bench.map()
    assert (made["State"], made["BatchSize"], made["LastProcessingResult"]) == (
        "Creating",
        100,
        "No records processed",
    )
    assert bench.batches(1) == [["before"]]
    ((record,),) = bench.fed
    assert (record["eventSource"], record["eventSourceARN"], record["eventName"]) == (
        "aws:kinesis",
        STREAM,
        "aws:kinesis:record",
    )
    assert record["kinesis"]["partitionKey"] == "k"
    assert record["eventID"] == f"shardId-000000000000:{record['kinesis']['sequenceNumber']}"
    assert record["invokeIdentityArn"].startswith("arn:aws:iam::")
    while bench.lambda_.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"] != "OK":
        pass


def test_latest_is_from_the_answer_on(bench: Bench) -> None:
    bench.put("before")
    bench.map(StartingPosition="LATEST")
    bench.put("after")
    assert bench.batches(1) == [["after"]]


def test_batches_are_cut_and_keep_the_order(bench: Bench) -> None:
    bench.put(*"abcde")
    bench.map(BatchSize=2)
    assert bench.batches(3) == [["a", "b"], ["c", "d"], ["e"]]


def test_filters_drop(bench: Bench) -> None:
    bench.map(FilterCriteria={"Filters": [{"Pattern": '{"data":{"n":[1]}}'}]})
    bench.put('{"n":2}', "no json", '{"n":1}')
    assert bench.batches(1) == [['{"n":1}']]


def test_a_batch_that_fails_is_tried_again_before_the_next(bench: Bench) -> None:
    def twice(data: list[str]) -> Any:
        if len(bench.fed) < 3:
            raise Failure("no")

    bench.answer = twice
    bench.put("a", "b")
    bench.map(BatchSize=1)
    assert bench.batches(4) == [["a"], ["a"], ["a"], ["b"]]


def test_what_cannot_be_invoked_at_all_counts_for_no_attempt(bench: Bench) -> None:
    def throttled(data: list[str]) -> Any:
        if len(bench.fed) < 5:
            raise InvocationThrottled("ConcurrentInvocationLimitExceeded")

    bench.answer = throttled
    bench.put("a", "b")
    bench.map(BatchSize=1, MaximumRetryAttempts=1)
    assert bench.batches(6) == [["a"]] * 5 + [["b"]]


def test_what_is_given_up_goes_to_the_destination(bench: Bench) -> None:
    def bad(data: list[str]) -> Any:
        if "bad" in data:
            raise Failure("no")

    bench.answer = bad
    sqs = client(bench.endpoint, "sqs")
    queue = sqs.create_queue(QueueName="lost")["QueueUrl"]
    target = {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:lost"}}
    bench.put("bad", "good")
    bench.map(BatchSize=1, MaximumRetryAttempts=1, DestinationConfig=target)
    assert bench.batches(3) == [["bad"], ["bad"], ["good"]]
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    told = json.loads(message["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert (told["requestContext"]["approximateInvokeCount"], told["requestContext"]["functionArn"]) == (
        2,
        f"{ARN}hello:$LATEST",
    )
    assert told["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    sequence = bench.fed[0][0]["kinesis"]["sequenceNumber"]
    info = told["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]) == (sequence, sequence, 1)


def test_bisecting_finds_the_bad_one(bench: Bench) -> None:
    def bad(data: list[str]) -> Any:
        if "bad" in data:
            raise Failure("no")

    bench.answer = bad
    bench.put("a", "b", "bad", "c")
    bench.map(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    assert bench.batches(5) == [["a", "b", "bad", "c"], ["a", "b"], ["bad", "c"], ["bad"], ["c"]]


def test_of_a_batch_that_reports_failures_the_rest_is_tried_again(bench: Bench) -> None:
    def second(data: list[str]) -> Any:
        if len(bench.fed) > 1:
            return None
        return {"batchItemFailures": [{"itemIdentifier": bench.fed[0][1]["kinesis"]["sequenceNumber"]}]}

    bench.answer = second
    bench.put("a", "b", "c")
    bench.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    assert bench.batches(2) == [["a", "b", "c"], ["b", "c"]]


def test_disabled_and_enabled_goes_on_where_it_was(bench: Bench) -> None:
    uuid = bench.map()["UUID"]
    bench.put("a")
    bench.batches(1)
    while bench.lambda_.get_event_source_mapping(UUID=uuid)["LastProcessingResult"] != "OK":
        pass
    bench.put("b")
    bench.batches(2)
    bench.lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)
    bench.put("c")
    bench.lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)
    with bench.changed:
        assert bench.changed.wait_for(lambda: said(bench.fed[-1][-1]) == "c", 30), bench.fed
    assert [each for batch in bench.fed for each in map(said, batch)].count("a") == 1


def test_a_tables_changes(bench: Bench) -> None:
    table = client(bench.endpoint, "dynamodb")
    arn = table.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]["LatestStreamArn"]
    bench.map(arn, StartingPosition="LATEST", ParallelizationFactor=2)
    table.put_item(TableName="t", Item={"k": {"S": "1"}, "n": {"N": "1"}})
    table.delete_item(TableName="t", Key={"k": {"S": "1"}})
    with bench.changed:
        assert bench.changed.wait_for(lambda: sum(map(len, bench.fed)) == 2, 30), bench.fed
    first, second = [record for batch in bench.fed for record in batch]
    assert (first["eventName"], first["dynamodb"]["NewImage"]["n"]) == ("INSERT", {"N": "1"})
    assert (second["eventName"], second["dynamodb"]["Keys"]) == ("REMOVE", {"k": {"S": "1"}})
    assert (first["eventSource"], first["eventSourceARN"]) == ("aws:dynamodb", arn)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"StartingPosition": None}, "startingPosition"),
        ({"EventSourceArn": STREAM + "x"}, "Stream not found"),
        ({"TumblingWindowInSeconds": 5, "ParallelizationFactor": 2}, "TumblingWindowInSeconds with"),
    ],
)
def test_what_is_refused(bench: Bench, given: dict[str, Any], message: str) -> None:
    defaults = {"StartingPosition": "LATEST", "EventSourceArn": STREAM, "FunctionName": "hello"}
    asked = {key: value for key, value in {**defaults, **given}.items() if value is not None}
    with pytest.raises(bench.lambda_.exceptions.ClientError, match=message):
        bench.lambda_.create_event_source_mapping(**asked)
