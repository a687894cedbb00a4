"""What a deploy tells while it runs, and what it comes to. Data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell the user: a step begun, a step done, or what is being waited for."""

    kind: str
    text: str


Report = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a deploy came to. `version` is what the alias serves (None: there is no alias), `previous` what it served
    before."""

    name: str
    alias: str
    version: str | None
    previous: str | None
    changed: bool
    function_url: str | None
