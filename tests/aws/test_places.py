"""Where calls go and under which name: partitions, one endpoint for all, the user agent."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

import fnroll
from fnroll import deploy
from fnroll.aws import AwsOptions, Session
from fnroll.aws.functions import state_of
from fnroll.deploy.desired import desired_of
from fnroll.deploy.steps import Step

KEYS = ("AKIAEXAMPLE", "secret")

PARTITIONS = [
    ("eu-central-1", "aws", "amazonaws.com"),
    ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
]


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_LAMBDA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("region", "partition", "domain"), PARTITIONS)
def test_each_partition_has_its_own_hosts(region: str, partition: str, domain: str) -> None:
    session = Session(AwsOptions(region=region, keys=KEYS))
    assert session.control.meta.endpoint_url == f"https://lambda.{region}.{domain}"
    assert session.service("logs").meta.endpoint_url == f"https://logs.{region}.{domain}"
    assert session.control.meta.partition == partition


@pytest.mark.parametrize(("region", "partition", "domain"), PARTITIONS)
def test_tags_go_to_the_arn_that_lambda_answers(region: str, partition: str, domain: str) -> None:
    """lambroll makes it up from `arn:aws` and the account."""
    arn = f"arn:{partition}:lambda:{region}:123456789012:function:hello"
    configuration = {"FunctionName": "hello", "FunctionArn": arn, "Role": "r", "Runtime": "provided.al2023"}
    wanted = desired_of("hello", {"Role": "r", "Runtime": "provided.al2023"}, {}, {}, (), None)
    steps = (Step("tag", "", {"Tags": {"a": "b"}}), Step("untag", "", {"TagKeys": ["c"]}))
    plan = deploy.Plan(wanted, deploy.Actual(state_of(configuration, {})), "current", steps)
    session = Session(AwsOptions(region=region, keys=KEYS))
    with Stubber(session.control) as stub:
        stub.add_response("tag_resource", {}, {"Resource": arn, "Tags": {"a": "b"}})
        stub.add_response("untag_resource", {}, {"Resource": arn, "TagKeys": ["c"]})
        deploy.apply(plan, session)
        stub.assert_no_pending_responses()


def test_all_services_go_to_one_endpoint() -> None:
    session = Session(AwsOptions(region="eu-central-1", endpoint="http://127.0.0.1:9", keys=KEYS))
    clients = [session.control, session.invoker, *(session.service(name) for name in ("s3", "sts", "logs"))]
    assert {client.meta.endpoint_url for client in clients} == {"http://127.0.0.1:9"}
    assert session.service("s3").meta.config.s3 == {"addressing_style": "path"}, "no name for every bucket there"


def test_every_request_says_who_sends_it() -> None:
    session = Session(AwsOptions(region="eu-central-1", endpoint="http://127.0.0.1:9", keys=KEYS))
    agents: list[Any] = []

    class Sent(Exception):
        pass

    def see(request: Any, **_: Any) -> None:
        agents.append(request.headers["User-Agent"])
        raise Sent

    for client, call in ((session.control, "list_functions"), (session.service("logs"), "describe_log_groups")):
        client.meta.events.register("before-send", see)
        with pytest.raises(Sent):
            getattr(client, call)()
    words = [str(agent, "ascii") if isinstance(agent, bytes) else agent for agent in agents]
    assert len(words) == 2
    assert all(f"fnroll/{fnroll.__version__}" in word.split() for word in words)
