"""The rules of the pool: what is refused, which environment takes an invocation, and whose turn it is.

Values and pure functions, no I/O and no clock of their own; pool.py carries them out. The rules:

1. What Lambda refuses is refused (`Ledger`, `Scaling`): past the account's or the function's reserved concurrency, and
   past the rate at which a function may gain environments. Nothing is refused for want of room on this machine.
2. An invocation takes a free environment of its version, else counts on one that has answered and is about to ask for
   its next event, else a new one, else waits (`decide`).
3. Those who wait for one version are served in the order in which they came. One for whom nothing is coming waits
   for nobody who counts on something: he starts a new one at once if there is room.
4. Between versions, room goes to the one that holds the fewest environments, of equals to the one whose first caller
   waits longest (`neediest`). A freed environment stays with its version while that keeps things even; it gives way
   (`yields`) to a version that holds two fewer, or to one that holds none and has waited longer. So a version without
   environments waits for no caller who came after its own, and the others approach equal shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Literal, NamedTuple, TypeVar

MAX_ENVIRONMENTS: Final = 1000
"""The most that one emulator keeps, whatever the machine could hold: an account's default concurrency (facts 2.10)."""

MEMORY_EACH: Final = 16 << 20
"""Bytes that a small runtime needs beside its sandbox; what a function uses beyond it is the function's."""

DESCRIPTORS_EACH: Final = 12
"""Open files that an environment costs this process: its sockets, pipes and pidfd, and some for who talks to it."""

DESCRIPTORS_ELSEWHERE: Final = 128


class Key(NamedTuple):
    """What an environment was started from; it takes invocations of exactly this. `version`: with the tenant behind it,
    if it is for one."""

    arn: str
    version: str
    revision: str


# What is refused

Reason = Literal["ConcurrentInvocationLimitExceeded", "ReservedFunctionConcurrentInvocationLimitExceeded"]
"""Lambda's names (facts 2.6)."""

TOO_FAST: Final[Reason] = "ConcurrentInvocationLimitExceeded"
"""For a function that gains environments too quickly: no name was recorded, so it is the account's."""


@dataclass(frozen=True, slots=True)
class Account:
    """Lambda's limits for one account in one Region: invocations at a time, and `growth` environments that a function
    may gain at once; they come back within `growth_seconds` (facts 2.10)."""

    concurrency: int = 1000
    growth: int = 1000
    growth_seconds: float = 10.0


class Growth(NamedTuple):
    """How many environments one function could gain at the time `at` (seconds).

    One that ends gives its part back, so that what counts is growth: replacing what crashed is no growth.
    """

    left: float
    at: float

    def gained(self, account: Account, now: float) -> Growth | None:
        """After one more; None if that is too many now."""
        left = self._refilled(account, now)
        return Growth(left - 1, now) if left >= 1 else None

    def lost(self, account: Account, now: float) -> Growth:
        """After one has ended."""
        return Growth(min(float(account.growth), self._refilled(account, now) + 1), now)

    def full(self, account: Account, now: float) -> bool:
        """Whether it says nothing more than that nothing happened lately."""
        return self._refilled(account, now) >= account.growth

    def _refilled(self, account: Account, now: float) -> float:
        rate = account.growth / account.growth_seconds
        return min(float(account.growth), self.left + max(now - self.at, 0.0) * rate)


class Scaling:
    """The growth of every function, by ARN. Times in seconds, never going back."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._growth: dict[str, Growth] = {}

    def gain(self, arn: str, now: float) -> bool:
        """Count one more environment; False if that is refused."""
        growth = self._growth.get(arn, Growth(self._account.growth, now)).gained(self._account, now)
        if growth is not None:
            self._growth[arn] = growth
        return growth is not None

    def lose(self, arn: str, now: float) -> None:
        growth = self._growth.pop(arn, None)
        if growth is not None and not (growth := growth.lost(self._account, now)).full(self._account, now):
            self._growth[arn] = growth


@dataclass(slots=True)
class _Version:
    running: int = 0
    provisioned: int = 0
    most: int | None = None

    @property
    def on_demand(self) -> int:
        return max(self.running - self.provisioned, 0)


@dataclass(slots=True)
class _Home:
    """One account in one Region."""

    open: int
    """What on-demand invocations of functions without a reservation may be."""
    shared: int = 0
    """What they are."""


@dataclass(slots=True)
class _Function:
    home: _Home
    reserved: int | None = None
    versions: dict[str, _Version] = field(default_factory=dict)

    @property
    def provisioned(self) -> int:
        return sum(version.provisioned for version in self.versions.values())

    @property
    def on_demand(self) -> int:
        return sum(version.on_demand for version in self.versions.values())


class Ledger:
    """How many invocations run, by function and version; admits one more or says why not.

    As on Lambda, an invocation that a provisioned environment takes is always admitted. Others share what the account
    has left in their Region after all that is reserved and provisioned there; a function with a reservation has that,
    and no more. A version may have a limit of its own; Lambda's reason for that was not recorded: it is the account's.
    """

    def __init__(self, account: Account) -> None:
        self._concurrency = account.concurrency
        self._functions: dict[str, _Function] = {}
        self._homes: dict[str, _Home] = {}  # by what the ARNs of a home's functions begin with

    def admit(self, arn: str, version: str) -> Reason | None:
        """Count one more invocation, unless it is refused. `done` ends it."""
        function = self._functions.get(arn) or self._function(arn)
        one = function.versions.get(version)
        if one is None:
            one = function.versions[version] = _Version()
        if one.most is not None and one.running >= one.most:
            self._tidy(arn, version)
            return "ConcurrentInvocationLimitExceeded"
        if one.running >= one.provisioned:  # on demand
            if function.reserved is not None:
                if function.on_demand >= function.reserved - function.provisioned:
                    self._tidy(arn, version)
                    return "ReservedFunctionConcurrentInvocationLimitExceeded"
            elif function.home.shared >= function.home.open:
                self._tidy(arn, version)
                return "ConcurrentInvocationLimitExceeded"
            else:
                function.home.shared += 1
        one.running += 1
        return None

    def done(self, arn: str, version: str) -> None:
        """One that was admitted is over."""
        function = self._functions[arn]
        one = function.versions[version]
        one.running -= 1
        if one.running >= one.provisioned and function.reserved is None:
            function.home.shared -= 1
        self._tidy(arn, version)

    def reserve(self, arn: str, concurrency: int | None) -> None:
        """The function's reserved concurrency from now on; None: none. What runs goes on."""
        function = self._functions.get(arn) or self._function(arn)
        function.reserved = concurrency
        self._recount(function.home)
        if not function.versions and concurrency is None:
            del self._functions[arn]

    def provision(self, arn: str, version: str, count: int) -> None:
        """So many environments of the version are ready ahead from now on."""
        function = self._functions.get(arn) or self._function(arn)
        function.versions.setdefault(version, _Version()).provisioned = count
        self._recount(function.home)
        self._tidy(arn, version)

    def limit(self, arn: str, version: str, most: int | None) -> None:
        """The most invocations of the version at a time from now on; None: no limit of its own. What runs goes on."""
        function = self._functions.get(arn) or self._function(arn)
        function.versions.setdefault(version, _Version()).most = most
        self._tidy(arn, version)

    def _function(self, arn: str) -> _Function:
        """One that nothing is known of yet."""
        begin = arn.rpartition(":")[0]
        home = self._homes.get(begin)
        if home is None:
            home = self._homes[begin] = _Home(self._concurrency)
        function = self._functions[arn] = _Function(home)
        return function

    def _recount(self, home: _Home) -> None:
        functions = [function for function in self._functions.values() if function.home is home]
        shared = [function for function in functions if function.reserved is None]
        reserved = sum(function.reserved or 0 for function in functions)
        home.shared = sum(function.on_demand for function in shared)
        home.open = self._concurrency - reserved - sum(function.provisioned for function in shared)

    def _tidy(self, arn: str, version: str) -> None:
        function = self._functions[arn]
        one = function.versions[version]
        if not one.running and not one.provisioned and one.most is None:
            del function.versions[version]
            if not function.versions and function.reserved is None:
                del self._functions[arn]


# Which environment


class Verb(Enum):
    REUSE = auto()
    START = auto()
    EVICT = auto()
    """Close the longest idle environment of another version for the room that it takes up, and wait for that."""
    WAIT = auto()


class View(NamedTuple):
    """What counts when somebody needs an environment. `free`: there is one of this version; `coming`: there will be in
    a moment, for one who does not wait yet; `room`: for one more on this machine; `idle`: one could give way."""

    free: bool
    coming: bool
    room: bool
    idle: bool


def decide(view: View) -> Verb:
    if view.free:
        return Verb.REUSE
    if view.coming:
        return Verb.WAIT
    if view.room:
        return Verb.START
    return Verb.EVICT if view.idle else Verb.WAIT


# Whose turn


class Stake(NamedTuple):
    """A version that callers wait for: the environments that it holds or was promised, and when its first came."""

    holds: int
    since: float


T = TypeVar("T")


def neediest(waiting: Iterable[tuple[Stake, T]]) -> T:
    """Who gets room next. Of several equal ones, the first. `waiting` is not empty."""
    return min(waiting, key=lambda each: each[0])[1]


def yields(own: Stake, other: Stake) -> bool:
    """Whether a freed environment of `own` gives way to `other`."""
    if other.holds + 1 < own.holds:
        return True
    return other.holds == 0 and other.since < own.since


# How many


def capacity(memory: int, descriptors: int) -> int:
    """Environments that this machine can keep: `memory` in bytes (0: unknown), `descriptors` open files allowed."""
    by_memory = memory // MEMORY_EACH if memory else MAX_ENVIRONMENTS
    by_descriptors = (descriptors - DESCRIPTORS_ELSEWHERE) // DESCRIPTORS_EACH
    return max(1, min(MAX_ENVIRONMENTS, by_memory, by_descriptors))
