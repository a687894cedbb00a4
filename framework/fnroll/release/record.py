"""The record of a run, which lives in the alias's Description and moves with its weights in one UpdateAlias. Pure.

    the user's own text (fn:canary RUN 7>8 PLAN START+0.gg.w8 PHASE l=LEASE q=MILLISECONDS o=OWNER)

RUN tells runs apart; 7>8 are baseline and canary; PLAN is the plan's digest; START is when the run began, in epoch
seconds, and behind it, in seconds since then, when each step so far began (the last is the one that is on); PHASE says
who moves next; LEASE is until when the driver is expected to be there; q, if slow requests are judged, is from where on
a request is slow. Numbers are in base 36. Lambda takes 256 characters: facts (release) 2.1, 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from fnroll.aws.aliases import CANARY_MARK
from fnroll.errors import FnError

MAX_DESCRIPTION: Final = 256

Phase = Literal["go", "paused", "held", "zero"]
"""go: a driver moves on by itself; paused: only back; held, zero: a human decides, with the canary's weight kept or
taken away."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RECORD = re.compile(
    r"\(fn:canary (?P<run>[0-9a-z]{1,8}) (?P<baseline>\d+)>(?P<canary>\d+) (?P<plan>[0-9a-f]{8}) "
    r"(?P<start>[0-9a-z]{1,9})\+(?P<steps>[0-9a-z.]+) (?P<phase>[a-z]+) l=(?P<lease>[0-9a-z]{1,9})"
    r"(?: q=(?P<slow>[0-9a-z]+))?(?P<timer> d)? o=(?P<owner>[\w@.-]+)\)$",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Record:
    """Times in whole epoch seconds; `offsets`: begins of the steps since `started`, the first step's first. `slow`:
    milliseconds; None where slow requests are not judged. `timer`: whether a dead-man switch was armed."""

    run: str
    baseline: str
    canary: str
    plan: str
    started: int
    offsets: tuple[int, ...]
    phase: Phase
    lease: int
    owner: str
    slow: int | None = None
    timer: bool = False

    @property
    def step(self) -> int:
        """The step that is on, from 0."""
        return len(self.offsets) - 1

    @property
    def step_started(self) -> int:
        return self.started + self.offsets[-1]


def with_record(text: str, record: Record) -> str:
    """A Description. Raises FnError if the user's text leaves no room."""
    steps = ".".join(map(base36, record.offsets))
    said = [
        f"{CANARY_MARK}{record.run}",
        f"{record.baseline}>{record.canary}",
        record.plan,
        f"{base36(record.started)}+{steps}",
        record.phase,
        f"l={base36(record.lease)}",
        *([f"q={base36(record.slow)}"] if record.slow is not None else []),
        *(["d"] if record.timer else []),
        f"o={record.owner}",
    ]
    whole = " ".join([*([text] if text else []), *said]) + ")"
    if len(whole) > MAX_DESCRIPTION:
        raise FnError(
            f"the alias's Description has {len(text)} characters; beside the canary's record Lambda leaves room for "
            f"{max(0, MAX_DESCRIPTION - len(whole) + len(text))}",
            hint="shorten it first: fn alias set ALIAS VERSION --description TEXT",
        )
    return whole


def read_record(description: str) -> tuple[str, Record | None]:
    """The user's text, and the record if there is one that can be read."""
    found = _RECORD.search(description)
    if found is None or found["phase"] not in get_args(Phase):
        return description, None
    offsets = found["steps"].split(".")
    if not all(offsets):
        return description, None
    text = description[: found.start()]
    record = Record(
        found["run"],
        found["baseline"],
        found["canary"],
        found["plan"],
        int(found["start"], 36),
        tuple(int(each, 36) for each in offsets),
        found["phase"],  # type: ignore[arg-type]
        int(found["lease"], 36),
        found["owner"],
        int(found["slow"], 36) if found["slow"] else None,
        found["timer"] is not None,
    )
    return text[:-1], record


def base36(number: int) -> str:
    """A whole number from 0 on."""
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def owner_name(user: str, host: str) -> str:
    """Who drives, in characters that a record can hold, at most 24 of them."""
    plain = re.sub(r"[^\w@.-]+", "-", f"{user}@{host}", flags=re.ASCII)
    return plain[:24] or "somebody"
