"""Every field, one by one: deployed it is no difference, changed it is exactly one, removed it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project, cloud_session
from fnroll.aws import Session
from fnroll.definition.service import shape

ARN = "arn:aws:{}:us-east-1:000000000000:{}"

FIELDS: dict[str, tuple[Any, Any]] = {
    "Architectures": (["arm64"], ["x86_64"]),
    "DeadLetterConfig": ({"TargetArn": ARN.format("sqs", "a")}, {"TargetArn": ARN.format("sqs", "b")}),
    "Description": ("one", "two"),
    "Environment": ({"Variables": {"AA": "1", "BB": "2"}}, {"Variables": {"BB": "3", "CC": "4"}}),
    "EphemeralStorage": ({"Size": 1024}, {"Size": 2048}),
    "FileSystemConfigs": (
        [{"Arn": ARN.format("elasticfilesystem", "access-point/fsap-" + "a" * 17), "LocalMountPath": "/mnt/a"}],
        [{"Arn": ARN.format("elasticfilesystem", "access-point/fsap-" + "a" * 17), "LocalMountPath": "/mnt/b"}],
    ),
    "Handler": ("a.a", "b.b"),
    "KMSKeyArn": (ARN.format("kms", "key/a"), ARN.format("kms", "key/b")),
    "LoggingConfig": (
        {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN"},
        {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "LogGroup": "/another"},
    ),
    "MemorySize": (256, 512),
    "Role": ("arn:aws:iam::000000000000:role/a", "arn:aws:iam::000000000000:role/b"),
    "Runtime": ("provided.al2", "provided.al2023"),
    "Tags": ({"one": "1", "two": "2"}, {"two": "3", "three": "4"}),
    "Timeout": (5, 9),
    "TracingConfig": ({"Mode": "Active"}, {"Mode": "PassThrough"}),
    "VpcConfig": (
        {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        {"SubnetIds": ["subnet-2"], "SecurityGroupIds": ["sg-1", "sg-2"], "Ipv6AllowedForDualStack": True},
    ),
}

NEEDED: dict[str, dict[str, Any]] = {
    "FileSystemConfigs": {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
}
"""What a field cannot be without."""

REQUIRED = {"Handler", "Role", "Runtime"}
"""They cannot be taken out of the file of a zip function."""

ELSEWHERE = {
    "FunctionName": "is the function",
    "Code": "is the package",
    "PackageType": "cannot be changed: test_plan_of_odd_functions",
    "TenancyConfig": "cannot be changed: test_plan_of_odd_functions",
    "CodeSigningConfigArn": "is heeded at creation alone",
    "Publish": "is fn's to say",
    "PublishTo": "is fn's to say",
    "RevisionId": "is fn's to say",
    "ImageConfig": "of images: test_plan_of_odd_functions",
    "Layers": "test_layers",
    "SnapStart": "wants a managed runtime: test_plan_of_odd_functions",
    "AcceleratorConfig": "the local cloud has no accelerators",
    "RuntimeConfig": "the local cloud has no runtimes by ARN",
    "DurableConfig": "the local cloud has no durable functions",
    "CapacityProviderConfig": "the local cloud has no managed instances",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with cloud_session(tmp_path_factory.mktemp("state")) as (opened, _):
        yield opened


def test_the_table_has_every_member_of_the_model() -> None:
    members = {
        member
        for name in ("CreateFunction", "UpdateFunctionConfiguration")
        for member in shape(f"{name}Request")["members"]
    }
    assert members - FIELDS.keys() - ELSEWHERE.keys() == set()


@pytest.mark.parametrize("field", FIELDS)
def test_deployed_changed_and_removed(field: str, session: Session, tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    project.definition["FunctionName"] = f"field-{field}"
    project.definition |= NEEDED.get(field, {})
    before = dict(project.definition)
    for value in FIELDS[field]:
        project.definition[field] = value
        changed = project.plan(session)
        project.deploy(session)
        assert project.plan(session).steps == (), f"{field}: {value}"
    kinds = {"Tags": {"tag", "untag"}, "Architectures": {"update-code"}}.get(field, {"update-configuration"})
    steps = [step for step in changed.steps if step.kind not in ("publish-version", "move-alias")]
    assert {step.kind for step in steps} == kinds
    assert all(step.sends.keys() == {field} for step in steps if step.kind == "update-configuration")
    project.definition = before if field not in REQUIRED else before | {field: FIELDS[field][0]}
    removed = [step.kind for step in project.plan(session).steps]
    assert (removed == []) == (field in ("Tags", "Architectures", "TracingConfig"))
    project.deploy(session)
    assert project.plan(session).steps == ()
