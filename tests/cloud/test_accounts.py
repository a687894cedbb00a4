"""Several accounts in one cloud: whose a request is, and what is whose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_accounts_support import DEFAULT, ONE, TWO, arn, refusal
from cloud_support import FakeEmulator, client, make, served
from fnroll.cloud import Endpoint
from fnroll.cloud.accounts import account_of, credentials

# whose a request is


@pytest.mark.parametrize(
    ("key", "account"),
    [
        (None, DEFAULT),
        ("", DEFAULT),
        ("test", DEFAULT),
        (ONE, ONE),
        ("1" * 11, DEFAULT),
        ("1" * 13, DEFAULT),
        ("１" * 12, DEFAULT),
        ("1" * 12 + "\n", DEFAULT),
        ("AKIAIOSFODNN7EXAMPLE", DEFAULT),
        ("ASIAFNLC" + "1" * 11 + "X", DEFAULT),
        (credentials(ONE)["AWS_ACCESS_KEY_ID"], ONE),
        (credentials(DEFAULT)["AWS_ACCESS_KEY_ID"], DEFAULT),
    ],
)
def test_the_account_of_a_key(key: str | None, account: str) -> None:
    assert account_of(key) == account


def identity(endpoint: Endpoint, **given: Any) -> str:
    return str(client(endpoint, "sts", **given).get_caller_identity()["Account"])


def test_sts_and_lambda_say_the_same_account(endpoint: Endpoint) -> None:
    for key, account in (("test", DEFAULT), (ONE, ONE), (TWO, TWO)):
        assert identity(endpoint, key=key) == account
        assert make(client(endpoint, key=key))["FunctionArn"] == arn(account)


@pytest.mark.parametrize("signatures", [False, True])
def test_keys_of_iam_and_sts_are_of_the_account_that_they_were_made_in(tmp_path: Path, signatures: bool) -> None:
    with served(tmp_path, signatures=signatures) as (endpoint, _):
        make(client(endpoint, key=TWO))
        iam = client(endpoint, "iam", key=ONE)
        iam.create_user(UserName="u")
        made = iam.create_access_key(UserName="u")["AccessKey"]
        user = {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}
        assert identity(endpoint, **user) == ONE
        assert client(endpoint, **user).list_functions()["Functions"] == []
        role = client(endpoint, "sts", **user).assume_role(
            RoleArn=f"arn:aws:iam::{TWO}:role/r", RoleSessionName="session"
        )["Credentials"]
        words = {"key": role["AccessKeyId"], "secret": role["SecretAccessKey"], "token": role["SessionToken"]}
        assert identity(endpoint, **words) == TWO
        (found,) = client(endpoint, **words).list_functions()["Functions"]
        assert found["FunctionArn"] == arn(TWO)


def test_a_client_cannot_choose_motos_account_by_a_header(endpoint: Endpoint) -> None:
    sts = client(endpoint, "sts", key=ONE)
    sts.meta.events.register(
        "before-sign.sts.*", lambda request, **rest: request.headers.add_header("x-moto-account-id", TWO)
    )
    assert sts.get_caller_identity()["Account"] == ONE


# the same name everywhere


def test_one_name_in_two_accounts_and_two_regions(endpoint: Endpoint, fake: FakeEmulator) -> None:
    homes = [(account, region) for account in (DEFAULT, ONE, TWO) for region in ("us-east-1", "eu-west-1")]
    apis = {home: client(endpoint, key=home[0], region=home[1]) for home in homes}
    for number, home in enumerate(homes):
        make(apis[home], Description=str(number), MemorySize=128 + number, Publish=True)
        apis[home].create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    for number, (account, region) in enumerate(homes):
        api, own = apis[account, region], arn(account, region=region)
        (listed,) = api.list_functions()["Functions"]
        assert (listed["Description"], listed["FunctionArn"]) == (str(number), own)
        assert api.invoke(FunctionName="hello:live")["ExecutedVersion"] == "1"
        config, invocation = fake.seen[-1]
        assert (config.arn, config.memory_mb, config.region) == (own, 128 + number, region)
        assert invocation.arn == own + ":live"
        assert api.get_function(FunctionName=own)["Configuration"]["Description"] == str(number)
    apis[homes[0]].delete_function(FunctionName="hello")
    assert fake.retired == [arn(DEFAULT)]
    assert [len(api.list_functions()["Functions"]) for api in apis.values()] == [0, 1, 1, 1, 1, 1]


def test_each_account_has_its_concurrency_in_each_region(endpoint: Endpoint, fake: FakeEmulator) -> None:
    one, two = client(endpoint, key=ONE), client(endpoint, key=TWO)
    other_region = client(endpoint, key=ONE, region="eu-west-1")
    for api in (one, two, other_region):
        make(api)
    one.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=900)
    limits = [
        api.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] for api in (one, two, other_region)
    ]
    assert limits == [100, 1000, 1000]
    two.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=900)
    assert fake.reserved == {arn(ONE): 900, arn(TWO): 900}
    make(one, "more")
    assert refusal(one.put_function_concurrency, FunctionName="more", ReservedConcurrentExecutions=1)[0] == (
        "InvalidParameterValueException"
    )


# what a function is


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[tuple[Endpoint, FakeEmulator]]:
    with served(tmp_path, signatures=True) as up:
        yield up


def test_a_function_acts_in_its_own_account(strict: tuple[Endpoint, FakeEmulator]) -> None:
    endpoint, fake = strict
    for account in (DEFAULT, ONE):
        make(client(endpoint, key=account))
        client(endpoint, key=account).invoke(FunctionName="hello")
        given = fake.seen[-1][0].credentials
        keys = {
            "key": given["AWS_ACCESS_KEY_ID"],
            "secret": given["AWS_SECRET_ACCESS_KEY"],
            "token": given["AWS_SESSION_TOKEN"],
        }
        assert identity(endpoint, **keys) == account
        (own,) = client(endpoint, **keys).list_functions()["Functions"]
        assert own["FunctionArn"] == arn(account)
        assert refusal(client(endpoint, **{**keys, "secret": "other"}).list_functions)[0] == "InvalidSignatureException"
