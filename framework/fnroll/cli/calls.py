"""Many invocations for `fn invoke`: several at a time, results in the order of the events, and what they took."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fnroll.aws.invoke import Invocation
from fnroll.errors import Throttled


@dataclass(frozen=True, slots=True)
class Done:
    """One invocation: what came back, or that it was throttled; and how long it took here, in milliseconds."""

    invocation: Invocation | None
    refused: Throttled | None
    latency_ms: float


def call_all(call: Callable[[bytes], Invocation], events: Sequence[bytes], parallel: int) -> Iterator[Done]:
    """`call` each of `events`, `parallel` at a time; what came of them in their order, each as soon as it can be told.

    A throttled one is a result. Any other error is raised in its turn, and no further event is sent then.
    """
    if parallel == 1:
        yield from (_timed(call, event) for event in events)
        return
    waiting = iter(enumerate(events))
    turn, stop = threading.Lock(), threading.Event()
    finished: queue.SimpleQueue[tuple[int, Done | BaseException]] = queue.SimpleQueue()

    def work() -> None:
        while not stop.is_set():
            with turn:
                number, event = next(waiting, (-1, b""))
            if number < 0:
                return
            try:
                finished.put((number, _timed(call, event)))
            except BaseException as error:
                stop.set()
                finished.put((number, error))

    # Daemons: after Ctrl-C nobody waits a quarter of an hour for the answers under way.
    for _ in range(min(parallel, len(events))):
        threading.Thread(target=work, daemon=True, name="fn-invoke").start()
    try:
        yield from _ordered(finished, len(events))
    finally:
        stop.set()


def _ordered(finished: queue.SimpleQueue[tuple[int, Done | BaseException]], count: int) -> Iterator[Done]:
    early: dict[int, Done] = {}
    for number in range(count):
        while number not in early:
            which, what = finished.get()
            if isinstance(what, BaseException):
                raise what
            early[which] = what
        yield early.pop(number)


def _timed(call: Callable[[bytes], Invocation], event: bytes) -> Done:
    began = time.perf_counter()
    try:
        invocation, refused = call(event), None
    except Throttled as error:
        invocation, refused = None, error
    return Done(invocation, refused, (time.perf_counter() - began) * 1000)


def record(one: Done) -> dict[str, Any]:
    """An invocation as --output json has it. A payload that is no JSON is a text, an empty one null."""
    done = one.invocation
    if done is None:
        return {"payload": None, "error": str(one.refused), "latency_ms": round(one.latency_ms, 3)}
    try:
        payload = json.loads(done.payload) if done.payload else None
    except ValueError:
        payload = done.payload.decode("utf-8", "replace")
    return {
        "payload": payload,
        "function_error": done.function_error,
        "status": done.status,
        "executed_version": done.executed_version,
        "latency_ms": round(one.latency_ms, 3),
        "log": None if done.log is None else done.log.decode("utf-8", "replace"),
    }


def summary(done: Sequence[Done], seconds: float) -> str:
    """One line over invocations that took `seconds` together."""
    if not done:
        return "no invocation"
    failed = sum(one.invocation is not None and one.invocation.function_error is not None for one in done)
    throttled = sum(one.refused is not None for one in done)
    words = [f"{len(done)} invocations in {seconds:.2f} s ({len(done) / max(seconds, 1e-9):.1f}/s)"]
    words += [f"{count} {what}" for count, what in ((failed, "failed"), (throttled, "throttled")) if count]
    ordered = sorted(one.latency_ms for one in done)
    last = len(ordered) - 1
    spread = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    shown = [f"min {ordered[0]:.2f}", *(f"{name} {ordered[round(at * last)]:.2f}" for name, at in spread.items())]
    return f"{', '.join(words)}; latency {' '.join(shown)} max {ordered[-1]:.2f} ms"
