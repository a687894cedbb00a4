"""Lambda's wire protocol (REST-JSON): request to operation and parameters, result to answer.

Pure: no state, no sockets. The model comes as plain data from `definition.service`; `find` matches method and path,
`parse` gives the input shape's members as Python values (blobs as bytes), `answer` turns a result into status,
headers and body. Refusals are Faults with AWS's codes: UnknownOperationException, SerializationException,
ValidationException.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from fnroll.cloud import constraints
from fnroll.cloud.faults import Fault
from fnroll.definition import service
from fnroll.emulator.wire import Request

Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    stream: AsyncIterator[bytes] | None = None
    """Instead of `body`: pieces that come by and by."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: its path cut into segments (`{X}` and `{X+}` are variables), and the query it insists on."""

    operation: service.Operation
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]


MAX_REMEMBERED: Final = 1000


@cache
def _routes() -> dict[tuple[str, str], list[Route]]:
    """Routes by method and first segment (the API date), those that insist on a query first."""
    table: dict[tuple[str, str], list[Route]] = {}
    for operation in service.operations().values():
        path, _, query = operation.uri.partition("?")
        route = Route(operation, tuple(path.strip("/").split("/")), tuple(parse_qsl(query, keep_blank_values=True)))
        table.setdefault((operation.method, route.segments[0]), []).append(route)
    for found in table.values():
        found.sort(key=lambda route: -len(route.query))
    return table


@cache
def api_dates() -> frozenset[str]:
    """First path segments that belong to Lambda's API."""
    return frozenset(date for _, date in _routes())


def find(request: Request) -> tuple[service.Operation, dict[str, str]]:
    """The operation a request names, and its path variables, decoded. Fault UnknownOperationException if none."""
    path = request.path.strip("/").split("/")
    for route in _routes().get((request.method, path[0]), ()):
        variables = _match(route.segments, path)
        if variables is None:
            continue
        query = request.query if route.query else {}
        if all(query.get(key) == value for key, value in route.query):
            return route.operation, variables
    raise Fault("UnknownOperationException", f"Unable to determine service/operation name for {request.path}")


def _match(template: Sequence[str], path: Sequence[str]) -> dict[str, str] | None:
    if len(path) != len(template) and not (template[-1].endswith("+}") and len(path) > len(template)):
        return None
    variables = {}
    for place, part in enumerate(template):
        if part.endswith("+}"):
            variables[part[1:-2]] = unquote("/".join(path[place:]))
        elif part.startswith("{"):
            variables[part[1:-1]] = unquote(path[place])
        elif part != path[place]:
            return None
    return variables


def parse(operation: service.Operation, request: Request, variables: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a request, checked against the model; absent members are absent. Unknown ones are ignored."""
    if operation.input_shape is None:
        return {}
    shape = service.shape(operation.input_shape)
    members = shape.get("members", {})
    result: dict[str, Any] = {}
    for name, member in members.items():
        value = _located(member, request, variables)
        if value is not None:
            result[name] = value
    payload = shape.get("payload")
    if payload is not None and service.shape(members[payload]["shape"])["type"] == "blob":
        result[payload] = request.body
    else:
        for name, value in _body(request).items():
            if name in members and "location" not in members[name] and value is not None:
                result[name] = _from_json(service.shape(members[name]["shape"]), value)
    constraints.check(service.shape, shape, result)
    return result


class Remembered:
    """Requests that were understood, less their bodies: an SDK says the same in path and headers call after call.

    Of `operations` whose body is a payload and nothing else; any other is read anew each time.
    """

    def __init__(self, operations: Collection[str]) -> None:
        self._operations = operations
        self._counting = frozenset(name for operation in operations for name in _headers_of(operation))
        self._headers = sorted(self._counting)
        self._kept: dict[tuple[str | None, ...], tuple[service.Operation, dict[str, Any]]] = {}

    def find(self, request: Request) -> tuple[service.Operation, Callable[[], dict[str, Any]]]:
        """The operation, as `find`, and what gives its parameters, as `parse`, of these without the payload."""
        said = self._said(request)
        if (known := self._kept.get(said)) is not None:
            return known[0], lambda: known[1]
        operation, variables = find(request)

        def parameters() -> dict[str, Any]:
            given = parse(operation, request, variables)
            if operation.name in self._operations:
                given.pop(service.shape(operation.input_shape or "").get("payload", ""), None)
                if len(self._kept) >= MAX_REMEMBERED:
                    self._kept.clear()
                self._kept[said] = operation, given
            return given

        return operation, parameters

    def known(self, request: Request) -> tuple[service.Operation, dict[str, Any]] | None:
        """Both, of a request that was understood before."""
        return self._kept.get(self._said(request))

    def _said(self, request: Request) -> tuple[str | None, ...]:
        if self._counting.isdisjoint(request.fields):
            return request.method, request.target
        return (request.method, request.target, *map(request.fields.get, self._headers))


def _headers_of(operation: str) -> Iterator[str]:
    shape = service.shape(service.operations()[operation].input_shape or "")
    for member in shape.get("members", {}).values():
        if member.get("location") == "header":
            yield member["locationName"].lower()


def _located(member: Shape, request: Request, variables: Mapping[str, str]) -> Any:
    """A member's value out of the path, the query or a header; None if it is not there, or belongs to the body."""
    where, key = member.get("location"), member.get("locationName", "")
    shape = service.shape(member["shape"])
    if where == "querystring" and shape["type"] == "list":
        values = [v for k, v in parse_qsl(request.query_string, keep_blank_values=True) if k == key]
        return values or None
    if where == "uri":
        text: str | None = variables.get(key)
    elif where == "querystring":
        text = request.query.get(key)
    elif where == "header":
        text = request.header(key.lower())
    else:
        return None
    return None if text is None else _from_text(shape, text)


def _from_text(shape: Shape, text: str) -> Any:
    kind = shape["type"]
    if kind in ("integer", "long"):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not _fits(kind, number):
            raise Fault("SerializationException", f"{text} can not be converted to an Integer")
        return number
    if kind == "boolean":
        return text == "true"
    return text


def _body(request: Request) -> Mapping[str, Any]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Fault("SerializationException", "Could not parse request body into json") from None
    if not isinstance(body, dict):
        raise Fault("SerializationException", "Start of structure or map expected")
    return body


_JSON_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "String"),
    "integer": ((int,), "Integer"),
    "long": ((int,), "Long"),
    "float": ((int, float), "Float"),
    "double": ((int, float), "Double"),
    "boolean": ((bool,), "Boolean"),
    "timestamp": ((int, float), "Timestamp"),
    "blob": ((str,), "Blob"),
    "list": ((list,), "List"),
    "map": ((dict,), "Map"),
    "structure": ((dict,), "Structure"),
}


def _from_json(shape: Shape, given: Any) -> Any:
    """One body value, its JSON type checked; blobs decoded, nulls in structures dropped."""
    kind = shape["type"]
    types, wanted = _JSON_TYPES[kind]
    if not isinstance(given, types) or (isinstance(given, bool) and kind != "boolean"):
        raise Fault("SerializationException", f"{_json_type(given)} can not be converted to a {wanted}")
    value: Any = given
    if kind in _BITS and not _fits(kind, value):
        raise Fault("SerializationException", f"{value} can not be converted to a {wanted}")
    if kind == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Fault("SerializationException", "Invalid base64 in a Blob") from None
    if kind in ("float", "double"):
        return float(value)
    if kind == "list":
        inner = service.shape(shape["member"]["shape"])
        return [_from_json(inner, item) for item in value]
    if kind == "map":
        inner = service.shape(shape["value"]["shape"])
        return {key: _from_json(inner, item) for key, item in value.items()}
    if kind == "structure":
        members = shape.get("members", {})
        known = {name: item for name, item in value.items() if name in members and item is not None}
        return {name: _from_json(service.shape(members[name]["shape"]), item) for name, item in known.items()}
    return value


_BITS: Final[Mapping[str, int]] = {"integer": 32, "long": 64}


def _fits(kind: str, number: int) -> bool:
    """Whether a whole number is one of this kind."""
    half = 1 << (_BITS[kind] - 1)
    return -half <= number < half


def _json_type(value: Any) -> str:
    names = {bool: "BOOLEAN_VALUE", str: "STRING_VALUE", list: "Start of list", dict: "Start of structure or map"}
    return names.get(type(value), "NULL_VALUE" if value is None else "NUMBER_VALUE")


def answer(operation: service.Operation, result: Mapping[str, Any]) -> Answer:
    """Status, headers and body of a result, by the output shape. Members that are None are left out."""
    status, headers = operation.status, []
    if operation.output_shape is None:
        return Answer(status, (), b"")
    shape = service.shape(operation.output_shape)
    payload, body = shape.get("payload"), {}
    for name, member in shape.get("members", {}).items():
        value = result.get(name)
        if value is None or name == payload:
            continue
        if member.get("location") == "statusCode":
            status = value
        elif member.get("location") == "header":
            headers.append((member["locationName"], str(value)))
        else:
            body[name] = value
    if payload is not None:
        return Answer(status, headers, result.get(payload, b""))
    if status == 204:
        return Answer(status, headers, b"")
    headers.append(("Content-Type", "application/json"))
    return Answer(status, headers, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
