"""The Extensions API of one environment: who has registered, in which state, and what each is told.

Base path /2020-01-01/extension. An external extension is a program in /opt/extensions, known before it registers; an
internal one lives in the runtime's process and is known by registering. The states are a table as the runtime's are
(states.py); an event that a row does not name is refused with 403 Extension.InvalidExtensionState. Source: facts 2.2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from fnroll.emulator.lifecycle import Reason
from fnroll.emulator.wire import Reply, Request

BASE: Final = "/2020-01-01/extension/"
DISABLED: Final = "disable-extensions-jwigqn8j"
"""The file in /opt that switches extensions off."""

MAXIMUM: Final = 10
JSON: Final = [("Content-Type", "application/json")]


class State(Enum):
    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    EXITED = "Exited"


class Event(Enum):
    REGISTER = "register"
    NEXT = "next"
    DELIVER = "deliver"
    INIT_ERROR = "init_error"
    EXIT_ERROR = "exit_error"
    EXIT = "exit"


_ENDS: Final = {Event.EXIT_ERROR: State.EXIT_ERROR, Event.EXIT: State.EXITED}

TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    State.STARTED: {Event.REGISTER: State.REGISTERED, Event.EXIT: State.EXITED},
    State.REGISTERED: {Event.NEXT: State.READY, Event.INIT_ERROR: State.INIT_ERROR, **_ENDS},
    State.READY: {Event.NEXT: State.READY, Event.DELIVER: State.RUNNING, **_ENDS},
    State.RUNNING: {Event.NEXT: State.READY, **_ENDS},
    State.INIT_ERROR: {Event.EXIT: State.EXITED},
    State.EXIT_ERROR: {Event.EXIT: State.EXITED},
    State.EXITED: {},
}

AIMS: Final[Mapping[Event, State]] = {
    Event.REGISTER: State.REGISTERED,
    Event.NEXT: State.READY,
    Event.DELIVER: State.RUNNING,
    Event.INIT_ERROR: State.INIT_ERROR,
    Event.EXIT_ERROR: State.EXIT_ERROR,
    Event.EXIT: State.EXITED,
}


class Refusal(NamedTuple):
    type: str
    message: str


REFUSALS: Final = {
    "no id": Refusal("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
    "bad id": Refusal("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
    "unknown": Refusal("Extension.UnknownExtensionIdentifier", "Unknown extension {id}"),
    "no name": Refusal("Extension.InvalidExtensionName", "Empty extension name"),
    "format": Refusal("InvalidRequestFormat", "Invalid request format"),
    "event": Refusal("Extension.InvalidEventType", "{event}: invalid event type"),
    "taken": Refusal(
        "Extension.InvalidExtensionState",
        "State transition from {state} to Registered failed for extension {name}. "
        "Error: Extension with this name already registered",
    ),
    "state": Refusal(
        "Extension.InvalidExtensionState",
        "State transition from {state} to {aim} failed for extension {name}. Error: State transition is not allowed",
    ),
    "closed": Refusal("Extension.RegistrationClosed", "Extension registration closed already"),
    "many": Refusal("Extension.TooManyExtensions", f"Extension limit ({MAXIMUM}) reached"),
    "no type": Refusal("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"),
}
"""Each is answered with 403."""


@dataclass(slots=True)
class Extension:
    """One extension. `events` are what it asked for; `waiting` is its held back GET event/next."""

    name: str
    external: bool
    id: str = field(default_factory=lambda: str(uuid4()))
    state: State = State.STARTED
    events: tuple[str, ...] = ()
    waiting: Reply | None = None
    error_type: str = ""
    """What it reported to init/error or exit/error."""


@dataclass(frozen=True, slots=True)
class About:
    """What a registration is answered with."""

    function: str
    version: str
    handler: str
    account: str


class Hooks(NamedTuple):
    """`changed`: a state has changed. `failed`: one reported an error (its type is in the extension)."""

    changed: Callable[[], None]
    failed: Callable[[Extension], None]


def programs(opt: Path | None) -> list[str]:
    """The names of the external extensions in the layers: every entry of extensions/ that is no directory."""
    if opt is None or (opt / DISABLED).exists():
        return []
    try:
        return sorted(entry.name for entry in (opt / "extensions").iterdir() if not entry.is_dir())
    except OSError:
        return []


class Extensions:
    """Belongs to the event loop. Serves every extension of one environment, from its start to its end."""

    def __init__(self, about: About, external: list[str], hooks: Hooks) -> None:
        self._about = about
        self._hooks = hooks
        self._all = [Extension(name, external=True) for name in external]
        self._last: Mapping[str, Any] | None = None
        self.open = True
        """Whether internal extensions may register: until the runtime first asks for an event."""

    @property
    def all(self) -> list[Extension]:
        return self._all

    @property
    def registered(self) -> bool:
        """Whether every external extension has registered: then the runtime may start."""
        return all(extension.state is not State.STARTED for extension in self._all)

    @property
    def ready(self) -> bool:
        """Whether every one waits for an event (those that take none too)."""
        return all(extension.state is State.READY for extension in self._all)

    @property
    def kind(self) -> str:
        """What decides the budget of a shutdown: none, internal, or external."""
        if not self._all:
            return "none"
        return "external" if any(extension.external for extension in self._all) else "internal"

    def by_id(self, id: str) -> Extension | None:
        return next((extension for extension in self._all if extension.id == id), None)

    def named(self, name: str) -> Extension | None:
        return next((extension for extension in self._all if extension.name == name), None)

    # what the platform does

    def invoke(self, request_id: str, deadline_ms: int, arn: str, trace_id: str) -> None:
        """INVOKE to those who asked for it."""
        tracing = {"type": "X-Amzn-Trace-Id", "value": trace_id}
        event = {"eventType": "INVOKE", "deadlineMs": deadline_ms, "requestId": request_id}
        self._send("INVOKE", {**event, "invokedFunctionArn": arn, "tracing": tracing})

    def shut_down(self, deadline_ms: int, reason: Reason) -> None:
        """SHUTDOWN to those who asked for it: to who waits now, and to the others when they next ask."""
        self._last = {"eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason.value}
        self._send("SHUTDOWN", self._last)

    def exited(self, extension: Extension) -> None:
        extension.state = State.EXITED

    def _send(self, kind: str, event: Mapping[str, Any]) -> None:
        for extension in self._all:
            if kind in extension.events and extension.state is State.READY and extension.waiting is not None:
                extension.state = State.RUNNING
                reply, extension.waiting = extension.waiting, None
                headers = [("Lambda-Extension-Event-Identifier", str(uuid4())), *JSON]
                reply.send(200, headers, json.dumps(event, separators=(",", ":")).encode())

    # what extensions ask

    def handle(self, request: Request, reply: Reply) -> None:
        method, act = _ROUTES.get(request.path.removeprefix(BASE), ("", None))
        if act is None:
            reply.send(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")
        elif request.method != method:
            reply.send(405, [("Allow", method)])
        else:
            act(self, request, reply)

    def _register(self, request: Request, reply: Reply) -> None:
        name = request.header("lambda-extension-name") or ""
        events = _events(request.body)
        extension = self.named(name)
        external = extension is not None and extension.external
        if not name:
            refuse(reply, "no name")
        elif events is None:
            refuse(reply, "format")
        elif wrong := next((e for e in events if e not in (("INVOKE", "SHUTDOWN") if external else ("INVOKE",))), None):
            refuse(reply, "event", event=wrong)
        elif extension is not None and extension.state is not State.STARTED:
            refuse(reply, "taken", state=extension.state.value, name=name)
        elif extension is None and not self.open:
            refuse(reply, "closed")
        elif extension is None and len(self._all) >= MAXIMUM:
            refuse(reply, "many")
        else:
            if extension is None:
                extension = Extension(name, external=False)
                self._all.append(extension)
            extension.state, extension.events = State.REGISTERED, tuple(events)
            features = (request.header("lambda-extension-accept-feature") or "").split(",")
            reply.send(200, [("Lambda-Extension-Identifier", extension.id), *JSON], self._greeting(features))
            self._hooks.changed()

    def _greeting(self, features: list[str]) -> bytes:
        about = self._about
        said = {"functionName": about.function, "functionVersion": about.version, "handler": about.handler}
        if "accountId" in (feature.strip() for feature in features):
            said["accountId"] = about.account
        return json.dumps(said, separators=(",", ":")).encode()

    def identified(self, request: Request, reply: Reply) -> Extension | None:
        """Who asks, by the header; a refusal is sent where that is nobody."""
        id = request.header("lambda-extension-identifier") or ""
        extension = self.by_id(id)
        if not id:
            refuse(reply, "no id")
        elif len(id) != 36:
            refuse(reply, "bad id")
        elif extension is None:
            refuse(reply, "unknown", id=id)
        return extension

    def _advance(self, extension: Extension, event: Event, reply: Reply) -> bool:
        aim = TRANSITIONS[extension.state].get(event)
        if aim is None:
            refuse(reply, "state", state=extension.state.value, aim=AIMS[event].value, name=extension.name)
            return False
        extension.state = aim
        return True

    def _next(self, request: Request, reply: Reply) -> None:
        extension = self.identified(request, reply)
        if extension is not None and self._advance(extension, Event.NEXT, reply):
            extension.waiting = reply
            if self._last is not None:
                self._send("SHUTDOWN", self._last)
            self._hooks.changed()

    def _init_error(self, request: Request, reply: Reply) -> None:
        self._error(request, reply, Event.INIT_ERROR)

    def _exit_error(self, request: Request, reply: Reply) -> None:
        self._error(request, reply, Event.EXIT_ERROR)

    def _error(self, request: Request, reply: Reply, event: Event) -> None:
        extension = self.identified(request, reply)
        if extension is None:
            return
        error_type = request.header("lambda-extension-function-error-type")
        if not error_type:
            refuse(reply, "no type")
        elif self._advance(extension, event, reply):
            extension.error_type = error_type
            reply.send(202, JSON, b'{"status":"OK"}\n')
            self._hooks.failed(extension)


_ROUTES: Final[Mapping[str, tuple[str, Callable[[Extensions, Request, Reply], None]]]] = {
    "register": ("POST", Extensions._register),
    "event/next": ("GET", Extensions._next),
    "init/error": ("POST", Extensions._init_error),
    "exit/error": ("POST", Extensions._exit_error),
}


def _events(body: bytes) -> list[str] | None:
    """The events of a registration's body; None if it is not of that form."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    events = said.get("events", []) if isinstance(said, dict) else None
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        return None
    return events


def refuse(reply: Reply, why: str, **names: str) -> None:
    refusal = REFUSALS[why]
    body = {"errorMessage": refusal.message.format(**names), "errorType": refusal.type}
    reply.send(403, JSON, json.dumps(body, separators=(",", ":")).encode() + b"\n")
