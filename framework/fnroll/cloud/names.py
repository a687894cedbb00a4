"""Names and ARNs: what a caller may write for a function or a layer, resolved to what is meant. Pure functions."""

from __future__ import annotations

import re
from typing import NamedTuple

from fnroll.cloud.faults import Fault, invalid

DEFAULT_ACCOUNT = "000000000000"
"""Whose requests are that name no account by their access key (accounts.py)."""

LATEST = "$LATEST"

PUBLISHED = "$LATEST.PUBLISHED"
"""The version of a function on managed instances that is published anew, and that an unqualified name means."""

_FUNCTION = re.compile(
    r"(?:(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]+(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?function:"
    r"|(?P<bare>\d{12}):(?:function:)?)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_LAYER_VERSION = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+):(?P<number>\d{1,18})"
)
_LAYER = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:)?(?P<name>[a-zA-Z0-9-_]+)"
)


class Home(NamedTuple):
    """Where something lives: one account's part of one region. What lives in one home does not see another."""

    account: str
    region: str


class FunctionRef(NamedTuple):
    """A function as a caller named it: unqualified ARN parts, and the qualifier if there was one."""

    home: Home
    name: str
    qualifier: str | None

    @property
    def arn(self) -> str:
        return function_arn(self.home, self.name)

    @property
    def asked_arn(self) -> str:
        """With the qualifier only if the caller gave one: invokedFunctionArn, and the ARN of 404 texts."""
        return function_arn(self.home, self.name, self.qualifier)


def lambda_arn(home: Home, rest: str) -> str:
    return f"arn:aws:lambda:{home.region}:{home.account}:{rest}"


def function_arn(home: Home, name: str, qualifier: str | None = None) -> str:
    return lambda_arn(home, f"function:{name}:{qualifier}" if qualifier else f"function:{name}")


def layer_arn(home: Home, name: str, number: int | None = None) -> str:
    return lambda_arn(home, f"layer:{name}" if number is None else f"layer:{name}:{number}")


def capacity_provider_arn(home: Home, name: str) -> str:
    return lambda_arn(home, f"capacity-provider:{name}")


def home_of(arn: str) -> Home:
    """Where what an ARN names lives; the ARNs of a few services leave the account out."""
    _, _, _, region, account, *_ = arn.split(":")
    return Home(account or DEFAULT_ACCOUNT, region)


def parse_function(text: str, home: Home, qualifier: str | None = None) -> FunctionRef:
    """`text`: name, name:qualifier, partial ARN or ARN; `home` of the request; `qualifier` from the query.

    A function of another account is named by its ARN; whether the caller may reach it is asked by `records.reach`.
    Faults: InvalidParameterValue (two qualifiers that differ), ResourceNotFound (another region).
    """
    match = _FUNCTION.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid function name: {text}")
    inner = match["qualifier"]
    if inner and qualifier and inner != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    if match["region"] and match["region"] != home.region:
        raise Fault(
            "ResourceNotFoundException",
            f"Functions from '{match['region']}' are not reachable in this region ('{home.region}')",
        )
    account = match["account"] or match["bare"]
    where = Home(account, home.region) if account and account != home.account else home
    return FunctionRef(where, match["name"], qualifier or inner)


def parse_layer(text: str, home: Home) -> tuple[Home, str]:
    """Where a layer lives and its name, out of a name or an ARN without a version."""
    match = _LAYER.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid layer name: {text}")
    return Home(match["account"] or home.account, match["region"] or home.region), match["name"]


def parse_layer_version(arn: str) -> tuple[Home, str, int] | None:
    """Home, name and number out of a layer version's ARN; None if it is none."""
    match = _LAYER_VERSION.fullmatch(arn)
    if match is None:
        return None
    return Home(match["account"], match["region"]), match["name"], int(match["number"])


def is_version(qualifier: str) -> bool:
    """Whether a qualifier names a version ($LATEST, $LATEST.PUBLISHED or a number) rather than an alias."""
    return qualifier in (LATEST, PUBLISHED) or qualifier.isdecimal()
