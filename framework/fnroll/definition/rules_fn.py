"""What the service model cannot say about the key Fn. Pure; see rules.py for the form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Broken = tuple[str, str, str | None]
Request = Mapping[str, Any]

_STREAMS = {"kinesis": "Kinesis", "dynamodb": "DynamoDB", "kafka": "Kafka", "rds": "DocumentDB"}
"""Services whose event sources are read from a position, by the service in the ARN."""


def broken(value: Request) -> Iterator[Broken]:
    """Every broken rule, in the table's order."""
    extras = value.get("Fn")
    if isinstance(extras, dict):
        for rule in RULES:
            yield from rule(value, extras)


def _concurrency(value: Request, extras: Request) -> Iterator[Broken]:
    reserved = _number(extras, "FunctionConcurrency", "ReservedConcurrentExecutions")
    provisioned = _number(extras, "ProvisionedConcurrency", "ProvisionedConcurrentExecutions")
    if provisioned is None:
        return
    at = "/Fn/ProvisionedConcurrency/ProvisionedConcurrentExecutions"
    if reserved is not None and provisioned > reserved:
        yield at, f"{provisioned} are provisioned of {reserved} that are reserved", "reserve at least as many"
    snap = value.get("SnapStart")
    if isinstance(snap, dict) and snap.get("ApplyOn") == "PublishedVersions":
        yield at, "provisioned concurrency and SnapStart exclude each other", "remove one of the two"


def _number(extras: Request, key: str, member: str) -> int | None:
    block = extras.get(key)
    number = block.get(member) if isinstance(block, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _permissions(value: Request, extras: Request) -> Iterator[Broken]:
    for index, entry in _entries(extras, "Permissions"):
        if "Principal" not in entry:
            yield f"/Fn/Permissions/{index}", 'missing key "Principal"', "who may call, such as s3.amazonaws.com"


def _sources(value: Request, extras: Request) -> Iterator[Broken]:
    seen: dict[str, int] = {}
    for index, entry in _entries(extras, "EventSourceMappings"):
        at = f"/Fn/EventSourceMappings/{index}"
        arn = entry.get("EventSourceArn")
        if arn is None and "SelfManagedEventSource" not in entry:
            yield at, 'missing key "EventSourceArn"', "the ARN of the queue or stream"
        elif isinstance(arn, str):
            yield from _one_source(entry, arn, at)
            same = f"{arn} {entry.get('Topics')} {entry.get('Queues')}"
            if same in seen:
                yield f"{at}/EventSourceArn", f"the same source as entry {seen[same]}", "remove one of the two"
            seen.setdefault(same, index)


def _one_source(entry: Request, arn: str, at: str) -> Iterator[Broken]:
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service in _STREAMS and "StartingPosition" not in entry:
        hint = "LATEST: what comes from now on; TRIM_HORIZON: all that is there"
        yield at, f'missing key "StartingPosition": a source of {_STREAMS[service]} is read from a place', hint
    if service == "sqs":
        for key in ("StartingPosition", "ParallelizationFactor", "BisectBatchOnFunctionError"):
            if key in entry:
                yield f"{at}/{key}", f"{key} is not for queues", "remove it"
        size, window = entry.get("BatchSize"), entry.get("MaximumBatchingWindowInSeconds", 0)
        if isinstance(size, int) and size > 10 and window == 0 and not arn.endswith(".fifo"):
            message = f"a BatchSize of {size} needs MaximumBatchingWindowInSeconds"
            yield f"{at}/BatchSize", message, "at least 1, for more than 10 messages"
    position = entry.get("StartingPosition")
    if position == "AT_TIMESTAMP" and "StartingPositionTimestamp" not in entry:
        yield f"{at}/StartingPosition", "AT_TIMESTAMP needs StartingPositionTimestamp", None


def _entries(extras: Request, key: str) -> Iterator[tuple[int, Request]]:
    entries = extras.get(key)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def _runtime_update(value: Request, extras: Request) -> Iterator[Broken]:
    block = extras.get("RuntimeManagementConfig")
    if not isinstance(block, dict):
        return
    manual, named = block.get("UpdateRuntimeOn") == "Manual", "RuntimeVersionArn" in block
    if manual and not named:
        yield "/Fn/RuntimeManagementConfig", "UpdateRuntimeOn Manual needs RuntimeVersionArn", None
    elif named and not manual:
        yield "/Fn/RuntimeManagementConfig/RuntimeVersionArn", "RuntimeVersionArn needs UpdateRuntimeOn Manual", None


def _url(value: Request, extras: Request) -> Iterator[Broken]:
    url = extras.get("FunctionUrl")
    cors = url.get("Cors") if isinstance(url, dict) else None
    if not isinstance(cors, dict) or cors.get("AllowCredentials") is not True:
        return
    origins = cors.get("AllowOrigins")
    for index, origin in enumerate(origins if isinstance(origins, list) else ()):
        if origin == "*":
            at = f"/Fn/FunctionUrl/Cors/AllowOrigins/{index}"
            yield at, "with AllowCredentials an origin must be named: browsers refuse *", "name the origins"


def _retention(value: Request, extras: Request) -> Iterator[Broken]:
    logging = value.get("LoggingConfig")
    group = logging.get("LogGroup") if isinstance(logging, dict) else None
    if "LogRetentionInDays" in extras and isinstance(group, str) and re.match(r"/aws/lambda/?$", group):
        yield "/LoggingConfig/LogGroup", "this is no log group of one function", "name it, /aws/lambda/NAME"


RULES: tuple[Callable[[Request, Request], Iterator[Broken]], ...] = (
    _concurrency,
    _permissions,
    _sources,
    _runtime_update,
    _url,
    _retention,
)
