"""The story, told by the newest boto3: prints what it saw as one line of JSON. Arguments: the zip of the code."""

import json
import sys
from pathlib import Path

import boto3

client = boto3.client("lambda")
code = Path(sys.argv[1]).read_bytes()
role = "arn:aws:iam::000000000000:role/stock"
client.create_function(FunctionName="stock", Runtime="python3.13", Handler="h.h", Role=role, Code={"ZipFile": code})
client.get_waiter("function_active_v2").wait(FunctionName="stock")
version = client.publish_version(FunctionName="stock")["Version"]
client.create_alias(FunctionName="stock", Name="live", FunctionVersion=version)
answer = client.invoke(FunctionName="stock", Qualifier="live", Payload=b'{"n":1}', LogType="Tail")
event = client.invoke(FunctionName="stock", InvocationType="Event", Payload=b"{}")
try:
    client.get_function(FunctionName="nobody")
    refused = None
except client.exceptions.ResourceNotFoundException as error:
    refused = error.response["Error"]["Message"]
names = [
    each["FunctionName"] for page in client.get_paginator("list_functions").paginate() for each in page["Functions"]
]
client.delete_function(FunctionName="stock")
print(
    json.dumps(
        {
            "version": answer["ExecutedVersion"],
            "payload": json.loads(answer["Payload"].read()),
            "tail": "LogResult" in answer,
            "event": event["StatusCode"],
            "refused": refused,
            "names": names,
        }
    )
)
