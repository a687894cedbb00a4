"""Code signing configs: nothing in this cloud is signed, so Enforce refuses every deployment and Warn none."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, make, package

PUBLISHERS = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/abcdefghij"]}
REFUSED = (
    "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not "
    "configured to accept. Check the provided signature for {}."
)
OTHER = package({"other.py": "x"})


def config(lambda_: Any, policy: str) -> str:
    made = lambda_.create_code_signing_config(
        AllowedPublishers=PUBLISHERS, CodeSigningPolicies={"UntrustedArtifactOnDeployment": policy}
    )
    return str(made["CodeSigningConfig"]["CodeSigningConfigArn"])


def refusal(call: Any, **given: Any) -> Any:
    with pytest.raises(ClientError) as refused:
        call(**given)
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (
        400,
        "CodeVerificationFailedException",
    )
    return answer["Error"]["Message"]


def test_with_enforce_no_function_is_made_of_an_unsigned_package(lambda_: Any) -> None:
    enforced = config(lambda_, "Enforce")
    with pytest.raises(ClientError, match="signature for hello") as refused:
        make(lambda_, CodeSigningConfigArn=enforced)
    assert refused.value.response["Error"]["Message"] == REFUSED.format("hello")
    assert lambda_.list_functions()["Functions"] == []
    make(lambda_, CodeSigningConfigArn=config(lambda_, "Warn"))
    assert lambda_.get_function_code_signing_config(FunctionName="hello")["FunctionName"] == "hello"


def test_a_function_that_gets_it_keeps_its_code_and_gets_no_other(lambda_: Any) -> None:
    layer = lambda_.publish_layer_version(LayerName="words", Content={"ZipFile": package({"word": "x"})})
    made = make(lambda_)
    lambda_.put_function_code_signing_config(FunctionName="hello", CodeSigningConfigArn=config(lambda_, "Enforce"))
    assert lambda_.invoke(FunctionName="hello")["StatusCode"] == 200
    for more in ({}, {"DryRun": True}):
        said = refusal(lambda_.update_function_code, FunctionName=ARN + "hello", ZipFile=OTHER, **more)
        assert said == REFUSED.format(ARN + "hello")
    layers = [layer["LayerVersionArn"]]
    refusal(lambda_.update_function_configuration, FunctionName="hello", Layers=layers)
    kept = lambda_.get_function_configuration(FunctionName="hello")
    assert (kept["RevisionId"], kept["CodeSha256"]) == (made["RevisionId"], made["CodeSha256"])
    lambda_.update_function_configuration(FunctionName="hello", Description="no code, no layer", Layers=[])
    lambda_.delete_function_code_signing_config(FunctionName="hello")
    lambda_.update_function_code(FunctionName="hello", ZipFile=OTHER)


def test_a_policy_that_becomes_enforce_holds_from_then_on(lambda_: Any) -> None:
    arn = config(lambda_, "Warn")
    make(lambda_, CodeSigningConfigArn=arn)
    lambda_.update_function_code(FunctionName="hello", ZipFile=OTHER)
    lambda_.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )
    refusal(lambda_.update_function_code, FunctionName="hello", ZipFile=package())


def test_a_config_that_is_not_there_makes_no_function(lambda_: Any) -> None:
    none = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"
    with pytest.raises(ClientError) as refused:
        make(lambda_, CodeSigningConfigArn=none)
    assert refused.value.response["Error"]["Code"] == "CodeSigningConfigNotFoundException"
    assert lambda_.list_functions()["Functions"] == []
