"""Every documented parameter of every operation that is built: some call gives it, and it is accepted, or it is refused
by its name. test_model_walk.py gives most at once; the calls here give those that exclude others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import Shape

from cloud_support import ROLE, client, package, served
from cloud_walk_support import BUILT, MODEL, QUEUE, REFUSED, arguments, fill, generated

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:1"
S3 = ("S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode")
Drawn = Mapping[str, str]


def from_s3(drawn: Drawn) -> dict[str, str]:
    return {"S3Bucket": "code", "S3Key": "z.zip", "S3ObjectVersion": drawn["object"], "S3ObjectStorageMode": "COPY"}


def revised(name: str) -> Callable[[Drawn], dict[str, Any]]:
    return lambda drawn: {"RevisionId": drawn[name]}


def of_hello(name: str) -> Callable[[Drawn], dict[str, Any]]:
    """Where the least is of another function."""
    return lambda drawn: {"FunctionName": "hello", "RevisionId": drawn[name]}


def said(**given: Any) -> Callable[[Drawn], dict[str, Any]]:
    return lambda drawn: given


BOTH_WAYS = said(DestinationConfig={"OnSuccess": {"Destination": QUEUE}, "OnFailure": {"Destination": QUEUE}})
CORS = said(
    Cors={
        "AllowCredentials": True,
        "AllowHeaders": ["x-a"],
        "AllowMethods": ["GET"],
        "AllowOrigins": ["http://localhost"],
        "ExposeHeaders": ["x-b"],
        "MaxAge": 5,
    }
)
DEEP = {
    "FileSystemConfigs": [
        {
            "Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0",
            "LocalMountPath": "/mnt/x",
            "S3FilesConfig": {"DirectS3Read": "AUTO"},
        }
    ],
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": True},
    "ImageConfig": {"EntryPoint": ["/x"], "Command": ["y"], "WorkingDirectory": "/z"},
}
FED = {
    "MaximumRecordAgeInSeconds": 60,
    "ParallelizationFactor": 2,
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 3,
    "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}

CALLS: tuple[tuple[str, str, Callable[[Drawn], dict[str, Any]]], ...] = (
    ("AddPermission", "on-a-revision", revised("policy")),
    ("RemovePermission", "on-a-revision", revised("policy")),
    ("AddLayerVersionPermission", "on-a-revision", revised("layer policy")),
    ("RemoveLayerVersionPermission", "on-a-revision", revised("layer policy")),
    ("UpdateAlias", "on-a-revision", revised("alias")),
    ("PutResourcePolicy", "on-a-revision", revised("policy")),
    ("DeleteResourcePolicy", "on-a-revision", revised("policy")),
    ("UpdateFunctionCode", "on-a-revision", of_hello("$LATEST")),
    ("UpdateFunctionCode", "dry", said(DryRun=True)),
    ("UpdateFunctionCode", "from-s3", lambda drawn: {"ZipFile": None, **from_s3(drawn)}),
    ("UpdateFunctionCode", "of-an-image", said(FunctionName="image", ZipFile=None, ImageUri=IMAGE)),
    ("UpdateFunctionConfiguration", "on-a-revision", of_hello("$LATEST")),
    ("UpdateFunctionConfiguration", "deep", said(**DEEP)),
    ("PublishVersion", "of-what-was-seen", lambda drawn: {**of_hello("$LATEST")(drawn), "CodeSha256": drawn["hash"]}),
    ("CreateFunction", "from-s3", lambda drawn: {"Code": {**from_s3(drawn), "SourceKMSKeyArn": "arn:aws:kms:x"}}),
    ("CreateFunction", "deep", said(**DEEP)),
    ("CreateFunction", "of-tenants", said(TenancyConfig={"TenantIsolationMode": "PER_TENANT"})),
    (
        "CreateFunction",
        "of-an-image",
        said(
            PackageType="Image", Code={"ImageUri": IMAGE}, Runtime=None, Handler=None, ImageConfig=DEEP["ImageConfig"]
        ),
    ),
    ("PublishLayerVersion", "from-s3", lambda drawn: {"Content": from_s3(drawn)}),
    ("CreateFunctionUrlConfig", "cors", CORS),
    ("UpdateFunctionUrlConfig", "cors", CORS),
    ("PutFunctionEventInvokeConfig", "both-ways", BOTH_WAYS),
    ("UpdateFunctionEventInvokeConfig", "both-ways", BOTH_WAYS),
    ("Invoke", "waits", said(InvocationType="RequestResponse", LogType="Tail")),
    ("Invoke", "queues", said(InvocationType="Event")),
    ("Invoke", "dry", said(InvocationType="DryRun")),
    ("Invoke", "of-a-tenant", said(FunctionName="tenanted", Qualifier=None, TenantId="blue")),
    ("InvokeWithResponseStream", "of-a-tenant", said(FunctionName="tenanted", Qualifier=None, TenantId="blue")),
    (
        "CreateEventSourceMapping",
        "of-a-stream",
        said(EventSourceArn=STREAM, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=1_700_000_000, **FED),
    ),
    ("UpdateEventSourceMapping", "of-a-stream", lambda drawn: {"UUID": drawn["stream"], **FED}),
    (
        "CreateEventSourceMapping",
        "in-windows",
        said(EventSourceArn=STREAM, StartingPosition="TRIM_HORIZON", TumblingWindowInSeconds=30),
    ),
    ("UpdateEventSourceMapping", "in-windows", lambda drawn: {"UUID": drawn["stream"], "TumblingWindowInSeconds": 30}),
)
"""Operation, name, and what is given beside the least (None: not given)."""

INSTEAD = ("CreateEventSourceMapping", "UpdateEventSourceMapping")
"""Whose DestinationConfig has an OnSuccess in the model, as it shares the shape with others, and on Lambda none."""

Place = tuple[str, ...]


def paths(shape: Shape, at: Place = ()) -> Iterator[Place]:
    """Every member of a structure, and of what is in it."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield (*at, name)
            yield from paths(member, (*at, name))
    elif shape.type_name == "list":
        yield from paths(shape.member, at)
    elif shape.type_name == "map":
        yield from paths(shape.value, at)


def given(value: Any, at: Place = ()) -> Iterator[Place]:
    """The same of what a call gives."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*at, name)
            yield from given(member, (*at, name))
    elif isinstance(value, list):
        for member in value:
            yield from given(member, at)


def is_refused(operation: str, path: Place) -> bool:
    """Whether the member, or what it is in, is refused by its name."""
    of_a_source = operation.endswith("EventSourceMapping")
    return path[0] in REFUSED or (of_a_source and path[0] == "LoggingConfig")


def call(operation: str, extra: Mapping[str, Any], drawn: Drawn) -> dict[str, Any]:
    whole = {**arguments(operation, drawn, full=False), **extra}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    directory = tmp_path_factory.mktemp("state")
    return directory, fill(directory)


@pytest.fixture
def ready(filled: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """A client of a cloud with one of everything, and the names, revisions and hashes of what is there."""
    directory = tmp_path / "state"
    shutil.copytree(filled[0], directory)
    with served(directory) as (endpoint, _):
        api, s3 = client(endpoint), client(endpoint, "s3")
        client(endpoint, "sqs").create_queue(QueueName="q")
        client(endpoint, "kinesis").create_stream(StreamName="s", ShardCount=1)
        s3.create_bucket(Bucket="code")
        s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
        version = s3.put_object(Bucket="code", Key="z.zip", Body=package({"of.py": "s3"}))["VersionId"]
        s3.put_object(Bucket="code", Key="z.zip", Body=b"a later one that is no zip")
        api.create_function(FunctionName="image", Role=ROLE, PackageType="Image", Code={"ImageUri": IMAGE})
        latest = api.get_function_configuration(FunctionName="hello")
        stream = api.create_event_source_mapping(
            FunctionName="hello:live", EventSourceArn=STREAM, StartingPosition="LATEST", Enabled=False
        )
        drawn = {
            **filled[1],
            "$LATEST": latest["RevisionId"],
            "hash": latest["CodeSha256"],
            "alias": api.get_alias(FunctionName="hello", Name="live")["RevisionId"],
            "policy": api.get_policy(FunctionName="hello")["RevisionId"],
            "layer policy": api.get_layer_version_policy(LayerName="words", VersionNumber=1)["RevisionId"],
            "object": version,
            "stream": stream["UUID"],
        }
        yield api, drawn


@pytest.mark.parametrize(("operation", "name", "extra"), CALLS, ids=lambda part: part if isinstance(part, str) else "")
def test_a_call_is_accepted(
    ready: tuple[Any, dict[str, str]], operation: str, name: str, extra: Callable[[Drawn], dict[str, Any]]
) -> None:
    api, drawn = ready
    answer = getattr(api, xform_name(operation))(**call(operation, extra(drawn), drawn))
    expected = {"queues": 202, "dry": 204 if operation == "Invoke" else 200}
    success = MODEL.operation_model(operation).http.get("responseCode", 200)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == expected.get(name, success)


def test_what_is_stored_is_told_again(ready: tuple[Any, dict[str, str]]) -> None:
    """What the calls above give, where it has no other effect."""
    api, drawn = ready
    key = "arn:aws:kms:us-east-1:123456789012:key/x"
    api.update_function_code(FunctionName="hello", SourceKMSKeyArn=key, **from_s3(drawn))
    found = api.get_function(FunctionName="hello")
    assert found["Code"]["SourceKMSKeyArn"] == key
    assert "SourceKMSKeyArn" not in found["Configuration"]
    api.update_function_code(FunctionName="hello", ZipFile=package({"a": "b"}))
    assert "SourceKMSKeyArn" not in api.get_function(FunctionName="hello")["Code"]
    answer = api.update_function_configuration(FunctionName="image", **DEEP)
    assert answer["FileSystemConfigs"] == DEEP["FileSystemConfigs"]
    assert answer["VpcConfig"]["Ipv6AllowedForDualStack"] is True
    assert answer["ImageConfigResponse"]["ImageConfig"] == DEEP["ImageConfig"]


PLACEHOLDERS = dict.fromkeys(
    ("$LATEST", "hash", "alias", "policy", "layer policy", "object", "stream", "UUID", "CodeSigningConfigArn", "free"),
    "x",
)


@pytest.mark.parametrize("operation", BUILT)
def test_no_parameter_is_left_out(operation: str) -> None:
    """Each is in a full call, in one of those above, or refused by name. Markers: test_model_pages.py."""
    shape = MODEL.operation_model(operation).input_shape
    if shape is None:
        return
    covered = set(given(arguments(operation, PLACEHOLDERS, full=True)))
    for name, _, extra in CALLS:
        if name == operation:
            covered |= set(given(call(operation, extra(PLACEHOLDERS), PLACEHOLDERS)))
    covered.add(("Marker",))
    left = {path for path in paths(shape) if path not in covered and not is_refused(operation, path)}
    if operation in INSTEAD:
        left = {path for path in left if path[:2] != ("DestinationConfig", "OnSuccess")}
    assert left == set()


def refused() -> Iterator[tuple[str, str]]:
    for operation in BUILT:
        shape = MODEL.operation_model(operation).input_shape
        for member in shape.members if shape is not None else ():
            if is_refused(operation, (member,)):
                yield operation, member


REFUSED_VALUES = {
    "LoggingConfig": {"SystemLogLevel": "INFO"},
    "RuntimeConfig": {"RuntimeArn": f"arn:aws:lambda:us-east-1:{'0' * 12}:runtime/mine", "RuntimeAlias": "x"},
    "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "mine"},
    "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "mine"},
    "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:1"]}},
    "Topics": ["topic"],
}
"""What is to fit a pattern; of the others the simplest value does."""


@pytest.mark.parametrize(("operation", "member"), list(refused()))
def test_what_is_not_built_is_refused_by_name(ready: tuple[Any, dict[str, str]], operation: str, member: str) -> None:
    api, drawn = ready
    shape = MODEL.operation_model(operation).input_shape
    assert shape is not None
    value = REFUSED_VALUES.get(member) or generated(shape.members[member], "", full=True)
    with pytest.raises(ClientError) as caught:
        getattr(api, xform_name(operation))(**call(operation, {member: value}, drawn))
    error = caught.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (501, "NotImplementedException")
    assert member in error["Error"]["Message"]


@pytest.mark.parametrize("operation", INSTEAD)
def test_what_lambda_refuses_of_a_shared_shape(ready: tuple[Any, dict[str, str]], operation: str) -> None:
    api, drawn = ready
    value = {"DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}}
    with pytest.raises(ClientError, match="OnSuccess is not supported in the DestinationConfig"):
        getattr(api, xform_name(operation))(**call(operation, value, drawn))


def test_code_that_shall_stay_in_s3_is_refused_by_name(ready: tuple[Any, dict[str, str]]) -> None:
    api, drawn = ready
    with pytest.raises(ClientError, match="S3ObjectStorageMode REFERENCE is not built"):
        api.update_function_code(FunctionName="hello", **{**from_s3(drawn), "S3ObjectStorageMode": "REFERENCE"})
