"""The story, told by the newest boto3: prints what it saw as one line of JSON. Arguments: two zips of code."""

import base64
import json
import sys
from pathlib import Path

import boto3

client = boto3.client("lambda")
code, second = (Path(path).read_bytes() for path in sys.argv[1:])
role, name, unknown = "arn:aws:iam::000000000000:role/stock", "stock", "00000000-0000-0000-0000-000000000000"
seen = {}


def refused(kind, **given):
    """The status and the message of an error that must be of this class."""
    operation, expected = given.pop("operation"), getattr(client.exceptions, kind)
    try:
        operation(**given)
    except expected as error:
        return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Message"]]
    raise SystemExit(f"not refused as {kind}")


layer = client.publish_layer_version(LayerName=name, Content={"ZipFile": code}, CompatibleRuntimes=["python3.13"])
made = client.create_function(
    FunctionName=name,
    Runtime="python3.13",
    Handler="h.h",
    Role=role,
    Code={"ZipFile": code},
    Layers=[layer["LayerVersionArn"]],
    Tags={"team": "a", "stage": "test"},
)
client.get_waiter("function_active_v2").wait(FunctionName=name)
active = client.get_function(FunctionName=name)
seen["states"] = [made["State"], active["Configuration"]["State"]]
seen["layer"] = [layer["Version"], len(active["Configuration"]["Layers"])]
again = {"Runtime": "python3.13", "Handler": "h.h", "Role": role, "Code": {"ZipFile": code}}
seen["taken"] = refused("ResourceConflictException", operation=client.create_function, FunctionName=name, **again)
seen["missing"] = refused("ResourceNotFoundException", operation=client.get_function, FunctionName="nobody")

first = client.publish_version(FunctionName=name, Description="one")["Version"]
changed = client.update_function_code(FunctionName=name, ZipFile=second)
client.get_waiter("function_updated_v2").wait(FunctionName=name)
seen["updated"] = [
    changed["LastUpdateStatus"],
    client.get_function_configuration(FunctionName=name)["LastUpdateStatus"],
    changed["CodeSha256"] != made["CodeSha256"],
]
stale = {"operation": client.update_function_configuration, "FunctionName": name, "RevisionId": unknown}
seen["stale"] = refused("PreconditionFailedException", **stale)
other = client.publish_version(FunctionName=name)["Version"]
pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name, PaginationConfig={"PageSize": 1})
seen["versions"] = [each["Version"] for page in pages for each in page["Versions"]]

weights = {"AdditionalVersionWeights": {other: 1.0}}
client.create_alias(FunctionName=name, Name="live", FunctionVersion=first, RoutingConfig=weights)
answer = client.invoke(FunctionName=name, Qualifier="live", Payload=b'{"n":1}', LogType="Tail")
client.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
plain = client.invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
event = client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
dry = client.invoke(FunctionName=name, InvocationType="DryRun", Payload=b"{}")
failed = client.invoke(FunctionName=name, Payload=b'{"fail":"broken"}')
seen["executed"] = [answer["ExecutedVersion"], plain["ExecutedVersion"]]
seen["payload"] = json.loads(answer["Payload"].read())
seen["tail"] = base64.b64decode(answer["LogResult"]).decode()[-8:]
seen["statuses"] = [answer["StatusCode"], event["StatusCode"], dry["StatusCode"]]
seen["failed"] = [failed["FunctionError"], json.loads(failed["Payload"].read())]
stream = client.invoke_with_response_stream(FunctionName=name, Payload=b'{"stream":true}')
seen["streamed"] = [stream["ResponseStreamContentType"], "", False]
for piece in stream["EventStream"]:
    seen["streamed"][1] += piece.get("PayloadChunk", {}).get("Payload", b"").decode()
    seen["streamed"][2] |= "InvokeComplete" in piece

client.tag_resource(Resource=made["FunctionArn"], Tags={"team": "b"})
client.untag_resource(Resource=made["FunctionArn"], TagKeys=["stage"])
seen["tags"] = client.list_tags(Resource=made["FunctionArn"])["Tags"]
cors = {"AllowOrigins": ["https://example.com"]}
client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE", Cors=cors)
url = client.get_function_url_config(FunctionName=name, Qualifier="live")
seen["url"] = [url["AuthType"], url["Cors"]["AllowOrigins"], url["FunctionUrl"].startswith("http")]
client.delete_function_url_config(FunctionName=name, Qualifier="live")

client.create_function(FunctionName="another", **again)
pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
seen["names"] = [each["FunctionName"] for page in pages for each in page["Functions"]]
client.delete_alias(FunctionName=name, Name="live")
client.delete_function(FunctionName="another")
client.delete_function(FunctionName=name)
client.delete_layer_version(LayerName=name, VersionNumber=layer["Version"])
seen["left"] = len(client.list_functions()["Functions"]) + len(client.list_layers()["Layers"])
print(json.dumps(seen))
