"""Runs scenarios over `Emulator.open` and compares what came with what is written.

One `Stage` serves many scenarios: an emulator (one for each length of the init phase), an event loop, and the log
lines by function. Every scenario is a function of its own, so it starts cold and shares nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from fnroll.emulator import Emulator, FunctionConfig, Invocation, LogLine, Outcome
from scenarios.languages import Built, changed
from scenarios.vocabulary import Call, Scenario, chosen

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds until a line that has to come is given up."""

_FIGURES = re.compile(r"\d+(\.\d+)? (?=ms|MB)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Stage:
    """Belongs to whoever made it; `close` ends every environment."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runner = asyncio.Runner()
        self._emulators: dict[float, Emulator] = {}
        self._lines: dict[str, list[LogLine]] = defaultdict(list)
        self._printed = asyncio.Event()
        self._count = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        """End everything, and wait until it has ended. Idempotent."""

        async def close_all() -> None:
            while self._emulators:
                await self._emulators.popitem()[1].close()

        if self._emulators:
            self._runner.run(close_all())
        self._runner.close()

    def missing(self) -> set[str]:
        """The guarantees that this machine's sandbox does not give."""
        emulator = self._runner.run(self.emulator())
        return {gap.what for gap in emulator.missing}

    async def emulator(self, patience: float = 10.0) -> Emulator:
        if patience not in self._emulators:
            self._emulators[patience] = await Emulator.open(sink=self._sink, init_timeout=patience)
        return self._emulators[patience]

    def _sink(self, line: LogLine) -> None:
        self._lines[line.function].append(line)
        self._printed.set()

    def lines(self, function: str) -> list[LogLine]:
        return self._lines[function]

    async def until(self, function: str, count: int = 0, text: str | None = None) -> None:
        """Until the function's log has so many lines, and this one among them."""
        lines = self._lines[function]
        async with asyncio.timeout(PATIENCE):
            while len(lines) < count or (text is not None and all(line.text != text for line in lines)):
                self._printed.clear()
                await self._printed.wait()

    def function(self, of: Scenario, built: Built, language: str) -> FunctionConfig:
        """The scenario's function; the memory of one whole CPU, so that nothing waits for its share."""
        self._count += 1
        name = f"scenario-{self._count}-{language}"
        place = changed(built, of, self._directory / name)
        config = FunctionConfig(
            name=name,
            arn=f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
            version="$LATEST",
            revision="1",
            task=place.task,
            opt=place.opt,
            handler=place.handler,
            timeout=10,
            memory_mb=1769,
            environment={"INIT": _steps(of.init), "LANG": "C.UTF-8", **of.env},
        )
        return replace(config, **of.config)

    async def perform(self, of: Scenario, built: Built, language: str, *, unseen: str | None = None) -> None:
        """Run the scenario; AssertionError where it goes otherwise than written. Lines that begin with `unseen` are
        not looked at."""
        config = self.function(of, built, language)
        emulator = await self.emulator(of.patience)
        number = 0
        for group in _groups(of.calls):
            under_way = []
            for call in group:
                config = replace(config, **call.config)
                if call.idle:
                    await asyncio.sleep(call.idle)  # how long nothing happens is what the scenario is about
                if call.beside is not None:
                    await self.until(config.name, text=call.beside)
                request_id = f"{self._count:08x}-0000-4000-8000-{number:012x}"
                invocation = Invocation(request_id, call.event, config.arn)._replace(**call.changes)
                under_way.append(asyncio.ensure_future(emulator.invoke(config, invocation)))
                number += 1
            outcomes = await asyncio.gather(*under_way)
            first = number - len(group)
            for position, (call, outcome) in enumerate(zip(group, outcomes, strict=True), first):
                request_id = f"{self._count:08x}-0000-4000-8000-{position:012x}"
                _judge(call, outcome, request_id, config, language, first=position == 0, unseen=unseen)
                await self._check_after(call, config)
        await emulator.retire(config.arn)

    async def _check_after(self, call: Call, config: FunctionConfig) -> None:
        """The lines that come after the answer, before any other invocation."""
        for text in call.after:
            await self.until(config.name, text=text)


def _groups(calls: tuple[Call, ...]) -> list[list[Call]]:
    """Calls that are under way at the same time stand together."""
    groups: list[list[Call]] = []
    for call in calls:
        if call.beside is None:
            groups.append([])
        groups[-1].append(call)
    return groups


def _judge(
    call: Call,
    outcome: Outcome,
    request_id: str,
    config: FunctionConfig,
    language: str,
    *,
    first: bool,
    unseen: str | None,
) -> None:
    payload = outcome.payload.decode("utf-8", "replace").replace(request_id, "ID")
    assert payload == chosen(call.payload, language), f"payload: {payload[:2000]}"
    error = chosen(call.error, language)
    assert (outcome.function_error, outcome.report.error_type) == (None if error is None else "Unhandled", error)
    assert outcome.report.status == (call.status or ("success" if error is None else "error"))
    assert outcome.executed_version == config.version
    _judge_figures(call, outcome, config)
    log = chosen(call.log, language)
    if log is not None:
        cold = first if call.cold is None else call.cold
        got = normalised(outcome.log.decode(), request_id)
        if unseen is not None:
            got = [line for line in got if not line.startswith(unseen)]
        assert got == expected_log(call, log, config, cold, language)


def _judge_figures(call: Call, outcome: Outcome, config: FunctionConfig) -> None:
    """The report's figures fit each other, the configuration, and the REPORT line, where they are N for the rest."""
    report = outcome.report
    assert report.memory_mb == config.memory_mb
    assert call.memory is None or report.max_memory_mb == call.memory
    assert report.billed_ms >= report.duration_ms + (report.init_ms or 0.0)
    if report.status == "timeout":
        assert report.duration_ms == config.timeout * 1000.0
    if config.log_format == "Text":
        line = f"\tDuration: {report.duration_ms:.2f} ms\tBilled Duration: {report.billed_ms} ms\t"
        line += f"Memory Size: {report.memory_mb} MB\tMax Memory Used: {report.max_memory_mb} MB\t"
        line += "" if report.init_ms is None else f"Init Duration: {report.init_ms:.2f} ms\t"
        assert line in outcome.log.decode("utf-8", "replace").splitlines()[-1]


def _steps(steps: tuple[str, ...]) -> str:
    return Call(steps).event.decode()


def normalised(log: str, request_id: str) -> list[str]:
    """The log's lines: the request's id as ID, figures of the platform as N, its times as TIME."""
    text = _TIME.sub("TIME", log.replace(request_id, "ID"))
    lines = text.split("\n")[:-1]
    return [_FIGURES.sub("N ", line) if line.startswith(("REPORT ", "INIT_REPORT ")) else line for line in lines]


def expected_log(call: Call, log: Any, config: FunctionConfig, cold: bool, language: str) -> list[Any]:
    """In the JSON format `log` is all of it."""
    if config.log_format == "JSON":
        return list(log)
    figures = "Duration: N ms\tBilled Duration: N ms\tMemory Size: N MB\tMax Memory Used: N MB\t"
    return [
        *chosen(call.init_log, language),
        f"START RequestId: ID Version: {config.version}",
        *log,
        "END RequestId: ID",
        f"REPORT RequestId: ID\t{figures}" + ("Init Duration: N ms\t" if cold else "") + call.told,
    ]
