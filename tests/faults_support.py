"""One deploy, disturbed at one call: run in a process of its own, because some of the disturbances end it.

As a program it is the server of such processes: a job is a line of JSON on stdin, its result one on stdout. It forks
them from one that has all modules and the service model in memory, which takes milliseconds where a new Python takes
half a second.

`attempt` deploys a function undisturbed into its old state, then arms the fault for the k-th call and deploys the new
one. What the first run said comes back as a text; "" if it said that all went well, None if it was killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import botocore.exceptions as boto
from botocore.awsrequest import AWSResponse

from deploy_support import Project
from fnroll.aws import AwsOptions, Session
from fnroll.errors import DeployError, FnError

ROLE = "arn:aws:iam::000000000000:role/fn"
URL = {"FunctionUrl": {"AuthType": "NONE"}}

CHANGES = ("create", "code", "configuration", "everything")


_SDK = Session(AwsOptions(local=True))._botocore
_SDK.create_client("lambda", region_name="us-east-1", aws_access_key_id="fn", aws_secret_access_key="fn")


@dataclass(frozen=True, slots=True)
class Case:
    """`fault` at call `k` (from 1) of the deploy of `change`; k 0: none."""

    change: str
    fault: str
    k: int

    @property
    def name(self) -> str:
        return f"{self.change}-{self.fault}-{self.k}"


class Deployed(Project):
    """The function of one case, in its old and its new state."""

    def __init__(self, directory: Path, case: Case) -> None:
        directory.mkdir(exist_ok=True)
        self.case = case
        super().__init__(directory, ROLE)
        self.old()
        self.definition["FunctionName"] = case.name

    def old(self) -> None:
        self.code("old")
        self.definition |= {"MemorySize": 128, "Tags": {"team": "old", "gone": "x"}}

    def new(self) -> None:
        change = self.case.change
        if change != "configuration":
            self.code("new")
        if change != "code":
            self.definition |= {"MemorySize": 512, "Environment": {"Variables": {"KEY": "new"}}}
        if change in ("create", "everything"):
            self.definition |= {"Tags": {"team": "new"}, "Fn": URL}


def session_on(endpoint: str, attempts: int = 8) -> Session:
    """With the SDK's own session that is made with this module: making one takes longer than a deploy."""
    session = Session(AwsOptions(endpoint=endpoint, local=True), attempts=attempts)
    session.__dict__["_botocore"] = _SDK
    return session


def attempt(endpoint: str, directory: str, case: Case) -> tuple[str, int]:
    """What the disturbed run said, and how many calls it made (both also left in the directory, for a killed one)."""
    project, session = Deployed(Path(directory), case), session_on(endpoint, 2 if case.fault == "500-for-ever" else 8)
    if case.change != "create":
        project.old()
        project.deploy(session)
    project.new()
    count = arm(session, case)
    try:
        project.deploy(session)
    except DeployError as error:
        return str(error), count[0]
    except FnError as error:  # before there was a plan: nothing was written
        return f"no plan: {error}", count[0]
    return "", count[0]


def converge(endpoint: str, directory: str, case: Case) -> int:
    """One more deploy, undisturbed; the number of steps that a plan has after it."""
    project, session = Deployed(Path(directory), case), session_on(endpoint)
    project.new()
    project.deploy(session)
    return len(project.plan(session).steps)


# faults


def arm(session: Session, case: Case) -> list[int]:
    """Disturb the k-th call of a session; the count of calls so far."""
    count, tries, events = [0], [0], session.control.meta.events

    def begins(**_: Any) -> None:
        count[0] += 1

    def sends(request: Any, **_: Any) -> Any:
        if count[0] != case.k:
            return None
        tries[0] += 1
        return BEFORE[case.fault](session, request, tries[0]) if case.fault in BEFORE else None

    def ends(**_: Any) -> None:
        if count[0] == case.k and case.fault == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)
        if count[0] == case.k and case.fault == "another-writer":
            count[0] += 1000  # its own calls are not disturbed
            change_behind_its_back(session, case)
            count[0] -= 1000

    events.register("before-call.lambda", begins)
    events.register("before-send.lambda", sends)
    events.register("after-call.lambda", ends)
    return count


def answer(status: int, code: str) -> Callable[..., Any]:
    body = json.dumps({"__type": code, "message": "injected"}).encode()

    class Raw:
        def stream(self, **_: Any) -> Any:
            yield body

    def give(session: Session, request: Any, attempts: int) -> Any:
        return AWSResponse(request.url, status, {"x-amzn-errortype": code}, Raw())

    return give


def first(times: int, what: Callable[..., Any]) -> Callable[..., Any]:
    return lambda session, request, attempts: what(session, request, attempts) if attempts <= times else None


def acted_and_lost(session: Session, request: Any, attempts: int) -> Any:
    """The server gets the request and acts; its answer never arrives."""
    session.control._endpoint.http_session.send(request)  # type: ignore[attr-defined]
    raise boto.ConnectionClosedError(endpoint_url=request.url)


def acted_and_slow(session: Session, request: Any, attempts: int) -> Any:
    session.control._endpoint.http_session.send(request)  # type: ignore[attr-defined]
    raise boto.ReadTimeoutError(endpoint_url=request.url)


def dies(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


BEFORE: dict[str, Callable[..., Any]] = {
    "kill-before": dies,
    "500": first(1, answer(500, "ServiceException")),
    "503": first(1, answer(503, "ServiceUnavailable")),
    "429": first(3, answer(429, "TooManyRequestsException")),
    "500-for-ever": answer(500, "ServiceException"),
    "reset": first(1, acted_and_lost),
    "time-out": first(1, acted_and_slow),
}

FAULTS = ("kill-before", "kill-after", "500", "503", "429", "500-for-ever", "reset", "time-out", "another-writer")


def change_behind_its_back(session: Session, case: Case) -> None:
    """Somebody else gives the function another time-out; no matter if there is none yet."""
    try:
        session.control.update_function_configuration(FunctionName=case.name, Timeout=77)
    except boto.ClientError:
        pass


def look(session: Session, case: Case) -> dict[str, Any]:
    """Who serves, with which code and configuration; empty without an alias."""
    client = session.control
    try:
        alias = client.get_alias(FunctionName=case.name, Name="current")
    except boto.ClientError:
        return {}
    found = client.get_function_configuration(FunctionName=case.name, Qualifier=alias["FunctionVersion"])
    variables = found.get("Environment", {}).get("Variables", {})
    return {
        "version": alias["FunctionVersion"],
        "code": found["CodeSha256"],
        "memory": found["MemorySize"],
        "timeout": found["Timeout"],
        "variables": variables,
    }


# the server


def serve() -> None:
    """Until stdin ends. A job: `{"id", "work", "endpoint", "directory", "case"}`; its result: `{"id", "result"}`, where
    the result of one that was killed is null."""
    wake, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    running: dict[int, str] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap(running)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                job = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _carry_out(job)
                running[pid] = job["id"]


def _reap(running: dict[int, str]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        number = running.pop(pid)
        if status:
            _tell({"id": number, "result": None})


def _carry_out(job: dict[str, Any]) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        work = {"attempt": attempt, "converge": converge}[job["work"]]
        result = work(job["endpoint"], job["directory"], Case(*job["case"]))
        _tell({"id": job["id"], "result": result})
    except Exception:
        _tell({"id": job["id"], "result": traceback.format_exc()[-3000:]})
    finally:
        os._exit(0)


def _tell(value: dict[str, Any]) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


if __name__ == "__main__":
    serve()
