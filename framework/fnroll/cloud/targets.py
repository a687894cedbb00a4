"""What rules and schedules send to: functions, and by calls of their own services all else that is in this cloud.

    a function's ARN                               an asynchronous invocation
    a queue, topic, stream, bus, log group, …      the one call that a target of its kind stands for (`calls_of`)
    arn:aws:scheduler:::aws-sdk:SERVICE:ACTION     that call, with the input as its parameters

What a target refuses for good goes to its dead-letter queue (`dead_letter`).
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from fnroll.cloud import universal
from fnroll.cloud.faults import Fault
from fnroll.cloud.names import Home, home_of
from fnroll.cloud.protocol import Answer
from fnroll.cloud.services import ServiceError, Services, error_of
from fnroll.cloud.sources import queue_url
from fnroll.emulator.wire import Request

Target = Mapping[str, Any]
"""As PutTargets and CreateSchedule take it: Arn, and what its kind wants beside."""

Call = tuple[str, str, Mapping[str, Any]]
"""Service, operation, parameters."""

_UNIVERSAL: Final = ":scheduler:::aws-sdk:"
_RETRIED: Final = frozenset({"ThrottlingException", "TooManyRequestsException", "ServiceException", "InternalError"})
MAX_MESSAGE: Final = 1024

_log = logging.getLogger(__name__)


def is_function(target: Target) -> bool:
    return service_of(target) == "lambda"


def service_of(target: Target) -> str:
    return [*str(target["Arn"]).split(":"), "", "", ""][2]


def is_retried(error: Fault | ServiceError) -> bool:
    """Whether a later attempt may succeed: what is not there, or wrong, stays so."""
    return error.code in _RETRIED


def calls_of(target: Target, event: bytes, now: float) -> list[Call]:
    """The calls that bring an event to a target which is no function. Raises ServiceError."""
    arn, text = str(target["Arn"]), event.decode("utf-8", "replace")
    if _UNIVERSAL in arn:
        service, _, action = arn.partition(_UNIVERSAL)[2].partition(":")
        return [(service, action, _object(text))]
    name = arn.split(":", 5)[-1]
    match service_of(target):
        case "sqs":
            group = target.get("SqsParameters", {}).get("MessageGroupId")
            more = {"MessageGroupId": group, "MessageDeduplicationId": str(uuid4())} if group else {}
            return [("sqs", "SendMessage", {"QueueUrl": queue_url(arn), "MessageBody": text, **more})]
        case "sns":
            return [("sns", "Publish", {"TopicArn": arn, "Message": text})]
        case "kinesis":
            given = {"StreamName": name.partition("/")[2], "Data": _base64(event), "PartitionKey": _key(target, text)}
            return [("kinesis", "PutRecord", given)]
        case "firehose":
            record = {"DeliveryStreamName": name.partition("/")[2], "Record": {"Data": _base64(event)}}
            return [("firehose", "PutRecord", record)]
        case "states":
            return [("sfn", "StartExecution", {"StateMachineArn": arn, "Input": text})]
        case "logs":
            group, stream = name.removeprefix("log-group:").removesuffix(":*"), str(uuid4())
            there = {"LogGroupName": group, "LogStreamName": stream}
            lines = [{"Timestamp": int(now * 1000), "Message": text}]
            return [("logs", "CreateLogStream", there), ("logs", "PutLogEvents", {**there, "LogEvents": lines})]
        case "events":
            said = target.get("EventBridgeParameters", {})
            named = {key: said.get(key, "") for key in ("Source", "DetailType")}
            return [("events", "PutEvents", {"Entries": [{"EventBusName": arn, "Detail": text, **named}]})]
    raise ServiceError("ValidationException", f"{arn} is no target of fn's local cloud")


def _object(text: str) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ServiceError("ValidationException", "the input of a universal target is a JSON object")
    return given


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key(target: Target, text: str) -> str:
    """A schedule gives the partition key, a rule where it lies in the event."""
    said = target.get("KinesisParameters", {})
    if "PartitionKey" in said:
        return str(said["PartitionKey"])
    part: Any = {}
    try:
        part = json.loads(text)
        for name in str(said.get("PartitionKeyPath", "$.id")).removeprefix("$.").split("."):
            part = part[name]
    except (ValueError, KeyError, TypeError):
        part = None
    return str(part) if part else str(uuid4())


class Targets:
    """Sends. `trigger` queues an event for a function, `trigger_now` does from another thread; `own` answers calls of
    Lambda's API."""

    def __init__(
        self,
        services: Services,
        trigger: Callable[[str, bytes], Awaitable[object]],
        trigger_now: Callable[[str, bytes, str | None], object],
        own: Callable[[Request, Home], Awaitable[Answer]],
        now: Callable[[], float],
    ) -> None:
        self._services = services
        self._trigger = trigger
        self._trigger_now = trigger_now
        self._own = own
        self._now = now

    async def send(self, target: Target, event: bytes, home: Home) -> None:
        """From the event loop. Raises Fault and ServiceError."""
        if is_function(target):
            await self._trigger(str(target["Arn"]), event)
            return
        for service, action, given in calls_of(target, event, self._now()):
            signed, request = universal.call(service, action, _home_of(target, home), given)
            if signed == "lambda":
                answer = await self._own(request, home)
                if answer.status >= 300:
                    raise error_of(answer)
            else:
                _check(await self._services.send(request, signed, _home_of(target, home)))

    def deliver(self, target: Target, event: bytes, home: Home, rule: str, trace: str | None) -> None:
        """An event of a rule, on one of moto's threads; `trace`: the header of X-Ray of the call that caused it. Who
        made that does not fail for what cannot be delivered."""
        try:
            if is_function(target):
                self._trigger_now(str(target["Arn"]), event, trace)
                return
            for service, action, given in calls_of(target, event, self._now()):
                signed, request = universal.call(service, action, _home_of(target, home), given)
                _check(self._services.send_now(request, signed, _home_of(target, home), trace))
        except (Fault, ServiceError) as error:
            _log.warning("%s got no event of %s: %s", target["Arn"], rule, error.message)
            attributes = {"RULE_ARN": rule, "TARGET_ARN": str(target["Arn"]), **why(error), "RETRY_ATTEMPTS": "0"}
            self._bury_now(target, event, attributes)
        except Exception:
            _log.exception("%s got no event of %s", target["Arn"], rule)

    def _bury_now(self, target: Target, event: bytes, attributes: Mapping[str, str]) -> None:
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue is None:
            return
        try:
            self._services.call("sqs", home_of(queue), "SendMessage", dead_letter(queue, event, attributes))
        except ServiceError as error:
            _log.warning("%s got no dead letter: %s", queue, error)

    async def bury(self, queue: str, event: bytes, attributes: Mapping[str, str]) -> None:
        """An event that could not be sent, to its dead-letter queue. Raises ServiceError."""
        await self._services.ask("sqs", home_of(queue), "SendMessage", dead_letter(queue, event, attributes))


def why(error: Fault | ServiceError) -> dict[str, str]:
    """The attributes of a dead letter that say what went wrong."""
    return {"ERROR_CODE": error.code, "ERROR_MESSAGE": error.message}


def _check(answer: Answer) -> None:
    """PutEvents answers 200 to what it has not taken. Raises ServiceError."""
    if b'"FailedEntryCount"' in answer.body and (said := json.loads(answer.body))["FailedEntryCount"]:
        failed = next(entry for entry in said["Entries"] if "ErrorCode" in entry)
        raise ServiceError(failed["ErrorCode"], failed.get("ErrorMessage", ""))


def dead_letter(queue: str, event: bytes, attributes: Mapping[str, str]) -> dict[str, Any]:
    """SendMessage of an event and of why it is there."""
    said = {
        name: {"DataType": "String", "StringValue": value[:MAX_MESSAGE]} for name, value in attributes.items() if value
    }
    text = event.decode("utf-8", "replace") or "{}"
    return {"QueueUrl": queue_url(queue), "MessageBody": text, "MessageAttributes": said}


def _home_of(target: Target, home: Home) -> Home:
    """Where the target lives; what names no place is called in the rule's, or the schedule's, own."""
    arn = str(target["Arn"])
    return home if _UNIVERSAL in arn else home_of(arn)
