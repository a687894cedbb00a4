"""Calls of every operation that is built, made from the model: with the least and with all that it allows, so that a
member that AWS adds is tried with the next botocore. And a state that holds one of everything, to call them on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from cloud_support import ARN, ROLE, client, make, package, served
from fnroll.cloud.configuration import NOT_BUILT
from fnroll.cloud.control import OPERATIONS
from fnroll.cloud.data_plane import INVOKING

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"))
BUILT = sorted({*OPERATIONS, *INVOKING})
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
PROVIDER = "arn:aws:lambda:us-east-1:000000000000:capacity-provider"
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:words"

REFUSED = frozenset(
    {
        *NOT_BUILT,
        "AmazonManagedKafkaEventSourceConfig",
        "DocumentDBEventSourceConfig",
        "LoggingConfig:source",
        "ProvisionedPollerConfig",
        "Queues",
        "SelfManagedEventSource",
        "SelfManagedKafkaEventSourceConfig",
        "SourceAccessConfigurations",
        "Topics",
        "DurableExecutionName",
    }
)
"""Members that are refused by name (docs/local-cloud.md)."""

ELSEWHERE = frozenset(
    {"S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode", "ImageUri", "DryRun", "RevisionId", "Marker"}
    | {"TenancyConfig", "TenantId", "TumblingWindowInSeconds"}
)
"""Members that exclude others, or that only one value fits."""

VALUES: Mapping[str, Any] = {
    "FunctionName": "hello",
    "Name": "live",
    "FunctionVersion": "1",
    "Qualifier": "live",
    "Role": ROLE,
    "Runtime": "python3.13",
    "Handler": "handler.handle",
    "PackageType": "Zip",
    "Architectures": ["x86_64"],
    "Code": {"ZipFile": package()},
    "ZipFile": package({"other.py": "x"}),
    "Content": {"ZipFile": package({"word": "x"})},
    "Timeout": 20,
    "MemorySize": 2048,
    "Layers": [f"{LAYER}:1"],
    "LayerName": "words",
    "VersionNumber": 1,
    "Arn": f"{LAYER}:1",
    "StatementId": "mine",
    "Principal": "*",
    "Action": "lambda:InvokeFunction",
    "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}},
    "Resource": f"{ARN}hello",
    "ResourceArn": f"{ARN}hello",
    "Policy": json.dumps(
        {
            "Statement": {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "lambda:InvokeFunction",
                "Resource": f"{ARN}hello",
            }
        }
    ),
    "TagKeys": ["a"],
    "Tags": {"a": "b"},
    "EventSourceArn": QUEUE,
    "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    "FilterCriteria": {"Filters": [{"Pattern": '{"body":["x"]}'}]},
    "StartingPosition": "LATEST",
    "MaxItems": 1,
    "BatchSize": 5,
    "MaximumBatchingWindowInSeconds": 0,
    "ProvisionedConcurrentExecutions": 1,
    "ReservedConcurrentExecutions": 1,
    "ScalingConfig": {"MaximumConcurrency": 2},
    "ClientContext": "e30=",
    "Payload": b"{}",
    "InvokeArgs": b"{}",
    "FunctionVersion:ListFunctions": "ALL",
    "AllowedPublishers": {
        "SigningProfileVersionArns": ["arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/abcdefghij"]
    },
    "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"},
    "SnapStart": {"ApplyOn": "None"},
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "FileSystemConfigs": [
        {
            "Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0",
            "LocalMountPath": "/mnt/x",
        }
    ],
    "CapacityProviderArn": f"{PROVIDER}:mine",
    "CapacityProviderName": "mine",
    "CapacityProviderOperatorRoleArn": ROLE,
    "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/x",
    "ScalingMode": "Manual",
    "TelemetryConfig": {"LoggingConfig": {"SystemLogLevel": "INFO", "LogGroup": "/x"}},
    "DeadLetterConfig": {"TargetArn": QUEUE},
    "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/x",
    "EphemeralStorage": {"Size": 600},
    "Environment": {"Variables": {"NAME": "b"}},
    "UpdateRuntimeOn": "Auto",
    "EventSourceToken": "token",
    "SourceArn": QUEUE,
    "SourceAccount": "123456789012",
    "PrincipalOrgID": "o-0123456789",
    "OrganizationId": "o-0123456789",
    "SourceKMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/x",
    "FunctionUrlAuthType": "NONE",
    "ImageConfig": {"Command": ["x"]},
    "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/x", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"},
    "Cors": {"AllowOrigins": ["*"], "MaxAge": 1},
}

FRESH = {
    "CreateFunction": {"FunctionName": "fresh"},
    "CreateAlias": {"Name": "fresh"},
    "CreateFunctionUrlConfig": {"Qualifier": "other"},
    "AddPermission": {"StatementId": "fresh"},
    "AddLayerVersionPermission": {"StatementId": "fresh", "Action": "lambda:GetLayerVersion"},
    "CreateEventSourceMapping": {"FunctionName": "hello:other"},
    "DeleteFunction": {"Qualifier": "3"},
    "PutFunctionCodeSigningConfig": {},
    "DeleteCodeSigningConfig": {"CodeSigningConfigArn": "free"},
    "PutRuntimeManagementConfig": {
        "UpdateRuntimeOn": "Manual",
        "RuntimeVersionArn": f"arn:aws:lambda:us-east-1::runtime:{'a' * 64}",
    },
    "ListFunctions": {"MasterRegion": "ALL", "FunctionVersion": "ALL"},
    "ListAliases": {"FunctionVersion": "1"},
    "PublishVersion": {"FunctionName": "managed"},
    "UpdateFunctionCode": {"FunctionName": "managed"},
    "CreateCapacityProvider": {"CapacityProviderName": "fresh"},
    "DeleteCapacityProvider": {"CapacityProviderName": "unused"},
    "PutFunctionScalingConfig": {"FunctionName": "managed", "Qualifier": "1"},
    "GetFunctionScalingConfig": {"FunctionName": "managed", "Qualifier": "1"},
    "UpdateFunctionConfiguration": {"FunctionName": "managed"},
}
"""What an operation needs otherwise than the others."""

NEEDED = {
    "CreateFunction": ("Runtime", "Handler"),
    "UpdateFunctionCode": ("ZipFile",),
    "CreateEventSourceMapping": ("EventSourceArn",),
}
"""What Lambda wants, and its model does not say."""

ONLY = {"PublishVersion": {"CodeSha256"}, "PutProvisionedConcurrencyConfig": set[str](), "Invoke": {"InvocationType"}}
"""Members left out of an operation's full input: they fit one value only."""


def fill(directory: Path) -> dict[str, str]:
    """Make a state that holds one of everything; the names that were drawn."""
    with served(directory) as (endpoint, _):
        api = client(endpoint)
        make(api, Publish=True, Tags={"a": "b"})
        for description in ("2", "3"):
            api.update_function_configuration(FunctionName="hello", Description=description)
            api.publish_version(FunctionName="hello")
        for name in ("live", "other"):
            api.create_alias(FunctionName="hello", Name=name, FunctionVersion="1")
        api.publish_layer_version(LayerName="words", Content={"ZipFile": package({"word": "x"})})
        for qualifier in ({}, {"Qualifier": "live"}):
            api.create_function_url_config(FunctionName="hello", AuthType="NONE", **qualifier)
            api.put_function_event_invoke_config(FunctionName="hello", MaximumRetryAttempts=1, **qualifier)
            api.add_permission(
                FunctionName="hello", StatementId="mine", Principal="*", Action="lambda:InvokeFunction", **qualifier
            )
        api.add_layer_version_permission(
            LayerName="words", VersionNumber=1, StatementId="mine", Principal="*", Action="lambda:GetLayerVersion"
        )
        api.put_provisioned_concurrency_config(
            FunctionName="hello", Qualifier="live", ProvisionedConcurrentExecutions=1
        )
        publishers = VALUES["AllowedPublishers"]
        used, free = (
            api.create_code_signing_config(AllowedPublishers=publishers)["CodeSigningConfig"]["CodeSigningConfigArn"]
            for _ in range(2)
        )
        api.put_function_code_signing_config(FunctionName="hello", CodeSigningConfigArn=used)
        for name in ("mine", "unused"):
            api.create_capacity_provider(
                CapacityProviderName=name,
                VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
                PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
            )
        instances = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": f"{PROVIDER}:mine"}}
        make(api, "managed", Publish=True, MemorySize=2048, CapacityProviderConfig=instances)
        make(api, "tenanted", TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
        client(endpoint, "sqs").create_queue(QueueName="q")
        uuid = api.create_event_source_mapping(FunctionName="hello", EventSourceArn=QUEUE, Enabled=False)["UUID"]
    return {"UUID": uuid, "CodeSigningConfigArn": used, "free": free}


def generated(shape: Shape, name: str, *, full: bool) -> Any:
    """A value of a shape: known by its name, or the simplest that the model allows."""
    if name in VALUES:
        return VALUES[name]
    kind = shape.type_name
    if kind == "structure":
        members: dict[str, Any] = {}
        for member, inner in shape.members.items():
            if member in shape.required_members or (full and member not in REFUSED | ELSEWHERE):
                members[member] = generated(inner, member, full=full)
        return members
    if kind == "list":
        return [generated(shape.member, name, full=full)]
    if kind == "map":
        return {"a": generated(shape.value, name, full=full)}
    if kind in ("integer", "long"):
        return max(int(shape.metadata.get("min", 1)), 1)
    if kind in ("float", "double"):
        return max(float(shape.metadata.get("min", 0.5)), 0.5)
    if kind == "boolean":
        return True
    if kind == "blob":
        return b"{}"
    if kind == "timestamp":
        return 1_700_000_000
    if "enum" in shape.metadata:
        return shape.metadata["enum"][0]
    return "x" * max(int(shape.metadata.get("min", 1)), 1)


def arguments(name: str, drawn: Mapping[str, str], *, full: bool) -> dict[str, Any]:
    shape = MODEL.operation_model(name).input_shape
    if shape is None:
        return {}
    said: dict[str, Any] = generated(shape, "", full=full)
    if name.endswith("EventSourceMapping"):
        said.pop("LoggingConfig", None)
        for member in ("StartingPosition", "StartingPositionTimestamp", "MaximumRecordAgeInSeconds"):
            said.pop(member, None)
    said = {key: value for key, value in said.items() if key not in ONLY.get(name, ())}
    said |= {key: VALUES[key] for key in NEEDED.get(name, ())}
    said |= {key: value for key, value in drawn.items() if key in said}
    special = FRESH.get(name, {})
    said |= {key: drawn.get(value, value) for key, value in special.items() if full or key in said}
    if "Qualifier" in special and "Qualifier" in shape.members:
        said["Qualifier"] = special["Qualifier"]
    return said
