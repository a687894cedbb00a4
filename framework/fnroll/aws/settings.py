"""Verbs on what a function or an alias has beside code and configuration: one table, a read, a write, a removal.

Values are the requests' own members, without the function's name. Retention belongs to the log group and stands in the
same table, since to the user it is one more setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fnroll.aws.clock import SYSTEM, Clock
from fnroll.aws.errors import border
from fnroll.aws.waits import WaitEnded, WaitTimedOut
from fnroll.errors import Conflict, NotFound

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

    from fnroll.aws.session import Session

ALLOCATION_LIMIT = 900.0
"""Seconds that provisioned concurrency may take to be READY."""


class Setting(NamedTuple):
    """`noun`: what Lambda calls it in its operations. `members`: of the answer -> of the request. `ends`: whether it
    can be removed."""

    noun: str
    members: Mapping[str, str]
    qualified: bool = False
    ends: bool = True


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


TABLE: Final[Mapping[str, Setting]] = {
    "FunctionConcurrency": Setting("function_concurrency", _same("ReservedConcurrentExecutions")),
    "CodeSigningConfigArn": Setting("function_code_signing_config", _same("CodeSigningConfigArn")),
    "RecursionConfig": Setting("function_recursion_config", _same("RecursiveLoop"), ends=False),
    "RuntimeManagementConfig": Setting(
        "runtime_management_config", _same("UpdateRuntimeOn", "RuntimeVersionArn"), ends=False
    ),
    "EventInvokeConfig": Setting(
        "function_event_invoke_config",
        _same("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"),
        qualified=True,
    ),
    "ProvisionedConcurrency": Setting(
        "provisioned_concurrency_config",
        {"RequestedProvisionedConcurrentExecutions": "ProvisionedConcurrentExecutions"},
        qualified=True,
    ),
}
RETENTION: Final = "LogRetentionInDays"


def read_setting(session: Session, key: str, function: str, alias: str, log_group: str) -> dict[str, Any]:
    """What `key` is now; {} for none. Raises AwsError."""
    if key == RETENTION:
        return _retention(session, log_group)
    try:
        answer = _call(session.control, "get", TABLE[key], function, alias)
    except NotFound:
        return {}
    members = TABLE[key].members
    return {members[name]: value for name, value in answer.items() if name in members}


def put_setting(
    session: Session, key: str, function: str, alias: str, log_group: str, value: Mapping[str, Any]
) -> None:
    """Raises AwsError."""
    if key != RETENTION:
        _call(session.control, "put", TABLE[key], function, alias, value)
        return
    logs = session.service("logs")
    with border("PutRetentionPolicy", log_group):
        try:
            logs.create_log_group(logGroupName=log_group)
        except logs.exceptions.ResourceAlreadyExistsException:
            pass
        logs.put_retention_policy(logGroupName=log_group, **value)


def reset_setting(session: Session, key: str, function: str, alias: str, log_group: str) -> None:
    """Remove it; gone already is as good. Raises AwsError."""
    try:
        if key == RETENTION:
            with border("DeleteRetentionPolicy", log_group):
                session.service("logs").delete_retention_policy(logGroupName=log_group)
        else:
            _call(session.control, "delete", TABLE[key], function, alias)
    except NotFound:
        pass


def wait_until_provisioned(
    session: Session,
    function: str,
    alias: str,
    *,
    clock: Clock = SYSTEM,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Until provisioned concurrency is READY. Raises WaitEnded with AWS's reason if it fails, WaitTimedOut."""
    where, began, delay = f"{function}:{alias}", clock.now(), 0.5
    while True:
        answer = _call(session.control, "get", TABLE["ProvisionedConcurrency"], function, alias)
        status = answer.get("Status", "READY")
        if status == "READY":
            return
        if status == "FAILED":
            raise WaitEnded(
                f"provisioned concurrency failed: {answer.get('StatusReason', 'no reason given')}", where=where
            )
        if clock.now() - began >= ALLOCATION_LIMIT:
            raise WaitTimedOut(
                f"waited {ALLOCATION_LIMIT:.0f} s for provisioned concurrency, in vain: {status}", where=where
            )
        allocated = answer.get("AllocatedProvisionedConcurrentExecutions", 0)
        asked = answer.get("RequestedProvisionedConcurrentExecutions")
        progress(f"provisioned concurrency: {allocated} of {asked}")
        clock.sleep(delay)
        delay = min(delay * 1.6, 5.0)


def _call(
    client: LambdaClient, verb: str, setting: Setting, function: str, alias: str, value: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    operation = f"{verb}_{setting.noun}"
    where = {"FunctionName": function, **({"Qualifier": alias} if setting.qualified else {})}
    with border(operation.title().replace("_", ""), f"{function}:{alias}" if setting.qualified else function):
        answer: dict[str, Any] = getattr(client, operation)(**where, **(value or {}))
    return answer


def _retention(session: Session, log_group: str) -> dict[str, Any]:
    with border("DescribeLogGroups", log_group):
        pages = session.service("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=log_group)
        for page in pages:
            for group in page["logGroups"]:
                if group["logGroupName"] == log_group and "retentionInDays" in group:
                    return {"retentionInDays": group["retentionInDays"]}
    return {}


# event source mappings


def list_sources(client: LambdaClient, function: str, alias: str | None) -> tuple[Mapping[str, Any], ...]:
    """ListEventSourceMappings of an alias (None: of the function itself), all pages."""
    where = function if alias is None else f"{function}:{alias}"
    with border("ListEventSourceMappings", where):
        pages = client.get_paginator("list_event_source_mappings").paginate(FunctionName=where)
        return tuple(dict(row) for page in pages for row in page["EventSourceMappings"])


def write_source(client: LambdaClient, verb: str, function: str, alias: str, request: Mapping[str, Any]) -> None:
    """Create, update or delete (`verb`) a mapping to the alias. A mapping that is in use (an earlier change of it is
    not done) raises Conflict."""
    arguments: Any = dict(request)
    if verb != "delete":
        arguments["FunctionName"] = f"{function}:{alias}"
    with border(f"{verb.title()}EventSourceMapping", str(request.get("EventSourceArn") or request.get("UUID", ""))):
        try:
            getattr(client, f"{verb}_event_source_mapping")(**arguments)
        except client.exceptions.ResourceInUseException as error:
            raise Conflict(
                f"{verb.title()}EventSourceMapping: {error}",
                code="ResourceInUseException",
                operation=f"{verb.title()}EventSourceMapping",
                status=400,
                where=function,
                hint="an earlier change of this mapping is under way: deploy again in a minute",
            ) from error


def settings_of(
    session: Session, keys: Sequence[str], function: str, alias: str, log_group: str
) -> list[Callable[[], tuple[str, Any]]]:
    """The reads of these settings, to be made side by side."""
    return [
        (lambda key=key: (key, read_setting(session, key, function, alias, log_group)))  # type: ignore[misc]
        for key in keys
    ]
