"""What the file says against what AWS answers: which of it is a difference. Pure tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project
from fnroll import deploy
from fnroll.deploy.desired import differences, has_mark, package_mark

ROLE = "arn:aws:iam::000000000000:role/fn"
VPC = {"SubnetIds": ["subnet-2", "subnet-1"], "SecurityGroupIds": ["sg-1"]}
VPC_ANSWERED = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"}
LEVELS = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
JSON_LOG = {"LogFormat": "JSON", "LogGroup": "/aws/lambda/hello", **LEVELS}
ONE = {"Environment": {"Variables": {"AB": "1"}}}
IMAGE = {"ImageConfigResponse": {"ImageConfig": {"Command": ["a"]}}}
OF_IMAGE = {"PackageType": "Image", "Code": {"ImageUri": "x"}, "Runtime": None, "Handler": None}


def wanted(tmp_path: Path, **members: Any) -> deploy.Desired:
    project = Project(tmp_path, ROLE)
    project.definition |= members
    return project.desired()


def answered(desired: deploy.Desired, **changes: Any) -> dict[str, Any]:
    """What AWS has of a function with nothing special, and then what is special."""
    keys = ("Role", "Runtime", "Handler", "MemorySize", "Timeout")
    plain = {key: desired.configuration[key] for key in keys if key in desired.configuration}
    return {**plain, "Description": "", **changes}


@pytest.mark.parametrize(
    ("said", "deployed", "sent"),
    [
        ({"VpcConfig": VPC}, {"VpcConfig": {**VPC_ANSWERED, "Ipv6AllowedForDualStack": False}}, []),
        ({"VpcConfig": VPC}, {"VpcConfig": VPC_ANSWERED}, []),
        ({"VpcConfig": {**VPC, "Ipv6AllowedForDualStack": True}}, {"VpcConfig": VPC_ANSWERED}, ["VpcConfig"]),
        ({"VpcConfig": VPC}, {"VpcConfig": {**VPC_ANSWERED, "Ipv6AllowedForDualStack": True}}, ["VpcConfig"]),
        ({}, {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}}, []),
        ({}, {"VpcConfig": VPC_ANSWERED}, ["VpcConfig"]),
        ({"Environment": {}}, {"Environment": {"Variables": {"LEFT": "1"}}}, ["Environment"]),
        (ONE, ONE, []),
        (
            ONE,
            {"Environment": {"Variables": {"AB": "1", "C": ""}}},
            ["Environment"],
        ),
        ({"DeadLetterConfig": {}}, {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:r:a:q"}}, ["DeadLetterConfig"]),
        ({}, {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, ["KMSKeyArn"]),
        ({"LoggingConfig": {"LogFormat": "JSON"}}, {"LoggingConfig": JSON_LOG}, []),
        ({"LoggingConfig": {"LogFormat": "JSON"}}, {"LoggingConfig": {**JSON_LOG, "LogGroup": "x"}}, ["LoggingConfig"]),
        (
            {"LoggingConfig": {"LogFormat": "JSON"}},
            {"LoggingConfig": {**JSON_LOG, "SystemLogLevel": "DEBUG"}},
            ["LoggingConfig"],
        ),
        ({}, {"LoggingConfig": JSON_LOG}, ["LoggingConfig"]),
        (OF_IMAGE | {"ImageConfig": {"Command": ["a"]}}, IMAGE, []),
        (OF_IMAGE | {"ImageConfig": {"Command": ["b"]}}, IMAGE, ["ImageConfig"]),
        ({}, IMAGE, ["ImageConfig"]),
        ({}, {"ImageConfigResponse": {"ImageConfig": {}}}, []),
        ({}, {"SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"}}, []),
        ({}, {"SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}}, ["SnapStart"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_only_what_differs_is_sent(
    tmp_path: Path, said: dict[str, Any], deployed: dict[str, Any], sent: list[str]
) -> None:
    desired = wanted(tmp_path, **said)
    assert sorted(differences(desired, answered(desired, **deployed))) == sent


def test_a_mark_counts_for_the_code_it_was_made_of_and_no_other(tmp_path: Path) -> None:
    package = wanted(tmp_path).package
    assert package is not None
    tags = {"fn:package": package_mark(package)}
    assert has_mark(package, package.code_sha256, tags)
    assert not has_mark(package, "another", tags)
    assert not has_mark(package, package.code_sha256, None)
