"""A driver is killed (SIGKILL) at each write, before it is sent and after it took effect; another process goes on.

The clock is the cloud's, so nothing waits; the killed one is a process of its own.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloud_support import Failure, client, make, package, served
from fnroll.aws import AwsOptions, Session
from fnroll.aws.aliases import get_alias
from fnroll.release.drive import Target, drive, look
from fnroll.release.plan import Plan, Step
from fnroll.release.start import start
from fnroll.release.tick import tick

PLAN = Plan(steps=(Step(0.5, 60, 20), Step(0.9, 60, 20)))
TEXT = "who calls: the shop"
WRITES = ("advance", "promote", "rollback")

DRIVER = """
import os, signal, sys
from fnroll.aws import AwsOptions, Session
from fnroll.release.drive import Target, drive
from fnroll.release.plan import Plan, Step

def die(**_):
    os.kill(os.getpid(), signal.SIGKILL)

session = Session(AwsOptions(endpoint=sys.argv[1], local=True))
moment = {"before": "before-send", "after": "after-call"}[sys.argv[2]]
session.control.meta.events.register(f"{moment}.lambda.UpdateAlias", die)
plan = Plan(steps=(Step(0.5, 60, 20), Step(0.9, 60, 20)))
drive(session, Target("shop", "current", plan, "laptop@h", local=True))
"""


@dataclass
class Clock:
    """Time as the test says."""

    now: float = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001)


@dataclass
class Stage:
    url: str
    lambda_: Any
    session: Session
    clock: Clock
    failing: set[str]

    def minute(self) -> None:
        for _ in range(120):
            self.lambda_.invoke(FunctionName="shop", Qualifier="current", Payload=b"{}")
        self.clock.now += 60

    def alias(self) -> tuple[str, dict[str, float], str]:
        found = get_alias(self.session.control, "shop", "current")
        return found.version, dict(found.weights), found.description


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock, failing, seen = Clock(), set[str](), dict[str, int]()

    def function(config: Any, invocation: Any) -> Any:
        number = seen[config.version] = seen.get(config.version, 0) + 1
        if config.version in failing and number % 5 == 0:
            raise Failure("no luck")
        return {}

    with served(tmp_path, function, clock=clock) as (endpoint, _):
        lambda_ = client(endpoint)
        make(lambda_, "shop")
        lambda_.publish_version(FunctionName="shop")
        lambda_.create_alias(FunctionName="shop", Name="current", FunctionVersion="1", Description=TEXT)
        lambda_.update_function_code(FunctionName="shop", ZipFile=package({"handler.py": "second"}))
        lambda_.publish_version(FunctionName="shop")
        session = Session(AwsOptions(endpoint=endpoint.url, local=True))
        yield Stage(endpoint.url, lambda_, session, clock, failing)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("bad", "end"),
    [(set[str](), ("2", {}, TEXT)), ({"2"}, ("1", {}, TEXT))],
    ids=["healthy", "a fifth fails"],
)
def test_another_process_comes_to_the_same(
    stage: Stage, moment: str, bad: set[str], end: tuple[str, dict[str, float], str]
) -> None:
    stage.failing |= bad
    target = Target("shop", "current", PLAN, "other@h", local=True)
    start(stage.session, target, None)
    killed = []
    for _ in range(15):
        stage.minute()
        seen = look(stage.session, target)
        action = tick(seen.alias, PLAN, seen.evidence, seen.now, target.owner)
        if action.kind not in WRITES:
            continue
        before = stage.alias()
        words = [sys.executable, "-c", DRIVER, stage.url, moment]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed.append(action.kind)
        assert (stage.alias() == before) == (moment == "before")
        again = drive(stage.session, target).action.kind
        assert (again in WRITES) if moment == "before" else (again != action.kind)
        if stage.alias() == end:
            break
    # Which look is the first with evidence enough is the dice's; that a healthy one takes each step once is not.
    assert bad or killed == ["advance", "promote"]
    assert killed
    assert stage.alias() == end
    assert drive(stage.session, target).action.kind == "ended"
