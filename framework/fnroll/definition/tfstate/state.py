"""A Terraform state, version 4: its resources and outputs by address, as lambroll reads addresses.

    aws_iam_role.main.arn                 data.aws_caller_identity.current.account_id
    module.net["a"].aws_subnet.x[0].id    output.bucket, output.list[0].name
    aws_subnet.x                          with count a list of all, with for_each a map

What follows the resource is a path into its attributes: `.name`, `["key"]`, `[0]`, `[-1]`. A state is indexed once, at
the first lookup: then each costs the length of its address, however large the state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from fnroll.definition.template.calls import CallFailed
from fnroll.errors import FnError

VERSION = 4
_STEP = re.compile(
    r"""\.?\["(?P<quoted>(?:[^"\\]|\\.)*)"\] | \.?\[(?P<index>-?[0-9]+)\] | \.(?P<name>[^.\[\]"\s|]+)
      | \."(?P<dotted>(?:[^"\\]|\\.)*)" """,
    re.VERBOSE,
)
_ENDS = re.compile(r'"(?:[^"\\]|\\.)*"|[.\[]')
_NEAR = 2_000
"""Names that are compared with one that is not there."""


def parse(data: bytes, where: str) -> State:
    """Raises FnError for bytes that are no state."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FnError(f"is no Terraform state: {error}", where=where) from None
    if not isinstance(document, dict):
        raise FnError("is no Terraform state: it is no JSON object", where=where)
    return State(document, where)


class State:
    """One state. `where` is for messages."""

    def __init__(self, document: Mapping[str, Any], where: str) -> None:
        self.document = document
        self.where = where

    @property
    def backend(self) -> Mapping[str, Any] | None:
        """Where the state really lies, if this is only the local note of it."""
        backend = self.document.get("backend")
        return backend if isinstance(backend, Mapping) else None

    def check(self) -> None:
        """Raises FnError for a state of another version."""
        version = self.document.get("version")
        if version != VERSION:
            hint = "terraform 0.12 and newer write it"
            raise FnError(f"is a Terraform state of version {version}, not {VERSION}", where=self.where, hint=hint)

    def lookup(self, address: str) -> Any:
        """The value at an address. Raises CallFailed if there is none, or if it is null."""
        name = next((name for name in _prefixes(address) if name in self._values), None)
        if name is None:
            raise CallFailed(f"{address} is not in the state {self.where}", self._near(address))
        value = self._values[name]
        for step in _steps(address, len(name)):
            value = _member(value, step)
        if value is None:
            raise CallFailed(f"{address} is not in the state {self.where}", _members(name, self._values[name]))
        return value

    @cached_property
    def _values(self) -> dict[str, Any]:
        """Every name that an address can begin with."""
        values: dict[str, Any] = {}
        for resource in self.document.get("resources") or ():
            if isinstance(resource, Mapping):
                values.update(_instances(resource))
        for key, output in (self.document.get("outputs") or {}).items():
            values[f"output.{key}"] = _output(output)
        return values

    def _near(self, address: str) -> str | None:
        """The name most like the one that is not there: of its own type first."""
        from difflib import get_close_matches

        start = ".".join(address.split(".")[:-2])
        names = [name for name in self._values if name.startswith(start)] or list(self._values)
        wanted = next(iter(_prefixes(address)), address)
        near = get_close_matches(address, names[:_NEAR], 1) or get_close_matches(wanted, names[:_NEAR], 1)
        return f"did you mean {near[0]}?" if near else None


def _instances(resource: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    mode, kind = resource.get("mode"), resource.get("type")
    if mode not in ("data", "managed"):
        return
    module = f"{resource['module']}." if resource.get("module") else ""
    name = f"{module}{'data.' if mode == 'data' else ''}{kind}.{resource.get('name')}"
    instances = [instance for instance in resource.get("instances") or () if isinstance(instance, Mapping)]
    if not instances:
        return
    if mode == "data" and kind == "terraform_remote_state":
        attributes = _attributes(instances[0])
        if isinstance(attributes, Mapping):
            yield name, {key: _output(value) for key, value in attributes.items()}
        return
    keyed = [(instance["index_key"], _attributes(instance)) for instance in instances if "index_key" in instance]
    for key, attributes in keyed:
        yield f"{name}[{json.dumps(key, ensure_ascii=False)}]", attributes
    if not keyed:
        yield name, _attributes(instances[-1])
    elif all(isinstance(key, int) for key, _ in keyed):
        yield name, [attributes for _, attributes in sorted(keyed, key=lambda pair: pair[0])]
    else:
        yield name, {str(key): attributes for key, attributes in keyed}


def _attributes(instance: Mapping[str, Any]) -> Any:
    found = instance.get("attributes")
    return found if found is not None else instance.get("attributes_flat")


def _output(value: Any) -> Any:
    """The value of an output, which stands beside its type."""
    if isinstance(value, Mapping) and "value" in value and value.get("type") is not None:
        return value["value"]
    return value


def _prefixes(address: str) -> Iterator[str]:
    """The address as far as each of its steps, the longest first; indices in the form of the state's own keys."""
    ends = [match.start() for match in _ENDS.finditer(address) if match[0] in (".", "[")]
    for end in (len(address), *reversed(ends)):
        if end:
            yield address[:end]


def _steps(address: str, at: int) -> Iterable[str | int]:
    """The path behind the name of a resource. Raises CallFailed for what is none."""
    while at < len(address):
        match = _STEP.match(address, at)
        if match is None:
            raise CallFailed(
                f"{address} cannot be read from {json.dumps(address[at:], ensure_ascii=False)} on",
                'a path is made of .name, ["key"] and [0]',
            )
        at = match.end()
        if match["index"] is not None:
            yield int(match["index"])
        elif match["name"] is not None:
            yield match["name"]
        else:
            yield _unquoted(match["quoted"] if match["quoted"] is not None else match["dotted"])


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _member(value: Any, step: str | int) -> Any:
    """As jq has it: what is not there is null. Raises CallFailed where nothing can be."""
    if value is None:
        return None
    if isinstance(value, Mapping) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int):
        return value[step] if -len(value) <= step < len(value) else None
    if isinstance(value, list) and isinstance(step, str):
        raise CallFailed(f"there is a list of {len(value)}, which has no member {step}", "name the entry, from 0: [0]")
    raise CallFailed(f"there is {json.dumps(value, ensure_ascii=False)[:60]}, which has no member {step}")


def _members(name: str, value: Any) -> str | None:
    if isinstance(value, Mapping) and value:
        return f"{name} has {', '.join(sorted(map(str, value))[:30])}"
    return f"{name} is a list of {len(value)}" if isinstance(value, list) else None
