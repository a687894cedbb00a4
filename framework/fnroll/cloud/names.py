"""Names and ARNs: what a caller may write for a function or a layer, resolved to what is meant. Pure functions."""

from __future__ import annotations

import re
from typing import NamedTuple

from fnroll.cloud.faults import Fault, invalid

ACCOUNT = "000000000000"
"""The one account of a local cloud; moto is told the same, so that STS and Lambda's ARNs agree."""

LATEST = "$LATEST"

_FUNCTION = re.compile(
    r"(?:(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]+(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?function:"
    r"|(?P<bare>\d{12}):(?:function:)?)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_LAYER_VERSION = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+):(?P<number>\d{1,18})"
)
_LAYER = re.compile(r"(?:arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:layer:)?([a-zA-Z0-9-_]+)")


class FunctionRef(NamedTuple):
    """A function as a caller named it: unqualified ARN parts, and the qualifier if there was one."""

    region: str
    name: str
    qualifier: str | None

    @property
    def arn(self) -> str:
        return function_arn(self.region, self.name)

    @property
    def asked_arn(self) -> str:
        """With the qualifier only if the caller gave one: invokedFunctionArn, and the ARN of 404 texts."""
        return function_arn(self.region, self.name, self.qualifier)


def function_arn(region: str, name: str, qualifier: str | None = None) -> str:
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


def layer_arn(region: str, name: str, number: int | None = None) -> str:
    return f"arn:aws:lambda:{region}:{ACCOUNT}:layer:{name}" + (f":{number}" if number is not None else "")


def parse_function(text: str, region: str, qualifier: str | None = None) -> FunctionRef:
    """`text`: name, name:qualifier, partial ARN or ARN; `region` of the request; `qualifier` from the query.

    Faults: InvalidParameterValue (two qualifiers that differ), ResourceNotFound (another region), AccessDenied
    (another account).
    """
    match = _FUNCTION.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid function name: {text}")
    inner = match["qualifier"]
    if inner and qualifier and inner != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    if match["region"] and match["region"] != region:
        raise Fault(
            "ResourceNotFoundException",
            f"Functions from '{match['region']}' are not reachable in this region ('{region}')",
        )
    account = match["account"] or match["bare"]
    if account and account != ACCOUNT:
        raise Fault(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform this action on resource: {text} "
            f"(the local cloud has one account, {ACCOUNT})",
        )
    return FunctionRef(region, match["name"], qualifier or inner)


def parse_layer(text: str) -> str:
    """The layer's name, out of a name or an ARN without a version."""
    match = _LAYER.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid layer name: {text}")
    return match[1]


def parse_layer_version(arn: str) -> tuple[str, str, int] | None:
    """Region, name and number of a layer version ARN of this account, else None."""
    match = _LAYER_VERSION.fullmatch(arn)
    if match is None or match["account"] != ACCOUNT:
        return None
    return match["region"], match["name"], int(match["number"])


def is_version(qualifier: str) -> bool:
    """Whether a qualifier names a version ($LATEST or a number) rather than an alias."""
    return qualifier == LATEST or qualifier.isdecimal()
