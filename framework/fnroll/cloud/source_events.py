"""Records of queues and streams as events, and what an answer says of them. Pure.

Source: Lambda's pages on SQS, Kinesis and DynamoDB as event sources, batch item failures and filtering.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fnroll.cloud.names import LATEST, FunctionRef, function_arn
from fnroll.cloud.patterns import matches, parse
from fnroll.emulator.api import Outcome

Record = dict[str, Any]


def of_message(message: Mapping[str, Any], arn: str) -> Record:
    """A message as ReceiveMessage gives it, as the function sees it."""
    record: Record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: Mapping[str, Any]) -> Record:
    made: Record = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    for name, key in (("StringValue", "stringValue"), ("BinaryValue", "binaryValue")):
        if name in value:
            made = {key: value[name], **made}
    return made


def of_kinesis(record: Mapping[str, Any], arn: str, shard: str, role: str) -> Record:
    """A record as GetRecords gives it: `Data` in base64, the time in epoch seconds."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": record["Data"],
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": arn.split(":")[3],
        "eventSourceARN": arn,
    }


def of_dynamodb(record: Mapping[str, Any], arn: str) -> Record:
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": record.get("awsRegion", arn.split(":")[3]),
        "dynamodb": record["dynamodb"],
        "eventSourceARN": arn,
    }


def partition(record: Record) -> str:
    """What orders a stream's records: those of one key are fed one after the other."""
    if "kinesis" in record:
        return str(record["kinesis"]["partitionKey"])
    return json.dumps(record["dynamodb"].get("Keys", {}), sort_keys=True)


def arrived(record: Record) -> float:
    """When a stream got the record, in epoch seconds."""
    if "kinesis" in record:
        return float(record["kinesis"]["approximateArrivalTimestamp"])
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


@dataclass(frozen=True, slots=True)
class Lost:
    """Records of a shard that are given up, why, after how many attempts, and how the last one ended."""

    batch: Sequence[Record]
    condition: str
    request_id: str
    attempts: int
    outcome: Outcome | None


def lost_record(lost: Lost, ref: FunctionRef, arn: str, shard: str, now: float) -> Record:
    """What a destination for failures is told of them."""
    first, last = lost.batch[0], lost.batch[-1]
    info = {
        "shardId": shard,
        "startSequenceNumber": identifier(first),
        "endSequenceNumber": identifier(last),
        "approximateArrivalOfFirstRecord": _instant(arrived(first)),
        "approximateArrivalOfLastRecord": _instant(arrived(last)),
        "batchSize": len(lost.batch),
        "streamArn": arn,
    }
    said: Record = {
        "requestContext": {
            "requestId": lost.request_id,
            "functionArn": function_arn(ref.home, ref.name, ref.qualifier or LATEST),
            "condition": lost.condition,
            "approximateInvokeCount": lost.attempts,
        }
    }
    if lost.outcome is not None:
        said["responseContext"] = {
            "statusCode": 200,
            "executedVersion": lost.outcome.executed_version,
            "functionError": lost.outcome.function_error,
        }
    name = "KinesisBatchInfo" if "kinesis" in first else "DDBStreamBatchInfo"
    return {**said, "version": "1.0", "timestamp": _instant(now), name: info}


def _instant(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def identifier(record: Record) -> str:
    """What a function names a record by in `batchItemFailures`."""
    if "messageId" in record:
        return str(record["messageId"])
    return str(record["kinesis"]["sequenceNumber"] if "kinesis" in record else record["dynamodb"]["SequenceNumber"])


def wanted(record: Record, criteria: Mapping[str, Any]) -> bool:
    """Whether one of the filters lets the record through; none given lets all through."""
    filters = [parse(each.get("Pattern", "{}")) for each in criteria.get("Filters", [])]
    return not filters or any(_meets(pattern, record) for pattern in filters)


def _meets(pattern: Mapping[str, Any], record: Record) -> bool:
    """A body or data that the pattern looks into is looked at as JSON; what is none then does not meet it."""
    if "messageId" in record:
        return _looked_into(pattern, record, "body", str(record["body"]))
    if "kinesis" in record:
        inner = {**record["kinesis"], **{key: item for key, item in record.items() if key != "kinesis"}}
        return _looked_into(pattern, inner, "data", _text(inner["data"]))
    return matches(pattern, record)


def _looked_into(pattern: Mapping[str, Any], record: Record, key: str, text: str) -> bool:
    if key not in pattern:
        return matches(pattern, record)
    if not isinstance(pattern[key], dict):
        return matches(pattern, {**record, key: text})
    try:
        return matches(pattern, {**record, key: json.loads(text)})
    except (ValueError, RecursionError):
        return False


def _text(data: str) -> str:
    return base64.b64decode(data).decode("utf-8", "replace")


def failures(payload: bytes, identifiers: Sequence[str]) -> set[str] | None:
    """The records that an answer of ReportBatchItemFailures names; None: the whole batch failed.

    An answer without the list, or with an empty one, says that all is well; one that names no record of the batch, or
    that is no JSON, fails it whole.
    """
    try:
        said = json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return None
    if said is None or said == {}:
        return set()
    if not isinstance(said, dict):
        return None
    listed = said.get("batchItemFailures")
    if listed is None:
        return set()
    if not isinstance(listed, list):
        return None
    found = set()
    for each in listed:
        name = each.get("itemIdentifier") if isinstance(each, dict) else None
        if not isinstance(name, str) or name not in identifiers:
            return None
        found.add(name)
    return found
