"""The Extensions API of one environment: who has registered, in which state, and what each is told.

Base path /2020-01-01/extension. An external extension is a program in /opt/extensions, known before it registers; an
internal one lives in the runtime's process and is known by registering. extension_states.py has the states and the
texts. A SHUTDOWN that an extension is too busy for is kept until it asks. Source: facts 2.2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID, uuid4

from fnroll.emulator.extension_states import AIMS, MAXIMUM, REFUSALS, TRANSITIONS, Event, State
from fnroll.emulator.lifecycle import Reason
from fnroll.emulator.wire import Reply, Request

BASE: Final = "/2020-01-01/extension/"
DISABLED: Final = "disable-extensions-jwigqn8j"
"""The file in /opt that switches extensions off."""

JSON: Final = [("Content-Type", "application/json")]
Kind = Literal["none", "internal", "external"]


@dataclass(slots=True)
class Extension:
    """One extension. `events` are what it asked for; `waiting` is its held back GET event/next."""

    name: str
    external: bool
    id: str = field(default_factory=lambda: str(uuid4()))
    state: State = State.STARTED
    events: tuple[str, ...] = ()
    waiting: Reply | None = None
    dismissed: bool = False
    """Whether it has got its SHUTDOWN."""
    error_type: str | None = None
    """What it reported to init/error or exit/error, or why it was not started."""


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


def enabled(opt: Path | None) -> bool:
    return opt is None or not (opt / DISABLED).exists()


def programs(opt: Path | None) -> list[str]:
    """The names of the external extensions in the layers: every entry of extensions/ that is no directory."""
    if opt is None or not enabled(opt):
        return []
    try:
        return sorted(entry.name for entry in (opt / "extensions").iterdir() if not entry.is_dir())
    except OSError:
        return []


class Extensions:
    """Belongs to the event loop. Serves every extension of one environment, from its start to its end."""

    def __init__(
        self, about: About, external: list[str], hooks: Hooks, *, enabled: bool = True, invoked: bool = True
    ) -> None:
        """`invoked` False: nobody may ask for INVOKE, as on a managed instance."""
        self._events = ("INVOKE", "SHUTDOWN") if invoked else ("SHUTDOWN",)
        self._about = about
        self._hooks = hooks
        self._enabled = enabled
        self._all = [Extension(name, external=True) for name in external]
        self._farewell: Mapping[str, Any] | None = None
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
    def kind(self) -> Kind:
        """What decides the budget of a shutdown."""
        if not self._all:
            return "none"
        return "external" if any(extension.external for extension in self._all) else "internal"

    def named(self, name: str) -> Extension | None:
        return next((extension for extension in self._all if extension.name == name), None)

    # what the platform does

    def invoke(self, request_id: str, deadline_ms: int, arn: str, trace_id: str) -> None:
        """INVOKE to those who asked for it."""
        tracing = {"type": "X-Amzn-Trace-Id", "value": trace_id}
        event = {"eventType": "INVOKE", "deadlineMs": deadline_ms, "requestId": request_id}
        event |= {"invokedFunctionArn": arn, "tracing": tracing}
        for extension in self._all:
            if "INVOKE" in extension.events:
                _send(extension, event)

    def shut_down(self, deadline_ms: int, reason: Reason) -> None:
        """SHUTDOWN to those who asked for it; one that is busy gets it when it asks for its next event."""
        event = {"eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason.value}
        self._farewell = event
        for extension in self._all:
            self._dismiss(extension)

    def _dismiss(self, extension: Extension) -> None:
        if self._farewell is not None and "SHUTDOWN" in extension.events and not extension.dismissed:
            extension.dismissed = _send(extension, self._farewell)

    def not_started(self, extension: Extension, error_type: str) -> None:
        extension.state, extension.error_type = TRANSITIONS[extension.state][Event.LAUNCH_ERROR], error_type

    # what extensions ask

    def handle(self, request: Request, reply: Reply) -> None:
        method, act = _ROUTES.get(request.path.removeprefix(BASE), ("", None))
        if not self._enabled:
            reply.send(404)
        elif act is None:
            reply.send(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")
        elif request.method != method:
            reply.send(405, [("Allow", method)])
        else:
            act(self, request, reply)

    def _register(self, request: Request, reply: Reply) -> None:
        name = request.header("lambda-extension-name")
        if not name:
            refuse(reply, "no name")
            return
        try:
            events = _events(request.body)
        except ValueError as reason:
            refuse(reply, "format", reason=str(reason))
            return
        extension = self.named(name)
        external = extension is not None and extension.external
        wrong = next((event for event in events if self._refusal(event, external)), None)
        if wrong is not None:
            refuse(reply, self._refusal(wrong, external), event=wrong)
        elif extension is None or not external:
            self._register_internal(name, events, request, reply)
        elif self._advance(extension, Event.REGISTER, reply, name):
            self._greet(extension, events, request, reply)

    def _refusal(self, event: str, external: bool) -> str:
        """Why an extension may not ask for this event; empty if it may."""
        if event not in self._events:
            return "event"
        return "internal" if event == "SHUTDOWN" and not external else ""

    def _register_internal(self, name: str, events: list[str], request: Request, reply: Reply) -> None:
        if not self.open:
            refuse(reply, "closed")
        elif len(self._all) >= MAXIMUM:
            refuse(reply, "many")
        elif self.named(name) is not None:
            refuse(reply, "taken")
        else:
            extension = Extension(name, external=False, state=State.REGISTERED)
            self._all.append(extension)
            self._greet(extension, events, request, reply)

    def _greet(self, extension: Extension, events: list[str], request: Request, reply: Reply) -> None:
        extension.events = tuple(dict.fromkeys(events))
        about = self._about
        said = {"functionName": about.function, "functionVersion": about.version, "handler": about.handler}
        features = (request.header("lambda-extension-accept-feature") or "").split(",")
        if "accountId" in (feature.strip() for feature in features):
            said["accountId"] = about.account
        body = json.dumps(said, separators=(",", ":")).encode() + b"\n"
        reply.send(200, [("Lambda-Extension-Identifier", extension.id), *JSON], body)
        self._hooks.changed()

    def identified(self, request: Request, reply: Reply) -> Extension | None:
        """Who asks, by the header; a refusal is sent where that is nobody."""
        given = request.header("lambda-extension-identifier")
        if not self._enabled:
            reply.send(404)
            return None
        if not given:
            refuse(reply, "no id")
            return None
        try:
            id = str(UUID(given))
        except ValueError:
            refuse(reply, "bad id")
            return None
        extension = next((extension for extension in self._all if extension.id == id), None)
        if extension is None:
            refuse(reply, "unknown", id=id)
        return extension

    def _advance(self, extension: Extension, event: Event, reply: Reply, who: str) -> bool:
        state = TRANSITIONS[extension.state].get(event)
        if state is None:
            refuse(reply, "state", state=extension.state.value, aim=AIMS[event], who=who)
            return False
        extension.state = state
        return True

    def _next(self, request: Request, reply: Reply) -> None:
        extension = self.identified(request, reply)
        if extension is not None and self._advance(extension, Event.NEXT, reply, extension.id):
            extension.waiting = reply
            self._dismiss(extension)
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
        elif self._advance(extension, event, reply, extension.id):
            reply.send(202, JSON, b'{"status":"OK"}\n')
            if extension.error_type is None:
                extension.error_type = error_type
                self._hooks.failed(extension)


_ROUTES: Final[Mapping[str, tuple[str, Callable[[Extensions, Request, Reply], None]]]] = {
    "register": ("POST", Extensions._register),
    "event/next": ("GET", Extensions._next),
    "init/error": ("POST", Extensions._init_error),
    "exit/error": ("POST", Extensions._exit_error),
}


def _send(extension: Extension, event: Mapping[str, Any]) -> bool:
    """To one that waits for it; whether it does."""
    reply, extension.waiting = extension.waiting, None
    if extension.state is not State.READY or reply is None:
        return False
    extension.state = TRANSITIONS[State.READY][Event.DELIVER]
    headers = [("Lambda-Extension-Event-Identifier", str(uuid4())), *JSON]
    reply.send(200, headers, json.dumps(event, separators=(",", ":")).encode())
    return True


def _events(body: bytes) -> list[str]:
    """The events of a registration's body. Raises ValueError if it is not of that form."""
    try:
        said = json.loads(body)
    except RecursionError:
        said = None
    if not isinstance(said, dict):
        raise ValueError("the request body is no JSON object")
    if said.get("configurationKeys"):
        raise ValueError("configurationKeys are deprecated; use environment variables instead")
    events = said.get("events") or []
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise ValueError("events: a list of strings is needed")
    return events


def refuse(reply: Reply, why: str, **names: str) -> None:
    refusal = REFUSALS[why]
    body = {"errorMessage": refusal.message.format(**names), "errorType": refusal.type}
    reply.send(403, JSON, json.dumps(body, separators=(",", ":")).encode() + b"\n")
