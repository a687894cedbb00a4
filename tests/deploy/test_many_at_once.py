"""Thirty functions side by side: what leaves this machine stays below Lambda's limits, so nobody answers 429."""

from __future__ import annotations

import threading
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy_support import Project
from fnroll import cloud
from fnroll.aws import AwsOptions, Clock, Pacer, Session

FUNCTIONS = 30
LIMITS = {"GetFunction": 100, "GetPolicy": 15}
"""Calls a second; all others share 15."""


class Schedule:
    """A machine that is endlessly fast: no time passes but by waiting for one's turn, so each call goes out at the
    moment that the pacer gave it, counted from the start."""

    def __init__(self) -> None:
        self._mine = threading.local()
        self._lock = threading.Lock()
        self.sent: dict[str, list[float]] = {}
        self.clock = Clock(now=lambda: 0.0, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self._mine.at = seconds

    def note(self, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        with self._lock:
            bucket = operation if operation in LIMITS else "others"
            self.sent.setdefault(bucket, []).append(getattr(self._mine, "at", 0.0))
        self._mine.at = 0.0


@pytest.mark.parametrize("turn", ["first", "unchanged"])
def test_thirty_functions_stay_below_lambdas_limits(turn: str, tmp_path: Path) -> None:
    projects = []
    for number in range(FUNCTIONS):
        (tmp_path / str(number)).mkdir()
        project = Project(tmp_path / str(number), "arn:aws:iam::000000000000:role/fn")
        project.definition["FunctionName"] = f"f{number}"
        projects.append(project)
    with cloud.embedded(tmp_path / "state", tier="process") as endpoint:
        if turn == "unchanged":
            quick = Session(AwsOptions(endpoint=endpoint.url, local=True))
            for project in projects:
                project.deploy(quick)
        schedule = Schedule()
        options = AwsOptions(region="us-east-1", endpoint=endpoint.url, keys=("fn", "fn"))
        session = Session(options, pacer=Pacer(schedule.clock))
        session.control.meta.events.register("before-send.lambda", schedule.note)
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda project: project.deploy(session), projects))
    assert {result.version for result in results} == {"1"}
    assert schedule.sent.keys() >= {"GetFunction", "others"}
    for bucket, times in schedule.sent.items():
        times.sort()
        within = max(bisect_right(times, time + 1) - index for index, time in enumerate(times))
        assert within <= LIMITS.get(bucket, 15), f"{bucket}: {within} calls within a second"
