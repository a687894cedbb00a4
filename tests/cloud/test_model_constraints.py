"""Every constraint of the model, violated once in every operation that is built: the refusal names the member and the
rule, in Java's words. And the values at either end of every range, which fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import Shape

from cloud_support import served
from cloud_walk_support import BUILT, MODEL, generated
from fnroll.cloud.constraints import check
from fnroll.cloud.faults import Fault
from fnroll.definition import service

NOTHING = object()
NUMBERS = ("integer", "long", "float", "double")
WRONG = ("!", "a b", "*", "\n", "\\", "/", "x" * 30, "")
"""Tried in this order to break a pattern."""

SIGNED = "Runtime"
"""The runtime of a function is checked later, with another text: tests/exact has it."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One member of a request, with a value that breaks one rule. `steps`: the way to it: names of members, [] into a
    list, {} into a map's values, {k} to its keys. `rule`: Lambda's text of what is broken."""

    steps: tuple[str, ...]
    value: Any
    rule: str


def rules(shape: Shape) -> dict[str, str]:
    """The texts of a shape's rules, by what they come from: written here once more, from the model alone."""
    data = shape.metadata
    measure = "value" if shape.type_name in NUMBERS else "length"
    texts = {}
    if "max" in data:
        texts["max"] = f"Member must have {measure} less than or equal to {data['max']}"
    if "min" in data:
        texts["min"] = f"Member must have {measure} greater than or equal to {data['min']}"
    if "pattern" in data:
        texts["pattern"] = f"Member must satisfy regular expression pattern: {data['pattern']}"
    if "enum" in data:
        texts["enum"] = f"Member must satisfy enum value set: [{', '.join(data['enum'])}]"
    return texts


def broken(shape: Shape, kind: str, *, in_path: bool) -> Any:
    """A value that breaks the rule `kind` of a shape; NOTHING where none can."""
    data, type_name = shape.metadata, shape.type_name
    if kind == "enum":
        return "nothing-of-this-name"
    if kind == "pattern":
        pattern = re.compile(re.sub(r"\\p\{[LN]\}", r"\\w", data["pattern"]).replace(r"\p{Z}", " "))
        candidates = (value for value in WRONG if not in_path or re.fullmatch(r"[a-z!* ]+", value))
        return next((value for value in candidates if not pattern.fullmatch(value)), NOTHING)
    if type_name in NUMBERS:
        return data["max"] + 1 if kind == "max" else data["min"] - 1
    size = data["max"] + 1 if kind == "max" else data["min"] - 1
    if size < 0 or (in_path and size == 0):
        return NOTHING
    if type_name == "list":
        return [generated(shape.member, "", full=False)] * size
    if type_name == "map":
        item = generated(shape.value, "", full=False)
        return {f"k{number}": item for number in range(size)}
    return "x" * size


def violations(shape: Shape, steps: tuple[str, ...] = (), *, in_path: bool = False) -> Iterator[Violation]:
    """Every rule of a shape and of what is in it, each broken once."""
    for kind, text in rules(shape).items():
        value = broken(shape, kind, in_path=in_path)
        if value is not NOTHING and not (shape.name == SIGNED and steps == (SIGNED,)):
            yield Violation(steps, value, text)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            located = member.serialization.get("location") == "uri"
            always = located or shape.serialization.get("payload") == name  # a body may be empty, and is there
            if name in shape.required_members and not always:
                yield Violation((*steps, name), NOTHING, "Member must not be null")
            yield from violations(member, (*steps, name), in_path=located)
    elif shape.type_name == "list":
        yield from violations(shape.member, (*steps, "[]"))
    elif shape.type_name == "map":
        yield from violations(shape.key, (*steps, "{k}"))
        yield from violations(shape.value, (*steps, "{}"))


def built(shape: Shape, steps: tuple[str, ...], value: Any) -> Any:
    """The simplest value of a shape that has `value` at the end of `steps`."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step == "[]":
        return [built(shape.member, rest, value)]
    if step == "{k}":
        return {value: generated(shape.value, "", full=False)}
    if step == "{}":
        return {key_of(shape): built(shape.value, rest, value)}
    whole: dict[str, Any] = {name: generated(shape.members[name], name, full=False) for name in shape.required_members}
    inner = built(shape.members[step], rest, value)
    if inner is NOTHING:
        whole.pop(step)
    else:
        whole[step] = inner
    return whole


def key_of(shape: Shape) -> str:
    """A key that a map takes."""
    key: str = shape.key.metadata.get("enum", ["KEY"])[0]
    return key


def place(shape: Shape, steps: tuple[str, ...]) -> str:
    """Where Lambda says that it is: a rule of what is in a collection is told of the collection."""
    parts: list[str] = []
    for step in steps:
        if step == "[]":
            parts += ["1", "member"]
            shape = shape.member
        elif step == "{}":
            parts += [key_of(shape), "member"]
            shape = shape.value
        elif step != "{k}":
            parts.append(step[:1].lower() + step[1:])
            shape = shape.members[step]
    return ".".join(parts[:-2] if steps[-1] in ("[]", "{}") else parts)


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client that sends whatever it is given, of a cloud without any function."""
    with served(tmp_path_factory.mktemp("state")) as (endpoint, _):
        connect: Any = boto3.client
        yield connect(
            "lambda",
            endpoint_url=endpoint.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )


def refusal(api: Any, operation: str, given: Mapping[str, Any]) -> str:
    with pytest.raises(ClientError) as caught:
        getattr(api, xform_name(operation))(**given)
    error = caught.value.response
    assert error["Error"]["Code"] == "ValidationException", (operation, given, error)
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    message: str = error["Error"]["Message"]
    return message


def findings(message: str) -> list[str]:
    """The violations that a refusal tells, whose number it gives first."""
    head = re.match(r"(\d+) validation errors? detected: ", message)
    assert head is not None, message
    told = re.split(r"; (?=Value )", message[head.end() :])
    assert len(told) == int(head[1])
    assert ("errors" in head[0]) == (len(told) > 1)
    return told


def is_told(found: list[str], shape: Shape, violation: Violation) -> bool:
    at = f" at '{place(shape, violation.steps)}' failed to satisfy constraint: "
    wanted = [item.partition(at)[2] for item in found if at in item]
    if violation.steps[-1] in ("[]", "{}", "{k}"):
        lead = {"[]": "Member must", "{}": "Map value must", "{k}": "Map keys must"}[violation.steps[-1]]
        begins = f"{lead} satisfy constraint: ["
        return any(
            text.startswith(begins) and violation.rule in text and text.endswith("Member must not be null]")
            for text in wanted
        )
    return violation.rule in wanted


@pytest.mark.parametrize("operation", BUILT)
def test_each_constraint_is_told_where_it_is_violated(unchecked: Any, operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    for violation in violations(shape) if shape is not None else ():
        found = findings(refusal(unchecked, operation, built(shape, violation.steps, violation.value)))
        assert is_told(found, shape, violation), (violation, found)


def every_rule(shape: Shape, steps: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Shape, str]]:
    yield from ((steps, shape, kind) for kind in rules(shape))
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from every_rule(member, (*steps, name))
    elif shape.type_name == "list":
        yield from every_rule(shape.member, (*steps, "[]"))
    elif shape.type_name == "map":
        yield from every_rule(shape.key, (*steps, "{k}"))
        yield from every_rule(shape.value, (*steps, "{}"))


@pytest.mark.parametrize("operation", BUILT)
def test_only_what_nothing_can_violate_is_left_out(operation: str) -> None:
    """A least length of 0, one of 1 in a path, a pattern that all texts fit; and the runtime of a function."""
    shape = MODEL.operation_model(operation).input_shape
    tried = {(violation.steps, violation.rule) for violation in violations(shape)} if shape is not None else set()
    for steps, inner, kind in every_rule(shape) if shape is not None else ():
        if (steps, rules(inner)[kind]) not in tried:
            value = inner.metadata[kind]
            in_path = inner.serialization.get("location") == "uri"
            assert (kind, value) in (("min", 0), ("pattern", r"[\s\S]*")) or steps == (SIGNED,) or in_path, steps


def at_once(operation: str) -> dict[str, Violation]:
    """One violation for each member of a request that can have one."""
    shape = MODEL.operation_model(operation).input_shape
    first: dict[str, Violation] = {}
    for violation in violations(shape) if shape is not None else ():
        if len(violation.steps) == 1 and violation.value is not NOTHING:
            first.setdefault(violation.steps[0], violation)
    return first


@pytest.mark.parametrize("operation", [operation for operation in BUILT if len(at_once(operation)) > 1])
def test_several_violations_are_told_together(unchecked: Any, operation: str) -> None:
    shape, first = MODEL.operation_model(operation).input_shape, at_once(operation)
    given = built(shape, (next(iter(first)),), next(iter(first.values())).value)
    given |= {name: violation.value for name, violation in first.items()}
    found = findings(refusal(unchecked, operation, given))
    assert [name for name, violation in first.items() if not is_told(found, shape, violation)] == []
    named = [re.search(r" at '([^']+)'", item) for item in found]
    order = [match[1].partition(".")[0] for match in named if match is not None]
    members = [name[:1].lower() + name[1:] for name in shape.members]
    assert order == sorted(order, key=members.index)


def ends(name: str) -> Iterator[Any]:
    """The values at either end of a shape's range, and every one of its enumeration."""
    shape = service.shape(name)
    if shape["type"] in NUMBERS:
        yield from (shape[end] for end in ("min", "max") if end in shape)
    elif shape["type"] == "string" and "pattern" not in shape:
        yield from ("x" * shape[end] for end in ("min", "max") if end in shape and "enum" not in shape)
    yield from shape.get("enum", ())


@pytest.mark.parametrize(
    "name", sorted(name for name in service.service_model()["shapes"] if any(True for _ in ends(name)))
)
def test_what_is_just_within_a_range_fits(name: str) -> None:
    holder = {"type": "structure", "members": {"It": {"shape": name}}}
    for value in ends(name):
        check(service.shape, holder, {"It": value})


@pytest.mark.parametrize("value", [0, 5401])
def test_a_holder_as_above_is_checked(value: int) -> None:
    with pytest.raises(Fault):
        check(service.shape, {"type": "structure", "members": {"It": {"shape": "Timeout"}}}, {"It": value})
