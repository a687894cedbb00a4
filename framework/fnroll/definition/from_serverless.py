"""The functions of a Serverless Framework project as definitions of ours. Pure but for reading the file.

`${self:…}` is looked up in the file, `${env:…}` and `${ssm:…}` become templates, every other variable the environment
variable of its name; what the framework makes beside functions (roles, routes, schedules) is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fnroll.definition import foreign
from fnroll.definition.foreign import Converted, Tag, listed, mapped, pruned, template
from fnroll.errors import FnError

FILES: Final = ("serverless.yml", "serverless.yaml")
_DEEPEST = 20
_VARIABLE = re.compile(r"\$\{([^${}]+)\}")
_TAKEN = {
    *("handler", "name", "runtime", "memorySize", "timeout", "description", "environment", "role", "layers", "tags"),
    *("architecture", "reservedConcurrency", "provisionedConcurrency", "url", "ephemeralStorageSize", "onError"),
    *("snapStart", "maximumEventAge", "maximumRetryAttempts", "events", "vpc", "tracing", "image"),
    *("kmsKeyArn", "package"),
}
_STREAMS = {"sqs": "arn", "stream": "arn"}
_SOURCE_MEMBERS = {
    "batchSize": "BatchSize",
    "batchWindow": "MaximumBatchingWindowInSeconds",
    "startingPosition": "StartingPosition",
    "parallelizationFactor": "ParallelizationFactor",
    "bisectBatchOnFunctionError": "BisectBatchOnFunctionError",
    "maximumRetryAttempts": "MaximumRetryAttempts",
    "maximumRecordAgeInSeconds": "MaximumRecordAgeInSeconds",
    "enabled": "Enabled",
}


def from_serverless(directory: Path) -> list[Converted]:
    """Every function of the project in `directory`. Raises DefinitionError, and FnError where there is none."""
    path, document = foreign.document(directory, FILES, "Serverless project")
    functions = document.get("functions")
    if isinstance(functions, list):
        functions = {key: value for one in functions for key, value in mapped(one).items()}
    if not functions:
        raise FnError("the project has no function", where=str(path))
    return [_function(key, mapped(said), document) for key, said in mapped(functions).items()]


def _fill(value: Any, document: Mapping[str, Any], notes: list[str], depth: int = 0) -> Any:
    """With every ${…} filled in. Raises FnError for ${self:…} that leads back to itself."""
    if depth > _DEEPEST:
        raise FnError("a ${self:…} of the project leads back to itself")

    def one(item: Any) -> Any:
        if isinstance(item, Tag):
            return foreign.asked(str(item.value), notes, f"!{item.name}, which is CloudFormation's,")
        if not isinstance(item, str):
            return item
        whole = _VARIABLE.fullmatch(item)
        if whole:
            return _variable(whole[1], document, notes, depth)
        for _ in range(10):
            filled = _VARIABLE.sub(lambda part: str(_variable(part[1], document, notes, depth)), item)
            if filled == item:
                break
            item = filled
        return item

    return foreign.walked(value, one)


def _variable(said: str, document: Mapping[str, Any], notes: list[str], depth: int) -> Any:
    """The value of ${said}, with its default behind a comma."""
    name, _, default = (part.strip() for part in said.partition(","))
    default = default.strip("'\"")
    kind, _, about = name.partition(":")
    if kind == "self":
        found: Any = document
        for part in re.split(r"[.:]", about):
            found = mapped(found).get(part)
        if found is not None:
            return _fill(found, document, notes, depth + 1)
    if kind == "env":
        return template("env", about, default) if default else template("must_env", about)
    if kind == "ssm":
        return template("ssm", about)
    if kind in ("sls", "opt") and about == "stage":
        stage = default or mapped(document.get("provider")).get("stage") or "dev"
        return template("env", "STAGE", str(stage))
    if kind == "aws" and about in ("accountId", "region"):
        return template("caller_identity.Account") if about == "accountId" else template("must_env", "AWS_REGION")
    if default:
        return foreign.variable(about or name, default)
    return foreign.asked(about or name, notes, f"${{{said}}}")


def _function(key: str, own: Mapping[str, Any], document: Mapping[str, Any]) -> Converted:
    notes: list[str] = []
    said = _fill(dict(own), document, notes)
    shared = _fill(dict(mapped(document.get("provider"))), document, notes)
    stage = _fill("${sls:stage}", document, notes)
    service = document.get("service")
    service = mapped(service).get("name") if isinstance(service, Mapping) else service

    def given(name: str) -> Any:
        return said.get(name, shared.get(name))

    definition: dict[str, Any] = {
        "FunctionName": said.get("name") or f"{service}-{stage}-{key}",
        "Runtime": given("runtime"),
        "Handler": said.get("handler"),
        "Description": said.get("description"),
        "MemorySize": given("memorySize") or 1024,
        "Timeout": given("timeout") or 6,
        "Role": _role(said, shared, notes),
        "Layers": listed(given("layers")) or None,
        "Tags": {**mapped(shared.get("tags")), **mapped(said.get("tags"))} or None,
    }
    if variables := {**mapped(shared.get("environment")), **mapped(said.get("environment"))}:
        texts = {name: value if isinstance(value, str) else _text(value) for name, value in variables.items()}
        definition["Environment"] = {"Variables": texts}
    if architecture := given("architecture"):
        definition["Architectures"] = [architecture]
    if vpc := mapped(given("vpc")):
        groups = vpc.get("securityGroupIds")
        definition["VpcConfig"] = pruned({"SubnetIds": vpc.get("subnetIds"), "SecurityGroupIds": groups})
    if size := said.get("ephemeralStorageSize"):
        definition["EphemeralStorage"] = {"Size": size}
    if said.get("onError"):
        definition["DeadLetterConfig"] = {"TargetArn": said["onError"]}
    if said.get("snapStart"):
        definition["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    if said.get("kmsKeyArn"):
        definition["KMSKeyArn"] = said["kmsKeyArn"]
    traced = said.get("tracing", mapped(shared.get("tracing")).get("lambda"))
    if traced:
        definition["TracingConfig"] = {"Mode": "Active" if traced is True else traced}
    if isinstance(said.get("image"), str):
        definition |= {"PackageType": "Image", "Code": {"ImageUri": said["image"]}, "Handler": None, "Runtime": None}
    if extras := _extras(said, shared, notes):
        definition["Fn"] = extras
    for name in sorted(said.keys() - _TAKEN):
        notes.append(f"{name} has no counterpart")
    if said.get("package") or document.get("package"):
        notes.append("package: what stays out of the zip is said in .lambdaignore")
    return Converted(key, pruned(definition), ".", notes)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _role(said: Mapping[str, Any], shared: Mapping[str, Any], notes: list[str]) -> str:
    iam = mapped(shared.get("iam")).get("role")
    role = said.get("role") or shared.get("role") or iam
    if isinstance(role, str):
        return role
    notes.append("a role is made of iam statements there; here it is named: set FN_ROLE, or write its ARN as Role")
    return foreign.variable("FnRole")


def _extras(said: Mapping[str, Any], shared: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if url := said.get("url"):
        about = mapped(url)
        found["FunctionUrl"] = pruned(
            {
                "AuthType": "AWS_IAM" if about.get("authorizer") == "aws_iam" else "NONE",
                "InvokeMode": about.get("invokeMode"),
            }
        )
        if about.get("cors"):
            notes.append("url.cors: write Fn.FunctionUrl.Cors")
    if "reservedConcurrency" in said:
        found["FunctionConcurrency"] = {"ReservedConcurrentExecutions": said["reservedConcurrency"]}
    if said.get("provisionedConcurrency"):
        found["ProvisionedConcurrency"] = {"ProvisionedConcurrentExecutions": said["provisionedConcurrency"]}
    invoked = {
        "MaximumEventAgeInSeconds": said.get("maximumEventAge"),
        "MaximumRetryAttempts": said.get("maximumRetryAttempts"),
    }
    if any(value is not None for value in invoked.values()):
        found["EventInvokeConfig"] = pruned(invoked)
    if days := shared.get("logRetentionInDays"):
        found["LogRetentionInDays"] = days
    sources = []
    for event in listed(said.get("events")):
        named: tuple[str, Any] = (str(event), None)
        kind, about = next(iter(mapped(event).items()), named)
        if kind not in _STREAMS:
            notes.append(f"the event {kind} is made elsewhere; a permission for it is Fn.Permissions")
            continue
        arn = about if isinstance(about, str) else mapped(about).get("arn")
        members = {ours: mapped(about)[name] for name, ours in _SOURCE_MEMBERS.items() if name in mapped(about)}
        sources.append({"EventSourceArn": arn, **members})
    if sources:
        found["EventSourceMappings"] = sources
    return found
