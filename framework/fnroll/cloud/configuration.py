"""A function's configuration: Lambda's defaults, its own checks beyond the model's, and what an update changes.

Pure but for the look-up of layers. A configuration is the dict that FunctionConfiguration answers with, less name,
ARN, version, revision and states.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from fnroll.cloud import capacity_providers, states
from fnroll.cloud.faults import Fault, invalid, not_built
from fnroll.cloud.layers import find_layer_version
from fnroll.cloud.names import function_arn, parse_layer_version
from fnroll.cloud.records import Call, Given, Result, VersionRow
from fnroll.definition.service import shape

SUPPORTED_RUNTIMES = (
    *(f"nodejs{v}.x" for v in (26, 24, 22, 20, 18, 16)),
    *(f"python3.{v}" for v in (15, 14, 13, 12, 11, 10, 9, 8)),
    *(f"java{v}" for v in (25, 21, 17, 11)),
    "java8.al2",
    *(f"java{v}.al2023" for v in (17, 11, 8)),
    *(f"dotnet{v}" for v in (10, 8, 6)),
    *(f"ruby{v}" for v in ("4.0", "3.4", "3.3", "3.2")),
    "provided.al2023",
    "provided.al2",
)
_RETIRED_RUNTIMES = frozenset(
    {
        "nodejs",
        "nodejs4.3",
        "nodejs4.3-edge",
        "nodejs6.10",
        "nodejs8.10",
        "nodejs10.x",
        "nodejs12.x",
        "nodejs14.x",
        "java8",
        "python2.7",
        "python3.6",
        "python3.7",
        "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1",
        "dotnetcore3.1",
        "go1.x",
        "ruby2.5",
        "ruby2.7",
        "provided",
    }
)

NOT_BUILT = (
    "AcceleratorConfig",
    "DurableConfig",
    "RuntimeConfig",
)
"""Members that would change how the function runs and do not here: refused, rather than stored and ignored."""

_PLAIN = ("Runtime", "Handler", "Role", "Description", "Timeout", "MemorySize", "EphemeralStorage", "TracingConfig")
_EMPTIES = ("KMSKeyArn", "FileSystemConfigs")
_KNOWN = frozenset(
    {*NOT_BUILT, *_PLAIN, *_EMPTIES, "DeadLetterConfig", "Environment", "Layers", "VpcConfig", "SnapStart"}
    | {"CapacityProviderConfig", "LoggingConfig", "ImageConfig", "FunctionName", "RevisionId", "PackageType"}
    | {"Architectures", "TenancyConfig"}
)
"""What is read here or where the function is made; any other member is of a botocore newer than this module."""


SOURCE_KEY = "SourceKMSKeyArn"
"""Kept with a configuration, and told by GetFunction alone, of the code."""

_LIMITS = (("Timeout", 900), ("MemorySize", 10240))
_MANAGED_LIMITS = (("Timeout", 5400), ("MemorySize", 32768))
_MANAGED_MEMORY = 2048

_RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)


def initial(call: Call, given: Given) -> Result:
    """The configuration of a new function, without its code. Faults as Lambda's."""
    name = given["FunctionName"]
    kind = given.get("PackageType", "Zip")
    if kind == "Zip" and not (given.get("Runtime") and given.get("Handler")):
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    defaults: Result = {
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "PackageType": kind,
        "Architectures": given.get("Architectures", ["x86_64"]),
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    return changed(call, defaults, given)


def changed(call: Call, config: Mapping[str, Any], given: Given) -> Result:
    """`config` with the members of `given` applied: absent keeps, an emptied block goes. Faults as Lambda's."""
    refuse(given, managed="CapacityProviderConfig" in {**config, **given})
    result = {**config, **{key: given[key] for key in _PLAIN if key in given}}
    for key in _EMPTIES:
        if key in given:
            _put(result, key, given[key])
    for key in (given.keys() & shape("FunctionConfiguration")["members"].keys()) - _KNOWN:
        _put(result, key, given[key])
    if "DeadLetterConfig" in given:
        _put(
            result,
            "DeadLetterConfig",
            given["DeadLetterConfig"] if given["DeadLetterConfig"].get("TargetArn") else None,
        )
    if "Environment" in given:
        variables = given["Environment"].get("Variables", {})
        _check_environment(variables)
        _put(result, "Environment", {"Variables": variables} if variables else None)
    if "Layers" in given:
        _put(result, "Layers", layer_references(call, given["Layers"]))
    if "VpcConfig" in given:
        result["VpcConfig"] = _vpc(given["VpcConfig"])
    if "SnapStart" in given:
        on = given["SnapStart"].get("ApplyOn", "None")
        result["SnapStart"] = {"ApplyOn": on, "OptimizationStatus": "Off"}
    if "CapacityProviderConfig" in given:
        capacity_providers.check_config(call, given["CapacityProviderConfig"])
        result["CapacityProviderConfig"] = given["CapacityProviderConfig"]
    if "TenancyConfig" in given:
        result["TenancyConfig"] = given["TenancyConfig"]
    if "LoggingConfig" in given:
        result["LoggingConfig"] = _logging(result["LoggingConfig"], given["LoggingConfig"])
    if "ImageConfig" in given:
        _put(result, "ImageConfigResponse", {"ImageConfig": given["ImageConfig"]} if given["ImageConfig"] else None)
    _check_together(result)
    result["LastModified"] = call.stamp()
    return result


def _check_together(config: Result) -> None:
    """What a function of managed instances, and one that keeps tenants apart, must be beside."""
    if "CapacityProviderConfig" in config and config["MemorySize"] < _MANAGED_MEMORY:
        raise Fault(
            "ValidationException",
            f"Lambda Managed Instance functions must have memory size greater than or equal to {_MANAGED_MEMORY}",
        )
    if "TenancyConfig" in config and "CapacityProviderConfig" in config:
        raise without_tenants("CapacityProviderConfig")
    if "TenancyConfig" in config and config["SnapStart"]["ApplyOn"] != "None":
        raise without_tenants("SnapStart")


def without_tenants(what: str) -> Fault:
    """What Lambda does not give to functions that keep tenants apart."""
    return invalid(f"{what} is not supported for functions with a tenancy configuration.")


def _put(result: Result, key: str, value: Any) -> None:
    if value:
        result[key] = value
    else:
        result.pop(key, None)


def refuse(given: Given, *, managed: bool = False) -> None:
    """Fault on what the model allows and Lambda, or this cloud, does not. `managed`: of managed instances."""
    for member in NOT_BUILT:
        if given.get(member):
            raise not_built(f"{member} of a function")
    for member, limit in _MANAGED_LIMITS if managed else _LIMITS:
        if given.get(member, 0) > limit:
            raise _over(given[member], member[:1].lower() + member[1:], limit)
    if given.get("EphemeralStorage", {}).get("Size", 0) > 10240:
        raise _over(given["EphemeralStorage"]["Size"], "ephemeralStorage.size", 10240)
    runtime = given.get("Runtime")
    if runtime in _RETIRED_RUNTIMES:
        raise invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    if runtime is not None and runtime not in SUPPORTED_RUNTIMES:
        raise invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(SUPPORTED_RUNTIMES)}] or be a valid ARN"
        )


def _over(value: int, place: str, limit: int) -> Fault:
    return Fault(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: "
        f"Member must have value less than or equal to {limit}",
    )


def _check_environment(variables: Mapping[str, str]) -> None:
    could_not = "Lambda was unable to configure your environment variables because the environment variables you have"
    if reserved := [key for key in variables if key in _RESERVED]:
        raise invalid(
            f"{could_not} provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, ensure_ascii=False, separators=(",", ":"))
    if len(measured.encode()) > 4096:
        raise invalid(f"{could_not} provided exceeded the 4KB limit. String measured: {measured}")


def layer_references(call: Call, arns: list[str]) -> list[Result]:
    """`Layers` as answered: each ARN with its size. Faults: too many, twice the same layer, not there."""
    if len(arns) > 5:
        raise invalid("Cannot reference more than 5 layers.")
    seen: dict[str, str] = {}
    for arn in arns:
        layer = arn.rpartition(":")[0]
        if layer in seen:
            raise invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{seen[layer]} and {arn} are versions of the same layer."
            )
        seen[layer] = arn
    return [{"Arn": arn, "CodeSize": _layer_size(call, arn)} for arn in arns]


def _layer_size(call: Call, arn: str) -> int:
    parts = parse_layer_version(arn)
    if parts is not None and parts[0].region == call.home.region:
        # A deleted version stays usable to the functions that have it, and to nobody else.
        version = find_layer_version(call, *parts)
        if version is not None:
            return version.size
    raise invalid(f"Layer version {arn} does not exist.")


def _vpc(given: Mapping[str, Any]) -> Result:
    subnets, groups = given.get("SubnetIds", []), given.get("SecurityGroupIds", [])
    return {
        "SubnetIds": subnets,
        "SecurityGroupIds": groups,
        "VpcId": "vpc-local" if subnets else "",
        "Ipv6AllowedForDualStack": given.get("Ipv6AllowedForDualStack", False),
    }


def _logging(current: Mapping[str, Any], given: Mapping[str, Any]) -> Result:
    result = {**current, **given}
    if result["LogFormat"] == "JSON":
        return {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **result}
    return {key: value for key, value in result.items() if not key.endswith("LogLevel")}


_CODE = ("CodeSha256", "CodeSize", SOURCE_KEY)


def sealed(config: Result) -> Result:
    """With ConfigSha256, of all but the code and the time: what a publish looks at beside CodeSha256."""
    kept = {key: value for key, value in config.items() if key not in (*_CODE, "LastModified", "ConfigSha256")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest()
    return {**config, "ConfigSha256": base64.b64encode(digest).decode()}


def fingerprint(config: Mapping[str, Any], image: str | None) -> str:
    """One name for code and configuration together; when it was last modified is no part of either."""
    kept = {key: value for key, value in config.items() if key != "ConfigSha256"}
    kept |= {"LastModified": None, "ImageUri": image}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def describe(version: VersionRow, qualifier: str | None) -> Result:
    """FunctionConfiguration of a version; `qualifier` as it shall stand in FunctionArn."""
    function = version.function
    return {
        "FunctionName": function.name,
        "FunctionArn": function_arn(function.home, function.name, qualifier),
        "Version": version.version,
        "RevisionId": version.revision,
        **states.shown(version),
        **{key: value for key, value in version.config.items() if key != SOURCE_KEY},
    }
