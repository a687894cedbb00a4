"""The loop: find the handler, then serve events. A handler that cannot be found is posted to init/error.

Errors are posted as AWS's client for python posts them: {errorMessage, errorType, requestId, stackTrace}.
"""

import importlib
import io
import json
import os
import sys
import traceback

from fnruntime import logs
from fnruntime.api import Api
from fnruntime.context import LambdaContext

ERROR_JSON = "application/vnd.aws.lambda.error+json"


class Fault(Exception):
    """An error that this client finds: its type, text, and a trace of its own."""

    def __init__(self, kind, text, trace=()):
        super().__init__(text)
        self.kind = kind
        self.trace = list(trace)


def run(name):
    """Serve the handler `name`; never returns."""
    sys.stdout, sys.stderr = _unbuffered(1), _unbuffered(2)
    logs.set_up()
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = find(name)
    except Exception as error:
        failure = failed(error, "")
        logs.error(failure)
        _report(api, "init/error", failure)
        sys.exit(1)
    _fork()
    while True:
        serve(api, handler)


def _unbuffered(descriptor):
    """Each write goes out at once: the process is frozen after an answer, and killed in the end."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", write_through=True)


def _fork():
    """A managed instance takes so many invocations at a time; each is a process's, and any process's end is all's."""
    for _ in range(int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or 1) - 1):
        if os.fork() == 0:
            return


def find(name):
    """The function that `name` means: "package/module.function", split at the last dot. Raises Fault, or whatever the
    module's own code raises."""
    module, dot, function = name.rpartition(".")
    if not dot:
        found = "not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {found}")
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from None
    except SyntaxError as error:
        trace = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", [trace]) from None
    try:
        return getattr(loaded, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'") from None


def serve(api, handler):
    """One event."""
    headers, body = api.next()
    request_id = headers["lambda-runtime-aws-request-id"]
    logs.current.update(request_id=request_id, tenant_id=headers.get("lambda-runtime-aws-tenant-id"))
    if "lambda-runtime-trace-id" in headers:
        os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        context = _context(headers)
        answer, content_type = encode(handler(decode(body, headers.get("content-type")), context))
    except Exception as error:
        failure = failed(error, request_id)
        logs.error(failure)
        _report(api, f"invocation/{request_id}/error", failure)
        return
    refused = api.post(f"invocation/{request_id}/response", answer, [("Content-Type", content_type)])
    if refused:  # a 413, say: the platform has answered already
        sys.stderr.write(f"the Runtime API refused the response with {refused.strip()}\n")


def _context(headers):
    try:
        return LambdaContext(headers)
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", str(error)) from None


def decode(body, content_type):
    if content_type not in (None, "application/json"):
        return body
    try:
        return json.loads(body)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def encode(result):
    """The answer's bytes and content type; bytes go as they are."""
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        # Later runtimes leave characters as they are, as AWS's do.
        text = json.dumps(result, default=_number, ensure_ascii=sys.version_info < (3, 12))
        return text.encode(), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def _number(value):
    """A Decimal, which DynamoDB gives and wants; nothing else."""
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def failed(error, request_id):
    """The error object of an exception. The trace is the function's own part."""
    if isinstance(error, Fault):
        kind, trace = error.kind, error.trace
    else:
        kind = type(error).__name__
        here = os.path.dirname(__file__)
        frames = traceback.extract_tb(error.__traceback__)
        own = next((n for n, frame in enumerate(frames) if not frame.filename.startswith(here)), 0)
        trace = traceback.format_list(frames[own:])
    return {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _report(api, path, failure):
    headers = [("Content-Type", ERROR_JSON)]
    if path == "init/error":  # of an invocation's error AWS's client names no type
        headers.append(("Lambda-Runtime-Function-Error-Type", failure["errorType"]))
    refused = api.post(path, json.dumps(failure).encode(), headers)
    if refused:
        sys.stderr.write(f"the Runtime API refused the error with {refused.strip()}\n")
