"""What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table."""

import os
import sys


def fail(event, context):
    raise RuntimeError(event["text"])


def about(event, context):
    return {
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "function": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
    }


VERBS = {
    "echo": lambda event, context: event["value"],
    "error": fail,
    "exit": lambda event, context: sys.exit(event["size"]),
    "large": lambda event, context: "x" * (event["size"] - 2),
    "measure": lambda event, context: len(event["text"]),
    "print": lambda event, context: print(event["text"], end=""),
    "process": lambda event, context: os.getpid(),
    "context": about,
    "unencodable": lambda event, context: object(),
}


def handle(event, context):
    return VERBS[event["do"]](event, context) if isinstance(event, dict) and "do" in event else event
