"""The diff beside the deploy: what it shows is what a deploy would write, on the local cloud and on a moto server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Calls, Project, cloud_session, moto_session
from fnroll import deploy
from fnroll.aws import Session
from fnroll.aws.functions import find_function
from fnroll.deploy.desired import undeployed
from fnroll.deploy.diff import Sides, beside, colored, compare


@pytest.fixture(params=["cloud", "moto"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Session, Project]]:
    opened = cloud_session(tmp_path / "state") if request.param == "cloud" else moto_session()
    with opened as (session, role):
        (tmp_path / "project").mkdir()
        yield session, Project(tmp_path / "project", role)


def sides(session: Session, project: Project, qualifier: str | None = None, ignore: str = "") -> Sides:
    desired = project.desired()
    actual = deploy.read_actual(session, desired, "current")
    state = find_function(session.control, "hello", qualifier) if actual.function else None
    if ignore and state:
        desired = undeployed(desired, state, actual.function and actual.function.tags, deploy.parse_ignored(ignore))
    return compare(desired, state, actual)


def steps(session: Session, project: Project) -> list[str]:
    desired = project.desired()
    return [step.kind for step in beside(desired, deploy.read_actual(session, desired, "current"), "current")]


FULL: dict[str, Any] = {
    "Description": "says hello",
    "MemorySize": 256,
    "Timeout": 10,
    "EphemeralStorage": {"Size": 1024},
    "Environment": {"Variables": {"KEY": "value", "EMPTY": ""}},
    "TracingConfig": {"Mode": "Active"},
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"},
    "Tags": {"team": "a"},
    "Architectures": ["arm64"],
}
NOT_IN_MOTO = {"DeadLetterConfig", "EphemeralStorage", "TracingConfig", "Architectures"}
"""What moto forgets at creation or at an update."""
CHANGED: dict[str, Any] = {
    "Description": "says more",
    "MemorySize": 512,
    "Timeout": 11,
    "EphemeralStorage": {"Size": 2048},
    "Environment": {"Variables": {"KEY": "other", "EMPTY": ""}},
    "TracingConfig": {"Mode": "PassThrough"},
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:other"},
    "Tags": {"team": "b"},
    "Architectures": ["x86_64"],
}


@pytest.mark.parametrize("member", FULL)
def test_deployed_changed_and_removed_show_exactly_that(
    request: pytest.FixtureRequest, stage: tuple[Session, Project], member: str
) -> None:
    session, project = stage
    on_moto = "moto" in request.node.callspec.id
    if on_moto and member in NOT_IN_MOTO:
        pytest.skip(f"moto forgets {member}")
    project.definition |= {key: FULL[key] for key in FULL.keys() - (NOT_IN_MOTO if on_moto else set())}
    project.deploy(session)
    assert sides(session, project).changed == {}
    project.definition[member] = CHANGED[member]
    assert sides(session, project).changed == {member: (FULL[member], CHANGED[member])}
    project.deploy(session)
    assert sides(session, project).changed == {}
    del project.definition[member]
    gone = sides(session, project).changed
    # Absent tags and architectures are left as they are; anything else goes back to what it is by default.
    assert gone.keys() == (set() if member in ("Tags", "Architectures", "TracingConfig") else {member})
    project.deploy(session)
    assert sides(session, project).changed == {}


def test_what_is_not_deployed_is_added_as_a_whole(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    found = sides(session, project)
    assert found.before == {}
    assert {"FunctionName", "Role", "Runtime", "Handler", "MemorySize"} <= found.after.keys()
    assert all(line.startswith("+") for line in found.unified("a", "b")[3:])
    assert steps(session, project) == ["create-url", "allow", "allow"]


def test_url_and_settings_are_told_as_the_steps_to_come(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "NONE"}}
    project.deploy(session)
    assert steps(session, project) == []
    project.definition["Fn"] = {"FunctionUrl": {"AuthType": "AWS_IAM"}}
    assert steps(session, project) == ["update-url", "disallow", "disallow"]
    del project.definition["Fn"]
    assert steps(session, project) == ["disallow", "disallow", "delete-url"]


def test_a_version_is_compared_without_the_record_in_its_description(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition["Description"] = "mine"
    project.deploy(session)
    project.definition["MemorySize"] = 512
    project.deploy(session)
    assert sides(session, project, "2").changed == {}
    assert sides(session, project, "1").changed == {"MemorySize": (128, 512)}


def test_ignored_members_make_no_difference(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.definition |= {"Environment": {"Variables": {"AA": "1", "BB": "1"}}}
    project.deploy(session)
    project.definition |= {"Environment": {"Variables": {"AA": "2", "BB": "2"}}, "Timeout": 9}
    found = sides(session, project, ignore=".Environment.Variables.AA, .Timeout").changed
    assert found == {"Environment": ({"Variables": {"AA": "1", "BB": "1"}}, {"Variables": {"AA": "1", "BB": "2"}})}


def test_a_diff_sends_reads_alone(stage: tuple[Session, Project]) -> None:
    session, project = stage
    project.deploy(session)
    project.code("other")
    calls = Calls(session)
    sides(session, project)
    steps(session, project)
    assert calls.sent and calls.writes == []


def test_lambroll_issues_443_600_617_false_differences() -> None:
    """IPv6 flag, order of VPC ids, empty variables: there each was a difference for ever."""
    from fnroll.aws.functions import state_of
    from fnroll.deploy.actual import Actual
    from fnroll.deploy.desired import Desired, wanted

    request = {
        "FunctionName": "hello",
        "Role": "arn:aws:iam::000000000000:role/fn",
        "VpcConfig": {"SubnetIds": ["subnet-b", "subnet-a"], "SecurityGroupIds": ["sg-1"]},
        "Environment": {"Variables": {"EMPTY": ""}},
    }
    answered = {
        "FunctionName": "hello",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "Role": request["Role"],
        "VpcConfig": {
            "SubnetIds": ["subnet-a", "subnet-b"],
            "SecurityGroupIds": ["sg-1"],
            "VpcId": "vpc-1",
            "Ipv6AllowedForDualStack": False,
        },
        "Environment": {"Variables": {"EMPTY": ""}},
        "MemorySize": 128,
        "Timeout": 3,
        "PackageType": "Zip",
        "Architectures": ["arm64"],
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "TracingConfig": {"Mode": "PassThrough"},
        "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/hello"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": "arn:x"},
    }
    state = state_of(answered)

    def desired(request: dict[str, Any]) -> Desired:
        class Like:
            name, layers, tags, extras = "hello", (), None, {}

            def __init__(self) -> None:
                self.request = request

        return wanted(Like(), (), None)  # type: ignore[arg-type]

    assert compare(desired(request), state, Actual(state)).changed == {}
    request["VpcConfig"] = {"SubnetIds": ["subnet-c", "subnet-a"], "SecurityGroupIds": ["sg-1"]}
    assert compare(desired(request), state, Actual(state)).changed["VpcConfig"] == (
        {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": False},
        {"SubnetIds": ["subnet-a", "subnet-c"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": False},
    )
    assert "VpcId" not in str(compare(desired(request), state, Actual(state)).before)


def test_lines_are_coloured_by_what_they_say() -> None:
    lines = Sides({"A": 1}, {"A": 2}).unified("deployed", "wanted")
    assert lines == ["--- deployed", "+++ wanted", "@@ -1,3 +1,3 @@", " {", '-  "A": 1', '+  "A": 2', " }"]
    assert [color for _, color in colored(lines)] == ["bold", "bold", "cyan", None, "red", "green", None]
