"""EventBridge's event patterns: whether an event matches. Pure.

Source: EventBridge's page on content filtering; event source mappings filter with the same language. A pattern that
cannot be one is refused when it is given (`check`), so matching raises nothing.
"""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_ABSENT: Final = object()
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_RULES: Final = frozenset(
    {"prefix", "suffix", "anything-but", "numeric", "exists", "equals-ignore-case", "wildcard", "cidr"}
)


class PatternError(Exception):
    """No pattern. The message says why."""


def parse(text: str) -> dict[str, Any]:
    """A pattern from its JSON. Raises PatternError."""
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError):
        raise PatternError("Filter is not valid JSON.") from None
    if not isinstance(pattern, dict):
        raise PatternError("Filter is not an object.")
    check(pattern)
    return pattern


def check(pattern: Mapping[str, Any]) -> None:
    """Raises PatternError."""
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list):
            for each in wanted:
                if not isinstance(each, dict):
                    raise PatternError('"$or" takes a list of objects')
                check(each)
        elif isinstance(wanted, dict):
            check(wanted)
        elif not isinstance(wanted, list):
            raise PatternError(f'"{key}" must be an object or an array')
        else:
            for rule in wanted:
                _check_rule(key, rule)


def _check_rule(key: str, rule: Any) -> None:
    if isinstance(rule, list):
        raise PatternError(f'"{key}" holds an array within its array')
    if not isinstance(rule, dict):
        return
    if len(rule) != 1 or (name := next(iter(rule))) not in _RULES:
        raise PatternError(f"Unrecognized match type {next(iter(rule), '')}")
    wanted = rule[name]
    tests: dict[str, Callable[[], bool]] = {
        "exists": lambda: isinstance(wanted, bool),
        "numeric": lambda: _is_numeric(wanted),
        "anything-but": lambda: wanted is not None,
        "cidr": lambda: _network(wanted) is not None,
        "prefix": lambda: isinstance(wanted, str) or (isinstance(wanted, dict) and set(wanted) == {_FOLDED}),
        "suffix": lambda: isinstance(wanted, str) or (isinstance(wanted, dict) and set(wanted) == {_FOLDED}),
    }
    if not (tests[name]() if name in tests else isinstance(wanted, str)):
        raise PatternError(f"the value of {name} is of the wrong kind")


_FOLDED: Final = "equals-ignore-case"


def _is_numeric(wanted: Any) -> bool:
    if not isinstance(wanted, list) or len(wanted) not in (2, 4):
        return False
    pairs = zip(wanted[::2], wanted[1::2], strict=True)
    return all(isinstance(sign, str) and sign in _COMPARE and isinstance(number, int | float) for sign, number in pairs)


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether each member of the pattern is met; an event that is no object meets the empty pattern alone."""
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list):
            if not any(matches(each, event) for each in wanted):
                return False
            continue
        value = event.get(key, _ABSENT) if isinstance(event, dict) else _ABSENT
        if isinstance(wanted, dict):
            inner = value if isinstance(value, list) else [value]
            if not any(matches(wanted, each) for each in inner):
                return False
        elif not _any(wanted, value):
            return False
    return True


def _any(rules: list[Any], value: Any) -> bool:
    if isinstance(value, list):
        # anything-but must hold of each, as must exists: false of the whole.
        if any(isinstance(rule, dict) and "exists" in rule and rule["exists"] for rule in rules):
            return True
        return any(_meets(rule, each) for rule in rules for each in value)
    return any(_meets(rule, value) for rule in rules)


def _meets(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return (value is not _ABSENT and type(rule) is type(value) and bool(rule == value)) or _same_number(rule, value)
    ((name, wanted),) = rule.items()
    if name == "exists":
        return (value is not _ABSENT) is wanted
    if value is _ABSENT:
        return False
    return _TESTS[name](wanted, value)


def _same_number(rule: Any, value: Any) -> bool:
    both = isinstance(rule, int | float) and isinstance(value, int | float)
    return both and not isinstance(rule, bool) and not isinstance(value, bool) and rule == value


def _ends(wanted: Any, value: Any, at_end: bool) -> bool:
    if not isinstance(value, str):
        return False
    if isinstance(wanted, dict):
        wanted, value = wanted[_FOLDED].casefold(), value.casefold()
    return bool(value.endswith(wanted) if at_end else value.startswith(wanted))


def _anything_but(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        ((name, inner),) = wanted.items()
        each = inner if isinstance(inner, list) else [inner]
        return not any(_TESTS[name](one, value) for one in each if name in _TESTS)
    return not any(_meets(one, value) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _numeric(wanted: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return all(_COMPARE[sign](value, number) for sign, number in zip(wanted[::2], wanted[1::2], strict=True))


def _wildcard(wanted: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    parts = re.split(r"(?<!\\)\*", wanted)
    return re.fullmatch(".*".join(re.escape(part.replace("\\*", "*")) for part in parts), value, re.DOTALL) is not None


def _network(wanted: Any) -> Any:
    try:
        return ipaddress.ip_network(wanted, strict=False)
    except (ValueError, TypeError):
        return None


def _cidr(wanted: str, value: Any) -> bool:
    try:
        return ipaddress.ip_address(value) in _network(wanted)
    except (ValueError, TypeError):
        return False


_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "prefix": lambda wanted, value: _ends(wanted, value, at_end=False),
    "suffix": lambda wanted, value: _ends(wanted, value, at_end=True),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "equals-ignore-case": lambda wanted, value: isinstance(value, str) and value.casefold() == wanted.casefold(),
    "wildcard": _wildcard,
    "cidr": _cidr,
}
