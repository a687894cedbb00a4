"""Every field, one by one: deployed it is no difference, changed it is exactly one, removed it is gone.

Plan and diff are made from one and the same reading, and have to agree at each station.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project, cloud_session, no_time
from fnroll import deploy
from fnroll.aws import FunctionState, Session
from fnroll.aws.functions import state_of
from fnroll.definition.service import shape
from fnroll.deploy.desired import desired_of
from fnroll.deploy.diff import compare
from fnroll.deploy.plan import steps_to

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
    "Layers": "test_layers",
}

ANSWERED: dict[str, tuple[Any, Any]] = {
    "ImageConfig": ({"Command": ["a.a"]}, {"Command": ["b.b"], "WorkingDirectory": "/srv"}),
    "SnapStart": ({"ApplyOn": "PublishedVersions"}, {"ApplyOn": "None"}),
    "AcceleratorConfig": ({"AcceleratorMemorySize": 8}, {"AcceleratorMemorySize": 16}),
    "RuntimeConfig": ({"RuntimeArn": "arn:a"}, {"RuntimeArn": "arn:b"}),
    "DurableConfig": ({"ExecutionTimeout": 60}, {"ExecutionTimeout": 90, "RetentionPeriodInDays": 7}),
    "CapacityProviderConfig": (
        {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "arn:a"}},
        {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "arn:b"}},
    ),
}
"""What neither the local cloud nor moto has, by answers that are made up."""

LEFT = {"AcceleratorConfig", "RuntimeConfig", "DurableConfig", "CapacityProviderConfig"}
"""Lambda has no word for taking them away: absent, they stay as they are."""


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
    assert members - FIELDS.keys() - ELSEWHERE.keys() - ANSWERED.keys() == set()


def looked(project: Project, session: Session) -> tuple[deploy.Plan, set[str]]:
    """The plan, and the members that a diff shows."""
    desired = project.desired()
    actual = deploy.read_actual(session, desired, "current")
    shown = compare(desired, actual.function, actual).changed if actual.function else {}
    return deploy.plan(desired, actual, alias="current"), set(shown)


@pytest.mark.parametrize("field", FIELDS)
def test_deployed_changed_and_removed(field: str, session: Session, tmp_path: Path) -> None:
    project = Project(tmp_path, "arn:aws:iam::000000000000:role/fn")
    project.definition["FunctionName"] = f"field-{field}"
    project.definition |= NEEDED.get(field, {})
    before = dict(project.definition)
    for value in FIELDS[field]:
        project.definition[field] = value
        changed, shown = looked(project, session)
        deploy.apply(changed, session, clock=no_time())
        after, left = looked(project, session)
        assert (after.steps, left) == ((), set()), f"{field}: {value}"
    assert shown == {field}
    kinds = {"Tags": {"tag", "untag"}, "Architectures": {"update-code"}}.get(field, {"update-configuration"})
    steps = [step for step in changed.steps if step.kind not in ("publish-version", "move-alias")]
    assert {step.kind for step in steps} == kinds
    assert all(step.sends.keys() == {field} for step in steps if step.kind == "update-configuration")
    project.definition = before if field not in REQUIRED else before | {field: FIELDS[field][0]}
    removed, shown = looked(project, session)
    nothing = field in ("Tags", "Architectures", "TracingConfig")
    assert ([step.kind for step in removed.steps] == [], shown) == ((True, set()) if nothing else (False, {field}))
    deploy.apply(removed, session, clock=no_time())
    after, left = looked(project, session)
    assert (after.steps, left) == ((), set())


@pytest.mark.parametrize("field", ANSWERED)
def test_what_no_cloud_here_has(field: str) -> None:
    one, two = ANSWERED[field]

    def wanted(**members: Any) -> deploy.Desired:
        return desired_of("hello", {"Role": "r", **members}, {}, None, (), None)

    def answered(value: Any) -> FunctionState:
        member = {"ImageConfigResponse": {"ImageConfig": value}} if field == "ImageConfig" else {field: value}
        return state_of({"FunctionName": "hello", "Role": "r", **member}, {})

    def seen(desired: deploy.Desired, state: FunctionState) -> tuple[dict[str, Any], set[str]]:
        actual = deploy.Actual(state)
        sent = [step.sends for step in steps_to(desired, state, actual) if step.kind == "update-configuration"]
        return dict(sent[0]) if sent else {}, set(compare(desired, state, actual).changed)

    assert seen(wanted(**{field: one}), answered(one)) == ({}, set())
    assert seen(wanted(**{field: two}), answered(one)) == ({field: two}, {field})
    assert seen(wanted(**{field: two}), answered(two)) == ({}, set())
    sent, shown = seen(wanted(), answered(one))
    assert (sent.keys(), shown) == ((set(), set()) if field in LEFT else ({field}, {field}))
