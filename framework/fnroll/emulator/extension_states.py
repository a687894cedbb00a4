"""Extensions as the Extensions API sees them: states, what may happen in each, and the texts of the refusals. Pure.

    Started ──register──> Registered ──next──> Ready ──deliver──> Running ──next──> Ready
       │                      │                                     │
    launch_error         init_error                             (exit_error, from every state but Started)
       v                      v                                     v
    LaunchError           InitError                             ExitError

The states carry Lambda's own names, since refusals and the platform.extension event name them. What a state's row does
not name is refused with 403 Extension.InvalidExtensionState. Source: facts 2.2. docs/emulator.md draws the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

MAXIMUM: Final = 10
"""Extensions of one environment, external and internal together."""


class State(Enum):
    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    LAUNCH_ERROR = "LaunchError"


class Event(Enum):
    """What may happen: the extension's four calls, and the platform's two deeds."""

    REGISTER = "register"
    NEXT = "next"
    DELIVER = "deliver"
    INIT_ERROR = "init_error"
    EXIT_ERROR = "exit_error"
    LAUNCH_ERROR = "launch_error"


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    State.STARTED: {Event.REGISTER: State.REGISTERED, Event.LAUNCH_ERROR: State.LAUNCH_ERROR},
    State.REGISTERED: {
        Event.NEXT: State.READY,
        Event.INIT_ERROR: State.INIT_ERROR,
        Event.EXIT_ERROR: State.EXIT_ERROR,
    },
    State.READY: {Event.DELIVER: State.RUNNING, Event.EXIT_ERROR: State.EXIT_ERROR},
    State.RUNNING: {Event.NEXT: State.READY, Event.EXIT_ERROR: State.EXIT_ERROR},
    State.INIT_ERROR: {Event.INIT_ERROR: State.INIT_ERROR},
    State.EXIT_ERROR: {Event.EXIT_ERROR: State.EXIT_ERROR},
    State.LAUNCH_ERROR: {},
}
"""An error may be reported twice; the first one counts."""

AIMS: Final[Mapping[Event, str]] = {
    Event.REGISTER: "Registered",
    Event.NEXT: "Ready",
    Event.DELIVER: "Running",
    Event.INIT_ERROR: "InitError",
    Event.EXIT_ERROR: "Exited",
    Event.LAUNCH_ERROR: "LaunchError",
}
"""What a refusal says the extension tried to reach: Lambda's word, which for exit_error is no state's name."""


class Refusal(NamedTuple):
    type: str
    message: str


REFUSALS: Final = {
    "no id": Refusal("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
    "bad id": Refusal("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
    "unknown": Refusal("Extension.UnknownExtensionIdentifier", "Unknown extension {id}"),
    "no name": Refusal("Extension.InvalidExtensionName", "Empty extension name"),
    "format": Refusal("InvalidRequestFormat", "{reason}"),
    "event": Refusal("Extension.InvalidEventType", "{event}: ErrorInvalidEventType"),
    "internal": Refusal("Extension.InvalidEventType", "{event}: ShutdownEventNotSupportedForInternalExtension"),
    "taken": Refusal("Extension.InvalidExtensionState", "Extension with this name already registered"),
    "state": Refusal(
        "Extension.InvalidExtensionState",
        "State transition from {state} to {aim} failed for extension {who}. Error: State transition is not allowed",
    ),
    "closed": Refusal("Extension.RegistrationClosed", "Extension registration closed already"),
    "many": Refusal("Extension.TooManyExtensions", f"Extension limit ({MAXIMUM}) reached"),
    "no type": Refusal("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"),
}
"""Each is answered with 403."""
