"""What the tests of several accounts share."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

ONE, TWO = "111111111111", "222222222222"
DEFAULT = "000000000000"


def arn(account: str, rest: str = "function:hello", region: str = "us-east-1") -> str:
    return f"arn:aws:lambda:{region}:{account}:{rest}"


def refusal(call: Any, **given: Any) -> tuple[str, str]:
    """Code and message of the error that a call ends with."""
    with pytest.raises(ClientError) as refused:
        call(**given)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def not_allowed(who: str, action: str, resource: str) -> tuple[str, str]:
    return "AccessDeniedException", (
        f"User: {who} is not authorized to perform: lambda:{action} on resource: {resource} "
        f"because no resource-based policy allows the lambda:{action} action"
    )
