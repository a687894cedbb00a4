"""The rules of the pool as tables: what is refused, which environment, whose turn, how many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.emulator.policy import (
    Account,
    Growth,
    Ledger,
    Scaling,
    Stake,
    Verb,
    View,
    capacity,
    decide,
    neediest,
    yields,
)

ACCOUNT, RESERVED = "ConcurrentInvocationLimitExceeded", "ReservedFunctionConcurrentInvocationLimitExceeded"


@pytest.mark.parametrize(
    ("free", "coming", "room", "idle", "verb"),
    [
        (True, True, True, True, Verb.REUSE),
        (True, False, False, False, Verb.REUSE),
        (False, True, True, True, Verb.WAIT),
        (False, False, True, True, Verb.START),
        (False, False, True, False, Verb.START),
        (False, False, False, True, Verb.EVICT),
        (False, False, False, False, Verb.WAIT),
    ],
)
def test_which_environment(free: bool, coming: bool, room: bool, idle: bool, verb: Verb) -> None:
    assert decide(View(free, coming, room, idle)) is verb


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (Stake(4, 1), Stake(4, 0), False),
        (Stake(4, 1), Stake(3, 0), False),
        (Stake(4, 0), Stake(2, 9), True),
        (Stake(2, 0), Stake(0, 9), True),
        (Stake(1, 5), Stake(0, 4), True),
        (Stake(1, 5), Stake(0, 6), False),
        (Stake(2, 5), Stake(1, 4), False),
    ],
    ids=["even", "one-fewer", "two-fewer", "none-of-two", "none-and-older", "none-and-younger", "both-served"],
)
def test_whether_a_freed_environment_gives_way(own: Stake, other: Stake, expected: bool) -> None:
    assert yields(own, other) is expected


def test_room_goes_to_who_holds_least_then_to_who_waits_longest() -> None:
    stakes = [(Stake(2, 1), "a"), (Stake(1, 7), "b"), (Stake(1, 5), "c")]
    assert neediest(stakes) == "c"
    assert neediest(stakes[:2]) == "b"


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 9), st.floats(0, 9))
def test_giving_way_never_goes_back_and_forth(own: int, other: int, since: float, later: float) -> None:
    """What has just given way does not get it back from who got it, unless time alone decides between them."""
    mine, theirs = Stake(own + 1, since), Stake(other, later)
    if yields(mine, theirs) and other > 0:
        assert not yields(Stake(other + 1, later), Stake(own, since))


# what is refused


def test_the_account_is_shared_by_functions_without_a_reservation() -> None:
    ledger = Ledger(Account(concurrency=3))
    assert [ledger.admit(name, "1") for name in "aabb"] == [None, None, None, ACCOUNT]
    ledger.done("a", "1")
    assert ledger.admit("b", "1") is None


def test_each_account_has_its_own_concurrency_in_each_region() -> None:
    homes = ("us-east-1:111111111111", "us-east-1:222222222222", "eu-west-1:111111111111")
    first, second, third = (f"arn:aws:lambda:{home}:function:" for home in homes)
    ledger = Ledger(Account(concurrency=2))
    ledger.reserve(first + "reserved", 1)
    ledger.provision(second + "ready", "1", 1)
    assert [ledger.admit(first + name, "1") for name in "ab"] == [None, ACCOUNT]
    assert [ledger.admit(second + name, "1") for name in "ab"] == [None, ACCOUNT]
    assert [ledger.admit(third + name, "1") for name in "abc"] == [None, None, ACCOUNT]
    ledger.done(first + "a", "1")
    assert [ledger.admit(home + "b", "1") for home in (first, second, third)] == [None, ACCOUNT, ACCOUNT]
    ledger.reserve(first + "reserved", None)
    assert [ledger.admit(home + "c", "1") for home in (first, second, third)] == [None, ACCOUNT, ACCOUNT]


def test_a_reservation_is_a_floor_and_a_ceiling() -> None:
    ledger = Ledger(Account(concurrency=3))
    ledger.reserve("a", 1)
    assert [ledger.admit("b", "1") for _ in range(3)] == [None, None, ACCOUNT]
    assert [ledger.admit("a", version) for version in "12"] == [None, RESERVED]
    ledger.reserve("a", None)
    assert ledger.admit("b", "1") == ACCOUNT
    ledger.done("a", "1")
    assert ledger.admit("b", "1") is None


def test_a_reservation_of_none_stops_a_function() -> None:
    ledger = Ledger(Account())
    ledger.reserve("a", 0)
    assert ledger.admit("a", "1") == RESERVED


def test_what_is_provisioned_is_set_aside_and_what_spills_over_is_shared() -> None:
    ledger = Ledger(Account(concurrency=3))
    ledger.provision("a", "1", 2)
    assert [ledger.admit("b", "1") for _ in range(2)] == [None, ACCOUNT]
    assert [ledger.admit("a", "1") for _ in range(3)] == [None, None, ACCOUNT]
    ledger.done("b", "1")
    assert ledger.admit("a", "1") is None  # spilled over
    ledger.done("a", "1")
    assert ledger.admit("b", "1") is None


def test_provisioned_concurrency_lies_within_the_functions_reservation() -> None:
    ledger = Ledger(Account(concurrency=9))
    ledger.reserve("a", 3)
    ledger.provision("a", "1", 2)
    assert [ledger.admit("a", "2") for _ in range(2)] == [None, RESERVED]
    assert [ledger.admit("a", "1") for _ in range(3)] == [None, None, RESERVED]


names = st.sampled_from(["a", "b"])
versions = st.sampled_from(["1", "2"])
deeds = st.one_of(
    st.tuples(st.just("admit"), names, versions),
    st.tuples(st.just("done"), names, versions),
    st.tuples(st.just("reserve"), names, st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("provision"), names, versions, st.integers(0, 2)),
)


@given(st.lists(deeds, max_size=40))
def test_the_ledger_agrees_with_counting_everything_anew(done: list[tuple]) -> None:
    ledger = Ledger(Account(concurrency=6))
    running: dict[tuple[str, str], int] = {}
    provisioned: dict[tuple[str, str], int] = {}
    reserved: dict[str, int] = {}

    def on_demand(name: str) -> int:
        return sum(max(count - provisioned.get(key, 0), 0) for key, count in running.items() if key[0] == name)

    def set_aside(name: str) -> int:
        return sum(count for key, count in provisioned.items() if key[0] == name)

    def expected(name: str, version: str) -> str | None:
        if running.get((name, version), 0) < provisioned.get((name, version), 0):
            return None
        if name in reserved:
            return RESERVED if on_demand(name) >= reserved[name] - set_aside(name) else None
        shared = [each for each in "ab" if each not in reserved]
        left = 6 - sum(reserved.values()) - sum(map(set_aside, shared))
        return ACCOUNT if sum(map(on_demand, shared)) >= left else None

    for verb, name, *rest in done:
        key = name, str(rest[0])
        match verb:
            case "admit":
                reason = expected(name, rest[0])
                assert ledger.admit(name, rest[0]) == reason
                running[key] = running.get(key, 0) + (reason is None)
            case "done" if running.get(key):
                ledger.done(name, rest[0])
                running[key] -= 1
            case "reserve":
                ledger.reserve(name, rest[0])
                reserved.pop(name, None)
                reserved |= {} if rest[0] is None else {name: rest[0]}
            case "provision":
                ledger.provision(name, rest[0], rest[1])
                provisioned[key] = rest[1]


def test_a_function_gains_so_many_at_once_and_then_at_the_rate() -> None:
    scaling = Scaling(Account(growth=3, growth_seconds=6))
    assert [scaling.gain("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert scaling.gain("b", 0.0)
    assert [scaling.gain("a", now) for now in (1.9, 2.0, 3.9, 4.0)] == [False, True, False, True]
    assert [scaling.gain("a", 100.0) for _ in range(4)] == [True, True, True, False]


def test_replacing_what_ended_is_no_growth() -> None:
    scaling = Scaling(Account(growth=2))
    assert [scaling.gain("a", 0.0) for _ in range(3)] == [True, True, False]
    for _ in range(50):
        scaling.lose("a", 0.0)
        assert scaling.gain("a", 0.0)
    assert not scaling.gain("a", 0.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=60))
def test_growth_is_never_faster_than_the_rate(events: list[tuple[bool, float]]) -> None:
    """From any moment on, no more are gained net than the burst and the rate allow."""
    account = Account(growth=5, growth_seconds=10)
    growth, alive, history = Growth(5, 0.0), 0, [(0.0, 0)]
    for gain, now in sorted(events, key=lambda event: event[1]):
        if gain:
            if (more := growth.gained(account, now)) is not None:
                growth, alive = more, alive + 1
        elif alive:
            growth, alive = growth.lost(account, now), alive - 1
        history.append((now, alive))
    for index, (start, before) in enumerate(history):
        for now, after in history[index:]:
            assert after - before <= 5 + 0.5 * (now - start) + 1e-6


@pytest.mark.parametrize(
    ("memory", "descriptors", "expected"),
    [
        (24 << 30, 1 << 20, 1000),
        (1 << 30, 1 << 20, 64),
        (24 << 30, 1024, 74),
        (0, 1 << 20, 1000),
        (1 << 20, 1 << 20, 1),
        (24 << 30, 64, 1),
    ],
    ids=["large", "by-memory", "by-descriptors", "memory-unknown", "tiny", "hardly-a-descriptor"],
)
def test_how_many_fit(memory: int, descriptors: int, expected: int) -> None:
    assert capacity(memory, descriptors) == expected
