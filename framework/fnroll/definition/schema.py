"""The JSON Schema (2020-12) of function.json, made from Lambda's service model.

Shapes of the model become `$defs`; what a file may say beyond the request (Layers entries, Fn, $schema) and what it
may not (the zip itself, names that fn fills in) are the tables below. A refused key is `{"not": {}}` with the reason
as its description. `patternErrorMessage` is an annotation that editors show too. Pure, but for reading the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from html import unescape
from typing import Any

from fnroll.definition.service import shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LAYER = r"runtime:[A-Za-z0-9][A-Za-z0-9._-]*|\./.+"
MAX_LAYERS = 5

REQUIRED = ("FunctionName", "Role")
"""Of what CreateFunction requires, Code is left out: fn packs it."""

FN_REQUESTS: Mapping[str, str] = {
    "FunctionUrl": "CreateFunctionUrlConfigRequest",
    "FunctionConcurrency": "PutFunctionConcurrencyRequest",
    "ProvisionedConcurrency": "PutProvisionedConcurrencyConfigRequest",
    "EventInvokeConfig": "PutFunctionEventInvokeConfigRequest",
    "RecursionConfig": "PutFunctionRecursionConfigRequest",
    "RuntimeManagementConfig": "PutRuntimeManagementConfigRequest",
}
"""Keys of Fn that are one request each. Empty means none, so but for the URL nothing in them is required."""

FN_LISTS: Mapping[str, str] = {
    "Permissions": "AddPermissionRequest",
    "EventSourceMappings": "CreateEventSourceMappingRequest",
}
"""Keys of Fn that are a list of requests."""

_MONTHS, _YEARS = (30, 60, 90, 120, 150, 180), (365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
RETENTION_DAYS = (1, 3, 5, 7, 14, *_MONTHS, *_YEARS)
"""What CloudWatch Logs takes (PutRetentionPolicy); 0: no policy."""

_FN_TEXTS: Mapping[str, str] = {
    "FunctionUrl": "The URL of the alias; absent: unmanaged, and deleted if fn made it.",
    "FunctionConcurrency": "Reserved concurrency; {}: none.",
    "ProvisionedConcurrency": "Provisioned concurrency of the alias; {}: none.",
    "EventInvokeConfig": "Asynchronous invocations of the alias; {}: Lambda's defaults.",
    "RecursionConfig": "What Lambda does about recursive loops; {}: Terminate.",
    "RuntimeManagementConfig": "When Lambda updates the runtime; {}: Auto.",
    "Permissions": "Who may use the alias beside the URL's callers; statements of others are never touched.",
    "EventSourceMappings": "What feeds the alias: exactly these.",
}

_PACKED = "cannot be written in a file: fn packs the code itself"
_ON_ALIAS = "cannot be given here: fn puts the URL on the function's alias"
_FILLED = "cannot be given here: fn fills it in, for the function or its alias"

_REFUSED: Mapping[tuple[str, str], str] = {
    (request, member): _ON_ALIAS if request == "CreateFunctionUrlConfigRequest" else _FILLED
    for request in (*FN_REQUESTS.values(), *FN_LISTS.values())
    for member in ("FunctionName", "Qualifier", "RevisionId")
}
_OPTIONAL = frozenset({*FN_REQUESTS.values(), "AddPermissionRequest"} - {"CreateFunctionUrlConfigRequest"})
"""Requests of which nothing is required in the file, or what is required has a default (a permission's Action)."""

_PATTERN_TEXTS: Mapping[str, str] = {
    "FunctionName": "is not a function name: letters, digits, - and _",
    "RoleArn": "is not the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME",
    "Handler": "is not a handler: white space is not allowed in it",
    "LayerVersionArn": "is neither the ARN of a layer version, nor runtime:NAME, nor ./DIR",
    "EnvironmentVariableName": "is not a variable's name: a letter, then one or more letters, digits or _",
    "SubnetId": "is not a subnet id, subnet-…",
    "SecurityGroupId": "is not a security group id, sg-…",
    "LocalMountPath": "is not a path under /mnt/",
    "Arn": "is not an ARN, arn:PARTITION:SERVICE:REGION:ACCOUNT:…",
    "ResourceArn": "is not an ARN, arn:PARTITION:SERVICE:REGION:ACCOUNT:…",
    "DestinationArn": "is not the ARN of a queue, a topic, a bus, a function or a bucket",
    "KMSKeyArn": "is not the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID",
    "CodeSigningConfigArn": "is not the ARN of a code signing configuration",
    "CapacityProviderArn": "is not the ARN of a capacity provider",
    "FileSystemArn": "is not the ARN of an access point, arn:aws:elasticfilesystem:REGION:ACCOUNT:access-point/fsap-…",
    "RuntimeVersionArn": "is not the ARN of a runtime version, arn:aws:lambda:REGION::runtime:…",
    "LogGroup": "is not the name of a log group: letters, digits and . - _ / #",
    "S3Bucket": "is not the name of a bucket: letters, digits, - . and _",
    "Action": "is not an action: lambda:InvokeFunction, lambda:* or *",
    "Principal": "is not a principal: an account, a service such as s3.amazonaws.com, or *",
    "PrincipalOrgID": "is not the id of an organization, o-…",
    "SourceOwner": "is not an account: 12 digits",
    "StatementId": "is not a statement's id: letters, digits, - and _",
    "TagKey": "holds characters that tags cannot have",
    "TagValue": "holds characters that tags cannot have",
    "Topic": "is not the name of a topic",
}
"""What a value that fails a shape's pattern is told instead of the pattern."""

_SIMPLE: Mapping[str, str] = {
    "string": "string",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "timestamp": "string",
}
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "string": ("minLength", "maxLength"),
    "list": ("minItems", "maxItems"),
    "map": ("minProperties", "maxProperties"),
}

_CLASSES: Mapping[str, str] = {r"\p{L}": "a-zA-Z\u00aa-\U0010ffff", r"\p{Z}": " \u00a0", r"\p{N}": "0-9"}


def schema() -> dict[str, Any]:
    """The schema of function.json; the caller's own copy. Raises FnError if botocore's model cannot be read."""
    return deepcopy(dict(shared()))


@cache
def shared() -> Mapping[str, Any]:
    """As `schema()`, one for the whole process: not to be changed."""
    roots = ("CreateFunctionRequest", *FN_REQUESTS.values(), *FN_LISTS.values())
    defs = {name: _define(name) for name in sorted(_reachable(*roots))}
    request = defs.pop("CreateFunctionRequest")
    defs["LayerList"]["maxItems"] = MAX_LAYERS
    return {
        "$schema": DIALECT,
        "title": "function.json",
        "description": "A function as fn ships it: Lambda's CreateFunction request, and under Fn what that cannot say.",
        **request,
        "properties": {
            "$schema": {"type": "string", "description": "Where an editor finds this schema."},
            **request["properties"],
            "Fn": _fn(),
        },
        "required": list(REQUIRED),
        "$defs": defs,
    }


def _fn() -> dict[str, Any]:
    properties: dict[str, Any] = {
        key: {"$ref": f"#/$defs/{request}", "description": _FN_TEXTS[key]} for key, request in FN_REQUESTS.items()
    }
    for key, request in FN_LISTS.items():
        properties[key] = {
            "type": "array",
            "items": {"$ref": f"#/$defs/{request}"},
            "description": _FN_TEXTS[key],
        }
    text = "Days that CloudWatch keeps the function's log; 0: for ever."
    properties["LogRetentionInDays"] = {"type": "integer", "enum": [0, *RETENTION_DAYS], "description": text}
    return {
        "type": "object",
        "description": "What CreateFunction cannot say. An absent key is unmanaged.",
        "properties": properties,
        "additionalProperties": False,
    }


def _refused(reason: str) -> dict[str, Any]:
    return {"not": {}, "description": reason}


def _reachable(*names: str) -> set[str]:
    """The shapes that these are made of, themselves included."""
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(_parts(shape(name)))
    return {name for name in seen if shape(name)["type"] != "blob"}


def _parts(model: Mapping[str, Any]) -> Iterator[str]:
    for member in model.get("members", {}).values():
        yield member["shape"]
    for part in ("member", "key", "value"):
        if part in model:
            yield model[part]["shape"]


def _define(name: str) -> dict[str, Any]:
    """One shape as a schema."""
    model = shape(name)
    kind = model["type"]
    if kind == "structure":
        return _structure(name, model)
    if kind == "list":
        made: dict[str, Any] = {"type": "array", "items": _reference(model["member"])}
    elif kind == "map":
        made = {
            "type": "object",
            "propertyNames": _reference(model["key"]),
            "additionalProperties": _reference(model["value"]),
        }
    else:
        made = {"type": _SIMPLE[kind]}
        if "enum" in model:
            made["enum"] = list(model["enum"])
        if "pattern" in model:
            made["pattern"] = _pattern(name, model["pattern"])
            if name in _PATTERN_TEXTS:
                made["patternErrorMessage"] = _PATTERN_TEXTS[name]
    for bound, keyword in zip(("min", "max"), _BOUNDS.get(kind, ("minimum", "maximum")), strict=True):
        if bound in model:
            made[keyword] = model[bound]
    return made


def _structure(name: str, model: Mapping[str, Any]) -> dict[str, Any]:
    properties = {}
    for key, member in model.get("members", {}).items():
        refused = _REFUSED.get((name, key)) or (_PACKED if shape(member["shape"])["type"] == "blob" else None)
        properties[key] = _refused(refused) if refused else _reference(member)
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    needed = () if name in _OPTIONAL else model.get("required", ())
    required = [key for key in needed if (name, key) not in _REFUSED]
    return made | ({"required": required} if required else {})


def _reference(member: Mapping[str, Any]) -> dict[str, Any]:
    made = {"$ref": f"#/$defs/{member['shape']}"}
    text = _sentence(member.get("documentation", ""))
    return made | ({"description": text} if text else {})


def _pattern(name: str, pattern: str) -> str:
    """A pattern of the model for a reader that searches and may not know Unicode classes.

    Lambda matches the whole text, so it is anchored. Letters beyond ASCII are let through as a range: AWS looks closer.
    """
    for known, portable in _CLASSES.items():
        pattern = pattern.replace(known, portable)
    return f"^(?:{pattern}|{LAYER})$" if name == "LayerVersionArn" else f"^(?:{pattern})$"


def _sentence(html: str) -> str:
    """The first sentence of a piece of AWS's documentation, as plain text."""
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
    text = re.sub(r" ([.,;:)])", r"\1", text)
    end = re.search(r"\.(?= [A-Z])", text)
    return text[: end.end()] if end else text
