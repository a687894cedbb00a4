"""Any call of any AWS service, as bytes, from the service's model: what EventBridge Scheduler calls universal targets.

Pure. Names of services are those of AWS's SDKs, members of parameters may begin in either case, and a value stands for
a blob as it is. Known are the protocols json, query, ec2 and rest-json, and of rest-xml the operations whose body is no
XML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from fnroll.cloud.names import Home
from fnroll.cloud.others import scope
from fnroll.cloud.services import ServiceError
from fnroll.definition.service import service_model
from fnroll.emulator.wire import Request
from fnroll.errors import FnError

_DIRECTORIES: Final[Mapping[str, str]] = {
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sfn": "stepfunctions",
}
"""Where botocore keeps a service under another name than AWS's SDKs call it."""

_KNOWN: Final = ("json", "rest-json", "query", "rest-xml", "ec2")
_PLACE: Final = re.compile(r"\{([^}+]+)(\+?)\}")

Model = Mapping[str, Any]


def call(service: str, action: str, home: Home, given: Mapping[str, Any]) -> tuple[str, Request]:
    """The name that a call is signed for, and the call. Raises ServiceError."""
    name = service.lower()
    name = _DIRECTORIES.get(name, name)
    try:
        model = service_model(name) if re.fullmatch(r"[a-z0-9-]+", name) else {}
    except FnError:
        model = {}
    operation = model.get("operations", {}).get(action[:1].upper() + action[1:])
    if operation is None:
        raise ServiceError("ValidationException", f"there is no {service}:{action}")
    meta = model["metadata"]
    protocol = next((each for each in _KNOWN if each in meta.get("protocols", [meta.get("protocol")])), "")
    shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {"type": "structure"}
    signed = str(meta.get("signingName") or meta["endpointPrefix"])
    headers = [("host", f"{name}.{home.region}.localhost" if name != "s3" else "localhost")]
    headers.append(("authorization", scope(signed, home)))
    said = _normal(model, shape, given, "")
    if protocol == "json":
        headers.append(("content-type", f"application/x-amz-json-{meta.get('jsonVersion', '1.0')}"))
        headers.append(("x-amz-target", f"{meta['targetPrefix']}.{operation['name']}"))
        body = json.dumps({_wire(shape, key): value for key, value in said.items()}).encode()
        return signed, Request("POST", "/", headers, body)
    if protocol in ("query", "ec2"):
        form = {"Action": operation["name"], "Version": meta["apiVersion"], **dict(_form(model, shape, said, protocol))}
        headers.append(("content-type", "application/x-www-form-urlencoded"))
        return signed, Request("POST", "/", headers, urlencode(form).encode())
    if protocol not in ("rest-json", "rest-xml"):
        raise ServiceError("NotImplementedException", f"the protocol of {service} is not built in fn's local cloud")
    return signed, _rest(model, operation, shape, said, headers, protocol)


def _normal(model: Model, shape: Model, value: Any, place: str) -> Any:
    """The value with the names of members as the model spells them. Raises ServiceError."""
    kind = shape["type"]
    if kind == "structure":
        members = shape.get("members", {})
        if not isinstance(value, Mapping):
            raise ServiceError("ValidationException", f"{place or 'the input'} is no object")
        found = {}
        for key, item in value.items():
            name = next((each for each in (key, key[:1].swapcase() + key[1:]) if each in members), None)
            if name is None:
                raise ServiceError("ValidationException", f"there is no member {place}{key}")
            found[name] = _normal(model, model["shapes"][members[name]["shape"]], item, f"{place}{name}.")
        missing = [name for name in shape.get("required", ()) if name not in found]
        if missing:
            raise ServiceError("ValidationException", f"the member {place}{missing[0]} is missing")
        return found
    if kind == "list" and isinstance(value, list):
        return [_normal(model, model["shapes"][shape["member"]["shape"]], item, place) for item in value]
    if kind == "map" and isinstance(value, Mapping):
        inner = model["shapes"][shape["value"]["shape"]]
        return {key: _normal(model, inner, item, place) for key, item in value.items()}
    return value


def _wire(shape: Model, member: str) -> str:
    return str(shape.get("members", {}).get(member, {}).get("locationName", member))


def _form(model: Model, shape: Model, value: Any, protocol: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """A value as form fields."""
    shapes, kind = model["shapes"], shape["type"]
    dot = f"{prefix}." if prefix else ""
    if kind == "structure":
        for name, item in value.items():
            member = shape["members"][name]
            inner = shapes[member["shape"]]
            wire = member.get("locationName", name)
            if protocol == "ec2":
                wire = member.get("queryName") or wire[:1].upper() + wire[1:]
            elif inner["type"] == "list" and inner.get("flattened"):
                wire = inner["member"].get("locationName", wire)
            yield from _form(model, inner, item, protocol, dot + wire)
    elif kind == "list":
        member = shape["member"]
        middle = "" if protocol == "ec2" or shape.get("flattened") else f".{member.get('locationName', 'member')}"
        for number, item in enumerate(value, 1):
            yield from _form(model, shapes[member["shape"]], item, protocol, f"{prefix}{middle}.{number}")
    elif kind == "map":
        middle = "" if shape.get("flattened") else ".entry"
        for number, (key, item) in enumerate(value.items(), 1):
            place = f"{prefix}{middle}.{number}"
            yield f"{place}.{shape['key'].get('locationName', 'key')}", str(key)
            inner = f"{place}.{shape['value'].get('locationName', 'value')}"
            yield from _form(model, shapes[shape["value"]["shape"]], item, protocol, inner)
    else:
        yield prefix, _text(value)


def _rest(
    model: Model, operation: Model, shape: Model, said: Mapping[str, Any], headers: list[tuple[str, str]], protocol: str
) -> Request:
    path, _, fixed = operation["http"]["requestUri"].partition("?")
    query = [fixed] if fixed else []
    fields, body = {}, {}
    for name, value in said.items():
        member = shape["members"][name]
        where, wire = member.get("location"), member.get("locationName", name)
        if where == "uri":
            fields[wire] = _text(value)
        elif where == "querystring":
            items = value if isinstance(value, list) else [value]
            query += [urlencode({wire: _text(item)}) for item in items]
        elif where == "header":
            headers.append((wire.lower(), _text(value)))
        elif where == "headers":
            headers += [(wire.lower() + key.lower(), _text(item)) for key, item in value.items()]
        elif where is None:
            body[name] = value
    target = _PLACE.sub(lambda found: quote(fields.get(found[1], ""), safe="/" if found[2] else ""), path)
    payload = shape.get("payload")
    if payload is not None and model["shapes"][shape["members"][payload]["shape"]]["type"] in ("blob", "string"):
        data = _text(body.get(payload, "")).encode()
    elif protocol == "rest-xml" and body:
        raise ServiceError("NotImplementedException", f"{operation['name']} is not built for universal targets")
    else:
        content = body.get(payload, {}) if payload else {_wire(shape, name): item for name, item in body.items()}
        data = json.dumps(content).encode() if content else b""
        headers.append(("content-type", "application/json"))
    whole = target + (f"?{'&'.join(query)}" if query else "")
    return Request(operation["http"]["method"], whole, headers, data)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
