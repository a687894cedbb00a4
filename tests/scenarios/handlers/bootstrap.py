"""A Python runtime for the scenario table: the loop, the errors and the log lines of AWS's Python runtime interface
client, as its recorded answers show them (facts 2.5). `make conformance` runs the same table with AWS's own client.
"""

import http.client
import importlib
import json
import os
import sys
import traceback
from types import SimpleNamespace

PREFIX = "/2018-06-01/runtime/"
INDENT = "\u00a0"  # so that CloudWatch's pages keep the indentation of a trace


class Refused(Exception):
    """The platform did not take an answer: this runtime ends then, as AWS's does."""


class Fault(Exception):
    """An error that the runtime found itself."""

    def __init__(self, kind, text, trace=()):
        super().__init__(text)
        self.kind = kind
        self.trace = list(trace)


def request(connection, method, path, body=None, headers=None):
    connection.request(method, PREFIX + path, body, headers or {})
    response = connection.getresponse()
    data = response.read()
    if response.status >= 300:
        raise Refused(f"{path}: {response.status} {data.decode()}")
    return response.headers, data


def load(name):
    module, dot, function = name.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        )
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from None
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", [where]) from None
    if not hasattr(loaded, function):
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'")
    return getattr(loaded, function)


def describe(error, request_id=""):
    """What Invoke answers with."""
    if isinstance(error, Fault):
        kind, trace = error.kind, error.trace
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
        frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
        kind, trace = type(error).__name__, traceback.format_list(frames)
    return {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def log(problem):
    """One event in the log: its lines are held together by carriage returns."""
    lines = [f"[ERROR] {problem['errorType']}: {problem['errorMessage']}", "Traceback (most recent call last):"]
    for piece in problem["stackTrace"]:
        for line in piece.splitlines():
            text = line.lstrip(" ")
            lines.append(INDENT * (len(line) - len(text)) + text)
    print("\r".join(lines), flush=True)


def text_of(value):
    return json.dumps(value, ensure_ascii=False).encode()


def serve(connection, handler):
    while True:
        headers, body = request(connection, "GET", "invocation/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ.pop("_X_AMZN_TRACE_ID", None)
        if trace := headers.get("Lambda-Runtime-Trace-Id"):
            os.environ["_X_AMZN_TRACE_ID"] = trace
        try:
            answer = invoke(handler, body, context_of(headers))
        except Exception as error:
            problem = describe(error, request_id)
            log(problem)
            kind = {"Content-Type": "application/json"}
            request(connection, "POST", f"invocation/{request_id}/error", text_of(problem), kind)
        else:
            kind = {"Content-Type": "application/json"}
            request(connection, "POST", f"invocation/{request_id}/response", answer, kind)


def invoke(handler, body, context):
    try:
        event = json.loads(body)
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
    result = handler(event, context)
    try:
        return text_of(result)
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def context_of(headers):
    client = decoded(headers, "Lambda-Runtime-Client-Context")
    identity = decoded(headers, "Lambda-Runtime-Cognito-Identity") or {}
    deadline = int(headers["Lambda-Runtime-Deadline-Ms"])
    return SimpleNamespace(
        aws_request_id=headers["Lambda-Runtime-Aws-Request-Id"],
        invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"],
        client_context=client and SimpleNamespace(custom=client.get("custom"), env=client.get("env")),
        identity=SimpleNamespace(
            cognito_identity_id=identity.get("cognitoIdentityId"),
            cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"),
        ),
        tenant_id=headers.get("Lambda-Runtime-Aws-Tenant-Id"),
        get_remaining_time_in_millis=lambda: max(0, deadline - int(clock() * 1000)),
    )


def clock():
    import time

    return time.time()


def decoded(headers, name):
    value = headers.get(name)
    return json.loads(value.encode("latin-1")) if value else None


def main():
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.stdout.reconfigure(line_buffering=True)
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:
        problem = describe(error)
        log(problem)
        kind = {"Lambda-Runtime-Function-Error-Type": problem["errorType"]}
        request(connection, "POST", "init/error", text_of(problem), kind)
        sys.exit(1)
    serve(connection, handler)


main()
