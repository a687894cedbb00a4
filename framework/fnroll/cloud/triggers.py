"""What other services invoke functions for: S3 notifications, SNS subscriptions, EventBridge rules, log subscriptions;
and what rules send to else.

moto has its own idea of a function, a container; `install` puts the cloud's queue of asynchronous invocations in its
place, for calls of this cloud's (`triggering`): another user of moto in this process finds it as it was. Events are
shaped as AWS's. Everything here runs on moto's threads, within `triggering`.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from fnroll.cloud.names import Home

Invoke = Callable[[str, bytes, str | None], object]
"""Queues an event for the function of an ARN, with the header of X-Ray that caused it; returns when it is durable."""

Deliver = Callable[[Any, bytes, Home, str, str | None], object]
"""Sends an event to a rule's target; with the rule's home and ARN, and the header of X-Ray that caused it."""

_invoke: ContextVar[Invoke | None] = ContextVar("invoke", default=None)
_deliver: ContextVar[Deliver | None] = ContextVar("deliver", default=None)
_trace: ContextVar[str | None] = ContextVar("trace", default=None)
_log = logging.getLogger(__name__)


@contextmanager
def triggering(invoke: Invoke, deliver: Deliver, trace: str | None = None) -> Iterator[None]:
    tokens = _invoke.set(invoke), _deliver.set(deliver), _trace.set(trace)
    try:
        yield
    finally:
        _invoke.reset(tokens[0])
        _deliver.reset(tokens[1])
        _trace.reset(tokens[2])


def _send(arn: str, event: Any) -> None:
    """An event that cannot be queued (its function is gone) is told and dropped: who sent it must not fail for it."""
    invoke = _invoke.get()
    if invoke is None:
        return
    try:
        invoke(arn, event if isinstance(event, bytes) else json.dumps(event, default=str).encode(), _trace.get())
    except Exception as error:
        _log.warning("%s was not invoked: %s", arn, error)


class Functions:
    """What moto takes for its Lambda backend of an account."""

    def __init__(self, account: str) -> None:
        self._account = account

    def get_function(self, arn: str) -> Any:
        return _Function(arn)

    def send_log_event(self, arn: str, filter_name: str, group: str, stream: str, events: Any) -> None:
        data = {
            "messageType": "DATA_MESSAGE",
            "owner": self._account,
            "logGroup": group,
            "logStream": stream,
            "subscriptionFilters": [filter_name],
            "logEvents": events,
        }
        packed = base64.b64encode(gzip.compress(json.dumps(data).encode(), mtime=0)).decode()
        _send(arn, {"awslogs": {"data": packed}})


class _Function:
    def __init__(self, arn: str) -> None:
        self._arn = arn

    def invoke(self, body: str, *rest: Any) -> None:
        _send(self._arn, body.encode())


def install() -> None:
    """Before moto makes a subscription or a rule."""
    from moto.awslambda import utils
    from moto.core.common_models import BaseModel
    from moto.events import models as events
    from moto.sns import models as sns
    from moto.sqs import models as sqs

    motos = utils.get_backend

    def get_backend(account_id: str, region: str) -> Any:
        return motos(account_id, region) if _invoke.get() is None else Functions(account_id)

    utils.get_backend = get_backend

    tracking = BaseModel.__new__

    def new(cls: type[BaseModel], *args: Any, **given: Any) -> BaseModel:
        """moto lists whatever it has ever made, for a page of its own: every message, object and log line."""
        if _invoke.get() is None:
            return tracking(cls, *args, **given)
        made: BaseModel = super(BaseModel, cls).__new__(cls)
        return made

    BaseModel.__new__ = new  # type: ignore[method-assign]

    class Message(sqs.Message):
        """Carries the trace of the call that sent it, if it says no other."""

        def __init__(self, message_id: str, body: str, system_attributes: dict[str, Any] | None = None) -> None:
            said = dict(system_attributes or {})
            if (trace := _trace.get()) is not None:
                said.setdefault("AWSTraceHeader", {"DataType": "String", "StringValue": trace})
            super().__init__(message_id, body, said)

    class Subscription(sns.Subscription):
        def publish(
            self,
            message: str,
            message_id: str,
            subject: str | None = None,
            message_attributes: dict[str, Any] | None = None,
            group_id: str | None = None,
            deduplication_id: str | None = None,
            message_structure: str | None = None,
        ) -> None:
            if self.protocol != "lambda" or _invoke.get() is None:
                more = (message_attributes, group_id, deduplication_id, message_structure)
                super().publish(message, message_id, subject, *more)
                return
            matcher = self._filter_policy_matcher
            if matcher is not None and not matcher.matches(message_attributes, message):
                return
            if message_structure == "json":
                said = json.loads(message)
                message = said.get("lambda", said["default"])
            _send(self.endpoint, of_topic(self, message, message_id, subject, message_attributes or {}))

    class Rule(events.Rule):
        def send_to_targets(self, original_event: Any, transform_input: bool = True) -> None:
            deliver = _deliver.get()
            mine = [target for target in self.targets if target["Arn"].split(":")[2] != "events"]
            if deliver is None:
                mine = []
            others = copy.copy(self)
            others.targets = [target for target in self.targets if target not in mine]
            events_send(others, original_event, transform_input)
            if deliver is None or not mine or not self.event_pattern.matches_event(original_event):
                return
            home = Home(self.account_id, self.region_name)
            for target in mine:
                said = of_rule(target, original_event, home)
                event = said if isinstance(said, bytes) else json.dumps(said, default=str).encode()
                deliver(target, event, home, self.arn, _trace.get())

    events_send = events.Rule.send_to_targets
    sqs.Message = Message  # type: ignore[misc]
    sns.Subscription = Subscription  # type: ignore[misc]
    events.Rule = Rule  # type: ignore[misc]


def of_topic(
    subscription: Any, message: str, message_id: str, subject: str | None, attributes: dict[str, Any]
) -> dict[str, Any]:
    """The event of a message that a topic sends."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription.arn,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message_id,
                    "TopicArn": subscription.topic.arn,
                    "Subject": subject,
                    "Message": message,
                    "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "SignatureVersion": "1",
                    "Signature": "local",
                    "SigningCertUrl": "local",
                    "UnsubscribeUrl": "local",
                    "MessageAttributes": {
                        name: {"Type": value.get("Type", "String"), "Value": value.get("Value")}
                        for name, value in attributes.items()
                    },
                },
            }
        ]
    }


def of_rule(target: dict[str, Any], event: Any, home: Home) -> Any:
    """What a rule's target gets: its own Input, a part of the event, a template filled in, or the event."""
    if "Input" in target:
        return str(target["Input"]).encode()
    at = event.get("time")
    time = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else datetime.now(UTC)
    whole = {
        "version": "0",
        "id": event.get("id"),
        "detail-type": event.get("detail-type"),
        "source": event.get("source"),
        "account": event.get("account", home.account),
        "time": at if isinstance(at, str) else time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": event.get("region", home.region),
        "resources": event.get("resources", []),
        "detail": event.get("detail", {}),
    }
    if "InputPath" in target:
        part: Any = whole
        for name in str(target["InputPath"]).removeprefix("$").strip(".").split("."):
            part = part.get(name) if name and isinstance(part, dict) else part
        return part
    if "InputTransformer" in target:
        from moto.events.utils import EventTemplateParser

        transformer = target["InputTransformer"]
        parser: Any = EventTemplateParser
        dated = {**whole, "ingestion-time": whole["time"]}
        return parser.parse(transformer.get("InputTemplate"), transformer.get("InputPathsMap", {}), dated)
    return whole
