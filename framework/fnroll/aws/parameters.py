"""Verbs on what definitions look up beside Lambda: parameters, secrets, the caller, stacks. Reads alone."""

from __future__ import annotations

from typing import Any

from fnroll.aws.errors import border
from fnroll.errors import AwsError, NotFound


def get_parameter(client: Any, name: str) -> tuple[str, str]:
    """GetParameter of SSM: its type (String, StringList, SecureString) and its value, decrypted. Raises NotFound."""
    with border("GetParameter", name):
        found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return found["Type"], found["Value"]


def find_secret(client: Any, name: str) -> str:
    """DescribeSecret of Secrets Manager: the secret's ARN. Its value is not read. Raises NotFound."""
    with border("DescribeSecret", name):
        return str(client.describe_secret(SecretId=name)["ARN"])


def caller_identity(client: Any) -> dict[str, str]:
    """GetCallerIdentity of STS: Account, Arn, UserId."""
    with border("GetCallerIdentity", "the caller"):
        answer = client.get_caller_identity()
    return {key: str(answer[key]) for key in ("Account", "Arn", "UserId")}


def stack_outputs(client: Any, stack: str) -> dict[str, str]:
    """DescribeStacks of CloudFormation: the outputs of one stack. Raises NotFound."""
    try:
        with border("DescribeStacks", stack):
            (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    except AwsError as error:
        if error.code == "ValidationError" and "does not exist" in error.message:
            raise NotFound(error.message, code=error.code, operation=error.operation, where=stack) from error
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}


def stack_exports(client: Any) -> dict[str, str]:
    """ListExports of CloudFormation: every export of the account and Region."""
    with border("ListExports", "the exports of CloudFormation"):
        pages = client.get_paginator("list_exports").paginate()
        return {row["Name"]: row["Value"] for page in pages for row in page.get("Exports", ())}
