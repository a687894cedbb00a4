"""Scenarios of errors that the function or its runtime posts: passed on word for word, and the environment lives."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.vocabulary import (
    MANAGED,
    NATIVE,
    By,
    Call,
    Json,
    Like,
    Scenario,
    answers,
    notes,
    post,
    posted,
    scenario,
    told_error,
)

ERROR = '{"errorMessage":"no luck","errorType":"Luck","stackTrace":["a:1"]}'
LIMIT = 6 * 1024 * 1024 + 100


def raised(text: str) -> By:
    """The payload of an exception, by language. Python has the shape of AWS's own client (facts 2.5)."""
    return By(
        {
            "perl": Json({"errorMessage": text, "errorType": "Error", "stackTrace": PERL_TRACE}),
            "python": Json(
                {"errorMessage": text, "errorType": "RuntimeError", "requestId": "ID", "stackTrace": PYTHON_TRACE}
            ),
            "native": Json({"errorMessage": text, "errorType": "Native.Error"}),
        }
    )


@dataclass(frozen=True, slots=True)
class Lines:
    """A list of lines, all of which match."""

    pattern: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and bool(other) and all(Like(self.pattern) == line for line in other)

    __hash__ = None  # type: ignore[assignment]


PERL_TRACE = Lines(r"/var/task/handler\.pl:\d+:in .*")
PYTHON_TRACE = Lines(r'  File "/var/task/handler\.py", line \d+, in \w+\n    .*\n')
RAISED = By({"perl": "Function.Error", "python": "Runtime.Unknown", "native": "Runtime.Unknown"})


def raised_log(text: str) -> By:
    return By(
        {
            "perl": (f"[ERROR] Error: {text}",),
            "python": (
                Like(rf'\[ERROR\] RuntimeError: {text}\rTraceback \(most recent call last\):(\r\u00a0\u00a0File ".*)+'),
            ),
            "native": (),
        }
    )


def header(kind: str | None, expected: str) -> Scenario:
    """What becomes of Lambda-Runtime-Function-Error-Type (facts 2.1)."""
    fields = {} if kind is None else {"Lambda_Runtime_Function_Error_Type": kind}
    return scenario(
        f"error type {kind or 'not given'}",
        posted(ERROR, expected, post("invocation/{ID}/error", ERROR, **fields), "quit"),
        languages=NATIVE,
    )


TABLE: tuple[Scenario, ...] = (
    scenario(
        "an exception",
        posted(raised("boom"), RAISED, "raise boom", log=raised_log("boom")),
        notes([1], "count"),
    ),
    scenario(
        "an exception with other characters", posted(raised("kaputt: ä→😀"), RAISED, "raise kaputt: ä→😀", log=None)
    ),
    scenario("an exception of several lines", posted(raised("a\nb\n\nc"), RAISED, "raise a\nb\n\nc", log=None)),
    scenario("printed, then an exception", posted(raised("x"), RAISED, "write so far\n", "raise x", log=None)),
    scenario(
        "an exception keeps the process",
        notes([1], "count"),
        posted(raised("x"), RAISED, "count", "raise x", log=raised_log("x")),
        notes([3], "count"),
    ),
    scenario(
        "a result that is no JSON",
        posted(
            By(
                {
                    "perl": Like(
                        r'\{"errorMessage":"the result is a CODE reference.*,"errorType":"Runtime.MarshalError".*'
                    ),
                    "python": Like(
                        r'\{"errorMessage": "Unable to marshal response: .*set is not JSON serializable", .*'
                    ),
                }
            ),
            By({"perl": "Runtime.MarshalError", "python": "Runtime.Unknown"}),
            "marshal",
            log=None,
        ),
        answers("1", "return 1"),
        languages=MANAGED,
    ),
    scenario(
        "an event that is no JSON",
        Call(
            b"{broken",
            By(
                {
                    "perl": Like(r'.*"errorType":"Runtime.UnmarshalError".*'),
                    "python": Like(
                        r'\{"errorMessage": "Unable to unmarshal input: Expecting property name .*'
                        r'"errorType": "Runtime.UnmarshalError", "requestId": "ID", "stackTrace": \[\]\}'
                    ),
                }
            ),
            By({"perl": "Runtime.UnmarshalError", "python": "Runtime.Unknown"}),
            log=None,
        ),
        answers("1", "return 1"),
        languages=MANAGED,
    ),
    header("Function.Luck", "Function.Luck"),
    header("Runtime.Luck", "Runtime.Luck"),
    header("Function.bad_luck", "Function.Unknown"),
    header("Runtime.bad luck", "Runtime.Unknown"),
    header("Luck", "Runtime.Unknown"),
    header(None, "Runtime.Unknown"),
    scenario(
        "an error with its cause",
        posted(
            '{"errorMessage":"m","errorType":"T","stackTrace":["s"]}',
            "Runtime.Unknown",
            post(
                "invocation/{ID}/error",
                '{"workingDirectory":"/var/task","errorMessage":"m","errorType":"T","stackTrace":["s"]}',
                Content_Type="application/vnd.aws.lambda.error.cause+json",
            ),
            "quit",
        ),
        languages=NATIVE,
    ),
    scenario(
        "an error whose X-Ray cause is longer than a head usually is",
        posted(
            ERROR,
            "Runtime.Unknown",
            post("invocation/{ID}/error", ERROR, Lambda_Runtime_Function_XRay_Error_Cause="x" * 1_000_000),
            "quit",
        ),
        languages=NATIVE,
    ),
    scenario(
        "what is printed after an error has been posted is in that invocation's log",
        posted(
            ERROR,
            "Runtime.Unknown",
            *(post("invocation/{ID}/error", ERROR), "print one more word", "quit"),
            log=("one more word",),
        ),
        answers("1", "return 1"),
        languages=NATIVE,
    ),
    scenario(
        "an error that is no JSON",
        posted("no luck", "Runtime.Unknown", post("invocation/{ID}/error", "no luck"), "quit"),
        languages=NATIVE,
    ),
    scenario(
        "an error that is too large",
        Call(
            (f"raise {'x' * LIMIT}",),
            Like(r'\{"errorType":"Function.ResponseSizeTooLarge",.*'),
            "Function.ResponseSizeTooLarge",
            told_error("Function.ResponseSizeTooLarge"),
            log=None,
        ),
        languages=NATIVE,
    ),
)
