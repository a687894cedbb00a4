"""Scenarios of the init phase: what is printed, kept and counted, and inits that fail once or always."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenarios.vocabulary import (
    NATIVE,
    Call,
    File,
    Json,
    Like,
    Scenario,
    Text,
    answers,
    crash,
    init_report,
    notes,
    scenario,
    timeout,
    told_error,
    twice,
)

EXITED = "Runtime exited with error: exit status 1"
IMPORT, NOT_FOUND, MALFORMED, SYNTAX = (
    f"Runtime.{name}"
    for name in ("ImportModuleError", "HandlerNotFound", "MalformedHandlerName", "UserCodeSyntaxError")
)
ENDED = (f"RequestId: ID Error: {EXITED}", "Runtime.ExitError")


def fails(name: str, kind: str, payload: Any, line: Text, **fields: Any) -> Scenario:
    """An init that posts its error and ends with status 1, in its phase and again in the invocation (facts 2.4)."""
    expected = Call((), payload, kind, told_error(kind), init_log=twice(kind, line), log=ENDED, cold=False)
    return scenario(name, expected, **fields)


def perl(kind: str, message: str) -> tuple[str, Json, Like]:
    return (
        kind,
        Json({"errorMessage": Like(message), "errorType": kind, "stackTrace": ANY}),
        Like(rf"\[ERROR\] {kind}: {message}"),
    )


def python(kind: str, message: str) -> tuple[str, Json, Like]:
    problem = {"errorMessage": Like(message), "errorType": kind, "requestId": "", "stackTrace": ANY}
    return kind, Json(problem), Like(rf"\[ERROR\] {kind}: {message}\rTraceback \(most recent call last\):.*")


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY = Anything()

GOOD: tuple[Scenario, ...] = (
    scenario(
        "what init prints is in the log of the first invocation",
        answers("1", "return 1", init_log=("loading", "more")),
        answers("2", "return 2"),
        init=("print loading", "stderr more"),
    ),
    scenario(
        "what init made is kept",
        notes([3], "count"),
        notes([4], "count"),
        init=("count", "count"),
    ),
    scenario(
        "init writes to /tmp",
        notes(["x"], "sh cat /tmp/file"),
        init=("sh echo x > /tmp/file",),
    ),
)

BROKEN: tuple[Scenario, ...] = (
    scenario(
        "init exits with 1",
        crash(EXITED, init_log=twice("Runtime.ExitError", "loading"), cold=False),
        init=("print loading", "sh", "exit 1"),
    ),
    scenario(
        "init exits with 0",
        crash("Runtime exited without providing a reason", init_log=twice("Runtime.ExitError"), cold=False),
        init=("exit 0",),
    ),
    scenario(
        "init is killed by a signal",
        replace(timeout("1.00", cold=False), log=None),  # tried until the function's time is up (facts 2.5)
        init=("signal 11",),
        config={"timeout": 1},
    ),
    scenario(
        "init exits the first time only",
        answers("1", "return 1", init_log=(init_report("init", "error", "Runtime.ExitError"),), cold=False),
        answers("2", "return 2"),
        init=("once /tmp/tried", "exit 1"),
    ),
    scenario(
        "init takes too long the first time only",
        answers("1", "return 1", init_log=(init_report("init", "timeout"),), cold=False),
        answers("2", "return 2"),
        init=("once /tmp/tried", "sleep 60000"),
        patience=0.5,
        config={"timeout": 3},
    ),
    scenario(
        "init takes too long each time",
        timeout("1.00", init_log=(init_report("init", "timeout"), init_report("invoke", "timeout")), cold=False),
        init=("sleep 60000",),
        patience=0.5,
        config={"timeout": 1},
    ),
    scenario(
        "an init that failed is tried again by the next invocation",
        crash("Runtime exited without providing a reason", init_log=twice("Runtime.ExitError"), cold=False),
        Call((), Like(".*Runtime.ExitError.*"), "Runtime.ExitError", told_error("Runtime.ExitError"), log=None),
        init=("exit 0",),
        languages=NATIVE,
    ),
    fails(
        "an error posted in init (native)",
        "Runtime.NativeError",
        Json({"errorType": "Native.Error", "errorMessage": "no"}),
        '{"errorType":"Native.Error","errorMessage":"no"}',
        init=("raise no",),
        languages=NATIVE,
    ),
)


def unloadable(
    language: str, name: str, kind: str, message: str, *, handler: str = "handler.handle", code: str | None = None
) -> Scenario:
    """A handler that its runtime cannot load: `handler` names it wrongly, or `code` is what lies in its file."""
    known, suffix = (perl, "pl") if language == "perl" else (python, "py")
    files = {} if code is None else {f"handler.{suffix}": File(code)}
    row = fails(f"{language}: {name}", *known(kind, message), languages=(language,), files=files)
    return replace(row, config={"handler": handler})


PERL: tuple[Scenario, ...] = (
    unloadable("perl", "no such file", IMPORT, r"Unable to load 'nothing\.pl': .*", handler="nothing.handle"),
    unloadable("perl", "no such sub", NOT_FOUND, r"Handler 'handler\.nothing': .*", handler="handler.nothing"),
    unloadable("perl", "a handler without a dot", MALFORMED, r"Bad handler 'handler': .*", handler="handler"),
    unloadable("perl", "a syntax error", SYNTAX, r"Missing right curly .*handler\.pl line 1.*", code="sub {"),
    unloadable("perl", "no such module", IMPORT, r"Can't locate No/Such\.pm.*", code="use No::Such; 1;"),
)

PYTHON: tuple[Scenario, ...] = (
    unloadable("python", "no such file", IMPORT, "Unable to import module 'nothing': No module named 'nothing'",
               handler="nothing.handle"),
    unloadable("python", "no such function", NOT_FOUND, "Handler 'nothing' missing on module 'handler'",
               handler="handler.nothing"),
    unloadable("python", "a handler without a dot", MALFORMED,
               r"Bad handler 'handler': not enough values to unpack \(expected 2, got 1\)", handler="handler"),
    unloadable("python", "a syntax error", SYNTAX, r"Syntax error in module 'handler': .*\(handler\.py, line 1\)",
               code="def handle(:\n"),
    unloadable("python", "no such module", IMPORT, "Unable to import module 'handler': No module named 'no_such'",
               code="import no_such\n"),
)  # fmt: skip

RAISED: tuple[Scenario, ...] = (
    replace(
        fails(
            "perl: an exception in init",
            "Function.Error",
            Json({"errorMessage": "no", "errorType": "Error", "stackTrace": ANY}),
            "[ERROR] Error: no",
            languages=("perl",),
        ),
        init=("raise no",),
    ),
    replace(
        fails(
            "python: an exception in init",
            "Runtime.Unknown",
            Json({"errorMessage": "no", "errorType": "RuntimeError", "requestId": "", "stackTrace": ANY}),
            Like(r"\[ERROR\] RuntimeError: no\rTraceback.*"),
            languages=("python",),
        ),
        init=("raise no",),
    ),
)

TABLE = (*GOOD, *BROKEN, *PERL, *PYTHON, *RAISED)
