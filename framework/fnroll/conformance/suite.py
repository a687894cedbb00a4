"""Runs cases: each is one process, in a sandbox of its own, against a Runtime API of the case's own.

What the process gets is what the emulator would give it: Lambda's variables, its bootstrap, its directories.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from fnroll.conformance.api import RuntimeApi
from fnroll.conformance.cases import CASES, Case
from fnroll.conformance.judgements import Ran
from fnroll.conformance.subject import Subject
from fnroll.emulator import FunctionConfig, entrypoint, variables
from fnroll.emulator.faults import Fault
from fnroll.errors import LayerError
from fnroll.sandbox.api import Layout, Program, Sandbox, SandboxHost, SandboxSpec, StepFailed

PATIENCE = 60.0
"""Seconds after which a process that neither asks nor ends is given up."""

_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "fn", "AWS_SECRET_ACCESS_KEY": "fn", "AWS_SESSION_TOKEN": "fn"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`detail`: what is wrong, or why the case was left out. `times`: milliseconds from event to answer."""

    case: Case
    outcome: Literal["passed", "failed", "skipped"]
    detail: str = ""
    times: tuple[float, ...] = field(default=(), compare=False)


async def run(
    subject: Subject, host: SandboxHost, cases: Sequence[Case] = CASES, patience: float = PATIENCE
) -> AsyncIterator[Verdict]:
    """One verdict for each case, in order. Raises SandboxError where this machine is at fault, and LayerError for a
    bootstrap that cannot be started at all."""
    for case in cases:
        if case.name in subject.without:
            yield Verdict(case, "skipped", subject.without[case.name])
            continue
        try:
            ran = await perform(subject, case, host, patience)
            case.judge(ran)
        except AssertionError as error:
            yield Verdict(case, "failed", str(error))
        else:
            yield Verdict(case, "passed", times=tuple(post.after_ms for post in ran.posts))


def per_invocation(verdicts: Sequence[Verdict]) -> float | None:
    """Milliseconds from event to answer in the median, of the warm events that say nothing else."""
    times = [time for one in verdicts if one.case.name == "one-connection" for time in one.times[1:]]
    return median(times) if times else None


async def perform(subject: Subject, case: Case, host: SandboxHost, patience: float = PATIENCE) -> Ran:
    """One process, until it waits for more events than there are, or ends. AssertionError if it does neither."""
    try:
        sandbox = await host.create(_spec(subject, case))
    except StepFailed as failed:
        raise LayerError(f"the bootstrap cannot be started: {failed.message}", hint=failed.hint) from failed
    log = Log(sandbox.output)
    api = RuntimeApi(case.events, log.read, case.together)
    try:
        await api.start(sandbox.listener, sandbox.layout.api)
        waits = await _until(sandbox, api, log, patience)
        text = log.read()
        if not waits:
            raise AssertionError(f"neither asked for an event nor ended within {patience:g} s; it printed {text!r}")
        ended = None if api.idle.is_set() else await sandbox.wait()
        status = None
        if ended is not None:
            status = ended.status if ended.status is not None else -(ended.signal or 0)
        return Ran(tuple(api.posts), status, text, api.connections, tuple(api.problems))
    finally:
        log.close()
        await api.close()
        await sandbox.close()


async def _until(sandbox: Sandbox, api: RuntimeApi, log: Log, patience: float) -> bool:
    """Whether it waits or ends in time."""
    log.follow()
    ends = [asyncio.ensure_future(api.idle.wait()), asyncio.ensure_future(sandbox.wait())]
    done, pending = await asyncio.wait(ends, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for _ in range(5):  # what it posted before its end is in our sockets by now
        await asyncio.sleep(0)
    return bool(done)


def _spec(subject: Subject, case: Case) -> SandboxSpec:
    found = entrypoint.find(subject.task, subject.opt, subject.runtime)
    if isinstance(found, Fault):
        raise LayerError(found.message)
    config = FunctionConfig(
        name="conformance",
        arn="arn:aws:lambda:us-east-1:123456789012:function:conformance",
        version="$LATEST",
        revision="1",
        task=subject.task,
        opt=subject.opt,
        handler=subject.handler_for(case.handler),
        runtime=subject.runtime,
        memory_mb=1769,
        timeout=60,
        credentials=_CREDENTIALS,
    )

    def program(layout: Layout) -> Program:
        env = variables.build(config, layout, "2026/01/01/[$LATEST]conformance")
        return Program(found.argv(layout), env, layout.task)

    runtime, lang = found.shown
    return SandboxSpec(program, subject.task, subject.opt, memory_mb=1769, runtime=runtime, lang=lang)


class Log:
    """What a process prints. `follow` keeps its pipe from filling; `read` takes what is in it now."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._data = bytearray()
        self._stop: Callable[[], object] | None = None

    def follow(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._output, self.read)
        self._stop = lambda: loop.remove_reader(self._output)

    def read(self) -> str:
        try:
            while data := os.read(self._output, 65536):
                self._data += data
            self.close()  # its end: everybody who could write is gone
        except BlockingIOError:
            pass
        return self._data.decode("utf-8", "replace")

    def close(self) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None
