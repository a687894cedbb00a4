"""Rows of Invoke: its answers, and its refusals before the function is reached (facts/emulators.md 2.6)."""

from __future__ import annotations

import base64

from cloud_support import ARN
from exact.vocabulary import FUNCTIONS, HELLO, INVOKE, Row, bad, missing, user

AT = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: {column}]"
PARSE = "Could not parse request body into json: Could not parse payload into json: "
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
STREAM = "/2021-11-15/functions/hello/response-streaming-invocations"
TAIL = base64.b64encode(b"x" * 4096).decode()
"""What FakeEmulator's log ends with."""


def answered(fact: str, name: str, path: str, version: str, **sent: str) -> Row:
    return Row(
        fact,
        name,
        "POST",
        path,
        {"a": 1},
        200,
        None,
        '{"version": "' + version + '", "event": {"a": 1}}',
        {key.replace("_", "-"): value for key, value in sent.items()},
        {
            "X-Amz-Executed-Version": version,
            "X-Amz-Function-Error": None,
            "X-Amz-Log-Result": None,
            "Content-Type": "application/json",
        },
    )


def accepted(fact: str, name: str, kind: str, status: int) -> Row:
    """Without a body, and without what only a synchronous answer has."""
    says = dict.fromkeys(("X-Amz-Executed-Version", "X-Amz-Function-Error", "X-Amz-Log-Result", "Content-Type"))
    sent = {"X-Amz-Invocation-Type": kind, "X-Amz-Log-Type": "Tail"}
    return Row(fact, name, "POST", INVOKE, {"a": 1}, status, None, "", sent, says)


def unreadable(name: str, body: bytes, message: str, column: int, path: str = INVOKE) -> Row:
    answer = user(PARSE + message + AT.format(column=column))
    return Row("emulators 2.6 not JSON", name, "POST", path, body, 400, "InvalidRequestContentException", answer)


def large(name: str, kind: str, size: int) -> Row:
    words = f"Request must be smaller than {size} bytes for the InvokeFunction operation"
    return Row(
        "emulators 2.6 too large",
        name,
        "POST",
        INVOKE,
        b'"' + b"x" * (size - 1) + b'"',
        413,
        "RequestEntityTooLargeException",
        user(words),
        {"X-Amz-Invocation-Type": kind},
    )


def durable(path: str) -> Row:
    answer = {"Type": "Service", "message": "Invoke with DurableExecutionName is not built in fn's local cloud"}
    sent = {"X-Amz-Durable-Execution-Name": "mine"}
    return Row("emulators 2.6 durable", "durable", "POST", path, {}, 501, "NotImplementedException", answer, sent)


def untenanted(name: str, path: str) -> Row:
    """A tenant of a function that keeps none apart; tests/cloud/test_tenants.py has the other."""
    words = (
        "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and "
    )
    answer, sent = user(words + "try again."), {"X-Amz-Tenant-Id": "mine"}
    return Row("emulators 2.6 tenant", name, "POST", path, {}, 400, "InvalidParameterValueException", answer, sent)


NAMES = ("hello", "function:hello", "000000000000:hello", "000000000000:function:hello", f"{ARN}hello")
QUALIFIED = (("", "$LATEST"), (":$LATEST", "$LATEST"), (":1", "1"), (":live", "1"))

TABLE: tuple[Row, ...] = (
    answered("emulators 2.6 request response", "sync", INVOKE, "$LATEST"),
    answered("emulators 2.6 request response", "sync-of-a-number", f"{INVOKE}?Qualifier=2", "2"),
    answered("emulators 2.6 request response", "sync-by-name", INVOKE, "$LATEST", X_Amz_Log_Type="None"),
    accepted("emulators 2.6 event", "event", "Event", 202),
    accepted("emulators 2.6 dry run", "dry-run", "DryRun", 204),
    Row(
        "emulators 2.6 log result",
        "tail",
        "POST",
        INVOKE,
        {"a": 1},
        200,
        None,
        '{"version": "$LATEST", "event": {"a": 1}}',
        {"X-Amz-Log-Type": "Tail"},
        {"X-Amz-Log-Result": TAIL},
    ),
    durable(INVOKE),
    untenanted("tenant", INVOKE),
    untenanted("tenant-of-a-stream", STREAM),
    *(
        answered("emulators 2.6 names", f"{name}{suffix}", f"{FUNCTIONS}/{name}{suffix}/invocations", version)
        for name in NAMES
        for suffix, version in QUALIFIED
    ),
    *(
        answered(
            "emulators 2.6 names",
            f"{name}-and-a-qualifier",
            f"{FUNCTIONS}/{name}/invocations?Qualifier=live",
            "1",
        )
        for name in (*NAMES, "hello:live")
    ),
    missing(
        "emulators 2.6 function not found",
        "no-function",
        "POST",
        f"{FUNCTIONS}/no/invocations",
        None,
        f"Function not found: {ARN}no:$LATEST",
    ),
    missing(
        "emulators 2.6 function not found",
        "no-version",
        "POST",
        f"{INVOKE}?Qualifier=9",
        None,
        f"Function not found: {ARN}hello:9",
    ),
    missing(
        "emulators 2.6 function not found",
        "get-function",
        "GET",
        f"{FUNCTIONS}/no",
        None,
        f"Function not found: {ARN}no",
    ),
    missing(
        "emulators 2.6 function not found",
        "no-function-to-stream",
        "POST",
        STREAM.replace("hello", "no"),
        None,
        f"Function not found: {ARN}no:$LATEST",
    ),
    *(
        missing(
            "emulators 2.6 other region",
            f"{method}-{path}",
            method,
            f"{FUNCTIONS}/arn:aws:lambda:eu-west-1:000000000000:function:hello{path}",
            None,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        )
        for method, path in (("POST", "/invocations"), ("GET", ""))
    ),
    missing(
        "emulators 2.6 alias not found",
        "alias",
        "POST",
        f"{FUNCTIONS}/hello:x/invocations",
        None,
        f"Cannot find alias arn: {ARN}hello:x",
    ),
    unreadable("utf-8", b'"\x87"', "Invalid UTF-8 start byte 0x87", 3),
    unreadable("control", b"\x99", f"Unexpected character ((CTRL-CHAR, code 153)): expected a valid value {VALUES}", 2),
    unreadable("token", b"value", f"Unrecognized token 'value': was expecting {VALUES}", 6),
    unreadable("token-streamed", b"value", f"Unrecognized token 'value': was expecting {VALUES}", 6, STREAM),
    large("sync-too-large", "RequestResponse", 6_291_456),
    large("event-too-large", "Event", 1_048_576),
    *(
        bad(
            "emulators 2.6 two qualifiers",
            f"two-qualifiers-{method}",
            method,
            path,
            None,
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
        for method, path in (
            ("POST", f"{FUNCTIONS}/hello:1/invocations?Qualifier=2"),
            ("GET", f"{HELLO}:1?Qualifier=2"),
        )
    ),
)
