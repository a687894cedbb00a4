"""Rows that the facts do not have: texts of Lambda's from elsewhere, and refusals of this cloud's own."""

from __future__ import annotations

from cloud_support import ARN
from exact.management import ZIP
from exact.vocabulary import (
    BEYOND,
    FUNCTIONS,
    HELLO,
    INVOKE,
    LAYER,
    PROVISIONED,
    STALE,
    Row,
    bad,
    conflicting,
    finding,
    missing,
    new_function,
    stale,
    unfit,
    user,
)

ABSENT = "The resource you requested does not exist."


def lost(name: str, method: str, path: str, body: object, message: str) -> Row:
    return missing(BEYOND, name, method, path, body, message)


TABLE: tuple[Row, ...] = (
    lost("version", "GET", f"{HELLO}?Qualifier=9", None, f"Function not found: {ARN}hello:9"),
    lost("configuration", "GET", f"{FUNCTIONS}/no/configuration", None, f"Function not found: {ARN}no"),
    lost("update-code", "PUT", f"{FUNCTIONS}/no/code", {"ZipFile": ZIP}, f"Function not found: {ARN}no"),
    lost("update-configuration", "PUT", f"{FUNCTIONS}/no/configuration", {}, f"Function not found: {ARN}no"),
    lost("delete", "DELETE", f"{FUNCTIONS}/no", None, f"Function not found: {ARN}no"),
    lost("publish", "POST", f"{FUNCTIONS}/no/versions", {}, f"Function not found: {ARN}no"),
    lost("url", "GET", "/2021-10-31/functions/hello/url", None, ABSENT),
    lost("url-of-no-function", "GET", "/2021-10-31/functions/no/url", None, ABSENT),
    lost("policy", "GET", f"{HELLO}/policy", None, ABSENT),
    lost("layer", "GET", "/2018-10-31/layers/no/versions/1", None, ABSENT),
    lost("layer-arn", "GET", f"/2018-10-31/layers?find=LayerVersion&Arn={LAYER}:9", None, ABSENT),
    lost("tags", "GET", f"/2017-03-31/tags/{ARN}no", None, f"Function not found: {ARN}no"),
    conflicting(
        BEYOND,
        "function-exists",
        "POST",
        FUNCTIONS,
        new_function(FunctionName="hello"),
        "Function already exist: hello",
    ),
    conflicting(
        BEYOND,
        "statement-exists",
        "POST",
        f"{HELLO}/policy?Qualifier=split",
        {"StatementId": "taken", "Action": "lambda:InvokeFunction", "Principal": "*"},
        "The statement id (taken) provided already exists. "
        "Please provide a new statement id, or remove the existing statement.",
    ),
    stale(
        BEYOND,
        "policy-revision",
        "POST",
        f"{HELLO}/policy?Qualifier=split",
        {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*", "RevisionId": "old"},
        STALE.replace("GetFunction/GetAlias", "GetPolicy"),
    ),
    bad(BEYOND, "no-code", "PUT", f"{HELLO}/code", {}, "Please provide a source for function code."),
    unfit(
        BEYOND,
        "timeout-over-lambdas-own-limit",
        "PUT",
        f"{HELLO}/configuration",
        {"Timeout": 901},
        finding("timeout", "Member must have value less than or equal to 900", "'901'"),
    ),
    Row(
        BEYOND,
        "wrong-type",
        "PUT",
        f"{HELLO}/configuration",
        {"Timeout": "3"},
        400,
        "SerializationException",
        user("STRING_VALUE can not be converted to a Integer", "Message"),
    ),
    Row(
        BEYOND,
        "unknown-path",
        "GET",
        "/2015-03-31/nothing",
        None,
        404,
        "UnknownOperationException",
        {"Message": "Unable to determine service/operation name for /2015-03-31/nothing"},
    ),
    Row(
        BEYOND,
        "other-account",
        "GET",
        f"{FUNCTIONS}/123456789012:function:hello",
        None,
        403,
        "AccessDeniedException",
        {
            "Message": "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetFunction on "
            "resource: arn:aws:lambda:us-east-1:123456789012:function:hello because no resource-based policy allows "
            "the lambda:GetFunction action"
        },
    ),
    Row(
        BEYOND,
        "nothing-provisioned",
        "GET",
        f"{PROVISIONED}?Qualifier=live",
        None,
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        user("No Provisioned Concurrency Config found for this function"),
    ),
    Row(
        BEYOND,
        "client-context",
        "POST",
        INVOKE,
        {},
        400,
        "InvalidRequestContentException",
        user("Client context must be a valid Base64-encoded JSON"),
        {"X-Amz-Client-Context": "%%%"},
    ),
)
