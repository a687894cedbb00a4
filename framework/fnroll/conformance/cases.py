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
Sources: facts 2.1 and 2.5, and AWS's page on custom runtimes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fnroll.conformance import judgements
from fnroll.conformance.api import Event
from fnroll.conformance.judgements import LARGEST_TEXT, Judge, verb
from fnroll.emulator.api import MAX_RESPONSE

Handler = Literal["good", "malformed", "no file", "no function", "broken", "raises"]


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


def event(do: str, **members: Any) -> Event:
    return Event(verb(do, **members))


_ONE, _TWO, _THREE = (event("echo", value=number) for number in (1, 2, 3))
_VALUE = {"é": "日本😀", "n": [1, -2.5, True, False, None], "deep": {"a": {"b": [[0]]}}, "text": 'quoted "\\/\u0001\n'}
_PLAIN: Sequence[Any] = (None, True, 0, "text é", [1, 2], {"a": 1})


def _with(do: Event, **changes: Any) -> Event:
    return Event(do.body, **changes)


CASES: tuple[Case, ...] = (
    Case(
        "echo", "JSON comes back as it was, beyond ASCII too", (event("echo", value=_VALUE),), judgements.gives(_VALUE)
    ),
    Case(
        "values",
        "an event may be any JSON value",
        tuple(Event(json.dumps(value, ensure_ascii=False).encode()) for value in _PLAIN),
        judgements.gives(*_PLAIN),
    ),
    Case("empty-object", "{} is not []", (event("echo", value={}),), judgements.gives({})),
    Case("empty-array", "[] is not {}", (event("echo", value=[]),), judgements.gives([])),
    Case("process", "one process takes one event after the other", (event("process"),) * 2, judgements.same_process),
    Case(
        "error",
        "a handler that fails fails alone",
        (event("error", text="no luck"), _ONE),
        judgements.fails("no luck", 1),
    ),
    Case(
        "error-trace", "an error says where it came from", (event("error", text="no luck"), _ONE), judgements.has_trace
    ),
    Case(
        "error-type",
        "an error's type is one that Lambda takes",
        (event("error", text="no luck"), _ONE),
        judgements.has_type,
    ),
    Case(
        "error-text",
        "an error beyond ASCII",
        (event("error", text="kein Glück 日本"), _ONE),
        judgements.fails("Glück 日本", 1),
    ),
    Case(
        "unencodable",
        "a result that is no JSON is that call's error",
        (event("unencodable"), _ONE),
        judgements.fails("", 1, logged=False),
    ),
    Case("exit", "a handler that ends the process ends it", (event("exit", size=3), _ONE), judgements.exits),
    Case(
        "handler-name",
        "a handler name without a dot is named",
        (_ONE,),
        judgements.does_not_start("nodot"),
        "malformed",
    ),
    Case(
        "handler-file",
        "a handler file that is not there is named",
        (_ONE,),
        judgements.does_not_start("absent"),
        "no file",
    ),
    Case(
        "handler-function",
        "a function that is not there is named",
        (_ONE,),
        judgements.does_not_start("nothere"),
        "no function",
    ),
    Case("handler-broken", "a file that does not compile", (_ONE,), judgements.does_not_start(""), "broken"),
    Case("handler-raises", "a file that fails as it is loaded", (_ONE,), judgements.does_not_load, "raises"),
    Case("event-6mb", "an event of 6 MB", (event("measure", text="x" * LARGEST_TEXT),), judgements.large_in),
    Case("response-6mb", "a response of 6 MB", (event("large", size=MAX_RESPONSE), _ONE), judgements.large_out),
    Case(
        "response-413",
        "one byte more is refused, not fatal",
        (event("large", size=MAX_RESPONSE + 1), _ONE),
        judgements.too_large,
    ),
    Case("context", "the handler knows its invocation", (event("context"),), judgements.knows),
    Case(
        "deadline",
        "no time is left after the deadline",
        (_with(event("context"), headers={"Lambda-Runtime-Deadline-Ms": "1000"}),),
        judgements.late,
    ),
    Case(
        "trace",
        "the trace is the invocation's own",
        (
            _with(event("context"), headers={"Lambda-Runtime-Trace-Id": "Root=1-a"}),
            event("context"),
            _with(event("context"), headers={"Lambda-Runtime-Trace-Id": "Root=1-b"}),
        ),
        judgements.traced,
    ),
    Case(
        "log", "what was printed is out before the answer", (event("print", text="half a line: é"),), judgements.flushed
    ),
    Case("one-connection", "one connection serves all", (_ONE, _TWO, _THREE), judgements.connects(1, 1, 2, 3)),
    Case(
        "connection-close",
        "Connection: close is heeded",
        (_with(_ONE, close=True), _TWO, _with(_THREE, close=True)),
        judgements.connects(3, 1, 2, 3),
    ),
    Case(
        "connection-lost",
        "a connection that was closed is opened again",
        (_with(_ONE, hang_up=True), _TWO, _with(_THREE, hang_up=True)),
        judgements.connects(3, 1, 2, 3),
    ),
    Case(
        "chunked",
        "an event in chunks",
        (_with(event("echo", value={"text": "é" * 5000}), chunked=True), _TWO),
        judgements.gives({"text": "é" * 5000}, 2),
    ),
    Case("header-case", "header names in any case", (_with(_ONE, lower=True), _TWO), judgements.gives(1, 2)),
    Case(
        "refused",
        "an answer that is refused is no reason to stop",
        (_with(_ONE, refuse=403), _with(_TWO, refuse=500), _THREE),
        judgements.refused,
    ),
    Case(
        "stream",
        "an answer may be streamed",
        (event("stream", parts=["one, ", "zwölf, ", "drei"]), _ONE),
        judgements.streams,
    ),
    Case(
        "stream-breaks",
        "a stream that breaks off says so in trailers",
        (event("break", text="as far as it went"), _ONE),
        judgements.breaks,
    ),
)
