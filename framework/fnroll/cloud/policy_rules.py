"""What a policy says of one call: IAM's rules for statements, as far as resource policies of functions need them. Pure.

A call is allowed if a statement that allows it applies and none that denies it does. What is not understood here (an
operator, NotPrincipal) never allows anything, and denies what it might.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from fnroll.cloud.faults import Fault, invalid

Statement = dict[str, Any]

VERSIONS: Final = ("2012-10-17", "2008-10-17")
_PARTS: Final = ("Principal", "Action", "Resource")

_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "stringequals": lambda actual, wanted: actual == wanted,
    "stringequalsignorecase": lambda actual, wanted: actual.lower() == wanted.lower(),
    "stringlike": lambda actual, wanted: matches(wanted, actual),
    "arnequals": lambda actual, wanted: matches(wanted, actual),
    "arnlike": lambda actual, wanted: matches(wanted, actual),
    "bool": lambda actual, wanted: actual == wanted.lower(),
}


def read(text: str, arn: str) -> tuple[dict[str, str], list[Statement]]:
    """The head (Version, Id) and the statements of a policy for `arn`. Fault InvalidParameterValue."""
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("it is no JSON") from None
    if not isinstance(policy, dict) or set(policy) - {"Version", "Id", "Statement"}:
        raise _malformed("it is an object with Version, Id and Statement")
    head = {key: policy[key] for key in ("Version", "Id") if key in policy}
    if head.get("Version", VERSIONS[0]) not in VERSIONS or not isinstance(head.get("Id", ""), str):
        raise _malformed(f"its Version is one of {', '.join(VERSIONS)}, its Id a text")
    statements = _listed(policy.get("Statement"))
    if not statements or not all(isinstance(item, dict) for item in statements):
        raise _malformed("it has at least one statement")
    for statement in statements:
        _check(statement, arn)
    names = [statement["Sid"] for statement in statements if "Sid" in statement]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise _malformed("statement ids (Sid) are texts, and unique")
    return head, statements


def allows(
    statements: Iterable[Statement], action: str, context: Mapping[str, str], names: Collection[str] = ()
) -> bool:
    """Whether the caller of these names (none: anybody at all) may do `action`; `context`: the values of condition
    keys."""
    call = _Call(action.lower(), {key.lower(): value for key, value in context.items()}, names)
    found = [(item.get("Effect", "Allow"), item) for item in statements]
    return any(_applies(item, call, sure=True) for effect, item in found if effect == "Allow") and not any(
        _applies(item, call, sure=False) for effect, item in found if effect == "Deny"
    )


def matches(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` and `?`."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _malformed(why: str) -> Fault:
    return invalid(f"The policy is malformed: {why}.")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _check(statement: Statement, arn: str) -> None:
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("the Effect of a statement is Allow or Deny")
    for part in _PARTS:
        said = [name for name in (part, f"Not{part}") if name in statement]
        if len(said) != 1:
            raise _malformed(f"a statement has {part} or Not{part}")
        if part != "Principal" and not _texts(statement[said[0]]):
            raise _malformed(f"{said[0]} of a statement is a text or a list of texts")
    if not _principal_is_right(statement.get("Principal", statement.get("NotPrincipal"))):
        raise _malformed('the Principal of a statement is "*", or texts by AWS, Service, Federated or CanonicalUser')
    if any(re.match(r"(\*|lambda:)", item, re.IGNORECASE) is None for item in _listed(statement.get("Action"))):
        raise _malformed("an action of it is none of Lambda's")
    if "Resource" in statement and not any(matches(item, arn) for item in _listed(statement["Resource"])):
        raise _malformed(f"the Resource of a statement is {arn}")
    conditions = statement.get("Condition", {})
    if not isinstance(conditions, dict) or not all(isinstance(group, dict) for group in conditions.values()):
        raise _malformed("Condition is an object of operators")


def _texts(value: Any) -> bool:
    return bool(_listed(value)) and all(isinstance(item, str) and item for item in _listed(value))


def _principal_is_right(value: Any) -> bool:
    if isinstance(value, dict):
        kinds = {"AWS", "Service", "Federated", "CanonicalUser"}
        return bool(value) and not set(value) - kinds and all(map(_texts, value.values()))
    return bool(value == "*")


class _Call(NamedTuple):
    action: str
    known: Mapping[str, str]
    names: Collection[str]


def _applies(statement: Statement, call: _Call, *, sure: bool) -> bool:
    """`sure`: whether what is not understood counts as no."""
    if "NotPrincipal" in statement:
        if sure or _is_meant(statement["NotPrincipal"], call.names):
            return False
    elif not _is_meant(statement["Principal"], call.names):
        return False
    actions = _listed(statement.get("Action", statement.get("NotAction")))
    if any(matches(item.lower(), call.action) for item in actions) == ("NotAction" in statement):
        return False
    return all(_holds(*condition, call.known, sure=sure) for condition in _conditions(statement))


def _is_meant(principal: Any, names: Collection[str]) -> bool:
    if principal == "*":
        return True
    said = _listed(principal.get("AWS")) if isinstance(principal, dict) else []
    whole = (f"arn:aws:iam::{each}:root" if each.isdecimal() else each for each in said)
    return any(each == "*" or each in names for each in whole)


def _conditions(statement: Statement) -> Iterator[tuple[str, str, list[str]]]:
    for operator, group in statement.get("Condition", {}).items():
        for key, wanted in group.items():
            values = [str(item).lower() if isinstance(item, bool) else str(item) for item in _listed(wanted)]
            yield operator.lower(), key.lower(), values


def _holds(operator: str, key: str, wanted: list[str], known: Mapping[str, str], *, sure: bool) -> bool:
    if operator == "null":
        return (key not in known) == (wanted == ["true"])
    lenient, operator = operator.endswith("ifexists"), operator.removesuffix("ifexists")
    negated = "not" in operator
    compare = _OPERATORS.get(operator.replace("not", ""))
    if compare is None:
        return not sure
    if key not in known:
        return lenient or negated
    return any(compare(known[key], value) for value in wanted) != negated
