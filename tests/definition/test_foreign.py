"""SAM's and the Serverless Framework's projects as definitions of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fnroll import definition
from fnroll.definition.from_sam import from_sam
from fnroll.definition.from_serverless import from_serverless
from fnroll.errors import DefinitionError, FnError

pytest.importorskip("yaml")

SAM = """
Parameters:
  Stage: {Type: String, Default: dev}
  Key: {Type: String}
Globals:
  Function:
    Timeout: 10
    Environment: {Variables: {STAGE: !Ref Stage}}
Resources:
  Table: {Type: AWS::DynamoDB::Table}
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello/
      Handler: app.handler
      Runtime: python3.13
      MemorySize: 256
      Architectures: [arm64]
      Policies: [AmazonS3ReadOnlyAccess]
      AutoPublishAlias: live
      ReservedConcurrentExecutions: 5
      Tracing: Active
      Environment: {Variables: {KEY: !Ref Key, TABLE: !GetAtt Table.Arn, WHERE: !Sub "${AWS::Region}-{{x}}"}}
      FunctionUrlConfig: {AuthType: NONE}
      Events:
        Api: {Type: HttpApi}
        Queue: {Type: SQS, Properties: {Queue: "arn:aws:sqs:us-east-1:123456789012:q", BatchSize: 5}}
      Curious: 1
"""

SERVERLESS = """
service: shop
custom: {size: 512}
provider:
  name: aws
  runtime: nodejs22.x
  stage: prod
  logRetentionInDays: 14
  environment: {TOKEN: "${ssm:/shop/token}", HOME_OF: "${env:HOME_OF, 'nowhere'}"}
functions:
  cart:
    handler: src/cart.handler
    memorySize: ${self:custom.size}
    url: true
    maximumRetryAttempts: 1
    environment: {PORT: 80, STAGE: "${opt:stage, 'dev'}"}
    events:
      - httpApi: "GET /cart"
      - sqs: {arn: "arn:aws:sqs:us-east-1:123456789012:q", batchSize: 3}
"""

ENV = {
    "FN_ROLE": "arn:aws:iam::123456789012:role/r",
    "KEY": "k",
    "TABLE_ARN": "arn:aws:dynamodb:us-east-1:123456789012:table/t",
    "AWS_REGION": "us-east-1",
    "STAGE": "test",
}


def loaded(root: Path, text: str, **env: str) -> definition.Definition:
    (root / "function.json").write_text(text)
    return definition.load(root, env=ENV | env)


def test_a_sam_template(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(SAM)
    (one,) = from_sam(tmp_path)
    assert (one.key, one.code) == ("Hello", "hello/")
    found = loaded(tmp_path, one.text())
    request = dict(found.request)
    assert request["Environment"] == {
        "Variables": {"STAGE": "test", "KEY": "k", "TABLE": ENV["TABLE_ARN"], "WHERE": "us-east-1-{{x}}"}
    }
    assert (request["Timeout"], request["MemorySize"], request["Architectures"]) == (10, 256, ["arm64"])
    assert request["TracingConfig"] == {"Mode": "Active"}
    assert found.extras == {
        "FunctionUrl": {"AuthType": "NONE"},
        "FunctionConcurrency": {"ReservedConcurrentExecutions": 5},
        "EventSourceMappings": [{"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:q", "BatchSize": 5}],
    }
    assert [note.split(":")[0].split(" ")[0] for note in one.notes] == [
        "Table.Arn", "SAM", "the", "Curious", "AutoPublishAlias", "Policies",
    ]  # fmt: skip


def test_a_serverless_project(tmp_path: Path) -> None:
    (tmp_path / "serverless.yml").write_text(SERVERLESS)
    (one,) = from_serverless(tmp_path)
    assert "{{ ssm `/shop/token` }}" in one.text()
    told = json.loads(one.text())
    assert told["FunctionName"] == "shop-{{ env `STAGE` `prod` }}-cart"
    assert (told["MemorySize"], told["Timeout"], told["Handler"]) == (512, 6, "src/cart.handler")
    assert told["Environment"]["Variables"]["PORT"] == "80"
    assert told["Environment"]["Variables"]["HOME_OF"] == "{{ env `HOME_OF` `nowhere` }}"
    assert told["Fn"] == {
        "FunctionUrl": {"AuthType": "NONE"},
        "EventInvokeConfig": {"MaximumRetryAttempts": 1},
        "LogRetentionInDays": 14,
        "EventSourceMappings": [{"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:q", "BatchSize": 3}],
    }
    assert any("httpApi" in note for note in one.notes)
    assert loaded(tmp_path, one.text().replace("{{ ssm `/shop/token` }}", "x")).name == "shop-test-cart"


@pytest.mark.parametrize("read", [from_sam, from_serverless])
def test_what_cannot_be_read_is_said(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(FnError, match="no S"):
        read(tmp_path)
    for name in ("template.yaml", "serverless.yml"):
        (tmp_path / name).write_text("a: [1\nb: }")
    with pytest.raises(DefinitionError, match=r":2:\d+: is no YAML"):
        read(tmp_path)
    for name in ("template.yaml", "serverless.yml"):
        (tmp_path / name).write_text("a: 1\n")
    with pytest.raises(FnError, match="has no function"):
        read(tmp_path)


def test_a_default_of_any_text_is_kept(tmp_path: Path) -> None:
    odd = 'a`b "c" \\d {{e'
    (tmp_path / "template.yaml").write_text(SAM.replace("Default: dev", f"Default: {json.dumps(odd)}"))
    [converted] = from_sam(tmp_path)
    (tmp_path / "function.json").write_text(converted.text())
    env = {name: value for name, value in ENV.items() if name != "STAGE"}
    assert definition.load(tmp_path, env=env).environment["STAGE"] == odd


def test_a_variable_that_leads_back_to_itself_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "serverless.yml").write_text(SERVERLESS.replace("{size: 512}", '{size: "${self:custom.size}"}'))
    with pytest.raises(FnError, match="leads back to itself"):
        from_serverless(tmp_path)
