"""Event source mappings: create, read, update, delete, list. feeder.py feeds the functions.

Queues (SQS) and streams (Kinesis, DynamoDB) can feed; other sources are refused by name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud.configuration import without_tenants
from fnroll.cloud.faults import Fault, conflict, invalid, not_built
from fnroll.cloud.names import LATEST, FunctionRef, Home, function_arn, home_of, is_version, lambda_arn
from fnroll.cloud.patterns import PatternError, parse
from fnroll.cloud.records import (
    Call,
    Given,
    Result,
    absent,
    as_home,
    find_alias,
    find_function,
    find_version,
    page,
    qualified,
    sought,
    version_number,
)
from fnroll.cloud.services import ServiceError

SQS: Final = "sqs"
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    SQS: {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []},
    "kinesis": {
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": False,
        "MaximumRetryAttempts": -1,
        "TumblingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "DestinationConfig": {"OnFailure": {}},
    },
}
"""By service: what is answered where nothing was said. DynamoDB's are Kinesis's."""

_STREAM_ONLY: Final = ("StartingPosition", "StartingPositionTimestamp")
_MEMBERS: Final = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "ParallelizationFactor",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "FunctionResponseTypes",
    "DestinationConfig",
    "FilterCriteria",
    "ScalingConfig",
    "MetricsConfig",
    "KMSKeyArn",
    *_STREAM_ONLY,
)
_NOT_BUILT: Final = (
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "LoggingConfig",
    "ProvisionedPollerConfig",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One mapping. `arn`: of the queue or stream; `modified` in epoch seconds; `result`: of the last batch; `place`:
    how far a stream is read, by shard."""

    uuid: str
    ref: FunctionRef
    arn: str
    enabled: bool
    config: dict[str, Any]
    tags: dict[str, str]
    modified: float
    result: str
    place: dict[str, str]

    @property
    def service(self) -> str:
        return service_of(self.arn)


def service_of(arn: str) -> str:
    """`sqs`, `kinesis` or `dynamodb`, or whatever the ARN names."""
    return [*arn.split(":"), "", "", ""][2]


def create_event_source_mapping(call: Call, given: Given) -> Result:
    _refuse(given)
    arn = given.get("EventSourceArn")
    if not arn:
        raise invalid("Unrecognized event source.")
    if service_of(arn) not in (SQS, "kinesis", "dynamodb"):
        raise not_built(f"The event source {service_of(arn)}")
    ref = _function(call, given["FunctionName"])
    for row in _rows(call.db, call.home):
        if row.arn == arn and row.ref == ref:
            raise conflict(
                f'The event source arn (" {arn} ") and function (" {ref.name} ") provided mapping already exists. '
                f"Please update or delete the existing mapping with UUID {row.uuid}"
            )
    config = {**_defaults(arn), **{key: given[key] for key in _MEMBERS if key in given}}
    row = SourceRow(
        str(uuid4()), ref, arn, given.get("Enabled", True), config, given.get("Tags", {}), call.now.timestamp(), "", {}
    )
    if service_of(arn) != SQS:
        row = replace(row, result="No records processed")
    _check(call, row)
    _check_there(call, row)
    _save(call, row)
    return _describe(row, "Creating")


def get_event_source_mapping(call: Call, given: Given) -> Result:
    return _describe(_existing(call, given))


def update_event_source_mapping(call: Call, given: Given) -> Result:
    """What is absent keeps its value."""
    _refuse(given)
    row = _existing(call, given)
    changes: dict[str, Any] = {key: given[key] for key in _MEMBERS if key in given and key not in _STREAM_ONLY}
    row = replace(
        row,
        ref=_function(call, given["FunctionName"]) if given.get("FunctionName") else row.ref,
        enabled=given.get("Enabled", row.enabled),
        config={**row.config, **changes},
        modified=call.now.timestamp(),
    )
    _check(call, row)
    _save(call, row)
    return _describe(row, "Updating")


def delete_event_source_mapping(call: Call, given: Given) -> Result:
    row = _existing(call, given)
    call.db.execute("DELETE FROM source WHERE uuid = ?", (row.uuid,))
    call.effects.sources = True
    return _describe(row, "Deleting")


def list_event_source_mappings(call: Call, given: Given) -> Result:
    found = _rows(call.db, call.home)
    if arn := given.get("EventSourceArn"):
        found = [row for row in found if row.arn == arn]
    if given.get("FunctionName"):
        ref, _ = sought(call, given["FunctionName"])
        found = [row for row in found if row.ref == ref]
    chosen, marker = page(found, lambda row: row.uuid, given)
    return {"EventSourceMappings": [_describe(row) for row in chosen], **marker}


def read_sources(db: sqlite3.Connection) -> list[SourceRow]:
    """Every mapping of every account and region."""
    return [_as_source(row) for row in db.execute("SELECT * FROM source ORDER BY uuid")]


def write_result(db: sqlite3.Connection, uuid: str, result: str, place: Mapping[str, str] | None = None) -> None:
    """How the last batch went, and how far a stream is read now."""
    if place is None:
        db.execute("UPDATE source SET result = ? WHERE uuid = ?", (result, uuid))
    else:
        db.execute("UPDATE source SET result = ?, place = ? WHERE uuid = ?", (result, json.dumps(place), uuid))


def _refuse(given: Given) -> None:
    for key in _NOT_BUILT:
        if given.get(key):
            raise not_built(f"{key} of event source mappings")
    if given.get("DestinationConfig", {}).get("OnSuccess"):
        raise invalid("OnSuccess is not supported in the DestinationConfig of event source mappings.")


def _function(call: Call, text: str) -> FunctionRef:
    ref, function = sought(call, text)
    if function is None:
        raise invalid("Function does not exist")
    if (version := find_version(call.db, function, 0)) is not None and version.tenanted:
        raise without_tenants("An event source mapping")
    qualifier = ref.qualifier
    if qualifier is not None and qualifier != LATEST:
        there = (
            find_version(call.db, function, version_number(qualifier))
            if is_version(qualifier)
            else find_alias(call.db, function, qualifier)
        )
        if there is None:
            raise invalid("Function does not exist")
    return ref


def _defaults(arn: str) -> Mapping[str, Any]:
    return DEFAULTS[SQS if service_of(arn) == SQS else "kinesis"]


def _check(call: Call, row: SourceRow) -> None:
    """Rules between members. Faults InvalidParameterValue and ValidationException."""
    config = row.config
    for each in config.get("FilterCriteria", {}).get("Filters", []):
        try:
            parse(each.get("Pattern", "{}"))
        except PatternError as error:
            raise invalid(f"Invalid filter pattern definition. {error}") from None
    if config["BatchSize"] > 10 and not config["MaximumBatchingWindowInSeconds"] and row.service == SQS:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    windowed = config.get("TumblingWindowInSeconds", 0)
    if windowed and config.get("ParallelizationFactor", 1) > 1:
        raise not_built("TumblingWindowInSeconds with a ParallelizationFactor above 1")
    if row.service == SQS:
        if windowed:
            raise invalid("TumblingWindowInSeconds is for streams, not for queues.")
        if row.arn.endswith(".fifo") and (config["BatchSize"] > 10 or config["MaximumBatchingWindowInSeconds"]):
            raise invalid("A FIFO queue takes batches of 10 at most and no batching window.")
    elif "StartingPosition" not in config:
        raise Fault(
            "ValidationException",
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
            "Member must not be null.",
        )
    elif row.service == "dynamodb" and config["StartingPosition"] == "AT_TIMESTAMP":
        raise Fault("ValidationException", f"Unsupported starting position for arn type: {row.arn}")


def _check_there(call: Call, row: SourceRow) -> None:
    """Lambda looks at the source before it accepts the mapping."""
    if call.services is None:
        return
    home = home_of(row.arn)
    try:
        if row.service == SQS:
            attributes = call.services.call(
                SQS, home, "GetQueueAttributes", {"QueueUrl": queue_url(row.arn), "AttributeNames": ["All"]}
            )["Attributes"]
            _check_visibility(call, row, int(attributes.get("VisibilityTimeout", "30")))
        elif row.service == "kinesis":
            call.services.call("kinesis", home, "DescribeStreamSummary", {"StreamARN": row.arn})
        else:
            call.services.call("dynamodbstreams", home, "DescribeStream", {"StreamArn": row.arn})
    except ServiceError as error:
        if row.service == SQS:
            missing = error.code in ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
            code = "AWS.SimpleQueueService.NonExistentQueue" if missing else error.code
            raise invalid(
                f"Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {error.message}"
            ) from None
        raise invalid(f"Stream not found: {row.arn}") from None


def _check_visibility(call: Call, row: SourceRow, visibility: int) -> None:
    function = find_function(call.db, row.ref.home, row.ref.name)
    version = function and qualified(call.db, function, row.ref.qualifier)
    timeout = version.config["Timeout"] if version else 0
    if visibility < timeout:
        raise invalid(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
        )


def queue_url(arn: str) -> str:
    """A queue's URL as moto takes it."""
    *_, account, name = arn.split(":")
    return f"http://localhost/{account}/{name}"


def _existing(call: Call, given: Given) -> SourceRow:
    row = call.db.execute(
        "SELECT * FROM source WHERE uuid = ? AND account = ? AND region = ?", (given["UUID"], *call.home)
    ).fetchone()
    if row is None:
        raise absent()
    return _as_source(row)


def _rows(db: sqlite3.Connection, home: Home) -> list[SourceRow]:
    rows = db.execute("SELECT * FROM source WHERE account = ? AND region = ? ORDER BY uuid", home)
    return [_as_source(row) for row in rows]


def _as_source(row: sqlite3.Row) -> SourceRow:
    return SourceRow(
        row["uuid"],
        FunctionRef(as_home(row), row["name"], row["qualifier"]),
        row["arn"],
        bool(row["enabled"]),
        json.loads(row["config"]),
        json.loads(row["tags"]),
        row["modified"],
        row["result"],
        json.loads(row["place"]),
    )


def _save(call: Call, row: SourceRow) -> None:
    call.db.execute(
        "INSERT INTO source"
        " (uuid, account, region, name, qualifier, arn, enabled, config, tags, modified, result, place)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uuid) DO UPDATE SET name = excluded.name,"
        " qualifier = excluded.qualifier, enabled = excluded.enabled, config = excluded.config,"
        " modified = excluded.modified",
        (
            row.uuid,
            *row.ref.home,
            row.ref.name,
            row.ref.qualifier,
            row.arn,
            row.enabled,
            json.dumps(row.config),
            json.dumps(row.tags),
            row.modified,
            row.result,
            json.dumps(row.place),
        ),
    )
    call.effects.sources = True


def _describe(row: SourceRow, state: str | None = None) -> Result:
    streams = row.service != SQS
    config = {key: value for key, value in row.config.items() if value not in (None, {"Filters": []})}
    return {
        **config,
        "UUID": row.uuid,
        "EventSourceMappingArn": lambda_arn(row.ref.home, f"event-source-mapping:{row.uuid}"),
        "EventSourceArn": row.arn,
        "FunctionArn": function_arn(row.ref.home, row.ref.name, row.ref.qualifier),
        "LastModified": row.modified,
        "State": state or ("Enabled" if row.enabled else "Disabled"),
        "StateTransitionReason": "User action" if streams else "USER_INITIATED",
        "LastProcessingResult": row.result or None,
    }
