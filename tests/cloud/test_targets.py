"""What rules and schedules send to beside functions: each target's call, any call of any service, dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer

from cloud_support import ARN, client, make, served
from fnroll.cloud import Endpoint
from fnroll.cloud.names import Home
from fnroll.cloud.services import ServiceError
from fnroll.cloud.targets import calls_of
from fnroll.cloud.universal import call

ROLE = "arn:aws:iam::000000000000:role/scheduler"
HERE = "us-east-1:000000000000"
QUEUE = f"arn:aws:sqs:{HERE}:q"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"Arn": QUEUE}, ("sqs", "SendMessage", {"MessageBody": '{"id":"7"}'})),
        (
            {"Arn": QUEUE + ".fifo", "SqsParameters": {"MessageGroupId": "g"}},
            ("sqs", "SendMessage", {"MessageGroupId": "g"}),
        ),
        ({"Arn": f"arn:aws:sns:{HERE}:t"}, ("sns", "Publish", {"Message": '{"id":"7"}'})),
        (
            {"Arn": f"arn:aws:kinesis:{HERE}:stream/s", "KinesisParameters": {"PartitionKey": "k"}},
            ("kinesis", "PutRecord", {"StreamName": "s", "PartitionKey": "k", "Data": "eyJpZCI6IjcifQ=="}),
        ),
        (
            {"Arn": f"arn:aws:kinesis:{HERE}:stream/s", "KinesisParameters": {"PartitionKeyPath": "$.id"}},
            ("kinesis", "PutRecord", {"PartitionKey": "7"}),
        ),
        (
            {
                "Arn": f"arn:aws:events:{HERE}:event-bus/b",
                "EventBridgeParameters": {"Source": "s", "DetailType": "d"},
            },
            (
                "events",
                "PutEvents",
                {
                    "Entries": [
                        {
                            "EventBusName": f"arn:aws:events:{HERE}:event-bus/b",
                            "Detail": '{"id":"7"}',
                            "Source": "s",
                            "DetailType": "d",
                        }
                    ]
                },
            ),
        ),
        (
            {"Arn": f"arn:aws:states:{HERE}:stateMachine:m"},
            ("sfn", "StartExecution", {"StateMachineArn": f"arn:aws:states:{HERE}:stateMachine:m"}),
        ),
        (
            {"Arn": f"arn:aws:firehose:{HERE}:deliverystream/d"},
            ("firehose", "PutRecord", {"DeliveryStreamName": "d", "Record": {"Data": "eyJpZCI6IjcifQ=="}}),
        ),
        ({"Arn": f"arn:aws:logs:{HERE}:log-group:/g"}, ("logs", "CreateLogStream", {"LogGroupName": "/g"})),
        ({"Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter"}, ("ssm", "putParameter", {"id": "7"})),
    ],
)
def test_what_a_target_stands_for(target: dict[str, Any], expected: tuple[str, str, dict[str, Any]]) -> None:
    service, operation, given = calls_of(target, b'{"id":"7"}', 0.0)[0]
    assert (service, operation) == expected[:2]
    assert {key: given[key] for key in expected[2]} == expected[2]


@pytest.mark.parametrize(
    ("arn", "event"),
    [("arn:aws:ecs:x:y:cluster/c", b"{}"), ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", b"[]"), ("x", b"{}")],
)
def test_what_is_no_target(arn: str, event: bytes) -> None:
    with pytest.raises(ServiceError):
        calls_of({"Arn": arn}, event, 0.0)


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("sqs", "SendMessage", {"QueueUrl": "http://q", "MessageBody": "x", "DelaySeconds": 5}),
    ("dynamodb", "PutItem", {"TableName": "t", "Item": {"id": {"S": "1"}}}),
    ("stepfunctions", "StartExecution", {"stateMachineArn": "arn", "input": "{}"}),
    (
        "sns",
        "Publish",
        {"TopicArn": "arn", "Message": "m", "MessageAttributes": {"a": {"DataType": "String", "StringValue": "v"}}},
    ),
    ("iam", "TagRole", {"RoleName": "r", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]}),
    ("ec2", "StopInstances", {"InstanceIds": ["i-1", "i-2"], "Force": True}),
    (
        "ec2",
        "CreateTags",
        {"Resources": ["i-1"], "Tags": [{"Key": "a", "Value": "b"}]},
    ),
    (
        "sdb",
        "PutAttributes",
        {"DomainName": "d", "ItemName": "i", "Attributes": [{"Name": "a", "Value": "b", "Replace": True}]},
    ),
    ("rds", "AddTagsToResource", {"ResourceName": "arn", "Tags": [{"Key": "a", "Value": "b"}]}),
    ("elbv2", "ModifyLoadBalancerAttributes", {"LoadBalancerArn": "a", "Attributes": [{"Key": "k", "Value": "v"}]}),
    ("lambda", "Invoke", {"FunctionName": "a b", "InvocationType": "Event", "Payload": "{}"}),
    (
        "lambda",
        "UpdateAlias",
        {"FunctionName": "hello", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {}}},
    ),
    ("lambda", "UntagResource", {"Resource": "arn:aws:x", "TagKeys": ["a", "b"]}),
    ("scheduler", "DeleteSchedule", {"Name": "s", "GroupName": "g"}),
    ("s3", "PutObject", {"Bucket": "b", "Key": "k/x", "Body": "text", "Metadata": {"a": "b"}}),
    ("s3", "DeleteObject", {"Bucket": "b", "Key": "k"}),
]


def written(request: Mapping[str, Any]) -> tuple[Any, ...]:
    body = request["body"]
    if isinstance(body, Mapping):
        return sorted((key, str(value)) for key, value in body.items()), None
    text = body.decode() if isinstance(body, bytes) else body
    return None, json.loads(text) if text[:1] == "{" else text


@pytest.mark.parametrize(
    ("service", "operation", "given"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_call_is_as_botocore_writes_it(service: str, operation: str, given: dict[str, Any]) -> None:
    """By either spelling of the action, and of its members' first letters."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"))
    oracle = create_serializer(model.metadata["protocol"], include_validation=False).serialize_to_request(
        given, model.operation_model(operation)
    )
    swapped = {key[:1].swapcase() + key[1:]: value for key, value in given.items()}
    for action, said in ((operation, given), (operation[:1].lower() + operation[1:], swapped)):
        _, ours = call(service, action, Home("000000000000", "us-east-1"), said)
        path, _, query = ours.target.partition("?")
        asked = oracle["query_string"]
        pairs = asked if isinstance(asked, list) else [(key, item) for key, item in dict(asked or {}).items()]
        flat = [(key, part) for key, item in pairs for part in (item if isinstance(item, list) else [item])]
        assert (ours.method, path, sorted(parse_qsl(query, keep_blank_values=True))) == (
            oracle["method"],
            oracle["url_path"],
            sorted(flat),
        )
        form = sorted(parse_qsl(ours.body.decode())) if isinstance(oracle["body"], Mapping) else None
        ours_body = (form, None) if form is not None else written({"body": ours.body})
        assert ours_body == written(oracle)
        headers = dict(ours.headers)
        for name, value in dict(oracle["headers"]).items():
            if name.lower() not in ("content-type", "x-amzn-query-mode"):
                assert headers[name.lower()] == value


@pytest.mark.parametrize(
    ("service", "action", "given", "why"),
    [
        ("nowhere", "doIt", {}, "there is no nowhere:doIt"),
        ("../lambda", "invoke", {}, "there is no"),
        ("sqs", "fly", {}, "there is no sqs:fly"),
        ("sqs", "sendMessage", {"QueueUrl": "x"}, "the member MessageBody is missing"),
        ("sqs", "sendMessage", {"QueueUrl": "x", "MessageBody": "y", "Colour": "z"}, "there is no member Colour"),
        ("dynamodb", "putItem", {"TableName": "t", "Item": {"id": "1"}}, "Item. is no object"),
        ("s3", "putBucketTagging", {"Bucket": "b", "Tagging": {"TagSet": []}}, "not built"),
    ],
)
def test_what_is_no_call(service: str, action: str, given: dict[str, Any], why: str) -> None:
    with pytest.raises(ServiceError, match=why):
        call(service, action, Home("000000000000", "us-east-1"), given)


# with moto


def messages(endpoint: Endpoint, queue: str = "q", **more: Any) -> list[dict[str, Any]]:
    """What lies in a queue; waits for the first."""
    sqs = client(endpoint, "sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    while not (found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **more).get("Messages")):
        client(endpoint).get_account_settings()
    return list(found)


def bodies(endpoint: Endpoint, queue: str = "q") -> list[Any]:
    return [json.loads(each["Body"]) for each in messages(endpoint, queue)]


def queue(endpoint: Endpoint, name: str = "q") -> str:
    client(endpoint, "sqs").create_queue(QueueName=name)
    return f"arn:aws:sqs:{HERE}:{name}"


def topic(endpoint: Endpoint) -> str:
    """A topic that sends on to the queue q as it is."""
    sns = client(endpoint, "sns")
    arn = str(sns.create_topic(Name="t")["TopicArn"])
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue(endpoint), Attributes={"RawMessageDelivery": "true"})
    return arn


def rule(endpoint: Endpoint, *targets: dict[str, Any]) -> None:
    """One for the source `mine`, and one event of it."""
    events = client(endpoint, "events")
    events.put_rule(Name="r", EventPattern='{"source":["mine"]}')
    events.put_targets(Rule="r", Targets=[{"Id": str(number), **each} for number, each in enumerate(targets)])
    put = events.put_events(Entries=[{"Source": "mine", "DetailType": "Thing", "Detail": '{"n":1}'}])
    assert put["FailedEntryCount"] == 0


@pytest.mark.parametrize("make_target", [queue, topic])
@pytest.mark.parametrize(
    ("given", "expected"), [({"Input": '{"fixed":1}'}, {"fixed": 1}), ({"InputPath": "$.detail"}, {"n": 1})]
)
def test_a_rule_sends_to_queues_and_topics_what_they_ask_for(
    endpoint: Endpoint, make_target: Callable[[Endpoint], str], given: dict[str, Any], expected: Any
) -> None:
    rule(endpoint, {"Arn": make_target(endpoint), **given})
    assert bodies(endpoint) == [expected]


def test_a_rule_sends_the_event_to_a_stream_and_a_log_group(endpoint: Endpoint) -> None:
    kinesis, logs = client(endpoint, "kinesis"), client(endpoint, "logs")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    logs.create_log_group(logGroupName="/aws/events/g")
    rule(
        endpoint,
        {"Arn": f"arn:aws:kinesis:{HERE}:stream/s", "KinesisParameters": {"PartitionKeyPath": "$.source"}},
        {"Arn": f"arn:aws:logs:{HERE}:log-group:/aws/events/g"},
    )
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    (record,) = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert record["PartitionKey"] == "mine"
    (line,) = logs.filter_log_events(logGroupName="/aws/events/g")["events"]
    for event in (json.loads(record["Data"]), json.loads(line["message"])):
        assert (event["source"], event["detail-type"], event["detail"]) == ("mine", "Thing", {"n": 1})


def test_what_a_rule_cannot_send_is_a_dead_letter_and_fails_nobody(endpoint: Endpoint) -> None:
    lost = {"DeadLetterConfig": {"Arn": queue(endpoint, "lost")}}
    targets = [f"arn:aws:sqs:{HERE}:none", ARN + "none", f"arn:aws:ecs:{HERE}:cluster/c"]
    rule(endpoint, *({"Arn": arn, **lost} for arn in targets), {"Arn": queue(endpoint)})
    assert bodies(endpoint)[0]["detail"] == {"n": 1}
    found = messages(endpoint, "lost", MessageAttributeNames=["All"])
    said = [{name: value["StringValue"] for name, value in each["MessageAttributes"].items()} for each in found]
    assert [each["TARGET_ARN"] for each in said] == targets
    assert all(each["RULE_ARN"].endswith(":rule/r") and each["RETRY_ATTEMPTS"] == "0" for each in said)
    assert "QueueDoesNotExist" in said[0]["ERROR_CODE"]
    assert said[1]["ERROR_CODE"] == "ResourceNotFoundException"
    assert [json.loads(each["Body"])["detail"] for each in found] == [{"n": 1}] * 3


def schedule(endpoint: Endpoint, target: dict[str, Any], name: str = "s", **more: Any) -> None:
    client(endpoint, "scheduler").create_schedule(
        **{
            "Name": name,
            "ScheduleExpression": "rate(1 minute)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"RoleArn": ROLE, **target},
            **more,
        }
    )


def test_a_schedule_sends_to_a_queue_by_its_template_and_by_its_call(tmp_path: Path) -> None:
    with served(tmp_path, speed=600) as (endpoint, _):
        arn = queue(endpoint)
        url = client(endpoint, "sqs").get_queue_url(QueueName="q")["QueueUrl"]
        schedule(endpoint, {"Arn": arn, "Input": '{"by":"template"}'}, "a")
        given = {"QueueUrl": url, "MessageBody": '{"by":"call"}'}
        schedule(endpoint, {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Input": json.dumps(given)}, "b")
        seen: set[str] = set()
        while seen != {"template", "call"}:
            seen |= {body["by"] for body in bodies(endpoint)}


def test_a_schedule_sends_to_a_bus(tmp_path: Path) -> None:
    with served(tmp_path, speed=600) as (endpoint, _):
        events = client(endpoint, "events")
        events.put_rule(Name="r", EventPattern='{"source":["clock"]}')
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": queue(endpoint)}])
        bus = f"arn:aws:events:{HERE}:event-bus/default"
        named = {"Source": "clock", "DetailType": "tick"}
        schedule(endpoint, {"Arn": bus, "EventBridgeParameters": named, "Input": '{"n":1}'})
        event = bodies(endpoint)[0]
        assert (event["detail-type"], event["detail"]) == ("tick", {"n": 1})


def test_a_schedule_calls_lambdas_own_api(tmp_path: Path) -> None:
    """As the dead-man switch of a canary does."""
    with served(tmp_path, speed=600) as (endpoint, _):
        api = client(endpoint)
        make(api, Publish=True)
        api.update_function_configuration(FunctionName="hello", Description="2")
        api.publish_version(FunctionName="hello")
        weights = {"AdditionalVersionWeights": {"2": 0.5}}
        api.create_alias(FunctionName="hello", Name="live", FunctionVersion="1", RoutingConfig=weights)
        given = {"FunctionName": "hello", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {}}}
        schedule(endpoint, {"Arn": "arn:aws:scheduler:::aws-sdk:lambda:updateAlias", "Input": json.dumps(given)})
        while "RoutingConfig" in api.get_alias(FunctionName="hello", Name="live"):
            api.get_account_settings()


def test_a_schedule_that_fails_is_a_dead_letter(tmp_path: Path) -> None:
    with served(tmp_path, speed=600) as (endpoint, _):
        lost = {"DeadLetterConfig": {"Arn": queue(endpoint, "lost")}}
        schedule(endpoint, {"Arn": f"arn:aws:sqs:{HERE}:none", "Input": '{"n":1}', **lost})
        found = messages(endpoint, "lost", MessageAttributeNames=["All"])[0]
        said = {name: value["StringValue"] for name, value in found["MessageAttributes"].items()}
        assert json.loads(found["Body"]) == {"n": 1}
        assert said["SCHEDULE_ARN"].endswith(":schedule/default/s")
        assert (said["TARGET_ARN"], said["RETRY_ATTEMPTS"]) == (f"arn:aws:sqs:{HERE}:none", "0")
        assert "QueueDoesNotExist" in said["ERROR_CODE"]


def test_a_rule_starts_a_state_machine_and_feeds_a_delivery_stream(endpoint: Endpoint) -> None:
    states, firehose, s3 = (client(endpoint, name) for name in ("stepfunctions", "firehose", "s3"))
    definition = {"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}}
    machine = states.create_state_machine(name="m", definition=json.dumps(definition), roleArn=ROLE)["stateMachineArn"]
    s3.create_bucket(Bucket="bucket")
    kept = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::bucket"}
    stream = firehose.create_delivery_stream(DeliveryStreamName="d", S3DestinationConfiguration=kept)
    rule(endpoint, {"Arn": machine, "Input": '{"n":1}'}, {"Arn": stream["DeliveryStreamARN"], "Input": '{"n":2}'})
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    assert states.describe_execution(executionArn=execution["executionArn"])["input"] == '{"n":1}'
    (key,) = [each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == b'{"n":2}'


def test_a_schedule_of_another_account_sends_within_it(tmp_path: Path) -> None:
    theirs = "111111111111"
    with served(tmp_path, speed=600) as (endpoint, _):
        sqs, api = (client(endpoint, name, key=theirs) for name in ("sqs", "lambda"))
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        make(api, "mine")
        given = {"FunctionName": "mine", "ReservedConcurrentExecutions": 7}
        arns = {
            f"arn:aws:sqs:us-east-1:{theirs}:q": {"n": 1},
            "arn:aws:scheduler:::aws-sdk:lambda:putFunctionConcurrency": given,
        }
        for number, (arn, said) in enumerate(arns.items()):
            client(endpoint, "scheduler", key=theirs).create_schedule(
                Name=f"s{number}",
                ScheduleExpression="rate(1 minute)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": arn, "RoleArn": ROLE, "Input": json.dumps(said)},
            )
        while "Messages" not in (found := sqs.receive_message(QueueUrl=url)):
            pass
        assert json.loads(found["Messages"][0]["Body"]) == {"n": 1}
        while api.get_function_concurrency(FunctionName="mine").get("ReservedConcurrentExecutions") != 7:
            pass
