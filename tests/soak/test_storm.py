"""Many invocations, one in fifty of which is killed, crashes, ends or runs out of time: every caller gets exactly one
answer, and it is its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from emulator_support import event, function, opened
from fnroll.emulator import Outcome

COUNT = int(os.environ.get("FN_SOAK_INVOCATIONS", "200000"))
CALLERS = 32
ENVIRONMENTS = 16


@dataclass(frozen=True)
class Fate:
    """What the handler does, in Perl, and how Lambda tells of it: error type and a part of the message."""

    perl: str
    type: str | None = None
    message: str = ""


FINE = Fate('respond("{id} fine");')
BAD = (
    Fate("kill 9, $$; sleep 1000;", "Runtime.ExitError", "signal: killed"),
    Fate("kill 11, $$; sleep 1000;", "Runtime.ExitError", "signal: segmentation fault"),
    Fate("exit 3;", "Runtime.ExitError", "exit status 3"),
    Fate("POSIX::_exit(0);", "Runtime.ExitError", "without providing a reason"),
    Fate("sleep 1000;", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
    Fate('fail(qq({{"errorMessage":"{id} failed","errorType":"Oops"}}));', "Oops", "{id} failed"),
)


def judge(fate: Fate, request_id: str, outcome: Outcome) -> None:
    text = outcome.payload.decode()
    if fate.type is None:
        assert (text, outcome.function_error) == (f"{request_id} fine", None)
        return
    told = json.loads(text)
    assert (told["errorType"], outcome.function_error) == (fate.type, "Unhandled")
    assert fate.message.format(id=request_id) in told["errorMessage"]
    assert request_id in told["errorMessage"]
    ids = {line.split()[2] for line in outcome.log.decode().splitlines() if line.startswith(("START", "END", "REPORT"))}
    assert {item.rstrip("\t") for item in ids} == {request_id}


async def storm(directory: Path, count: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    config = function(directory, init="use POSIX ();", timeout=3, memory_mb=1769)
    numbers = iter(range(count))
    answers: Counter[str] = Counter()

    async def caller() -> None:
        for number in numbers:
            fate = chance.choice(BAD) if chance.random() < 0.02 else FINE
            request_id = f"00000000-0000-4000-8000-{number:012d}"
            outcome = await run.emulator.invoke(config, event(fate.perl.format(id=request_id), request_id))
            judge(fate, request_id, outcome)
            answers[fate.type or "fine"] += 1

    async with opened("auto", sink=None, max_environments=ENVIRONMENTS) as run, asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(caller())
    return answers


def test_a_shower(tmp_path: Path) -> None:
    answers = asyncio.run(storm(tmp_path, 2000, seed=1))
    assert answers.total() == 2000
    assert len(answers) > 3


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_storm(tmp_path: Path) -> None:
    answers = asyncio.run(storm(tmp_path, COUNT, seed=2))
    print(dict(answers))
    assert answers.total() == COUNT
