"""What a resource policy lets whom do: the statements of a function, version, alias or layer version. Pure.

Within its own account a caller may do everything here; these are asked for callers of another account, and for function
URLs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fnroll.cloud import policy_rules
from fnroll.cloud.accounts import Identity
from fnroll.cloud.faults import Fault
from fnroll.cloud.policy_rules import Statement

SHARED: Final = frozenset(
    {
        "CreateAlias",
        "DeleteAlias",
        "DeleteFunction",
        "DeleteFunctionConcurrency",
        "DeleteFunctionEventInvokeConfig",
        "DeleteProvisionedConcurrencyConfig",
        "GetAlias",
        "GetFunction",
        "GetFunctionConcurrency",
        "GetFunctionConfiguration",
        "GetFunctionEventInvokeConfig",
        "GetProvisionedConcurrencyConfig",
        "Invoke",
        "InvokeAsync",
        "InvokeWithResponseStream",
        "ListAliases",
        "ListFunctionEventInvokeConfigs",
        "ListProvisionedConcurrencyConfigs",
        "ListTags",
        "ListVersionsByFunction",
        "PublishVersion",
        "PutFunctionConcurrency",
        "PutFunctionEventInvokeConfig",
        "PutProvisionedConcurrencyConfig",
        "TagResource",
        "UntagResource",
        "UpdateAlias",
        "UpdateFunctionCode",
        "UpdateFunctionEventInvokeConfig",
    }
)
"""What Lambda lets another account do to a function at all. Source: its page on access to other accounts."""

_ACTIONS: Final[Mapping[str, str]] = {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction"}
"""The action that a policy grants, where it is not called as the operation is."""


def check_shared(who: Identity, operation: str, arn: str, statements: Iterable[Statement]) -> None:
    """A call on a function of another account. Fault AccessDenied unless its policy allows it."""
    action = _ACTIONS.get(operation, operation)
    if operation not in SHARED or not allows(statements, action, who):
        raise denied(who, action, arn)


def denied(who: Identity, action: str, arn: str) -> Fault:
    return Fault(
        "AccessDeniedException",
        f"User: {who.names[0]} is not authorized to perform: lambda:{action} on resource: {arn} "
        f"because no resource-based policy allows the lambda:{action} action",
    )


def allows(
    statements: Iterable[Statement], action: str, who: Identity | None, context: Mapping[str, str] | None = None
) -> bool:
    """Whether one of the statements lets `who` (None: anybody at all) do this. `context`: what conditions may ask."""
    names = who.names if who is not None else ()
    return policy_rules.allows(statements, f"lambda:{action}", context or {}, names)


def allows_url(statements: Iterable[Statement], who: Identity | None) -> bool:
    """Whether `who` (None: anybody) may call a function's URL.

    Since October 2025 AWS wants both: InvokeFunctionUrl, and InvokeFunction (which may be bound to calls by URL).
    """
    kind = "NONE" if who is None else "AWS_IAM"
    statements = list(statements)
    return allows(statements, "InvokeFunctionUrl", who, {"lambda:FunctionUrlAuthType": kind}) and allows(
        statements, "InvokeFunction", who, {"lambda:InvokedViaFunctionUrl": "true"}
    )
