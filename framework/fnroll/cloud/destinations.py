"""What is sent on: records of asynchronous invocations to destinations, events to dead-letter queues.

The record and the attributes are Lambda's (facts 2.9). A destination is a queue, a topic, a function, an event bus or
a bucket of this cloud, told by its ARN.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from fnroll.cloud.faults import Fault
from fnroll.cloud.names import LATEST, FunctionRef, function_arn, home_of, parse_function
from fnroll.cloud.services import ServiceError, Services
from fnroll.cloud.sources import queue_url
from fnroll.emulator.api import Outcome

Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"]
INVOKE_RECORD: Final = "1.0"


@dataclass(frozen=True, slots=True)
class Ended:
    """An asynchronous invocation that is over. `outcome`: of its last attempt, None if there was none; `trace`: its
    header of X-Ray, which what is sent on carries further."""

    ref: FunctionRef
    request_id: str
    payload: bytes
    condition: Condition
    attempts: int
    outcome: Outcome | None
    trace: str | None = None


def record(ended: Ended, now: float) -> dict[str, Any]:
    """The record that destinations get. `now` in epoch seconds."""
    made: dict[str, Any] = {
        "version": INVOKE_RECORD,
        "timestamp": instant(now),
        "requestContext": {
            "requestId": ended.request_id,
            "functionArn": function_arn(ended.ref.home, ended.ref.name, ended.ref.qualifier or LATEST),
            "condition": ended.condition,
            "approximateInvokeCount": ended.attempts,
        },
        "requestPayload": _json(ended.payload or b"{}"),
    }
    if ended.outcome is not None:
        made["responseContext"] = response_context(ended.outcome)
        made["responsePayload"] = _json(ended.outcome.payload)
    return made


def response_context(outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = {"statusCode": 200, "executedVersion": outcome.executed_version}
    if outcome.function_error is not None:
        said["functionError"] = outcome.function_error
    return said


def instant(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "replace")


class Sender:
    """Sends, and acts in the account that a target's ARN names. `invoke` queues an event for a function, if the account
    of the function that it comes from may, with the header of its trace."""

    def __init__(
        self, services: Services, invoke: Callable[[FunctionRef, bytes, str, str | None], Awaitable[None]]
    ) -> None:
        self._services = services
        self._invoke = invoke

    async def send(
        self, target: str, said: Mapping[str, Any], detail: str, source: str, trace: str | None = None
    ) -> None:
        """`said` to the destination `target`; `detail`: Success or Failure; `source`: the function's ARN. Raises
        ServiceError."""
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        service, home = target.split(":")[2], home_of(target)
        if service == "events":
            entry = {
                "Source": "lambda",
                "DetailType": f"Lambda Function Invocation Result - {detail}",
                "Detail": text,
                "Resources": [source],
                "EventBusName": target,
            }
            answer = await self._services.ask("events", home, "PutEvents", {"Entries": [entry]}, trace)
            if answer.get("FailedEntryCount"):
                raise ServiceError("PutEventsFailed", str(answer["Entries"][0].get("ErrorMessage", "")))
        elif service == "lambda":
            try:
                await self._invoke(parse_function(target, home), text.encode(), home_of(source).account, trace)
            except Fault as fault:
                raise ServiceError(fault.code, fault.message) from None
        elif service == "s3":
            key = f"aws/lambda/async/{source.split(':')[6]}/{_dated(said)}"
            await self._services.put_object(home_of(source), target.split(":")[5], key, text.encode(), trace)
        else:
            await self._message(target, text, {}, trace)

    async def lost(self, target: str, said: Mapping[str, Any], mapping: str, payload: bytes) -> None:
        """What a mapping could not feed, to its destination for failures; a bucket gets the records too. Raises
        ServiceError."""
        _, _, service, _, _, name = target.split(":", 5)
        if service != "s3":
            await self._message(target, json.dumps(said, separators=(",", ":")), {})
            return
        info = said.get("KinesisBatchInfo") or said["DDBStreamBatchInfo"]
        key = f"aws/lambda/{mapping}/{info['shardId']}/{_dated(said)}"
        body = json.dumps({**said, "payload": payload.decode()}, ensure_ascii=False).encode()
        await self._services.put_object(home_of(said["requestContext"]["functionArn"]), name, key, body)

    async def bury(self, target: str, ended: Ended) -> None:
        """The event itself, to a dead-letter queue or topic. Raises ServiceError."""
        attributes = {"RequestID": ("String", ended.request_id), "ErrorCode": ("Number", "200")}
        if ended.outcome is not None and isinstance(said := _json(ended.outcome.payload), dict):
            # An attribute may not be empty, and Lambda keeps it to 1 KB.
            attributes["ErrorMessage"] = ("String", str(said.get("errorMessage") or "null")[:1024])
        await self._message(target, ended.payload.decode("utf-8", "replace") or "{}", attributes, ended.trace)

    async def _message(
        self, target: str, text: str, attributes: Mapping[str, tuple[str, str]], trace: str | None = None
    ) -> None:
        service, home = target.split(":")[2], home_of(target)
        if service == "sqs":
            said = {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in attributes.items()}
            given: dict[str, Any] = {"QueueUrl": queue_url(target), "MessageBody": text}
            if said:
                given["MessageAttributes"] = said
            await self._services.ask("sqs", home, "SendMessage", given, trace)
        elif service == "sns":
            form = {"TopicArn": target, "Message": text}
            for number, (name, (kind, value)) in enumerate(attributes.items(), 1):
                place = f"MessageAttributes.entry.{number}"
                form |= {f"{place}.Name": name, f"{place}.Value.DataType": kind, f"{place}.Value.StringValue": value}
            await self._services.ask("sns", home, "Publish", form, trace)
        else:
            raise ServiceError("InvalidDestination", f"{target} is no destination of fn's local cloud")


def _dated(said: Mapping[str, Any]) -> str:
    """The end of the name of a record's object."""
    day, second = said["timestamp"][:10].replace("-", "/"), said["timestamp"][:19].replace(":", ".")
    return f"{day}/{second}-{said['requestContext']['requestId']}"
