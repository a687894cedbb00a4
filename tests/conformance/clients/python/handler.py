"""The handler of the conformance suite (../../verbs.py) under AWS's client for Python."""

import os
import time

if os.environ.get("BROKEN"):
    print("broken")
    os._exit(1)

count = 0


def about(context):
    client = context.client_context
    return {
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "custom": client.custom if client else {},
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "function": context.function_name,
        "memory": int(context.memory_limit_in_mb),
        "version": context.function_version,
    }


def fall_into_a_hole_that_has_no_bottom_as_far_as_anybody_can_see_from_here(depth):
    """Its name is in the trace as often as it is called, so that the trace is over 64 KiB."""
    return fall_into_a_hole_that_has_no_bottom_as_far_as_anybody_can_see_from_here(depth + 1)


def counted(event, context):
    global count
    count += 1
    return count


def fail(event, context):
    raise RuntimeError(event["text"])


def leave(event, context):
    raise SystemExit(event["text"])


def rest(event, context):
    print(event["text"])
    time.sleep(event["size"] / 1000)


VERBS = {
    "echo": lambda event, context: event["value"],
    "error": fail,
    "panic": leave,
    "deep": lambda event, context: fall_into_a_hole_that_has_no_bottom_as_far_as_anybody_can_see_from_here(0),
    "exit": lambda event, context: os._exit(event["size"]),
    "sleep": rest,
    "large": lambda event, context: "x" * (event["size"] - 2),
    "measure": lambda event, context: len(event["text"]),
    "count": counted,
    "print": lambda event, context: print(event["text"]),
    "context": lambda event, context: about(context),
}


def handle(event, context):
    return VERBS[event["do"]](event, context)
