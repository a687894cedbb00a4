"""The life of an execution environment as a table: in each phase, what may happen, what follows, and what is done.

    New ──start──> Init ──ready──> Idle ──invoke──> Invoke ──answer──> Answered ──ready──> Idle
                     │               │                 │                   │
                  failed,           exit            deadline,           deadline,
                  deadline           │                exit                exit
                     v               v                 v                   v
                    Down <───────────┴─────────────────┴───────────────────┘
                     └──invoke──> Retry ──ready──> Invoke        (the suppressed init: inside the invocation)

Down is an environment without a sandbox, which keeps its /tmp and its log stream; the next invocation inits it again.
`ready` is the moment when the runtime and every extension wait for an event. What a phase's row does not name changes
nothing and does nothing: it came too late. Pure: no I/O, no clock. docs/emulator.md draws the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Phase(Enum):
    __hash__ = object.__hash__  # Enum's own is Python code, and these are looked up in every invocation

    NEW = "New"
    INIT = "Init"
    IDLE = "Idle"
    INVOKE = "Invoke"
    ANSWERED = "Answered"
    DOWN = "Down"
    RETRY = "Retry"
    CLOSED = "Closed"


class Happening(Enum):
    __hash__ = object.__hash__  # Enum's own is Python code, and these are looked up in every invocation

    START = "start"
    INVOKE = "invoke"
    READY = "ready"
    ANSWER = "answer"
    FAILED = "failed"
    EXIT = "exit"
    DEADLINE = "deadline"
    CLOSE = "close"


class Action(Enum):
    """What environment.py does; each is a method of it."""

    __hash__ = object.__hash__  # Enum's own is Python code, and these are looked up in every invocation

    LAUNCH = "launch"
    OPEN = "open"
    GO_ON = "open, deliver"
    FAIL_INIT = "fail init"
    DELIVER = "deliver"
    CONCLUDE = "conclude"
    SETTLE = "settle"
    FAIL = "fail"
    TIME_OUT = "time out"
    RESET = "reset"
    SHUT_DOWN = "shut down"


_CLOSE: Final = {Happening.CLOSE: (Phase.CLOSED, Action.SHUT_DOWN)}

TRANSITIONS: Final[Mapping[Phase, Mapping[Happening, tuple[Phase, Action]]]] = {
    Phase.NEW: {Happening.START: (Phase.INIT, Action.LAUNCH), **_CLOSE},
    Phase.INIT: {
        Happening.READY: (Phase.IDLE, Action.OPEN),
        Happening.FAILED: (Phase.DOWN, Action.FAIL_INIT),
        Happening.EXIT: (Phase.DOWN, Action.FAIL_INIT),
        Happening.DEADLINE: (Phase.DOWN, Action.FAIL_INIT),
        **_CLOSE,
    },
    Phase.IDLE: {
        Happening.INVOKE: (Phase.INVOKE, Action.DELIVER),
        Happening.EXIT: (Phase.DOWN, Action.RESET),
        **_CLOSE,
    },
    Phase.INVOKE: {
        Happening.ANSWER: (Phase.ANSWERED, Action.CONCLUDE),
        Happening.EXIT: (Phase.DOWN, Action.FAIL),
        Happening.DEADLINE: (Phase.DOWN, Action.TIME_OUT),
        **_CLOSE,
    },
    Phase.ANSWERED: {
        Happening.READY: (Phase.IDLE, Action.SETTLE),
        Happening.EXIT: (Phase.DOWN, Action.RESET),
        Happening.DEADLINE: (Phase.DOWN, Action.RESET),
        **_CLOSE,
    },
    Phase.DOWN: {Happening.INVOKE: (Phase.RETRY, Action.LAUNCH), **_CLOSE},
    Phase.RETRY: {
        Happening.READY: (Phase.INVOKE, Action.GO_ON),
        Happening.FAILED: (Phase.DOWN, Action.FAIL_INIT),
        Happening.EXIT: (Phase.DOWN, Action.FAIL_INIT),
        Happening.DEADLINE: (Phase.DOWN, Action.FAIL_INIT),
        **_CLOSE,
    },
    Phase.CLOSED: {},
}


def after(phase: Phase, happening: Happening) -> tuple[Phase, Action | None]:
    """The phase that follows, and what is to be done: nothing, for what the phase's row does not name."""
    return TRANSITIONS[phase].get(happening, (phase, None))


class Reason(Enum):
    """Why an environment is shut down, as extensions are told (facts 2.2)."""

    SPINDOWN = "spindown"
    TIMEOUT = "timeout"
    FAILURE = "failure"


BUDGETS: Final = {"none": (0.0, 0.0), "internal": (0.5, 0.5), "external": (0.3, 2.0)}
"""Seconds, by the kind of extensions that are registered: for the runtime after SIGTERM, and for the whole shutdown."""

LAST_WORDS: Final = 0.5
"""Seconds that a program which reported an error has to end by itself, and to say why on its output."""
