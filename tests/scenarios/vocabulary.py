"""The language of the scenario table: what a handler can be told to do, and how its outcome is written down.

A scenario is a function's configuration and a row of calls. An event is a list of steps, "verb rest" each, which the
handlers in handlers/ perform in order; `Scenario.init` are steps for the init phase. What is expected is Lambda's own
text, with the request's id as ID, every figure as N and every time as TIME.

| verb | what it does |
|---|---|
| print, write, stderr TEXT | a line on stdout, the same without line end, a line on stderr |
| bytes HEX, flood KIB | bytes on stdout, so many lines of 1,024 bytes |
| return JSON, echo, large N, measure TEXT | answer with JSON, the event, N bytes of JSON, the length of TEXT |
| notes | answer with what the verbs below noted |
| raise TEXT, marshal | an exception, a result that is no JSON |
| exit N, signal N, segfault, abort, exec PATH | ways to end the process |
| sleep MS, spin, ignore TERM | ways to go on |
| sh COMMAND, start COMMAND | run a command and note what it said; start one in a session of its own and go on |
| count, env NAME, context | note a counter of this process, a variable, what the runtime knows of the invocation |
| grow MB | take memory and keep it |
| thread, pause | start a thread; note the longest time that it did not run, in ms |
| http REQUEST | one request to the Runtime API beside the runtime; {ID} is the request's id; note status and body |
| once PATH | skip the steps that follow if the file exists, else make it |
| header NAME | (native) note a header that came with the event |
| tell | (native) print the last note, as JSON |
| quit | (native) end without an answer |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = ("perl", "python", "native")
MANAGED = ("perl", "python")
"""The languages whose runtime has errors of its own."""

NATIVE = ("native",)
"""For what does not depend on the language, or needs a runtime that breaks the rules."""


@dataclass(frozen=True, slots=True)
class Like:
    """Text that a regular expression matches as a whole."""

    pattern: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other, re.DOTALL) is not None

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `low` to `high`."""

    low: float
    high: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and self.low <= other <= self.high

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Json:
    """A payload or a line that is this value, however it is written."""

    value: object

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, str) and bool(self.value == json.loads(other))
        except ValueError:
            return False

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Size:
    """A payload of so many bytes."""

    bytes: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and len(other) == self.bytes

    __hash__ = None  # type: ignore[assignment]


Text = str | Like
Payload = str | Like | Json | Size


@dataclass(frozen=True, slots=True)
class By:
    """A different expectation for each language."""

    each: Mapping[str, Any]


def followed(log: Any, *lines: Text) -> Any:
    """A log and the lines after it, in each language."""
    if isinstance(log, By):
        return By({language: (*each, *lines) for language, each in log.each.items()})
    return (*log, *lines)


def chosen(value: Any, language: str) -> Any:
    return value.each[language] if isinstance(value, By) else value


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation and what comes of it.

    `do`: steps, or the event's bytes. `error`: the error type of the report; `told`: what REPORT says of it, which is
    something only where the platform found the error. `init_log` are the lines before START, `log` those between START
    and END (None: not looked at), `after` those that come once it has answered. `cold`: whether REPORT names an Init
    Duration; None: it does for the first call. `idle`: seconds to wait before. `beside`: made while the call before is
    under way, once that has printed this line.
    """

    do: tuple[str, ...] | bytes
    payload: Payload | By = "null"
    error: str | By | None = None
    told: str = ""
    init_log: Any = ()
    log: tuple[Text, ...] | By | None = ()
    after: tuple[Text, ...] = ()
    cold: bool | None = None
    status: str | None = None
    memory: Between | None = None
    idle: float = 0.0
    beside: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of the invocation: arn, client_context, trace_id …"""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Of the function's configuration, from this call on."""

    @property
    def event(self) -> bytes:
        if isinstance(self.do, bytes):
            return self.do
        return json.dumps(self.do, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class File:
    """What lies in the function's directory (or a layer) instead of what the language has there."""

    text: str | bytes
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Link:
    target: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """`files` and `layer`: changes of the function's directory and of /opt; None: not there; DIRECTORY: a directory.
    `bare`: nothing there but these. `patience`: seconds of the init phase. `needs`: limits that the machine must be
    able to give. `pending`: why it cannot pass yet, by language."""

    name: str
    calls: tuple[Call, ...]
    languages: tuple[str, ...] = ALL
    init: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    layer: Mapping[str, Any] = field(default_factory=dict)
    bare: bool = False
    patience: float = 10.0
    needs: tuple[str, ...] = ()
    pending: Mapping[str, str] = field(default_factory=dict)


DIRECTORY = object()


def scenario(name: str, *calls: Call, **fields: Any) -> Scenario:
    return Scenario(name, calls, **fields)


def call(*do: str, **fields: Any) -> Call:
    return Call(do, **fields)


def answers(payload: Payload | By, *do: str, **fields: Any) -> Call:
    return Call(do, payload, **fields)


def notes(expected: Any, *do: str, **fields: Any) -> Call:
    """The noted values, as a JSON list."""
    return Call((*do, "notes"), Json(expected), **fields)


def posted(payload: Payload | By, error: str | By, *do: str, **fields: Any) -> Call:
    """The runtime posts an error; REPORT says nothing of it."""
    return Call(do, payload, error, **fields)


def platform_error(kind: str, message: str, *do: str, **fields: Any) -> Call:
    """An error that the platform finds (facts 2.5), with the request's id before its text."""
    payload = f'{{"errorType":"{kind}","errorMessage":"RequestId: ID Error: {message}"}}'
    return Call(do, payload, kind, told_error(kind), **fields)


def told_error(kind: str) -> str:
    return f"Status: error\tError Type: {kind}"


def crash(reason: str, *do: str, log: Any = (), kind: str = "Runtime.ExitError", **fields: Any) -> Call:
    """The runtime's process ends instead of answering; `kind` is what REPORT calls it."""
    lines = followed(log, f"RequestId: ID Error: {reason}", "Runtime.ExitError")
    payload = f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: {reason}"}}'
    return Call(do, payload, kind, told_error(kind), log=lines, **fields)


def timeout(seconds: str, *do: str, log: Any = (), **fields: Any) -> Call:
    """The deadline passes; `seconds` as Lambda writes it."""
    message = f"Task timed out after {seconds} seconds"
    payload = f'{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: {message}"}}'
    lines = followed(log, f"TIME ID {message}", "")
    return Call(do, payload, "Sandbox.Timedout", "Status: timeout", log=lines, status="timeout", **fields)


def init_report(phase: str, status: str, kind: str | None = None) -> str:
    return f"INIT_REPORT Init Duration: N ms\tPhase: {phase}\tStatus: {status}" + (
        f"\tError Type: {kind}" if kind else ""
    )


def twice(kind: str, *lines: Text) -> tuple[Text, ...]:
    """The lines of an init that fails in its phase and again in the invocation."""
    return (*lines, init_report("init", "error", kind), *lines, init_report("invoke", "error", kind))


def post(path: str, body: str = "", **headers: str) -> str:
    """A step: POST to the Runtime API. Headers are named with _ for -."""
    return request("POST", path, body, **headers)


def request(method: str, path: str, body: str = "", **headers: str) -> str:
    fields = {"Host": "api", "Connection": "close", "Content-Length": str(len(body.encode()))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return (
        f"http {method} {path if path.startswith('/') else '/2018-06-01/runtime/' + path} HTTP/1.1\r\n{head}\r\n{body}"
    )
