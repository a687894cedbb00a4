"""What AWS's own clients do under the emulator: success, errors, ends, limits, logs. By client where they differ."""

from __future__ import annotations

from conformance.verbs import ask, ends, late
from scenarios.vocabulary import (
    Between,
    By,
    Call,
    Json,
    Like,
    Scenario,
    Size,
    init_report,
    scenario,
    told_error,
)

EVERY = ("python", "go", "rust", "java", "node")
EVENT_LIMIT = 6 * 1024 * 1024
RESPONSE_LIMIT = EVENT_LIMIT + 100
TOO_LARGE = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
CLIENT = (
    '{"client":{"installationId":"i","appTitle":"t","appVersionName":"v","appVersionCode":"c","appPackageName":"p"},'
    '"custom":{"a":"b"},"env":{}}'
)
ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello:live"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
VALUE = {"a": ["ä→😀", 1.5, None, True]}
HELLO = "Executing 'index.handle' in function directory '/var/task'"
LOADED = By({"python": (), "go": (), "rust": (), "java": (), "node": (HELLO,)})
"""What a client prints in its init."""


def line(text: str) -> By:
    """A line that the function printed, as it comes into the log."""
    return By({**dict.fromkeys(EVERY, (text,)), "node": (f"TIME\tID\tINFO\t{text}",)})


class Trace:
    """A list that is not empty."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and bool(other)

    __hash__ = None  # type: ignore[assignment]


TRACED = Trace()


def failure(text: str) -> By:
    """The language's ordinary error (facts 2.5)."""
    return By(
        {
            "python": Json(
                {"errorMessage": text, "errorType": "RuntimeError", "requestId": "ID", "stackTrace": TRACED}
            ),
            "go": Json({"errorMessage": text, "errorType": "errorString"}),
            "rust": Json({"errorMessage": text, "errorType": Like(".*Error.*")}),
            "java": Json({"errorMessage": text, "errorType": "java.lang.RuntimeException", "stackTrace": TRACED}),
            "node": Json({"errorMessage": text, "errorType": "Error", "trace": TRACED}),
        }
    )


KINDS = By(
    {
        "python": "Runtime.Unknown",
        "go": "Runtime.Unknown",
        "rust": "Runtime.Unknown",
        "java": "Runtime.UserException",
        "node": "Runtime.Unknown",
    }
)

GOOD: tuple[Scenario, ...] = (
    scenario(
        "answers",
        ask(
            Json({"a": ["ä→😀", 1.5, None, True]}),
            "echo",
            asked={"value": {"a": ["ä→😀", 1.5, None, True]}},
            init_log=LOADED,
        ),
        languages=EVERY,
    ),
    scenario(
        "several invocations in one process",
        ask("1", "count", init_log=LOADED),
        ask("2", "count"),
        ask("3", "count"),
        languages=EVERY,
    ),
    scenario(
        "knows the invocation",
        ask(
            Json(
                {
                    "request_id": "ID",
                    "arn": ARN,
                    "remaining": Between(1, 10_000),
                    "custom": {"a": "b"},
                    "trace": TRACE,
                    "function": Like(r"scenario-\d+-\w+"),
                    "memory": 1769,
                    "version": "7",
                }
            ),
            "context",
            changes={"arn": ARN, "client_context": CLIENT, "trace_id": TRACE},
            init_log=LOADED,
        ),
        config={"version": "7"},
        languages=EVERY,
    ),
    scenario(
        "prints",
        ask(
            "null",
            "print",
            asked={"text": "hello ä→"},
            init_log=LOADED,
            log=line("hello ä→"),
        ),
        languages=EVERY,
    ),
    scenario(
        "an event of 6 MB",
        ask(str(EVENT_LIMIT - 60), "measure", asked={"text": "x" * (EVENT_LIMIT - 60)}, init_log=LOADED),
        languages=EVERY,
    ),
    scenario(
        "a response of 6 MB",
        ask(Size(RESPONSE_LIMIT), "large", asked={"size": RESPONSE_LIMIT}, init_log=LOADED),
        ask("1", "count"),
        languages=EVERY,
    ),
    scenario(
        "two at the same time have a process each",
        ask("null", "sleep", asked={"text": "go", "size": 500}, log=None),
        ask("1", "count", beside="go", log=None),
        languages=("python", "go", "rust", "java"),  # Node's lines begin with the time
    ),
)

BAD: tuple[Scenario, ...] = (
    scenario(
        "an error",
        ask(failure("boom"), "error", asked={"text": "boom"}, error=KINDS, init_log=LOADED, log=None),
        ask("1", "count", log=None),
        languages=EVERY,
    ),
    scenario(
        "exits",
        ends("Runtime exited with error: exit status 3", "exit", asked={"size": 3}, init_log=LOADED),
        ask("1", "count", log=None),
        languages=EVERY,
    ),
    scenario(
        "takes too long",
        late("2.00", "sleep", asked={"text": "on", "size": 60_000}, init_log=LOADED, log=line("on")),
        ask("1", "count", log=None),
        config={"timeout": 2},
        languages=EVERY,
    ),
    scenario(
        "a response that is too large",
        Call(
            b'{"do":"large","size":%d}' % (RESPONSE_LIMIT + 1),
            f'{{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"{TOO_LARGE}"}}',
            "Function.ResponseSizeTooLarge",
            told_error("Function.ResponseSizeTooLarge"),
            log=None,
        ),
        ask("1", "count", log=None),
        languages=EVERY,
    ),
    scenario(
        "ends in init",
        ends(
            "Runtime exited with error: exit status 1",
            "count",
            init_log=tuple(
                line
                for phase in ("init", "invoke")
                for line in ("broken", init_report(phase, "error", "Runtime.ExitError"))
            ),
            cold=False,
        ),
        env={"BROKEN": "1"},
        languages=("python", "go", "rust", "java"),
    ),
)

LOGGED = ("boom: java.lang.RuntimeException", "java.lang.RuntimeException: boom", *(Like("\tat .*"),) * 5, "")
PANICS = By(
    {
        "go": Json({"errorMessage": "boom", "errorType": "string", "stackTrace": TRACED}),
        "rust": Json({"errorMessage": "Lambda panicked: boom", "errorType": Like(".*dyn core::any::Any.*")}),
        "java": Json({"errorMessage": "boom", "errorType": "java.lang.StackOverflowError", "stackTrace": TRACED}),
        "node": failure("boom").each["node"],
    }
)

BROKE_OFF = By(
    {
        "go": Json({"errorMessage": "broke off", "errorType": "errorString"}),
        "node": Like('.*"errorMessage":"broke off".*'),
    }
)

STREAMED = (("go", "handler.handle"), ("node", "index.stream"))

STREAMS: tuple[Scenario, ...] = tuple(
    scenario(
        f"streams ({client})",
        ask("one two", "stream", asked={"text": "one two"}, log=None),
        ask("three", "stream", asked={"text": "three"}, log=None),
        languages=(client,),
        config={"handler": handler},
    )
    for client, handler in STREAMED
) + tuple(
    scenario(
        f"streams, and breaks off ({client})",
        ask(BROKE_OFF, "break", asked={"text": "one"}, error=KINDS, log=None),
        ask("three", "stream", asked={"text": "three"}, log=None),
        languages=(client,),
        config={"handler": handler},
    )
    for client, handler in STREAMED
)

WORST: tuple[Scenario, ...] = (
    scenario(
        "the worst",
        ask(
            PANICS,
            "panic",
            asked={"text": "boom"},
            error=KINDS,
            log=None,
        ),
        ask("1", "count", log=None),
        languages=("go", "rust", "java", "node"),
    ),
    scenario(
        "leaves without a word",
        ends("Runtime exited with error: exit status 1", "panic", asked={"text": "boom"}, log=("boom",)),
        ask("1", "count", log=None),
        languages=("python",),
    ),
    scenario(
        "an error whose trace is longer than a request's head may be",
        ask(
            Json(
                {
                    "errorMessage": Like("maximum recursion depth .*"),
                    "errorType": "RecursionError",
                    "requestId": "ID",
                    "stackTrace": TRACED,
                }
            ),
            "deep",
            error="Runtime.Unknown",
            log=None,
        ),
        ask("1", "count"),
        languages=("python",),
    ),
    scenario(
        "what the client says of an error is in that invocation's log",
        ask(
            failure("boom"),
            "error",
            asked={"text": "boom"},
            error=KINDS,
            log=LOGGED,
        ),
        ask("1", "count"),
        languages=("java",),
    ),
)

TABLE = (*GOOD, *BAD, *STREAMS, *WORST)
