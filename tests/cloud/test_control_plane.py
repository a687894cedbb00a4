"""The control plane through an unmodified boto3 client."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud_support import ARN, ROLE, FakeEmulator, client, make, package, served
from fnroll.cloud import Endpoint

OTHER = package({"handler.py": "def handle(event, context): return 2"})


def error(call: Any, **given: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as raised:
        call(**given)
    answer = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def meaning(configuration: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in configuration.items() if key != "ResponseMetadata"}


def test_a_new_function_has_lambdas_defaults(lambda_: Any) -> None:
    created = make(lambda_)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "FunctionName": "hello",
        "FunctionArn": ARN + "hello",
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "PackageType": "Zip",
        "TracingConfig": {"Mode": "PassThrough"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/hello"},
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "CodeSize": len(package()),
        "CodeSha256": base64.b64encode(hashlib.sha256(package()).digest()).decode(),
    }
    assert {key: created[key] for key in expected} == expected
    assert "Environment" not in created
    assert meaning(lambda_.get_function_configuration(FunctionName="hello")) == meaning(created)


def test_code_can_be_fetched_from_where_get_function_says(lambda_: Any) -> None:
    make(lambda_)
    location = lambda_.get_function(FunctionName="hello")["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == package()


@pytest.mark.parametrize(
    ("name", "qualifier", "arn"),
    [
        ("hello", None, ARN + "hello"),
        ("hello:live", None, ARN + "hello:live"),
        ("000000000000:function:hello", None, ARN + "hello"),
        ("function:hello:1", None, ARN + "hello:1"),
        (ARN + "hello", "1", ARN + "hello:1"),
        (ARN + "hello:live", "live", ARN + "hello:live"),
        ("hello", "$LATEST", ARN + "hello:$LATEST"),
    ],
)
def test_every_way_to_name_a_function(lambda_: Any, name: str, qualifier: str | None, arn: str) -> None:
    make(lambda_, Publish=True)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    given = {"Qualifier": qualifier} if qualifier else {}
    assert lambda_.get_function(FunctionName=name, **given)["Configuration"]["FunctionArn"] == arn


def test_functions_are_listed_page_by_page(lambda_: Any) -> None:
    for name in ("c", "a", "b"):
        make(lambda_, name)
    first = lambda_.list_functions(MaxItems=2)
    assert [item["FunctionName"] for item in first["Functions"]] == ["a", "b"]
    second = lambda_.list_functions(MaxItems=2, Marker=first["NextMarker"])
    assert [item["FunctionName"] for item in second["Functions"]] == ["c"]
    assert "NextMarker" not in second


def test_regions_do_not_see_each_other(lambda_: Any, endpoint: Endpoint) -> None:
    make(lambda_)
    there = client(endpoint, region="eu-west-1")
    assert there.list_functions()["Functions"] == []
    status, code, message = error(there.get_function, FunctionName=ARN + "hello")
    assert (status, code) == (404, "ResourceNotFoundException")
    assert message == "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')"


def test_an_update_keeps_what_it_does_not_name_and_an_empty_block_goes(lambda_: Any) -> None:
    make(lambda_, Environment={"Variables": {"KEY": "1"}}, Timeout=7, Description="first")
    updated = lambda_.update_function_configuration(FunctionName="hello", MemorySize=256, Environment={"Variables": {}})
    assert (updated["MemorySize"], updated["Timeout"], updated["Description"]) == (256, 7, "first")
    assert "Environment" not in updated


def test_new_code_moves_hash_and_revision(lambda_: Any) -> None:
    before = make(lambda_)
    after = lambda_.update_function_code(FunctionName="hello", ZipFile=OTHER, RevisionId=before["RevisionId"])
    assert after["CodeSha256"] == base64.b64encode(hashlib.sha256(OTHER).digest()).decode()
    assert after["RevisionId"] != before["RevisionId"]


def test_a_dry_run_of_new_code_changes_nothing(lambda_: Any) -> None:
    before = make(lambda_)
    tried = lambda_.update_function_code(FunctionName="hello", ZipFile=OTHER, DryRun=True)
    assert tried["CodeSha256"] != before["CodeSha256"]
    assert meaning(lambda_.get_function_configuration(FunctionName="hello")) == meaning(before)


def test_publishing_what_did_not_change_gives_the_same_version(lambda_: Any) -> None:
    created = make(lambda_)
    first = lambda_.publish_version(FunctionName="hello", Description="one")
    again = lambda_.publish_version(FunctionName="hello", Description="two")
    assert first["Version"] == "1"
    assert meaning(again) == meaning(first)
    assert first["Description"] == "one"
    assert lambda_.get_function_configuration(FunctionName="hello")["RevisionId"] != created["RevisionId"]


def test_uploading_the_same_code_again_publishes_nothing(lambda_: Any) -> None:
    first = make(lambda_, Publish=True)
    again = lambda_.update_function_code(FunctionName="hello", ZipFile=package(), Publish=True)
    assert (again["Version"], again["RevisionId"]) == ("1", first["RevisionId"])


def test_a_changed_description_of_the_function_publishes_anew(lambda_: Any) -> None:
    make(lambda_, Publish=True)
    lambda_.update_function_configuration(FunctionName="hello", Description="changed")
    assert lambda_.publish_version(FunctionName="hello")["Version"] == "2"
    versions = lambda_.list_versions_by_function(FunctionName="hello")["Versions"]
    assert [item["FunctionArn"] for item in versions] == [ARN + "hello:" + v for v in ("$LATEST", "1", "2")]


def test_version_numbers_are_not_used_again(lambda_: Any) -> None:
    make(lambda_, Publish=True)
    lambda_.delete_function(FunctionName="hello", Qualifier="1")
    assert lambda_.publish_version(FunctionName="hello")["Version"] == "2"


def test_a_published_version_keeps_its_configuration(lambda_: Any) -> None:
    published = make(lambda_, Publish=True)
    lambda_.update_function_configuration(FunctionName="hello", Timeout=9)
    lambda_.update_function_code(FunctionName="hello", ZipFile=OTHER)
    found = lambda_.get_function_configuration(FunctionName="hello", Qualifier="1")
    assert meaning(found) == meaning(published)


def versions(lambda_: Any, count: int) -> None:
    make(lambda_, Publish=True)
    for number in range(2, count + 1):
        lambda_.update_function_configuration(FunctionName="hello", Description=str(number))
        lambda_.publish_version(FunctionName="hello")


def test_an_alias_is_an_atomic_record(lambda_: Any) -> None:
    versions(lambda_, 2)
    created = lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1", Description="d")
    assert "RoutingConfig" not in created
    weighted = lambda_.update_alias(
        FunctionName="hello",
        Name="live",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}},
        RevisionId=created["RevisionId"],
    )
    assert weighted["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
    assert (weighted["FunctionVersion"], weighted["Description"]) == ("1", "d")
    cleared = lambda_.update_alias(
        FunctionName="hello", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert "RoutingConfig" not in cleared
    assert meaning(lambda_.get_alias(FunctionName="hello", Name="live")) == meaning(cleared)


def test_an_update_that_changes_nothing_still_moves_the_revision(lambda_: Any) -> None:
    versions(lambda_, 1)
    created = lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    assert lambda_.update_alias(FunctionName="hello", Name="live")["RevisionId"] != created["RevisionId"]


def test_aliases_are_listed_by_any_version_they_route_to(lambda_: Any) -> None:
    versions(lambda_, 2)
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1", RoutingConfig=weights)
    lambda_.create_alias(FunctionName="hello", Name="next", FunctionVersion="2")
    found = lambda_.list_aliases(FunctionName="hello", FunctionVersion="2")["Aliases"]
    assert [alias["Name"] for alias in found] == ["live", "next"]
    assert lambda_.delete_alias(FunctionName="hello", Name="gone")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_deleting_a_function_takes_everything_with_it(lambda_: Any, fake: FakeEmulator) -> None:
    versions(lambda_, 1)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    lambda_.create_function_url_config(FunctionName="hello", AuthType="NONE")
    assert lambda_.delete_function(FunctionName="hello")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert fake.retired == [ARN + "hello"]
    make(lambda_)
    assert lambda_.list_aliases(FunctionName="hello")["Aliases"] == []
    assert lambda_.list_function_url_configs(FunctionName="hello")["FunctionUrlConfigs"] == []


def test_layers_are_published_listed_and_referenced(lambda_: Any) -> None:
    given = {"LayerName": "tools", "Content": {"ZipFile": package({"bin/tool": "x"})}}
    first = lambda_.publish_layer_version(**given, CompatibleRuntimes=["provided.al2023"], Description="a digest")
    second = lambda_.publish_layer_version(**given)
    assert (first["Version"], second["Version"]) == (1, 2)
    by_arn = lambda_.get_layer_version_by_arn(Arn=first["LayerVersionArn"])
    assert by_arn["Description"] == "a digest"
    assert by_arn["Content"]["CodeSha256"] == first["Content"]["CodeSha256"]
    listed = lambda_.list_layer_versions(LayerName="tools", CompatibleRuntime="provided.al2023")["LayerVersions"]
    assert [item["Version"] for item in listed] == [1]
    newest = lambda_.list_layers()["Layers"]
    assert [(item["LayerName"], item["LatestMatchingVersion"]["Version"]) for item in newest] == [("tools", 2)]
    made = make(lambda_, Layers=[first["LayerVersionArn"]])
    assert made["Layers"] == [{"Arn": first["LayerVersionArn"], "CodeSize": first["Content"]["CodeSize"]}]


def test_a_deleted_layer_version_is_gone_and_its_number_is_not_used_again(lambda_: Any) -> None:
    given = {"LayerName": "tools", "Content": {"ZipFile": package()}}
    lambda_.publish_layer_version(**given)
    lambda_.delete_layer_version(LayerName="tools", VersionNumber=1)
    status, code, message = error(lambda_.get_layer_version, LayerName="tools", VersionNumber=1)
    assert (status, code, message) == (
        404,
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )
    assert lambda_.publish_layer_version(**given)["Version"] == 2


def test_tags(lambda_: Any) -> None:
    make(lambda_, Tags={"team": "a"})
    lambda_.tag_resource(Resource=ARN + "hello", Tags={"stage": "dev", "cost": "x"})
    lambda_.untag_resource(Resource=ARN + "hello", TagKeys=["team", "cost"])
    assert lambda_.list_tags(Resource=ARN + "hello")["Tags"] == {"stage": "dev"}
    assert lambda_.get_function(FunctionName="hello")["Tags"] == {"stage": "dev"}


def test_a_url_is_configured_read_changed_and_removed(lambda_: Any) -> None:
    versions(lambda_, 1)
    lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    created = lambda_.create_function_url_config(FunctionName="hello", Qualifier="live", AuthType="NONE")
    assert created["FunctionArn"] == ARN + "hello:live"
    changed = lambda_.update_function_url_config(
        FunctionName="hello", Qualifier="live", Cors={"AllowOrigins": ["*"], "MaxAge": 5}
    )
    assert changed["FunctionUrl"] == created["FunctionUrl"]
    assert changed["Cors"] == {"AllowOrigins": ["*"], "MaxAge": 5}
    found = lambda_.get_function_url_config(FunctionName="hello", Qualifier="live")
    assert meaning(found) == meaning(changed)
    lambda_.delete_function_url_config(FunctionName="hello", Qualifier="live")
    status, code, _ = error(lambda_.get_function_url_config, FunctionName="hello", Qualifier="live")
    assert (status, code) == (404, "ResourceNotFoundException")


def test_the_policy_keeps_statements_in_order_and_checks_its_revision(lambda_: Any) -> None:
    make(lambda_)
    base = {"FunctionName": "hello", "Action": "lambda:InvokeFunction"}
    lambda_.add_permission(
        **base, StatementId="s3", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b", SourceAccount="000000000000"
    )
    lambda_.add_permission(**base, StatementId="a", Principal="123456789012")
    found = lambda_.get_policy(FunctionName="hello")
    statements = json.loads(found["Policy"])["Statement"]
    assert statements[0] == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN + "hello",
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
        },
    }
    assert statements[1]["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    stale = error(lambda_.remove_permission, FunctionName="hello", StatementId="a", RevisionId="old")
    assert stale[:2] == (412, "PreconditionFailedException")
    lambda_.remove_permission(FunctionName="hello", StatementId="a", RevisionId=found["RevisionId"])
    lambda_.remove_permission(FunctionName="hello", StatementId="s3")
    assert error(lambda_.get_policy, FunctionName="hello")[0] == 404


def test_account_settings_count_functions(lambda_: Any) -> None:
    make(lambda_)
    usage = lambda_.get_account_settings()["AccountUsage"]
    assert usage == {"TotalCodeSize": len(package()), "FunctionCount": 1}


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as (endpoint, _):
        lambda_ = client(endpoint)
        versions(lambda_, 2)
        before = lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="2")
    with served(tmp_path) as (endpoint, _):
        lambda_ = client(endpoint)
        assert meaning(lambda_.get_alias(FunctionName="hello", Name="live")) == meaning(before)
        assert len(lambda_.list_versions_by_function(FunctionName="hello")["Versions"]) == 3


def big(size: int) -> bytes:
    """A zip that says it unpacks to `size` zero bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened, opened.open("zeros", "w") as member:
        block = bytes(1 << 20)
        for _ in range(size >> 20):
            member.write(block)
    return buffer.getvalue()


def test_code_and_layers_share_one_limit(lambda_: Any) -> None:
    half = big(130 << 20)
    layer = lambda_.publish_layer_version(LayerName="half", Content={"ZipFile": half})["LayerVersionArn"]
    words = (
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. "
        f"The actual size is {260 << 20} bytes."
    )
    refused = (400, "InvalidParameterValueException", words)
    code = {"ZipFile": half}
    given = {"FunctionName": "x", "Runtime": "python3.13", "Handler": "h.h", "Role": ROLE}
    assert error(lambda_.create_function, **given, Code=code, Layers=[layer]) == refused
    make(lambda_, Code=code)
    assert error(lambda_.update_function_configuration, FunctionName="hello", Layers=[layer]) == refused
    status, code_, message = error(lambda_.update_function_code, FunctionName="hello", ZipFile=big(260 << 20))
    assert (status, code_) == (400, "InvalidParameterValueException")
    assert message == "Unzipped size must be smaller than 262144000 bytes"
