"""The runtime as the Runtime API sees it: states, what may happen in each, and what it leads to.

A runtime is a loop: it starts, asks for the next event, answers it, asks again. Everything that may be said on the
Runtime API is an event of this machine, and so is what the platform does (it delivers an event; it has taken an
answer). An event that a state's row does not name is refused: the runtime gets 403 InvalidStateTransition with both
names in the text, so the states carry Lambda's own names.

    Started ──next──> Ready ──deliver──> Running ──response──> InvocationResponse ──────taken──┐
       │                ^                   └──────error─────> InvocationErrorResponse ──taken─┤
    init_error          └────────────────────────next──────────────────────────────────────────┘
       v                                                  (by way of RuntimeResponseSentState)
    InitError

Asking again changes nothing: a runtime that waits goes on waiting, and one that already holds an event gets the same
event once more. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where the runtime is; the value is Lambda's name for it."""

    __hash__ = object.__hash__  # Enum's own is Python code, and these are looked up in every invocation

    STARTED = "Started"
    INIT_ERROR = "InitError"
    READY = "Ready"
    RUNNING = "Running"
    RESPONSE = "InvocationResponse"
    ERROR_RESPONSE = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"


class Event(Enum):
    """What may happen: the runtime's four calls, and the platform's two deeds."""

    __hash__ = object.__hash__  # Enum's own is Python code, and these are looked up in every invocation

    NEXT = "next"
    DELIVER = "deliver"
    RESPONSE = "response"
    ERROR = "error"
    TAKEN = "taken"
    INIT_ERROR = "init_error"


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    State.STARTED: {Event.NEXT: State.READY, Event.INIT_ERROR: State.INIT_ERROR},
    State.INIT_ERROR: {},
    State.READY: {Event.NEXT: State.READY, Event.DELIVER: State.RUNNING},
    State.RUNNING: {
        Event.NEXT: State.RUNNING,
        Event.RESPONSE: State.RESPONSE,
        Event.ERROR: State.ERROR_RESPONSE,
    },
    State.RESPONSE: {Event.TAKEN: State.RESPONSE_SENT},
    State.ERROR_RESPONSE: {Event.TAKEN: State.RESPONSE_SENT},
    State.RESPONSE_SENT: {Event.NEXT: State.READY},
}

AIMS: Final[Mapping[Event, State]] = {
    Event.NEXT: State.READY,
    Event.DELIVER: State.RUNNING,
    Event.RESPONSE: State.RESPONSE,
    Event.ERROR: State.ERROR_RESPONSE,
    Event.TAKEN: State.RESPONSE_SENT,
    Event.INIT_ERROR: State.INIT_ERROR,
}
"""The state that an event is about: what a refusal says the runtime tried to reach."""


class Refused(Exception):
    """An event that the state does not allow; `str()` is Lambda's text."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(
            f"State transition from {state.value} to {AIMS[event].value} failed for runtime. "
            "Error: State transition is not allowed"
        )
        self.state = state
        self.event = event


def after(state: State, event: Event) -> State:
    """The state that follows. Raises Refused."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Refused(state, event) from None
