"""An AWS SAM template's functions as definitions of ours. Pure but for reading the file.

Properties that mean the same are taken over under Lambda's names; what CloudFormation would resolve becomes a template
(a parameter: the environment variable of its name); events, policies and deployment preferences are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fnroll.definition import foreign
from fnroll.definition.foreign import Converted, Tag, listed, mapped, template
from fnroll.errors import FnError

FILES: Final = ("template.yaml", "template.yml", "sam.yaml")

_SAME = (
    *("Description", "MemorySize", "Timeout", "Runtime", "Handler", "Architectures", "Layers"),
    *("VpcConfig", "Environment", "EphemeralStorage", "SnapStart", "LoggingConfig", "FileSystemConfigs"),
    *("PackageType", "ImageConfig", "Role"),
)
_TAKEN = {
    *_SAME,
    *("FunctionName", "CodeUri", "ImageUri", "Tags", "Tracing", "DeadLetterQueue", "KmsKeyArn", "FunctionUrlConfig"),
    *("ReservedConcurrentExecutions", "ProvisionedConcurrencyConfig", "RuntimeManagementConfig", "RecursiveLoop"),
    *("EventInvokeConfig", "Events", "AutoPublishAlias", "DeploymentPreference", "Policies"),
}
_SOURCES = {"SQS": "Queue", "Kinesis": "Stream", "DynamoDB": "Stream"}
_SOURCE_MEMBERS = (
    *("BatchSize", "MaximumBatchingWindowInSeconds", "FilterCriteria", "FunctionResponseTypes", "ScalingConfig"),
    *("StartingPosition", "ParallelizationFactor", "BisectBatchOnFunctionError", "MaximumRetryAttempts"),
    *("MaximumRecordAgeInSeconds", "TumblingWindowInSeconds", "DestinationConfig", "Enabled"),
)


def from_sam(directory: Path) -> list[Converted]:
    """Every function of the template in `directory`. Raises DefinitionError, and FnError where there is none."""
    path, document = foreign.document(directory, FILES, "SAM template")
    shared = mapped(mapped(document.get("Globals")).get("Function"))
    filler = _Filler(mapped(document.get("Parameters")))
    found = [
        _function(key, _over(shared, mapped(resource.get("Properties"))), filler)
        for key, resource in mapped(document.get("Resources")).items()
        if isinstance(resource, Mapping)
        and resource.get("Type") in ("AWS::Serverless::Function", "AWS::Lambda::Function")
    ]
    if not found:
        raise FnError("the template has no function", where=str(path))
    return found


def _over(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """SAM's Globals: objects are merged, lists are added up, everything else is the function's own."""
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = _over(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged


class _Filler:
    """What CloudFormation would fill in, as templates."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def fill(self, value: Any, notes: list[str]) -> Any:
        return foreign.walked(value, lambda one: self._one(one, notes))

    def _one(self, value: Any, notes: list[str]) -> Any:
        if not isinstance(value, Tag):
            return value
        if value.name == "Ref":
            return self._named(str(value.value), notes)
        if value.name == "Sub":
            text = value.value[0] if isinstance(value.value, list) else str(value.value)
            return re.sub(r"\$\{([^}!]+)\}", lambda part: str(self._named(part[1], notes)), str(text))
        if value.name == "GetAtt":
            name = ".".join(value.value) if isinstance(value.value, list) else str(value.value)
            return foreign.asked(name, notes, f"{name} of the stack")
        if value.name == "ImportValue":
            return template("cfn_export", str(value.value))
        return foreign.asked(value.name, notes, f"!{value.name}, which has no counterpart,")

    def _named(self, name: str, notes: list[str]) -> Any:
        if name in ("AWS::Region", "AWS::AccountId", "AWS::Partition"):
            return {
                "AWS::Region": template("must_env", "AWS_REGION"),
                "AWS::AccountId": template("caller_identity.Account"),
                "AWS::Partition": "aws",
            }[name]
        if name in self._parameters:
            return foreign.variable(name, mapped(self._parameters[name]).get("Default"))
        return foreign.asked(name, notes, f"{name} of the stack")


def _function(key: str, said: Mapping[str, Any], filler: _Filler) -> Converted:
    notes: list[str] = []
    given = filler.fill(dict(said), notes)
    definition: dict[str, Any] = {"FunctionName": given.get("FunctionName", key)}
    definition |= {name: given[name] for name in _SAME if name in given}
    if "Role" not in definition:
        definition["Role"] = foreign.variable("FnRole")
        notes.append("SAM makes a role of Policies; here it is named: set FN_ROLE, or write its ARN as Role")
    if given.get("Tags"):
        definition["Tags"] = given["Tags"]
    if given.get("Tracing"):
        definition["TracingConfig"] = {"Mode": given["Tracing"]}
    if queue := mapped(given.get("DeadLetterQueue")):
        definition["DeadLetterConfig"] = {"TargetArn": queue.get("TargetArn")}
    if given.get("KmsKeyArn"):
        definition["KMSKeyArn"] = given["KmsKeyArn"]
    if given.get("ImageUri"):
        definition["Code"] = {"ImageUri": given["ImageUri"]}
    if extras := _extras(given, notes):
        definition["Fn"] = extras
    for name in sorted(given.keys() - _TAKEN):
        notes.append(f"{name} has no counterpart")
    if alias := given.get("AutoPublishAlias"):
        notes.append(f"AutoPublishAlias: deploy with --alias {alias} (without it the alias is current)")
    if given.get("DeploymentPreference"):
        notes.append("DeploymentPreference: canaries are fn canary, with a plan in release.json")
    if given.get("Policies"):
        notes.append("Policies belong to the role, which is made elsewhere")
    code = given.get("CodeUri")
    if isinstance(code, Mapping):
        definition["Code"] = foreign.pruned({"S3Bucket": code.get("Bucket"), "S3Key": code.get("Key")})
    return Converted(key, foreign.pruned(definition), code if isinstance(code, str) else ".", notes)


def _extras(given: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if url := mapped(given.get("FunctionUrlConfig")):
        found["FunctionUrl"] = {name: url[name] for name in ("AuthType", "Cors", "InvokeMode") if name in url}
    if "ReservedConcurrentExecutions" in given:
        reserved = {"ReservedConcurrentExecutions": given["ReservedConcurrentExecutions"]}
        found["FunctionConcurrency"] = reserved
    if provisioned := mapped(given.get("ProvisionedConcurrencyConfig")):
        found["ProvisionedConcurrency"] = dict(provisioned)
    if managed := mapped(given.get("RuntimeManagementConfig")):
        found["RuntimeManagementConfig"] = dict(managed)
    if given.get("RecursiveLoop"):
        found["RecursionConfig"] = {"RecursiveLoop": given["RecursiveLoop"]}
    if invoked := mapped(given.get("EventInvokeConfig")):
        members = ("MaximumEventAgeInSeconds", "MaximumRetryAttempts")
        found["EventInvokeConfig"] = {name: invoked[name] for name in members if name in invoked}
        if "DestinationConfig" in invoked:
            notes.append("EventInvokeConfig.DestinationConfig: write it with the ARNs of its destinations")
    sources = []
    for name, event in mapped(given.get("Events")).items():
        kind, about = mapped(event).get("Type"), mapped(mapped(event).get("Properties"))
        if kind in _SOURCES:
            source = {"EventSourceArn": about.get(_SOURCES[str(kind)])}
            sources.append(source | {member: about[member] for member in _SOURCE_MEMBERS if member in about})
        else:
            notes.append(f"the event {name} ({kind}) is made elsewhere; a permission for it is Fn.Permissions")
    if sources:
        found["EventSourceMappings"] = sources
    return {key: value for key, value in found.items() if listed(value) or mapped(value)}
