"""Whole resource policies: put, read and deleted as one with AddPermission's, and what they say of a call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, client, make, raw, served
from fnroll.cloud import Endpoint
from fnroll.cloud.faults import Fault
from fnroll.cloud.policy_rules import allows, read

HELLO = ARN + "hello"
ANYBODY: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Resource": HELLO}
BY_URL = {**ANYBODY, "Action": "lambda:InvokeFunctionUrl"}
BY_CALL = {**ANYBODY, "Action": "lambda:InvokeFunction"}


def policy(*statements: dict[str, Any], **head: str) -> str:
    return json.dumps({"Version": "2012-10-17", **head, "Statement": list(statements)})


def put(lambda_: Any, *statements: dict[str, Any], arn: str = HELLO, **more: Any) -> Any:
    return lambda_.put_resource_policy(ResourceArn=arn, Policy=policy(*statements), **more)


@pytest.fixture
def made(lambda_: Any) -> Any:
    make(lambda_, Publish=True)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    return lambda_


def test_what_is_put_takes_the_place_of_what_was_added(made: Any) -> None:
    made.add_permission(FunctionName="hello", StatementId="old", Principal="*", Action="lambda:InvokeFunction")
    answer = put(made, {"Sid": "mine", **BY_URL}, BY_CALL)
    assert json.loads(answer["Policy"]) == json.loads(policy({"Sid": "mine", **BY_URL}, BY_CALL))
    got = made.get_resource_policy(ResourceArn=HELLO)
    assert (got["Policy"], got["RevisionId"]) == (answer["Policy"], answer["RevisionId"])
    same = made.get_policy(FunctionName="hello")
    assert (same["Policy"], same["RevisionId"]) == (answer["Policy"], answer["RevisionId"])


def test_statements_are_added_to_it_and_taken_from_it_by_their_ids(made: Any) -> None:
    first = put(made, {"Sid": "mine", **BY_URL}, BY_CALL)
    made.add_permission(FunctionName="hello", StatementId="more", Principal="*", Action="lambda:InvokeFunction")
    made.remove_permission(FunctionName="hello", StatementId="mine")
    got = made.get_resource_policy(ResourceArn=HELLO)
    assert [each.get("Sid") for each in json.loads(got["Policy"])["Statement"]] == [None, "more"]
    assert got["RevisionId"] != first["RevisionId"]


def test_function_version_and_alias_have_each_their_own(made: Any) -> None:
    for qualifier in ("1", "live"):
        arn = f"{HELLO}:{qualifier}"
        put(made, {**BY_URL, "Resource": arn}, arn=arn)
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        made.get_resource_policy(ResourceArn=HELLO)
    assert made.delete_resource_policy(ResourceArn=f"{HELLO}:1")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert f"{HELLO}:live" in made.get_resource_policy(ResourceArn=f"{HELLO}:live")["Policy"]
    with pytest.raises(ClientError, match="No policy is associated with the given resource"):
        made.delete_resource_policy(ResourceArn=f"{HELLO}:1")


def test_it_survives_a_restart_with_its_id(tmp_path: Any) -> None:
    with served(tmp_path) as (endpoint, _):
        make(client(endpoint))
        text = policy(BY_CALL, Id="ours")
        before = client(endpoint).put_resource_policy(ResourceArn=HELLO, Policy=text)
    with served(tmp_path) as (endpoint, _):
        after = client(endpoint).get_resource_policy(ResourceArn=HELLO)
        assert (json.loads(after["Policy"]), after["RevisionId"]) == (json.loads(text), before["RevisionId"])


def test_a_revision_that_is_not_the_latest_changes_nothing(made: Any) -> None:
    first = put(made, BY_URL)
    second = put(made, BY_CALL, RevisionId=first["RevisionId"])
    for refused in (
        lambda: put(made, BY_URL, RevisionId=first["RevisionId"]),
        lambda: made.delete_resource_policy(ResourceArn=HELLO, RevisionId=first["RevisionId"]),
    ):
        with pytest.raises(ClientError, match="Call the GetResourcePolicy API") as error:
            refused()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert made.get_resource_policy(ResourceArn=HELLO)["RevisionId"] == second["RevisionId"]


def test_a_policy_that_grows_too_long_is_refused_and_stays(made: Any) -> None:
    many = [{**BY_CALL, "Sid": str(number), "Condition": {"StringEquals": {"a:b": "x" * 900}}} for number in range(17)]
    before = put(made, *many)
    with pytest.raises(ClientError, match=r"The final policy size \(\d+\) is bigger than the limit \(20480\)") as error:
        for number in range(50):
            made.add_permission(
                FunctionName="hello", StatementId=f"more{number}", Principal="*", Action="lambda:InvokeFunction"
            )
    assert error.value.response["Error"]["Code"] == "PolicyLengthExceededException"
    assert len(made.get_resource_policy(ResourceArn=HELLO)["Policy"]) <= 20480
    with pytest.raises(ClientError, match="less than or equal to 20480"):
        put(made, *many, *many)
    assert len(made.get_resource_policy(ResourceArn=HELLO)["Policy"]) >= len(before["Policy"])


def test_a_url_is_open_to_all_by_what_was_put_and_closed_by_a_denial(made: Any, endpoint: Endpoint) -> None:
    url = made.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"]
    path = f"/.fn/url/{url.removeprefix('http://').partition('.')[0]}/"
    assert raw(endpoint, "GET", path).status == 403
    both = {**ANYBODY, "Action": ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]}
    put(made, both)
    assert raw(endpoint, "GET", path).status == 200
    put(made, both, {**BY_URL, "Effect": "Deny"})
    assert raw(endpoint, "GET", path).status == 403


@pytest.mark.parametrize(
    ("given", "status", "code", "message"),
    [
        ({"ResourceArn": ARN + "none"}, 404, "ResourceNotFoundException", f"Function not found: {ARN}none"),
        ({"ResourceArn": HELLO + ":9"}, 404, "ResourceNotFoundException", f"Function not found: {HELLO}:9"),
        (
            {"ResourceArn": HELLO + ":$LATEST"},
            400,
            "InvalidParameterValueException",
            "We currently do not support adding policies for $LATEST.",
        ),
        (
            {"ResourceArn": HELLO.replace("us-east-1", "eu-west-1")},
            404,
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            {"ResourceArn": "arn:aws:lambda:us-east-1:000000000000:runtime/mine"},
            501,
            "NotImplementedException",
            "A resource policy of anything but a function is not built in fn's local cloud",
        ),
        ({"Policy": "x"}, 400, "InvalidParameterValueException", "The policy is malformed: it is no JSON."),
    ],
)
def test_what_is_refused(made: Any, given: dict[str, Any], status: int, code: str, message: str) -> None:
    before = put(made, BY_CALL)
    with pytest.raises(ClientError) as refused:
        made.put_resource_policy(**{"ResourceArn": HELLO, "Policy": policy(BY_URL), **given})
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert answer["Error"]["Message"] == message
    assert made.get_resource_policy(ResourceArn=HELLO)["RevisionId"] == before["RevisionId"]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BY_CALL.items() if key != name}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "an object"),
        ("[" * 100_000, "no JSON"),
        (json.dumps({"Version": "2012-10-17", "Statement": []}), "at least one statement"),
        (json.dumps({"Statement": ["x"]}), "at least one statement"),
        (json.dumps({"Statement": BY_CALL, "More": 1}), "an object with"),
        (policy(BY_CALL, Version="2026-01-01"), "its Version"),
        (policy({**BY_CALL, "Effect": "Maybe"}), "Effect"),
        (policy(without("Principal")), "Principal"),
        (policy({**BY_CALL, "NotPrincipal": "*"}), "Principal or NotPrincipal"),
        (policy({**BY_CALL, "Principal": "everybody"}), "Principal"),
        (policy({**BY_CALL, "Principal": {"Who": "me"}}), "Principal"),
        (policy(without("Action")), "Action"),
        (policy({**BY_CALL, "Action": [1]}), "Action"),
        (policy({**BY_CALL, "Action": "s3:GetObject"}), "none of Lambda's"),
        (policy(without("Resource")), "Resource"),
        (policy({**BY_CALL, "Resource": ARN + "other"}), "Resource"),
        (policy({**BY_CALL, "Condition": {"Bool": "x"}}), "Condition"),
        (policy({**BY_CALL, "Sid": 1}), "Sid"),
        (policy({**BY_CALL, "Sid": "a"}, {**BY_CALL, "Sid": "a"}), "unique"),
    ],
)
def test_what_is_no_policy_for_a_function(text: str, why: str) -> None:
    with pytest.raises(Fault, match=why):
        read(text, HELLO)


CONTEXT = {"lambda:InvokedViaFunctionUrl": "true"}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["arn:aws:iam::123456789012:root", "*"]}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Principal": {"Service": "*"}}, False),
        ({"Action": "lambda:*"}, True),
        ({"Action": "*"}, True),
        ({"Action": "LAMBDA:Invoke*"}, True),
        ({"Action": ["lambda:GetFunction", "lambda:InvokeFunction"]}, True),
        ({"Action": "lambda:InvokeFunctionUrl"}, False),
        ({"Action": None, "NotAction": "lambda:InvokeFunction"}, False),
        ({"Action": None, "NotAction": "lambda:Get*"}, True),
        ({"Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}}, True),
        ({"Condition": {"Bool": {"lambda:invokedviafunctionurl": [True]}}}, True),
        ({"Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "false"}}}, False),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        ({"Condition": {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}}, True),
        ({"Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}, True),
        ({"Condition": {"StringNotLike": {"lambda:InvokedViaFunctionUrl": "t*"}}}, False),
        ({"Condition": {"Null": {"aws:PrincipalOrgID": "true"}}}, True),
        ({"Condition": {"Null": {"lambda:InvokedViaFunctionUrl": True}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_whether_anybody_may(statement: dict[str, Any], allowed: bool) -> None:
    said = {key: value for key, value in {**BY_CALL, **statement}.items() if value is not None}
    assert allows([said], "lambda:InvokeFunction", CONTEXT) is allowed


@pytest.mark.parametrize(
    ("denial", "allowed"),
    [
        ({}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, True),
        ({"Action": "lambda:InvokeFunctionUrl"}, True),
        ({"Principal": None, "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, True),
    ],
)
def test_a_denial_goes_before_what_allows(denial: dict[str, Any], allowed: bool) -> None:
    said = {key: value for key, value in {**BY_CALL, "Effect": "Deny", **denial}.items() if value is not None}
    assert allows([BY_CALL, said], "lambda:InvokeFunction", CONTEXT) is allowed


def test_another_account_is_held_to_what_was_put(made: Any, endpoint: Endpoint) -> None:
    theirs = client(endpoint, key="111111111111")
    statement = {**BY_CALL, "Principal": {"AWS": ["111111111111", "222222222222"]}, "Action": ["lambda:Invoke*"]}
    put(made, statement)
    assert theirs.invoke(FunctionName=HELLO)["StatusCode"] == 200
    named = {"AWS": "arn:aws:iam::111111111111:root"}
    put(made, statement, {**BY_CALL, "Effect": "Deny", "Principal": named})
    with pytest.raises(ClientError, match="is not authorized to perform: lambda:InvokeFunction"):
        theirs.invoke(FunctionName=HELLO)
    assert client(endpoint, key="222222222222").invoke(FunctionName=HELLO)["StatusCode"] == 200
    but = {key: value for key, value in BY_CALL.items() if key != "Principal"}
    put(made, {**statement, "Principal": "*"}, {**but, "Effect": "Deny", "NotPrincipal": named})
    assert theirs.invoke(FunctionName=HELLO)["StatusCode"] == 200
    with pytest.raises(ClientError, match="is not authorized to perform: lambda:InvokeFunction"):
        client(endpoint, key="222222222222").invoke(FunctionName=HELLO)
