"""Refusals to the letter: status, x-amzn-ErrorType and body of what Lambda was seen to answer (facts of the API)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cloud_support import ARN, ROLE, client, make, package, raw, served
from fnroll.cloud import Endpoint
from fnroll.cloud.control import OPERATIONS
from fnroll.cloud.data_plane import INVOKING
from fnroll.definition import service

FUNCTIONS = "/2015-03-31/functions"
STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
ABSENT = "The resource you requested does not exist."
NOT_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:tools"
OTHER_ROLE = "arn:aws:iam::000000000000:role/other"
ZIP = base64.b64encode(package()).decode()
FUNCTION = {"FunctionName": "new", "Runtime": "python3.13", "Handler": "h.h", "Role": ROLE, "Code": {"ZipFile": ZIP}}
SHA256 = "is different from current CodeSHA256 in $LATEST"

UNSUPPORTED = (
    "The runtime parameter of go1.x is no longer supported for creating or updating AWS Lambda functions. "
    "We recommend you use a supported runtime while creating or updating functions."
)
TWICE = (
    "Two different versions of the same layer are not allowed to be referenced in the same function. "
    f"{LAYER}:1 and {LAYER}:2 are versions of the same layer."
)
WEIGHT = (
    "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy "
    "constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must "
    "have value greater than or equal to 0.0, Member must not be null]"
)
DIGITS = (
    "1 validation error detected: Value '12' at 'name' failed to satisfy constraint: Member must satisfy regular "
    "expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
)
JSON_AT = (
    "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: {column}]"
)
JSON = "Could not parse request body into json: Could not parse payload into json: "
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


@dataclass(frozen=True)
class Case:
    """A request against the prepared cloud, and the answer it must get. `member`: how the body spells the message."""

    name: str
    method: str
    path: str
    body: Any
    status: int
    code: str
    message: str
    member: str = "message"
    type: str | None = "User"


def bad(name: str, method: str, path: str, body: Any, message: str, type: str | None = "User") -> Case:
    return Case(name, method, path, body, 400, "InvalidParameterValueException", message, type=type)


def missing(name: str, method: str, path: str, body: Any, message: str) -> Case:
    return Case(name, method, path, body, 404, "ResourceNotFoundException", message, "Message")


def unfit(name: str, method: str, path: str, body: Any, message: str) -> Case:
    return Case(name, method, path, body, 400, "ValidationException", message, type=None)


def conflicting(name: str, method: str, path: str, body: Any, message: str) -> Case:
    return Case(name, method, path, body, 409, "ResourceConflictException", message)


def stale(name: str, method: str, path: str, body: Any, message: str = STALE) -> Case:
    return Case(name, method, path, body, 412, "PreconditionFailedException", message)


def unreadable(name: str, body: bytes, message: str, column: int) -> Case:
    text = JSON + message + JSON_AT.format(column=column)
    return Case(name, "POST", f"{FUNCTIONS}/hello/invocations", body, 400, "InvalidRequestContentException", text)


def weights(**versions: float) -> dict[str, Any]:
    return {"RoutingConfig": {"AdditionalVersionWeights": {key[1:]: value for key, value in versions.items()}}}


HELLO = f"{FUNCTIONS}/hello"
ALIASES = f"{HELLO}/aliases"
LIVE = f"{ALIASES}/live"
PROVISIONED = "/2019-09-30/functions/hello/provisioned-concurrency"
CASES = [
    # what is not there
    missing("get-function", "GET", f"{FUNCTIONS}/no", None, f"Function not found: {ARN}no"),
    missing("get-version", "GET", f"{HELLO}?Qualifier=9", None, f"Function not found: {ARN}hello:9"),
    missing("get-alias-of-function", "GET", f"{HELLO}?Qualifier=x", None, f"Function not found: {ARN}hello:x"),
    missing("configuration", "GET", f"{FUNCTIONS}/no/configuration", None, f"Function not found: {ARN}no"),
    missing("update-code", "PUT", f"{FUNCTIONS}/no/code", {"ZipFile": ZIP}, f"Function not found: {ARN}no"),
    missing("update-config", "PUT", f"{FUNCTIONS}/no/configuration", {}, f"Function not found: {ARN}no"),
    missing("delete", "DELETE", f"{FUNCTIONS}/no", None, f"Function not found: {ARN}no"),
    missing("publish", "POST", f"{FUNCTIONS}/no/versions", {}, f"Function not found: {ARN}no"),
    missing("invoke", "POST", f"{FUNCTIONS}/no/invocations", None, f"Function not found: {ARN}no:$LATEST"),
    missing("invoke-version", "POST", f"{HELLO}/invocations?Qualifier=9", None, f"Function not found: {ARN}hello:9"),
    missing("invoke-alias", "POST", f"{HELLO}/invocations?Qualifier=x", None, f"Cannot find alias arn: {ARN}hello:x"),
    missing("get-alias", "GET", f"{ALIASES}/x", None, f"Cannot find alias arn: {ARN}hello:x"),
    missing("update-alias", "PUT", f"{ALIASES}/x", {}, f"Alias not found: {ARN}hello:x"),
    missing(
        "alias-version", "POST", ALIASES, {"Name": "x", "FunctionVersion": "10"}, f"Function not found: {ARN}hello:10"
    ),
    missing("alias-extra-version", "PUT", LIVE, weights(v10=0.1), f"Function not found: {ARN}hello:10"),
    missing("url", "GET", "/2021-10-31/functions/hello/url", None, ABSENT),
    missing("url-of-no-function", "GET", "/2021-10-31/functions/no/url", None, ABSENT),
    missing("policy", "GET", f"{HELLO}/policy", None, ABSENT),
    missing("layer", "GET", "/2018-10-31/layers/no/versions/1", None, ABSENT),
    missing("layer-arn", "GET", f"/2018-10-31/layers?find=LayerVersion&Arn={LAYER}:9", None, ABSENT),
    missing("tags", "GET", f"/2017-03-31/tags/{ARN}no", None, f"Function not found: {ARN}no"),
    missing(
        "region",
        "GET",
        f"{FUNCTIONS}/arn:aws:lambda:eu-west-1:000000000000:function:hello",
        None,
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
    ),
    # somebody else was there before
    conflicting(
        "function-exists", "POST", FUNCTIONS, {**FUNCTION, "FunctionName": "hello"}, "Function already exist: hello"
    ),
    conflicting(
        "alias-exists",
        "POST",
        ALIASES,
        {"Name": "live", "FunctionVersion": "1"},
        f"Alias already exists: {ARN}hello:live",
    ),
    conflicting(
        "version-in-use",
        "DELETE",
        f"{HELLO}?Qualifier=1",
        None,
        "Unable to delete version because the following aliases reference it: [live, split]",
    ),
    stale("alias-revision", "PUT", LIVE, {"RevisionId": "old"}),
    stale("code-revision", "PUT", f"{HELLO}/code", {"ZipFile": ZIP, "RevisionId": "old"}),
    stale("config-revision", "PUT", f"{HELLO}/configuration", {"RevisionId": "old"}),
    stale("publish-revision", "POST", f"{HELLO}/versions", {"RevisionId": "old"}),
    # aliases
    bad(
        "two-extra",
        "PUT",
        LIVE,
        weights(v2=0.1, v3=0.1),
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    ),
    bad(
        "extra-is-primary",
        "PUT",
        LIVE,
        weights(v1=0.1),
        "Invalid function version 1. Function version 1 is already included in routing configuration.",
    ),
    bad(
        "weighted-latest",
        "POST",
        ALIASES,
        {"Name": "x", "FunctionVersion": "$LATEST", **weights(v1=0.1)},
        "$LATEST is not supported for an alias pointing to more than 1 version",
        None,
    ),
    bad("roles", "PUT", LIVE, weights(v3=0.1), "Specified versions must be associated with the same execution role"),
    unfit("weight", "PUT", LIVE, weights(v2=2.0), WEIGHT),
    unfit("alias-digits", "POST", ALIASES, {"Name": "12", "FunctionVersion": "1"}, DIGITS),
    # functions
    bad("not-a-zip", "POST", FUNCTIONS, {**FUNCTION, "Code": {"ZipFile": "bm90IGEgemlw"}}, NOT_ZIP),
    bad("no-code", "PUT", f"{HELLO}/code", {}, "Please provide a source for function code."),
    bad("old-runtime", "POST", FUNCTIONS, {**FUNCTION, "Runtime": "go1.x"}, UNSUPPORTED),
    bad(
        "six-layers",
        "POST",
        FUNCTIONS,
        {**FUNCTION, "Layers": [f"{LAYER}{n}:1" for n in range(6)]},
        "Cannot reference more than 5 layers.",
    ),
    bad("layer-twice", "POST", FUNCTIONS, {**FUNCTION, "Layers": [f"{LAYER}:1", f"{LAYER}:2"]}, TWICE),
    bad(
        "no-layer",
        "POST",
        FUNCTIONS,
        {**FUNCTION, "Layers": [f"{LAYER}:9"]},
        f"Layer version {LAYER}:9 does not exist.",
    ),
    bad(
        "environment",
        "POST",
        FUNCTIONS,
        {**FUNCTION, "Environment": {"Variables": {"KEY": "x" * 4096}}},
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        f"exceeded the 4KB limit. String measured: {json.dumps({'KEY': 'x' * 4096}, separators=(',', ':'))}",
    ),
    bad(
        "delete-latest",
        "DELETE",
        f"{HELLO}?Qualifier=$LATEST",
        None,
        "$LATEST version cannot be deleted without deleting the function.",
    ),
    bad(
        "two-qualifiers",
        "GET",
        f"{HELLO}:1?Qualifier=2",
        None,
        "The derived qualifier from the function name does not match the specified qualifier.",
    ),
    bad(
        "policy-of-latest",
        "POST",
        f"{HELLO}/policy?Qualifier=$LATEST",
        {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"},
        "We currently do not support adding policies for $LATEST.",
    ),
    unfit(
        "memory",
        "PUT",
        f"{HELLO}/configuration",
        {"MemorySize": 64},
        "1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: "
        "Member must have value greater than or equal to 128",
    ),
    unfit(
        "timeout-over-lambdas-own-limit",
        "PUT",
        f"{HELLO}/configuration",
        {"Timeout": 901},
        "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
        "Member must have value less than or equal to 900",
    ),
    unfit(
        "two-at-once",
        "POST",
        FUNCTIONS,
        {"FunctionName": "new", "Code": {"ZipFile": ZIP}, "Timeout": 0},
        "2 validation errors detected: Value null at 'role' failed to satisfy constraint: Member must not be null; "
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    unfit(
        "architecture",
        "POST",
        FUNCTIONS,
        {**FUNCTION, "Architectures": ["mips"]},
        "1 validation error detected: Value '[mips]' at 'architectures' failed to satisfy constraint: Member must "
        "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
    ),
    unfit(
        "secrets-are-not-repeated",
        "POST",
        FUNCTIONS,
        {**FUNCTION, "Environment": {"Variables": {"1": "secret"}}},
        "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must "
        "satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, "
        "Member must not be null]",
    ),
    Case(
        "wrong-type",
        "PUT",
        f"{HELLO}/configuration",
        {"Timeout": "3"},
        400,
        "SerializationException",
        "STRING_VALUE can not be converted to a Integer",
        "Message",
    ),
    Case(
        "unknown-path",
        "GET",
        "/2015-03-31/nothing",
        None,
        404,
        "UnknownOperationException",
        "Unable to determine service/operation name for /2015-03-31/nothing",
        "Message",
        None,
    ),
    Case(
        "other-account",
        "GET",
        f"{FUNCTIONS}/123456789012:function:hello",
        None,
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetFunction on resource: "
        "arn:aws:lambda:us-east-1:123456789012:function:hello because no resource-based policy allows the "
        "lambda:GetFunction action",
        "Message",
        None,
    ),
    # concurrency
    bad(
        "reserves-too-much",
        "PUT",
        "/2017-10-31/functions/hello/concurrency",
        {"ReservedConcurrentExecutions": 1000},
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100].",
    ),
    bad(
        "provisions-latest",
        "PUT",
        f"{PROVISIONED}?Qualifier=$LATEST",
        {"ProvisionedConcurrentExecutions": 1},
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    ),
    bad(
        "provisions-weighted-alias",
        "PUT",
        f"{PROVISIONED}?Qualifier=split",
        {"ProvisionedConcurrentExecutions": 1},
        "Alias with weights can not be used with Provisioned Concurrency",
    ),
    bad(
        "provisioned-of-latest",
        "GET",
        f"{PROVISIONED}?Qualifier=$LATEST",
        None,
        "The function resource provided must be an alias or a published version.",
    ),
    Case(
        "nothing-provisioned",
        "GET",
        f"{PROVISIONED}?Qualifier=live",
        None,
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    ),
    # permissions
    conflicting(
        "statement-exists",
        "POST",
        f"{HELLO}/policy?Qualifier=split",
        {"StatementId": "taken", "Action": "lambda:InvokeFunction", "Principal": "*"},
        "The statement id (taken) provided already exists. "
        "Please provide a new statement id, or remove the existing statement.",
    ),
    # events that are no JSON
    unreadable("token", b"value", f"Unrecognized token 'value': was expecting {VALUES}", 6),
    unreadable("control", b"\x99", f"Unexpected character ((CTRL-CHAR, code 153)): expected a valid value {VALUES}", 2),
    unreadable("utf-8", b'"\x87"', "Invalid UTF-8 start byte 0x87", 3),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cloud with hello: versions 1 and 2, 3 under another role; aliases live on 1, split on 2 and 1; layer tools."""
    with served(tmp_path_factory.mktemp("state")) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_, Publish=True)
        lambda_.update_function_configuration(FunctionName="hello", Description="2")
        lambda_.publish_version(FunctionName="hello")
        lambda_.update_function_configuration(FunctionName="hello", Role=OTHER_ROLE)
        lambda_.publish_version(FunctionName="hello")
        lambda_.create_alias(FunctionName="hello", Name="live", FunctionVersion="1")
        lambda_.create_alias(FunctionName="hello", Name="split", FunctionVersion="2", **weights(v1=0.5))
        lambda_.add_permission(
            FunctionName="hello:split", StatementId="taken", Action="lambda:InvokeFunction", Principal="*"
        )
        for _ in range(2):
            lambda_.publish_layer_version(LayerName="tools", Content={"ZipFile": package()})
        yield endpoint


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refusal(prepared: Endpoint, case: Case) -> None:
    body = case.body if isinstance(case.body, bytes) else b"" if case.body is None else json.dumps(case.body).encode()
    answer = raw(prepared, case.method, case.path, body)
    fields: Mapping[str, str] = (
        {"Type": case.type, case.member: case.message} if case.type else {case.member: case.message}
    )
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (case.status, case.code)
    assert json.loads(answer.body) == fields
    assert len(answer.headers["x-amzn-requestid"]) == 36


def test_an_alias_that_is_not_there_is_deleted_all_the_same(prepared: Endpoint) -> None:
    answer = raw(prepared, "DELETE", f"{ALIASES}/nobody")
    assert (answer.status, answer.body) == (204, b"")


def test_a_zip_that_is_too_large_for_a_request(prepared: Endpoint) -> None:
    large = base64.b64encode(b"x" * 52_428_801).decode()
    answer = raw(prepared, "PUT", f"{HELLO}/code", json.dumps({"ZipFile": large}).encode())
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    assert json.loads(answer.body)["message"] == "Zipped size must be smaller than 52428800 bytes"


def test_a_client_context_that_is_none(prepared: Endpoint) -> None:
    answer = raw(prepared, "POST", f"{HELLO}/invocations", b"{}", {"X-Amz-Client-Context": "%%%"})
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
    assert json.loads(answer.body)["message"] == "Client context must be a valid Base64-encoded JSON"


def test_a_wrong_hash_names_both(prepared: Endpoint) -> None:
    answer = raw(prepared, "POST", f"{HELLO}/versions", json.dumps({"CodeSha256": "x"}).encode())
    found = client(prepared).get_function_configuration(FunctionName="hello")["CodeSha256"]
    assert json.loads(answer.body)["message"] == (
        f"CodeSHA256 (x) {SHA256} ({found}). Please try again with the CodeSHA256 in $LATEST."
    )


@pytest.mark.parametrize(
    ("kind", "size", "limit"), [("RequestResponse", 6_291_457, 6_291_456), ("Event", 1_048_577, 1_048_576)]
)
def test_an_event_that_is_too_large(prepared: Endpoint, kind: str, size: int, limit: int) -> None:
    body = b'"' + b"x" * (size - 2) + b'"'
    answer = raw(prepared, "POST", f"{HELLO}/invocations", body, {"X-Amz-Invocation-Type": kind})
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    assert json.loads(answer.body) == {
        "Type": "User",
        "message": f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
    }


def test_an_operation_that_is_not_built_names_itself(prepared: Endpoint) -> None:
    answer = raw(prepared, "GET", "/2025-11-30/capacity-providers")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (501, "NotImplementedException")
    assert "ListCapacityProviders" in json.loads(answer.body)["message"]


def test_every_operation_of_the_model_is_built_or_refused_by_name(prepared: Endpoint) -> None:
    """None falls through to another answer: each route of the model finds its own operation."""
    for operation in service.operations().values():
        if operation.name in OPERATIONS or operation.name in INVOKING:
            continue
        path = operation.uri.replace("{", "").replace("+}", "").replace("}", "")
        answer = raw(prepared, operation.method, path)
        assert answer.status == 501, operation.name
        assert f"The operation {operation.name} is not built" in json.loads(answer.body)["message"]
