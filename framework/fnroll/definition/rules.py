"""What the service model cannot say about a CreateFunction request: rules between members, and limits outside it.

Each rule is one function of the request that yields (JSON pointer, message, hint); `RULES` is the table of them. Pure.
A rule speaks only where the values have the JSON types that the walk has checked: it looks before it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fnroll.definition import rules_fn
from fnroll.definition.model import CUSTOM_RUNTIME, RUNTIME_LAYER
from fnroll.definition.positions import escape

Broken = tuple[str, str, str | None]
Request = Mapping[str, Any]

MAX_TIMEOUT = 900
"""Seconds; the model's own maximum is that of functions on managed instances."""

MAX_ENVIRONMENT = 4096
"""Bytes of all variables together, as JSON (facts: quotas)."""

MAX_TAGS = 50

_PLACEHOLDER = re.compile(r"your[_-]|change[_-]?me|replace[_-]?me|placeholder", re.IGNORECASE)
"""In a role's name: what templates (lambroll's `init` too) leave to be filled in."""


def broken(value: Request) -> Iterator[Broken]:
    """Every broken rule, in the table's order."""
    for rule in RULES:
        yield from rule(value)
    yield from rules_fn.broken(value)


def _timeout(value: Request) -> Iterator[Broken]:
    seconds = value.get("Timeout")
    if isinstance(seconds, int) and seconds > MAX_TIMEOUT and "CapacityProviderConfig" not in value:
        yield "/Timeout", f"Timeout is {seconds}; the most is {MAX_TIMEOUT} seconds", None


def _environment(value: Request) -> Iterator[Broken]:
    block = value.get("Environment")
    variables = block.get("Variables") if isinstance(block, dict) else None
    if isinstance(variables, dict):
        size = len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode())
        if size > MAX_ENVIRONMENT:
            message = f"the variables are {size} bytes together; Lambda takes {MAX_ENVIRONMENT}"
            yield "/Environment/Variables", message, "keep what is large in a file of the package or in SSM"


def _package(value: Request) -> Iterator[Broken]:
    code = value.get("Code")
    has_image = isinstance(code, dict) and "ImageUri" in code
    if value.get("PackageType", "Zip") == "Image":
        if not has_image:
            yield "/PackageType", "PackageType Image needs Code.ImageUri", None
        return
    if has_image:
        yield "/Code/ImageUri", "Code.ImageUri needs PackageType Image", 'write "PackageType": "Image"'
        return
    layers = value.get("Layers")
    custom = isinstance(layers, list) and any(str(layer).startswith(RUNTIME_LAYER) for layer in layers)
    if "Runtime" not in value and not custom:
        hint = 'name one of Lambda\'s ("Runtime": "provided.al2023"), or list "runtime:NAME" in Layers'
        yield "/Runtime", 'missing key "Runtime"', hint
    if "Handler" not in value:
        yield "/Handler", 'missing key "Handler"', "what the runtime calls, such as handler.handle"


def _one_runtime_layer(value: Request) -> Iterator[Broken]:
    layers = value.get("Layers")
    if not isinstance(layers, list):
        return
    named = [index for index, layer in enumerate(layers) if str(layer).startswith(RUNTIME_LAYER)]
    for index in named[1:]:
        yield f"/Layers/{index}", "a second runtime: only one layer can own /opt/bootstrap", "remove one of the two"


def _role(value: Request) -> Iterator[Broken]:
    role = value.get("Role")
    if isinstance(role, str) and _PLACEHOLDER.search(role.rpartition("/")[2]):
        yield "/Role", f"Role {json.dumps(role)} is a placeholder", "name the role that the function shall run as"


def _started_by_layer(value: Request) -> Iterator[Broken]:
    """Only the provided runtimes start /opt/bootstrap; a managed one would leave the layer's unused in silence."""
    runtime, layers = value.get("Runtime"), value.get("Layers")
    if not isinstance(runtime, str) or not isinstance(layers, list) or runtime.startswith("provided"):
        return
    if any(str(layer).startswith(RUNTIME_LAYER) for layer in layers):
        message = f"Runtime {json.dumps(runtime)} never starts the runtime layer"
        yield "/Runtime", message, f"write {CUSTOM_RUNTIME}, or leave the key out"


RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""What Lambda sets itself and takes from nobody."""


def _reserved(value: Request) -> Iterator[Broken]:
    block = value.get("Environment")
    variables = block.get("Variables") if isinstance(block, dict) else None
    for name in variables if isinstance(variables, dict) else ():
        if name in RESERVED_VARIABLES:
            yield f"/Environment/Variables/{name}", f"Lambda sets {name} itself and takes it from nobody", "remove it"


def _image_fields(value: Request) -> Iterator[Broken]:
    """Each kind of package has members that the other does not."""
    if value.get("PackageType", "Zip") == "Image":
        for key in ("Runtime", "Handler", "Layers"):
            if value.get(key):
                hint = "its own is ImageConfig.Command" if key == "Handler" else "the image brings its own"
                yield f"/{key}", f"a function of PackageType Image has no {key}", hint
    elif "ImageConfig" in value:
        yield "/ImageConfig", "ImageConfig is for functions of PackageType Image", "remove it"


def _code(value: Request) -> Iterator[Broken]:
    code = value.get("Code")
    if not isinstance(code, dict):
        return
    named = [key for key in ("S3Bucket", "S3Key") if key in code]
    if len(named) == 1:
        other = "S3Key" if named[0] == "S3Bucket" else "S3Bucket"
        yield "/Code", f"Code.{named[0]} needs Code.{other}", "both say where the package lies"
    elif not named and "S3ObjectVersion" in code:
        yield "/Code/S3ObjectVersion", "Code.S3ObjectVersion needs Code.S3Bucket and Code.S3Key", None
    if named and "ImageUri" in code:
        yield "/Code/ImageUri", "the code is an image or lies on S3, not both", "remove one of the two"


def _one_version_of_a_layer(value: Request) -> Iterator[Broken]:
    layers = value.get("Layers")
    first: dict[str, int] = {}
    for index, layer in enumerate(layers if isinstance(layers, list) else ()):
        if not isinstance(layer, str) or layer.startswith(RUNTIME_LAYER):
            continue
        name = layer.rpartition(":")[0] if layer.startswith("arn:") else layer
        if name in first:
            message = f"the same layer as Layers[{first[name]}]: Lambda takes one version of a layer"
            yield f"/Layers/{index}", message, "remove one of the two"
        first.setdefault(name, index)


_SNAPSTART: tuple[tuple[str, float], ...] = (("java", 11), ("python", 3.12), ("dotnet", 8))
"""Families of runtimes that can be snapshotted, and since which version."""


def _snapstart(value: Request) -> Iterator[Broken]:
    block = value.get("SnapStart")
    if not isinstance(block, dict) or block.get("ApplyOn") != "PublishedVersions":
        return
    runtime = value.get("Runtime")
    at = "/SnapStart/ApplyOn"
    if value.get("PackageType") == "Image":
        yield at, "SnapStart is not for container images", 'write "None"'
    elif isinstance(runtime, str) and not any(_since(runtime, *family) for family in _SNAPSTART):
        yield at, f"SnapStart is not for {runtime}", "it is for Java 11, Python 3.12, .NET 8 and newer"
    storage = value.get("EphemeralStorage")
    size = storage.get("Size") if isinstance(storage, dict) else None
    if isinstance(size, int) and size > 512:
        yield "/EphemeralStorage/Size", "SnapStart takes no more than 512 MB of EphemeralStorage", None
    if value.get("FileSystemConfigs"):
        yield "/FileSystemConfigs", "SnapStart cannot be combined with file systems", "remove one of the two"


def _since(runtime: str, family: str, version: float) -> bool:
    match = re.match(r"([a-z]+)(\d+)(?:\.(\d+))?", runtime)
    if match is None or match[1] != family:
        return False
    major, minor = int(match[2]), int(match[3] or 0)
    wanted_major, _, wanted_minor = str(version).partition(".")
    return (major, minor) >= (int(wanted_major), int(wanted_minor or 0))


def _vpc(value: Request) -> Iterator[Broken]:
    block = value.get("VpcConfig")
    if isinstance(block, dict):
        subnets, groups = bool(block.get("SubnetIds")), bool(block.get("SecurityGroupIds"))
        if subnets != groups:
            here, other = ("SubnetIds", "SecurityGroupIds") if subnets else ("SecurityGroupIds", "SubnetIds")
            yield f"/VpcConfig/{here}", f"VpcConfig.{here} needs VpcConfig.{other}", "a network interface has both"
    if value.get("FileSystemConfigs") and not (isinstance(block, dict) and block.get("SubnetIds")):
        yield "/FileSystemConfigs", "a file system is reached through a VPC: VpcConfig is missing", None


def _logging(value: Request) -> Iterator[Broken]:
    block = value.get("LoggingConfig")
    if isinstance(block, dict) and block.get("LogFormat", "Text") == "Text":
        for key in ("ApplicationLogLevel", "SystemLogLevel"):
            if key in block:
                yield f"/LoggingConfig/{key}", f"LoggingConfig.{key} needs LogFormat JSON", 'write "LogFormat": "JSON"'


def _dead_letters(value: Request) -> Iterator[Broken]:
    block = value.get("DeadLetterConfig")
    target = block.get("TargetArn") if isinstance(block, dict) else None
    if isinstance(target, str) and target.startswith("arn:") and target.split(":")[2:3] not in (["sqs"], ["sns"]):
        yield "/DeadLetterConfig/TargetArn", "a dead letter goes to a queue of SQS or a topic of SNS", None


def _tags(value: Request) -> Iterator[Broken]:
    tags = value.get("Tags")
    if not isinstance(tags, dict):
        return
    if len(tags) > MAX_TAGS:
        yield "/Tags", f"there are {len(tags)} tags; Lambda takes {MAX_TAGS}", None
    for key in tags:
        if key.lower().startswith("aws:"):
            yield f"/Tags/{escape(key)}", f"tags that begin with aws: are AWS's own: {json.dumps(key)}", "remove it"


RULES: tuple[Callable[[Request], Iterator[Broken]], ...] = (
    _package,
    _one_runtime_layer,
    _started_by_layer,
    _role,
    _timeout,
    _environment,
    _reserved,
    _image_fields,
    _code,
    _one_version_of_a_layer,
    _snapstart,
    _vpc,
    _logging,
    _dead_letters,
    _tags,
)
