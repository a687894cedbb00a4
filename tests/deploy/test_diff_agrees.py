"""A diff shows a difference exactly where a deploy would write: over made-up pairs of definitions, without a server."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fnroll.aws import FunctionState
from fnroll.aws.functions import state_of
from fnroll.deploy.actual import Actual
from fnroll.deploy.described import described
from fnroll.deploy.desired import Desired, desired_of
from fnroll.deploy.diff import compare
from fnroll.deploy.diff_masks import VARIABLES, masked
from fnroll.deploy.plan import steps_to

NAMES = st.sampled_from(["AA", "BB", "CC"])
TEXT = st.sampled_from(["", "x", "y"])
REQUESTS = st.fixed_dictionaries(
    {"FunctionName": st.just("hello"), "Role": st.sampled_from(["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"])},
    optional={
        "Description": TEXT,
        "Handler": TEXT,
        "MemorySize": st.sampled_from([128, 256]),
        "Timeout": st.sampled_from([3, 9]),
        "Runtime": st.sampled_from(["provided.al2023", "python3.13"]),
        "Environment": st.fixed_dictionaries({"Variables": st.dictionaries(NAMES, TEXT)}),
        "VpcConfig": st.fixed_dictionaries(
            {"SubnetIds": st.permutations(["s-1", "s-2"]), "SecurityGroupIds": st.sampled_from([["g-1"], ["g-2"]])},
            optional={"Ipv6AllowedForDualStack": st.booleans()},
        ),
        "DeadLetterConfig": st.fixed_dictionaries({"TargetArn": TEXT}),
        "TracingConfig": st.fixed_dictionaries({"Mode": st.sampled_from(["Active", "PassThrough"])}),
        "EphemeralStorage": st.fixed_dictionaries({"Size": st.sampled_from([512, 1024])}),
        "KMSKeyArn": TEXT,
        "FileSystemConfigs": st.lists(
            st.fixed_dictionaries({"Arn": st.sampled_from(["a", "b"]), "LocalMountPath": st.just("/mnt/a")}), max_size=1
        ),
        "LoggingConfig": st.fixed_dictionaries(
            {"LogFormat": st.sampled_from(["Text", "JSON"])}, optional={"LogGroup": st.just("mine")}
        ),
        "SnapStart": st.fixed_dictionaries({"ApplyOn": st.sampled_from(["None", "PublishedVersions"])}),
        "Architectures": st.sampled_from([["arm64"], ["x86_64"]]),
        "Layers": st.lists(st.sampled_from(["arn:aws:lambda:::layer:a:1", "arn:aws:lambda:::layer:b:1"]), max_size=2),
    },
)


def desired(request: dict[str, Any]) -> Desired:
    return desired_of("hello", request, {}, None, tuple(request.get("Layers", ())), None)


def deployed(request: dict[str, Any]) -> FunctionState:
    """What AWS would answer after a deploy of `request`: defaults filled in, what is empty left out, its own added."""
    answered = {key: value for key, value in desired(request).configuration.items() if value}
    if not answered.get("DeadLetterConfig", {}).get("TargetArn"):
        answered.pop("DeadLetterConfig", None)
    if "VpcConfig" in answered:
        answered["VpcConfig"] = {**answered["VpcConfig"], "VpcId": "vpc-1"}
    if not answered.get("Environment", {}).get("Variables"):
        answered.pop("Environment", None)
    answered["Layers"] = [{"Arn": arn, "CodeSize": 1} for arn in request.get("Layers", ())]
    added = {"FunctionName": "hello", "State": "Active", "PackageType": "Zip", "Version": "$LATEST"}
    return state_of({**answered, **added, "Architectures": request.get("Architectures", ["x86_64"])})


@given(REQUESTS, REQUESTS)
def test_a_difference_is_shown_exactly_where_a_deploy_writes(before: dict[str, Any], after: dict[str, Any]) -> None:
    state, wanted = deployed(before), desired(after)
    shown = set(compare(wanted, state, Actual(state)).changed)
    steps = {step.kind: step for step in steps_to(wanted, state, Actual(state))}
    written = set(steps["update-configuration"].sends) if "update-configuration" in steps else set()
    if wanted.architectures is not None and wanted.architectures != state.architectures:
        written.add("Architectures")
    assert shown == written


@given(REQUESTS)
def test_what_was_just_deployed_has_no_difference(request: dict[str, Any]) -> None:
    state = deployed(request)
    assert compare(desired(request), state, Actual(state)).changed == {}
    again = described(state.configuration)
    assert compare(desired(again), state, Actual(state)).changed == {}


@given(REQUESTS, REQUESTS)
def test_no_secret_gets_through(before: dict[str, Any], after: dict[str, Any]) -> None:
    for request in (before, after):
        variables = request.get("Environment", {}).get("Variables", {})
        variables |= {name: f"s3cret-{value}" for name, value in variables.items()}
    state = deployed(before)
    assert "s3cret" not in str(masked(compare(desired(after), state, Actual(state)), [VARIABLES]))
    hidden = masked(compare(desired(after), state, Actual(state)), [VARIABLES])
    assert "s3cret" not in str(hidden.before) + str(hidden.after) + "\n".join(hidden.unified("a", "b"))


def test_lambroll_issues_242_500_631_defaults_aws_tags_and_code_on_s3() -> None:
    """There: defaults that were shown and not deployed, tags of AWS itself, a Code block that differs for ever."""
    request: dict[str, Any] = {
        "FunctionName": "hello",
        "Role": "arn:aws:iam::1:role/a",
        "Code": {"S3Bucket": "b", "S3Key": "k"},
        "Tags": {"team": "a"},
    }
    state = deployed(request)
    tags = {"team": "a", "aws:cloudformation:stack-name": "s", "fn:package": "mark"}
    function = state_of(state.configuration, tags)
    wanted = desired_of("hello", request, {}, {"team": "a"}, (), None)
    assert compare(wanted, state, Actual(function)).changed == {}
