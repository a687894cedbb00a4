"""Scenarios of invocations that go well: what the caller gets, and what is in the log."""

from __future__ import annotations

from base64 import b64encode

from scenarios.vocabulary import (
    NATIVE,
    Between,
    Json,
    Like,
    Scenario,
    Size,
    answers,
    call,
    notes,
    post,
    posted,
    scenario,
    told_error,
)
from scenarios.vocabulary import Call as Raw

EVENT_LIMIT = 6 * 1024 * 1024
RESPONSE_LIMIT = EVENT_LIMIT + 100
LINE_LIMIT = 256 * 1024
WORDS = "äöü → 😀 \u4e2d"
TOO_LARGE = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
REFUSED = (
    '413 {"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}'
)

BROKE_OFF = '{"errorMessage":"broke off","errorType":"Function.Stream"}'

RESULTS: tuple[Scenario, ...] = (
    scenario("returns an object", answers(Json({"a": [1, 2.5, None]}), 'return {"a":[1,2.5,null]}')),
    scenario("returns nothing", call()),
    scenario(
        "returns what is no object",
        answers('"text"', 'return "text"'),
        answers("42", "return 42"),
        answers("true", "return true"),
        answers("[]", "return []"),
        answers('""', 'return ""'),
        answers("null", "return null"),
    ),
    scenario("characters beyond ASCII, there and back", answers(Like(f'.*"echo {WORDS}".*'), f"echo {WORDS}")),
    scenario(
        "escaped characters in the event",
        Raw(rb'["echo \u00e4\ud83d\ude00\"\\\n"]', Json(['echo ä😀"\\\n'])),
    ),
    scenario("an empty event is an empty object", Raw(b"", Json({}))),
    scenario("an event that is a number", Raw(b"5", Json(5))),
    scenario("an event that is a string", Raw(b'"text"', Json("text"))),
    scenario("an event that is null", Raw(b"null", Json(None))),
    scenario("an event with white space around it", Raw(b' \n {"a" : 1}\n', Json({"a": 1}))),
    scenario(
        "an event of 6 MB",
        answers(str(EVENT_LIMIT - 12), "measure " + "x" * (EVENT_LIMIT - 12)),
    ),
    scenario(
        "responses of 6 MB, to the last byte",
        answers(Size(RESPONSE_LIMIT), f"large {RESPONSE_LIMIT}"),
        answers(Size(RESPONSE_LIMIT - 1), f"large {RESPONSE_LIMIT - 1}"),
        answers("1", "return 1"),
    ),
    scenario(
        "a response that is one byte too large",
        Raw(
            (f"large {RESPONSE_LIMIT + 1}",),
            f'{{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"{TOO_LARGE}"}}',
            "Function.ResponseSizeTooLarge",
            told_error("Function.ResponseSizeTooLarge"),
            log=None,  # what the runtime prints when it is refused may come before END or after REPORT
        ),
        # AWS's Python client ends when it is refused, the others go on
        answers("1", "return 1", log=None),
    ),
    scenario(
        "many invocations in one process",
        *(notes([number], "count") for number in range(1, 6)),
    ),
    scenario(
        "a response that is streamed",
        answers(
            "one two",
            "http POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"
            "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n",
            "quit",
        ),
        answers("1", "return 1"),
        languages=NATIVE,
    ),
    scenario(
        "a stream that ends in an error",
        posted(
            BROKE_OFF,
            "Function.Stream",
            "http POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
            "4\r\none \r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Stream\r\n"
            f"Lambda-Runtime-Function-Error-Body: {b64encode(BROKE_OFF.encode()).decode()}\r\n\r\n",
            "quit",
        ),
        answers("1", "return 1"),
        languages=NATIVE,
    ),
    scenario(
        "a stream that is known by its trailers alone, as AWS's Go client sends it",
        posted(
            BROKE_OFF,
            "Function.Stream",
            "http POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
            "Transfer-Encoding: chunked\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type\r\nTrailer: Lambda-Runtime-Function-Error-Body\r\n\r\n"
            "4\r\none \r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Stream\r\n"
            f"Lambda-Runtime-Function-Error-Body: {b64encode(BROKE_OFF.encode()).decode()}\r\n\r\n",
            "quit",
        ),
        answers("1", "return 1"),
        languages=NATIVE,
    ),
)

LOGS: tuple[Scenario, ...] = (
    scenario("a line and a line without its end", call("print one", "write two", log=("one", "two"))),
    scenario("stdout and stderr in order", call("print a", "stderr b", "print c", log=("a", "b", "c"))),
    scenario("several lines at once", call("print a\nb\n\nc", log=("a", "b", "", "c"))),
    scenario("tabs and carriage returns stay", call("print a\tb\rc", log=("a\tb\rc",))),
    scenario("characters in the log", call(f"print {WORDS}", log=(WORDS,))),
    scenario("bytes that are no UTF-8", call("bytes ff410a", log=("\ufffdA",))),
    scenario("two megabytes of log", call("flood 2048", log=("x" * 1023,) * 2048)),
    scenario(
        "a line longer than an event of the log may be",
        call("print " + "x" * (LINE_LIMIT + 5), log=("x" * LINE_LIMIT, "xxxxx")),
    ),
    scenario(
        "each invocation's lines are its own",
        call("print one", log=("one",)),
        call("write two", log=("two",)),
        answers("3", "return 3"),
        call("print four", log=("four",)),
    ),
    scenario(
        "what is printed after the answer is not in the next invocation's log",
        answers(
            "1", post("invocation/{ID}/response", "1"), "sleep 100", "print late", "quit", log=None, after=("late",)
        ),
        answers("2", "return 2"),
        languages=NATIVE,
    ),
    scenario(
        "a child that prints",
        call("start echo child; : > /tmp/done", "sh until [ -e /tmp/done ]; do :; done", log=("child",)),
    ),
    scenario(
        "a daemon that holds the output does not hold the answer",
        answers("1", "start exec sleep 60", "return 1"),
        answers("2", "return 2"),
    ),
)

LIFE: tuple[Scenario, ...] = (
    scenario(
        "/tmp is kept from one invocation to the next",
        notes([""], "sh echo kept > /tmp/file"),
        notes(["kept"], "sh cat /tmp/file"),
    ),
    scenario(
        "a thread stands still between invocations",
        call("thread", "sleep 50"),
        notes([Between(700, 60_000)], "sleep 50", "pause", idle=1.0),
        languages=("python", "native"),
    ),
    scenario(
        "a process in the background stands still between invocations",
        call(
            "start perl -MTime::HiRes=time,sleep -e 'my $last = time; while (sleep 0.002) { my $now = time; "
            "if ($now - $last > 0.7) { open my $f, q(>), q(/tmp/stood); close $f } $last = $now; "
            "if (!$n++) { open my $f, q(>), q(/tmp/runs); close $f } }'",
            "sh until [ -e /tmp/runs ]; do :; done",
        ),
        notes(["woke"], "sh until [ -e /tmp/stood ]; do :; done; echo woke", idle=1.0),
    ),
    scenario(
        "two invocations at the same time have an environment each",
        notes([1, ""], "count", "sh echo mine > /tmp/file", "print go", "sleep 300", log=("go",)),
        notes([1, "none"], "count", "sh cat /tmp/file 2>/dev/null || echo none", beside="go", cold=True),
    ),
    scenario(
        "new code is in a new process",
        notes([1], "count"),
        notes([2], "count"),
        notes([1], "count", config={"revision": "2"}, cold=True),
    ),
    scenario(
        "a version is named in START and to the function",
        notes(["7", "7"], "env AWS_LAMBDA_FUNCTION_VERSION", "sh echo $AWS_LAMBDA_FUNCTION_VERSION"),
        config={"version": "7"},
    ),
    scenario(
        "the memory that was used is measured",
        call("grow 100", memory=Between(100, 200)),
        answers("1", "return 1", memory=Between(100, 200)),
    ),
)

TABLE = (*RESULTS, *LOGS, *LIFE)
