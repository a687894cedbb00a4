"""The verbs on EventBridge Scheduler that a canary's dead-man switch takes: one schedule, once, that calls UpdateAlias.

The target is universal: Scheduler itself calls Lambda's API with the role it was given. It clears an alias's weights
and names no RevisionId, on purpose: the baseline is the alias's own version, so that is the safe direction whatever
moved since, and a no-op after a promotion (facts (release) 4).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from fnroll.aws.errors import border
from fnroll.errors import Conflict, NotFound


def schedule_name(function: str, alias: str) -> str:
    """At most 64 characters, which is what a schedule's name may have."""
    name = f"fn-canary-{function}-{alias}"
    return name if len(name) <= 64 else f"{name[:51]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def arm(client: Any, function: str, alias: str, arn: str, role: str, moment: float) -> None:
    """Clear the weights of `alias` at `moment` (epoch seconds), unless this is said again. `arn`: the alias's; `role`:
    what Scheduler assumes, which may lambda:UpdateAlias. Raises AwsError."""
    partition = arn.split(":")[1]
    asked: dict[str, Any] = {
        "Name": schedule_name(function, alias),
        "Description": f"fn: sends all of {function}:{alias} back to its version if nobody drives the canary any more",
        "ScheduleExpression": _at(moment),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": f"arn:{partition}:scheduler:::aws-sdk:lambda:updateAlias",
            "RoleArn": role,
            "Input": json.dumps(
                {"FunctionName": function, "Name": alias, "RoutingConfig": {"AdditionalVersionWeights": {}}}
            ),
        },
    }
    try:
        with border("CreateSchedule", f"{function}:{alias}"):
            client.create_schedule(**asked)
    except Conflict:
        with border("UpdateSchedule", f"{function}:{alias}"):
            client.update_schedule(**asked)


def put_off(client: Any, function: str, alias: str, moment: float) -> bool:
    """Later, to `moment`; whether there was a schedule to be put off. Raises AwsError."""
    name = schedule_name(function, alias)
    try:
        with border("GetSchedule", f"{function}:{alias}"):
            found = client.get_schedule(Name=name)
        with border("UpdateSchedule", f"{function}:{alias}"):
            client.update_schedule(
                Name=name,
                Description=found.get("Description", ""),
                ScheduleExpression=_at(moment),
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow=found["FlexibleTimeWindow"],
                ActionAfterCompletion="DELETE",
                Target=found["Target"],
            )
    except NotFound:
        return False
    return True


def disarm(client: Any, function: str, alias: str) -> None:
    """No error where there is none. Raises AwsError."""
    try:
        with border("DeleteSchedule", f"{function}:{alias}"):
            client.delete_schedule(Name=schedule_name(function, alias))
    except NotFound:
        pass


def _at(moment: float) -> str:
    return f"at({datetime.fromtimestamp(moment, UTC).strftime('%Y-%m-%dT%H:%M:%S')})"
