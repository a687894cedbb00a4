"""What must be true of what a runtime did: one judgement for each case, pure. Sources: facts 2.1 and 2.5."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fnroll.conformance.api import ARN, DEADLINE_MS, Posted
from fnroll.emulator.api import MAX_PAYLOAD, MAX_RESPONSE

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


def wrong(condition: object, text: str) -> None:
    """Raise what is wrong, if it is."""
    if condition:
        raise AssertionError(text)


def verb(do: str, **members: Any) -> bytes:
    return json.dumps({"do": do, **members}, ensure_ascii=False).encode()


LARGEST_TEXT = MAX_PAYLOAD - len(verb("measure", text=""))
"""Characters of a text with which an event of `measure` is as large as Lambda takes."""


def _short(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text if len(text) <= 200 else f"{text[:200]}… ({len(data)} bytes)"


def answers(ran: Ran, count: int) -> list[bytes]:
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
        for body, value in zip(answers(ran, len(expected)), expected, strict=True):
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


def has_trace(ran: Ran) -> None:
    fails("no luck", 1)(ran)
    body = json.loads(ran.posts[0].body)
    trace = body.get("stackTrace", body.get("trace"))
    wrong(
        not isinstance(trace, list) or not trace or not all(isinstance(line, str) for line in trace),
        f"stackTrace is {trace!r}, not a list of lines",
    )


def has_type(ran: Ran) -> None:
    wrong(not ran.posts, "nothing was posted")
    post = ran.posts[0]
    wrong(
        not _TYPE.fullmatch(post.headers.get(ERROR_TYPE, "")),
        f"the header {ERROR_TYPE} is {post.headers.get(ERROR_TYPE)!r}: Lambda takes Runtime.Xxx and Function.Xxx only",
    )


def does_not_start(text: str, *, logged: str | None = None) -> Judge:
    """One POST to init/error, with this text (in the log too, or another there), and a status that is not 0."""

    def judge(ran: Ran) -> None:
        wrong(ran.problems, "; ".join(ran.problems))
        wrong(not ran.posts, f"nothing was posted to init/error; status {ran.status}, log {ran.log[-500:]!r}")
        _error(ran.posts[0], "init/error", text)
        wrong(len(ran.posts) > 1, f"and then POST {ran.posts[-1].path}")
        wrong(ran.status is None, "the process goes on after init/error; it has to end with status 1")
        wrong(ran.status == 0, "the process ended with status 0, which Lambda takes for no error")
        said = logged or text
        wrong(said not in ran.log, f"the log does not say {said!r}: {ran.log[-500:]!r}")

    return judge


def does_not_load(ran: Ran) -> None:
    """The error says why, or at least where: a shell knows no more of it."""
    named = bool(ran.posts) and b"cannot start" not in ran.posts[0].body
    does_not_start("raises" if named else "cannot start", logged="cannot start")(ran)


def large_in(ran: Ran) -> None:
    gives(LARGEST_TEXT)(ran)


def large_out(ran: Ran) -> None:
    first, second = answers(ran, 2)
    wrong(len(first) != MAX_RESPONSE, f"the answer has {len(first)} bytes, not {MAX_RESPONSE}")
    wrong(set(first[1:-1]) != {ord("x")}, "the answer is another")
    wrong(_decoded(second) != 1, "the next event was not answered")


def too_large(ran: Ran) -> None:
    wrong(ran.problems, "; ".join(ran.problems))
    wrong(ran.status is not None, f"the process ended with status {ran.status}: {ran.log[-500:]}")
    found = [(post.path, post.status) for post in ran.posts]
    expected = [("invocation/id-1/response", 413), ("invocation/id-2/response", 202)]
    wrong(found != expected, f"posted {found}; after a 413 Lambda has answered already, so nothing more for that event")
    wrong("413" not in ran.log, f"the log does not tell of the 413: {ran.log[-500:]!r}")


def refused(ran: Ran) -> None:
    wrong([_decoded(body) for body in answers(ran, 3)] != [1, 2, 3], "answered with something else")


def knows(ran: Ran) -> None:
    [body] = answers(ran, 1)
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


def late(ran: Ran) -> None:
    found = _decoded(answers(ran, 1)[0])
    wrong(found.get("remaining") != 0, f"remaining is {found.get('remaining')!r} after the deadline, not 0")


def traced(ran: Ran) -> None:
    traces = [_decoded(body).get("trace") for body in answers(ran, 3)]
    wrong(
        traces != ["Root=1-a", None, "Root=1-b"],
        f"_X_AMZN_TRACE_ID was {traces} in three invocations, of which the second has no trace",
    )


def flushed(ran: Ran) -> None:
    gives(None)(ran)
    said = ran.posts[0].log
    wrong("half a line: é" not in said, f"when the answer came, the log was {said!r}: flush stdout before answering")


def same_process(ran: Ran) -> None:
    first, second = (_decoded(body) for body in answers(ran, 2))
    wrong(first != second or first in (None, ""), f"the process was {first!r}, then {second!r}")


def connects(times: int, *expected: Any) -> Judge:
    def judge(ran: Ran) -> None:
        gives(*expected)(ran)
        wrong(ran.connections != times, f"{ran.connections} connections instead of {times}")

    return judge


def exits(ran: Ran) -> None:
    wrong(ran.posts, f"posted {[post.path for post in ran.posts]}")
    wrong(ran.status != 3, f"the process ended with {ran.status}, not with the handler's status 3")


def _streaming(post: Posted) -> None:
    wrong(post.path != "invocation/id-1/response", f"POST {post.path}: {_short(post.body)}")
    mode = post.headers.get("lambda-runtime-function-response-mode")
    wrong((mode or "").lower() != "streaming", f"Lambda-Runtime-Function-Response-Mode is {mode!r}")
    coding = post.headers.get("transfer-encoding", "")
    wrong("chunked" not in coding, f"Transfer-Encoding is {coding!r}")


def streams(ran: Ran) -> None:
    answers(ran, 2)
    _streaming(ran.posts[0])
    wrong(ran.posts[0].body != "one, zwölf, drei".encode(), f"streamed {_short(ran.posts[0].body)}")
    kind = ran.posts[0].headers.get("content-type", "")
    wrong(not kind.startswith("text/plain"), f"Content-Type is {kind!r}, the handler said text/plain")
    wrong(ran.posts[0].trailers.get(ERROR_TYPE), f"an error in the trailers: {ran.posts[0].trailers}")
    wrong(_decoded(ran.posts[1].body) != 1, "the next event was not answered")


def breaks(ran: Ran) -> None:
    answers(ran, 2)
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
