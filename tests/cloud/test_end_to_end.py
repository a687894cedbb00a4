"""The cloud over the real emulator: a shell bootstrap, invoked by boto3 and by URL."""

from __future__ import annotations

import base64
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from cloud_support import client, make, raw
from fnroll import cloud
from fnroll.emulator.api import LogLine

BOOTSTRAP = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
tmp=${TMPDIR:-/tmp}  # the process tier has no /tmp of its own
while :; do
  event=$(curl -sS -D "$tmp/head" "$api/next")
  id=$(tr -d '\\r' <"$tmp/head" | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  health=$(curl -sS "$AWS_ENDPOINT_URL/.fn/health")
  echo "a line of mine" >&2
  url="$api/$id/response"
  curl -sS -o "$tmp/out" "$url" -d "{\\"got\\":$event,\\"cloud\\":$health,\\"opt\\":\\"$(cat /opt/word)\\"}"
done
"""


def packed(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        entry = zipfile.ZipInfo(name)
        entry.create_system, entry.external_attr = 3, 0o100755 << 16
        opened.writestr(entry, text)
    return buffer.getvalue()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap speaks HTTP with curl")
@pytest.mark.parametrize("tier", ["auto", "process"])
def test_a_function_runs_sees_its_layer_and_reaches_the_cloud(tmp_path: Path, tier: str) -> None:
    lines: list[LogLine] = []
    with cloud.embedded(tmp_path, sink=lines.append, tier=tier, network="host") as endpoint:
        lambda_ = client(endpoint)
        layer = lambda_.publish_layer_version(LayerName="words", Content={"ZipFile": packed("word", "layered")})
        make(
            lambda_,
            Runtime="provided.al2023",
            Timeout=30,
            Code={"ZipFile": packed("bootstrap", BOOTSTRAP)},
            Layers=[layer["LayerVersionArn"]],
        )
        answer = lambda_.invoke(FunctionName="hello", Payload=b'{"n":1}', LogType="Tail")
        assert "FunctionError" not in answer, answer["Payload"].read()
        result = json.loads(answer["Payload"].read())
        assert result["got"] == {"n": 1}
        assert result["cloud"]["pid"] == endpoint.pid
        if endpoint.tier == "linux":
            assert result["opt"] == "layered"
        log = base64.b64decode(answer["LogResult"]).decode()
        assert f"START RequestId: {answer['ResponseMetadata']['RequestId']} Version: $LATEST" in log
        assert "a line of mine" in log
        url = lambda_.create_function_url_config(FunctionName="hello", AuthType="NONE")["FunctionUrl"]
        permit = {"FunctionName": "hello", "Principal": "*"}
        lambda_.add_permission(**permit, StatementId="a", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
        lambda_.add_permission(**permit, StatementId="b", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
        host = url.removeprefix("http://").rstrip("/")
        by_url = json.loads(raw(endpoint, "GET", "/path", headers={"Host": host}).body)
        assert by_url["got"]["rawPath"] == "/path"
        logged = client(endpoint, "logs").filter_log_events(logGroupName="/aws/lambda/hello")["events"]
        kinds = [event["message"].split(" ", 1)[0] for event in logged]
        assert [kind for kind in kinds if kind.isupper()] == ["INIT_START", *("START", "END", "REPORT") * 2]
        lambda_.delete_function(FunctionName="hello")
    assert "a line of mine" in [line.text for line in lines]
