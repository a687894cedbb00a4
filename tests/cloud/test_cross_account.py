"""What one account may do to another's functions, layers and URLs: what their policies say, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cloud_accounts_support import DEFAULT, ONE, TWO, arn, not_allowed, refusal
from cloud_support import FakeEmulator, Raw, client, make, package, raw
from fnroll.cloud import Endpoint


@pytest.fixture
def one(endpoint: Endpoint) -> Any:
    api = client(endpoint, key=ONE)
    make(api, Publish=True)
    api.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    return api


@pytest.fixture
def two(endpoint: Endpoint) -> Any:
    return client(endpoint, key=TWO)


def allow(api: Any, principal: str = TWO, action: str = "InvokeFunction", **given: Any) -> None:
    given = {"FunctionName": "hello", "StatementId": "s", **given}
    api.add_permission(Action=f"lambda:{action}", Principal=principal, **given)


def test_a_function_of_another_account_is_invoked_if_its_policy_allows_it(
    one: Any, two: Any, fake: FakeEmulator
) -> None:
    root = f"arn:aws:iam::{TWO}:root"
    assert refusal(two.invoke, FunctionName=arn(ONE)) == not_allowed(root, "InvokeFunction", arn(ONE))
    assert refusal(two.invoke, FunctionName=f"{ONE}:hello") == not_allowed(root, "InvokeFunction", arn(ONE))
    gone = arn(ONE, "function:gone")
    assert refusal(two.invoke, FunctionName=gone) == not_allowed(root, "InvokeFunction", gone)
    allow(one)
    assert two.invoke(FunctionName=arn(ONE), Payload=b"1")["StatusCode"] == 200
    assert fake.seen[-1][0].arn == fake.seen[-1][1].arn == arn(ONE)
    stream = two.invoke_with_response_stream(FunctionName=arn(ONE))["EventStream"]
    assert any("InvokeComplete" in event for event in stream)
    assert two.invoke(FunctionName=arn(ONE), InvocationType="Event")["StatusCode"] == 202
    one.remove_permission(FunctionName="hello", StatementId="s")
    assert refusal(two.invoke, FunctionName=arn(ONE))[0] == "AccessDeniedException"
    assert refusal(two.invoke, FunctionName=arn(ONE), InvocationType="Event")[0] == "AccessDeniedException"
    assert refusal(two.invoke, FunctionName=arn(ONE), InvocationType="DryRun")[0] == "AccessDeniedException"
    assert one.invoke(FunctionName=arn(ONE))["StatusCode"] == 200


def test_a_permission_holds_for_what_it_names(one: Any, two: Any) -> None:
    allow(one, Qualifier="live")
    assert two.invoke(FunctionName=arn(ONE) + ":live")["ExecutedVersion"] == "1"
    for name in (arn(ONE), arn(ONE) + ":1", arn(ONE) + ":$LATEST"):
        assert refusal(two.invoke, FunctionName=name)[0] == "AccessDeniedException"
    assert refusal(two.get_function, FunctionName=arn(ONE) + ":live")[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("principal", "more", "allowed"),
    [
        (TWO, {}, True),
        (f"arn:aws:iam::{TWO}:root", {}, True),
        ("*", {}, True),
        (ONE, {}, False),
        (f"arn:aws:iam::{TWO}:user/somebody", {}, False),
        ("s3.amazonaws.com", {}, False),
        ("*", {"PrincipalOrgID": "o-abcdefghij"}, False),
        (TWO, {"SourceAccount": TWO}, False),
        ("*", {"InvokedViaFunctionUrl": True}, False),
    ],
)
def test_whom_a_permission_means(one: Any, two: Any, principal: str, more: dict[str, Any], allowed: bool) -> None:
    allow(one, principal, **more)
    if allowed:
        assert two.invoke(FunctionName=arn(ONE))["StatusCode"] == 200
    else:
        assert refusal(two.invoke, FunctionName=arn(ONE))[0] == "AccessDeniedException"


def test_a_permission_for_a_user_or_a_role(one: Any, endpoint: Endpoint) -> None:
    iam = client(endpoint, "iam", key=TWO)
    keys = {}
    for name in ("anna", "bert"):
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = client(endpoint, key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    allow(one, f"arn:aws:iam::{TWO}:user/anna")
    assert keys["anna"].invoke(FunctionName=arn(ONE))["StatusCode"] == 200
    assert refusal(keys["bert"].invoke, FunctionName=arn(ONE)) == not_allowed(
        f"arn:aws:iam::{TWO}:user/bert", "InvokeFunction", arn(ONE)
    )
    role = client(endpoint, "sts", key=TWO).assume_role(
        RoleArn=f"arn:aws:iam::{TWO}:role/caller", RoleSessionName="session"
    )["Credentials"]
    assumed = client(endpoint, key=role["AccessKeyId"], secret=role["SecretAccessKey"], token=role["SessionToken"])
    who = f"arn:aws:sts::{TWO}:assumed-role/caller/session"
    assert refusal(assumed.invoke, FunctionName=arn(ONE)) == not_allowed(who, "InvokeFunction", arn(ONE))
    allow(one, f"arn:aws:iam::{TWO}:role/caller", StatementId="role")
    assert assumed.invoke(FunctionName=arn(ONE))["StatusCode"] == 200


def test_what_lambda_lets_no_other_account_do(one: Any, two: Any) -> None:
    one.add_permission(FunctionName="hello", StatementId="all", Action="lambda:*", Principal=TWO)
    assert two.get_function(FunctionName=arn(ONE))["Configuration"]["FunctionArn"] == arn(ONE)
    assert [each["Name"] for each in two.list_aliases(FunctionName=arn(ONE))["Aliases"]] == ["live"]
    two.put_function_concurrency(FunctionName=arn(ONE), ReservedConcurrentExecutions=3)
    assert one.get_function_concurrency(FunctionName="hello")["ReservedConcurrentExecutions"] == 3
    two.update_function_code(FunctionName=arn(ONE), ZipFile=package({"new.py": ""}))
    for call, given in (
        (two.update_function_configuration, {"Description": "theirs"}),
        (two.add_permission, {"StatementId": "x", "Action": "lambda:*", "Principal": "*"}),
        (two.get_policy, {}),
        (two.create_function_url_config, {"AuthType": "NONE"}),
    ):
        assert refusal(call, FunctionName=arn(ONE), **given)[0] == "AccessDeniedException"
    assert two.list_functions()["Functions"] == []


def test_a_layer_of_another_account(one: Any, two: Any, fake: FakeEmulator) -> None:
    layer = one.publish_layer_version(LayerName="words", Content={"ZipFile": package({"word": "x"})})
    theirs = layer["LayerVersionArn"]
    denied = not_allowed(f"arn:aws:iam::{TWO}:root", "GetLayerVersion", theirs)
    assert refusal(make, lambda_=two, Layers=[theirs]) == denied
    assert refusal(two.get_layer_version_by_arn, Arn=theirs) == denied
    permission = {"LayerName": "words", "VersionNumber": 1, "Action": "lambda:GetLayerVersion"}
    one.add_layer_version_permission(**permission, StatementId="org", Principal="*", OrganizationId="o-abcdefghij")
    assert refusal(make, lambda_=two, Layers=[theirs]) == denied
    one.add_layer_version_permission(**permission, StatementId="two", Principal=TWO)
    assert two.get_layer_version_by_arn(Arn=theirs)["Content"]["CodeSha256"] == layer["Content"]["CodeSha256"]
    assert two.get_layer_version(LayerName=layer["LayerArn"], VersionNumber=1)["LayerVersionArn"] == theirs
    make(two, Layers=[theirs])
    assert two.list_layers()["Layers"] == []
    assert refusal(two.list_layer_versions, LayerName=layer["LayerArn"])[0] == "AccessDeniedException"
    assert refusal(two.delete_layer_version, LayerName=layer["LayerArn"], VersionNumber=1)[0] == "AccessDeniedException"
    one.remove_layer_version_permission(LayerName="words", VersionNumber=1, StatementId="two")
    one.delete_layer_version(LayerName="words", VersionNumber=1)
    assert two.invoke(FunctionName="hello")["StatusCode"] == 200
    (word,) = (fake.seen[-1][0].opt or Path()).iterdir()
    assert word.name == "word"
    assert refusal(two.update_function_configuration, FunctionName="hello", Layers=[theirs]) == denied


# function URLs


def by_url(endpoint: Endpoint, url: str, key: str | None) -> Raw:
    made = AWSRequest("GET", url)
    if key is not None:
        SigV4Auth(Credentials(key, key), "lambda", "us-east-1").add_auth(made)
    return raw(endpoint, "GET", "/", headers={**dict(made.headers.items()), "Host": urlsplit(url).netloc})


def test_a_url_is_its_functions_whoever_calls(one: Any, two: Any, endpoint: Endpoint, fake: FakeEmulator) -> None:
    make(two)
    for api in (one, two):
        allow(api, "*", "InvokeFunctionUrl", FunctionUrlAuthType="NONE")
        allow(api, "*", StatementId="t", InvokedViaFunctionUrl=True)
    urls = [api.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"] for api in (one, two)]
    for account, url in zip((ONE, TWO), urls, strict=True):
        for key in (None, DEFAULT, TWO):
            assert by_url(endpoint, url, key).status == 200
            assert fake.seen[-1][0].arn == arn(account)


def test_a_url_of_auth_type_iam_asks_the_policy_about_other_accounts(one: Any, endpoint: Endpoint) -> None:
    url = one.create_function_url_config(FunctionName="hello", AuthType="AWS_IAM")["FunctionUrl"]
    assert by_url(endpoint, url, ONE).status == 200
    assert by_url(endpoint, url, TWO).status == 403
    allow(one, TWO, "InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM")
    assert by_url(endpoint, url, TWO).status == 403
    allow(one, TWO, StatementId="t", InvokedViaFunctionUrl=True)
    answer = by_url(endpoint, url, TWO)
    assert answer.status == 200
    context = json.loads(answer.body)["event"]["requestContext"]
    assert (context["accountId"], context["authorizer"]["iam"]["accountId"]) == (ONE, TWO)
    assert by_url(endpoint, url, DEFAULT).status == 403
