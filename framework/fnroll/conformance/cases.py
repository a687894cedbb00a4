"""The cases. Each is a handler name, events, and a judgement on what the runtime did with them.

The handler of a runtime's `conformance/` folder gets an event and does what its member `do` says; an event without
`do` is its answer:

| do | other members | what the handler does |
|---|---|---|
| echo | value | answers with the value |
| error | text | fails with this text, in the way that its language has |
| exit | size | ends the process with this status |
| large | size | answers with so many bytes of JSON: a string of `x` |
| measure | text | answers with the length of the text |
| print | text | prints the text to stdout as it is, without a line end, and answers with null |
| process | | answers with what names its process |
| context | | answers with request_id, arn, remaining, trace, function, version, memory |
| unencodable | | answers with what JSON cannot hold |
| stream | parts | streams these strings, as text/plain |
| break | text | streams the text, then fails with "broke off" |

Beside it lie a file that does not compile (`broken`) and one that fails while it is loaded (`raises`, "cannot start").
Sources: facts 2.1 and 2.5, and AWS's page on custom runtimes. Judgements are pure.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fnroll.conformance.api import ARN, DEADLINE_MS, Event, Posted
from fnroll.emulator.api import MAX_PAYLOAD, MAX_RESPONSE

Handler = Literal["good", "malformed", "no file", "no function", "broken", "raises"]

ERROR_TYPE = "lambda-runtime-function-error-type"
_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process did. `status`: how it ended, None while it waits for more; negative for a signal."""

    posts: tuple[Posted, ...]
    status: int | None
    log: str
    connections: int
    problems: tuple[str, ...] = ()


Judge = Callable[[Ran], None]
"""Raises AssertionError with what is wrong."""


@dataclass(frozen=True, slots=True)
class Case:
    """`proves`: one line for people. A runtime may say that it goes without a case, and why (subject.py). `together`:
    how many processes have to be waiting in the end."""

    name: str
    proves: str
    events: tuple[Event, ...]
    judge: Judge
    handler: Handler = "good"
    together: int = 1


def wrong(condition: object, text: str) -> None:
    """Raise what is wrong, if it is."""
    if condition:
        raise AssertionError(text)


def verb(do: str, **members: Any) -> bytes:
    return json.dumps({"do": do, **members}, ensure_ascii=False).encode()


def event(do: str, **members: Any) -> Event:
    return Event(verb(do, **members))


def _short(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text if len(text) <= 200 else f"{text[:200]}… ({len(data)} bytes)"


# judgements


def _answers(ran: Ran, count: int) -> list[bytes]:
    """The bodies of `count` responses, one for each event, by a process that goes on."""
    wrong(ran.problems, "; ".join(ran.problems))
    wrong(ran.status is not None, f"the process ended with status {ran.status}; it printed: {ran.log[-500:]}")
    for number, post in enumerate(ran.posts, 1):
        wrong(
            post.path != f"invocation/id-{number}/response",
            f"event {number} was answered by POST {post.path}: {_short(post.body)}",
        )
    wrong(len(ran.posts) != count, f"{len(ran.posts)} answers to {count} events")
    return [post.body for post in ran.posts]


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise AssertionError(f"the answer is not JSON: {_short(body)}") from None


def gives(*expected: Any) -> Judge:
    """Each event is answered with this value."""

    def judge(ran: Ran) -> None:
        for body, value in zip(_answers(ran, len(expected)), expected, strict=True):
            found = _decoded(body)
            wrong(
                found != value or type(found) is not type(value),
                f"answered {_short(body)} instead of {_short(json.dumps(value, ensure_ascii=False).encode())}",
            )

    return judge


def _error(post: Posted, path: str, text: str) -> dict[str, Any]:
    """The error object of a POST to `path`."""
    wrong(post.path != path, f"POST {path} was expected; it was {post.path}: {_short(post.body)}")
    found: dict[str, Any] = _decoded(post.body)
    wrong(not isinstance(found, dict), f"the error is not an object: {_short(post.body)}")
    for member in ("errorMessage", "errorType"):
        wrong(not isinstance(found.get(member), str), f"{member} of the error is {found.get(member)!r}")
    wrong(not found["errorType"], "errorType is empty")
    wrong(text not in found["errorMessage"], f"errorMessage is {found['errorMessage']!r}, without {text!r}")
    return found


def fails(text: str, then: Any, *, logged: bool = True) -> Judge:
    """The first event is an error with this text, the second answered with `then`."""

    def judge(ran: Ran) -> None:
        wrong(ran.problems, "; ".join(ran.problems))
        wrong(not ran.posts, f"nothing was posted; the process ended with status {ran.status}: {ran.log[-500:]}")
        _error(ran.posts[0], "invocation/id-1/error", text)
        wrong(ran.status is not None, f"the process ended with status {ran.status} after the error")
        paths = [post.path for post in ran.posts[1:]]
        wrong(paths != ["invocation/id-2/response"], f"the next event was answered by POST to {paths}")
        wrong(_decoded(ran.posts[1].body) != then, f"the next event was answered with {_short(ran.posts[1].body)}")
        wrong(logged and text not in ran.log, f"the log does not say {text!r}: {ran.log[-500:]!r}")

    return judge


def _has_trace(ran: Ran) -> None:
    fails("no luck", 1)(ran)
    body = json.loads(ran.posts[0].body)
    trace = body.get("stackTrace", body.get("trace"))
    wrong(
        not isinstance(trace, list) or not trace or not all(isinstance(line, str) for line in trace),
        f"stackTrace is {trace!r}, not a list of lines",
    )


def _has_type(ran: Ran) -> None:
    wrong(not ran.posts, "nothing was posted")
    post = ran.posts[0]
    wrong(
        not _TYPE.fullmatch(post.headers.get(ERROR_TYPE, "")),
        f"the header {ERROR_TYPE} is {post.headers.get(ERROR_TYPE)!r}: Lambda takes Runtime.Xxx and Function.Xxx only",
    )


def does_not_start(text: str) -> Judge:
    """One POST to init/error, a line in the log, and an end with a status that is not 0."""

    def judge(ran: Ran) -> None:
        wrong(ran.problems, "; ".join(ran.problems))
        wrong(not ran.posts, f"nothing was posted to init/error; status {ran.status}, log {ran.log[-500:]!r}")
        _error(ran.posts[0], "init/error", text)
        wrong(len(ran.posts) > 1, f"and then POST {ran.posts[-1].path}")
        wrong(ran.status is None, "the process goes on after init/error; it has to end with status 1")
        wrong(ran.status == 0, "the process ended with status 0, which Lambda takes for no error")
        wrong(text not in ran.log, f"the log does not say {text!r}: {ran.log[-500:]!r}")

    return judge


def _large_in(ran: Ran) -> None:
    gives(_LARGEST_TEXT)(ran)


def _large_out(ran: Ran) -> None:
    first, second = _answers(ran, 2)
    wrong(len(first) != MAX_RESPONSE, f"the answer has {len(first)} bytes, not {MAX_RESPONSE}")
    wrong(set(first[1:-1]) != {ord("x")}, "the answer is another")
    wrong(_decoded(second) != 1, "the next event was not answered")


def _too_large(ran: Ran) -> None:
    wrong(ran.problems, "; ".join(ran.problems))
    wrong(ran.status is not None, f"the process ended with status {ran.status}: {ran.log[-500:]}")
    found = [(post.path, post.status) for post in ran.posts]
    expected = [("invocation/id-1/response", 413), ("invocation/id-2/response", 202)]
    wrong(found != expected, f"posted {found}; after a 413 Lambda has answered already, so nothing more for that event")
    wrong("413" not in ran.log, f"the log does not tell of the 413: {ran.log[-500:]!r}")


def _refused(ran: Ran) -> None:
    wrong([_decoded(body) for body in _answers(ran, 3)] != [1, 2, 3], "answered with something else")


def _knows(ran: Ran) -> None:
    [body] = _answers(ran, 1)
    found = _decoded(body)
    wrong(not isinstance(found, dict), f"answered {_short(body)}")
    remaining = found.pop("remaining", None)
    found.pop("trace", None)
    expected = {
        "request_id": "id-1",
        "arn": ARN,
        "function": "conformance",
        "version": "$LATEST",
        "memory": found.get("memory"),
    }
    wrong(found != expected, f"the context is {found} instead of {expected}")
    wrong(str(found["memory"]) != "1769", f"memory is {found['memory']!r}, not 1769")
    good = isinstance(remaining, int | float) and 0 < remaining <= DEADLINE_MS
    wrong(not good, f"remaining is {remaining!r}, with {DEADLINE_MS} ms to go at the start")


def _late(ran: Ran) -> None:
    found = _decoded(_answers(ran, 1)[0])
    wrong(found.get("remaining") != 0, f"remaining is {found.get('remaining')!r} after the deadline, not 0")


def _traced(ran: Ran) -> None:
    traces = [_decoded(body).get("trace") for body in _answers(ran, 3)]
    wrong(
        traces != ["Root=1-a", None, "Root=1-b"],
        f"_X_AMZN_TRACE_ID was {traces} in three invocations, of which the second has no trace",
    )


def _flushed(ran: Ran) -> None:
    gives(None)(ran)
    said = ran.posts[0].log
    wrong("half a line: é" not in said, f"when the answer came, the log was {said!r}: flush stdout before answering")


def _same_process(ran: Ran) -> None:
    first, second = (_decoded(body) for body in _answers(ran, 2))
    wrong(first != second or first in (None, ""), f"the process was {first!r}, then {second!r}")


def connects(times: int, *expected: Any) -> Judge:
    def judge(ran: Ran) -> None:
        gives(*expected)(ran)
        wrong(ran.connections != times, f"{ran.connections} connections instead of {times}")

    return judge


def _exits(ran: Ran) -> None:
    wrong(ran.posts, f"posted {[post.path for post in ran.posts]}")
    wrong(ran.status != 3, f"the process ended with {ran.status}, not with the handler's status 3")


def _streaming(post: Posted) -> None:
    wrong(post.path != "invocation/id-1/response", f"POST {post.path}: {_short(post.body)}")
    mode = post.headers.get("lambda-runtime-function-response-mode")
    wrong((mode or "").lower() != "streaming", f"Lambda-Runtime-Function-Response-Mode is {mode!r}")
    coding = post.headers.get("transfer-encoding", "")
    wrong("chunked" not in coding, f"Transfer-Encoding is {coding!r}")


def _streams(ran: Ran) -> None:
    _answers(ran, 2)
    _streaming(ran.posts[0])
    wrong(ran.posts[0].body != "one, zwölf, drei".encode(), f"streamed {_short(ran.posts[0].body)}")
    kind = ran.posts[0].headers.get("content-type", "")
    wrong(not kind.startswith("text/plain"), f"Content-Type is {kind!r}, the handler said text/plain")
    wrong(ran.posts[0].trailers.get(ERROR_TYPE), f"an error in the trailers: {ran.posts[0].trailers}")
    wrong(_decoded(ran.posts[1].body) != 1, "the next event was not answered")


def _breaks(ran: Ran) -> None:
    _answers(ran, 2)
    post = ran.posts[0]
    _streaming(post)
    wrong(post.body != b"as far as it went", f"streamed {_short(post.body)}")
    wrong(not post.trailers.get(ERROR_TYPE), f"no {ERROR_TYPE} in the trailers {dict(post.trailers)}")
    try:
        error = json.loads(base64.b64decode(post.trailers.get("lambda-runtime-function-error-body", "")))
        text = str(error["errorMessage"])
    except (ValueError, KeyError, TypeError):
        raise AssertionError(f"the trailers hold no error in base64: {dict(post.trailers)}") from None
    wrong("broke off" not in text, f"the error in the trailers says {text!r}")
    wrong(_decoded(ran.posts[1].body) != 1, "the next event was not answered")


# the table

_ONE, _TWO, _THREE = (event("echo", value=number) for number in (1, 2, 3))
_VALUE = {"é": "日本😀", "n": [1, -2.5, True, False, None], "deep": {"a": {"b": [[0]]}}, "text": 'quoted "\\/\u0001\n'}
_LARGEST_TEXT = MAX_PAYLOAD - len(verb("measure", text=""))
_PLAIN: Sequence[Any] = (None, True, 0, "text é", [1, 2], {"a": 1})


def _with(do: Event, **changes: Any) -> Event:
    return Event(do.body, **changes)


CASES: tuple[Case, ...] = (
    Case("echo", "JSON comes back as it was, beyond ASCII too", (event("echo", value=_VALUE),), gives(_VALUE)),
    Case(
        "values",
        "an event may be any JSON value",
        tuple(Event(json.dumps(value, ensure_ascii=False).encode()) for value in _PLAIN),
        gives(*_PLAIN),
    ),
    Case("empty-object", "{} is not []", (event("echo", value={}),), gives({})),
    Case("empty-array", "[] is not {}", (event("echo", value=[]),), gives([])),
    Case("process", "one process takes one event after the other", (event("process"),) * 2, _same_process),
    Case("error", "a handler that fails fails alone", (event("error", text="no luck"), _ONE), fails("no luck", 1)),
    Case("error-trace", "an error says where it came from", (event("error", text="no luck"), _ONE), _has_trace),
    Case("error-type", "an error's type is one that Lambda takes", (event("error", text="no luck"), _ONE), _has_type),
    Case("error-text", "an error beyond ASCII", (event("error", text="kein Glück 日本"), _ONE), fails("Glück 日本", 1)),
    Case(
        "unencodable",
        "a result that is no JSON is that call's error",
        (event("unencodable"), _ONE),
        fails("", 1, logged=False),
    ),
    Case("exit", "a handler that ends the process ends it", (event("exit", size=3), _ONE), _exits),
    Case("handler-name", "a handler name without a dot is named", (_ONE,), does_not_start("nodot"), "malformed"),
    Case("handler-file", "a handler file that is not there is named", (_ONE,), does_not_start("absent"), "no file"),
    Case(
        "handler-function", "a function that is not there is named", (_ONE,), does_not_start("nothere"), "no function"
    ),
    Case("handler-broken", "a file that does not compile", (_ONE,), does_not_start(""), "broken"),
    Case("handler-raises", "a file that fails as it is loaded", (_ONE,), does_not_start("cannot start"), "raises"),
    Case("event-6mb", "an event of 6 MB", (event("measure", text="x" * _LARGEST_TEXT),), _large_in),
    Case("response-6mb", "a response of 6 MB", (event("large", size=MAX_RESPONSE), _ONE), _large_out),
    Case(
        "response-413", "one byte more is refused, not fatal", (event("large", size=MAX_RESPONSE + 1), _ONE), _too_large
    ),
    Case("context", "the handler knows its invocation", (event("context"),), _knows),
    Case(
        "deadline",
        "no time is left after the deadline",
        (_with(event("context"), headers={"Lambda-Runtime-Deadline-Ms": "1000"}),),
        _late,
    ),
    Case(
        "trace",
        "the trace is the invocation's own",
        (
            _with(event("context"), headers={"Lambda-Runtime-Trace-Id": "Root=1-a"}),
            event("context"),
            _with(event("context"), headers={"Lambda-Runtime-Trace-Id": "Root=1-b"}),
        ),
        _traced,
    ),
    Case("log", "what was printed is out before the answer", (event("print", text="half a line: é"),), _flushed),
    Case("one-connection", "one connection serves all", (_ONE, _TWO, _THREE), connects(1, 1, 2, 3)),
    Case(
        "connection-close",
        "Connection: close is heeded",
        (_with(_ONE, close=True), _TWO, _with(_THREE, close=True)),
        connects(3, 1, 2, 3),
    ),
    Case(
        "connection-lost",
        "a connection that was closed is opened again",
        (_with(_ONE, hang_up=True), _TWO, _with(_THREE, hang_up=True)),
        connects(3, 1, 2, 3),
    ),
    Case(
        "chunked",
        "an event in chunks",
        (_with(event("echo", value={"text": "é" * 5000}), chunked=True), _TWO),
        gives({"text": "é" * 5000}, 2),
    ),
    Case("header-case", "header names in any case", (_with(_ONE, lower=True), _TWO), gives(1, 2)),
    Case(
        "refused",
        "an answer that is refused is no reason to stop",
        (_with(_ONE, refuse=403), _with(_TWO, refuse=500), _THREE),
        _refused,
    ),
    Case("stream", "an answer may be streamed", (event("stream", parts=["one, ", "zwölf, ", "drei"]), _ONE), _streams),
    Case(
        "stream-breaks",
        "a stream that breaks off says so in trailers",
        (event("break", text="as far as it went"), _ONE),
        _breaks,
    ),
)
