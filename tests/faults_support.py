"""One deploy, disturbed at one call: run in a process of its own, because some of the disturbances end it.

As a program (its argument: the local cloud's address) it is the server of such processes: a job is a line of JSON on
stdin, its result one on stdout. It forks them from one that has made all four deploys before, with the clients that it
made for them, which takes milliseconds where a new Python takes half a second.

`attempt` puts a function into its old state, then arms the fault for the k-th call and deploys the new one; `aftermath`
is what the judge wants to know. What the first run said is a text; "" if it said that all went well, None if it was
killed: then the aftermath has a process of its own.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
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


DISARMED = 1 << 30

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


@dataclass(slots=True)
class Stage:
    """Two sessions on one local cloud, one of them impatient; the request that makes a function in its old state."""

    patient: Session
    impatient: Session
    creation: dict[str, Any] = field(default_factory=dict)

    def session(self, case: Case) -> Session:
        return self.impatient if case.fault == "500-for-ever" else self.patient

    def set_old(self, case: Case) -> None:
        """What a deploy of the old state comes to, in two calls."""
        request, client = self.creation, self.patient.control
        logging = {**request["LoggingConfig"], "LogGroup": f"/aws/lambda/{case.name}"}
        client.create_function(**request | {"FunctionName": case.name, "LoggingConfig": logging, "Publish": True})
        client.create_alias(FunctionName=case.name, Name="current", FunctionVersion="1")


def attempt(stage: Stage, directory: Path, case: Case) -> tuple[str, int]:
    """What the disturbed run said, and how many calls it made."""
    project, session = Deployed(directory, case), stage.session(case)
    if case.change != "create":
        stage.set_old(case)
    project.new()
    count = arm(session, case)
    try:
        project.deploy(session)
        said = ""
    except DeployError as error:
        said = str(error)
    except FnError as error:  # before there was a plan: nothing was written
        said = f"no plan: {error}"
    calls, count[0] = count[0], DISARMED
    return said, calls


def aftermath(stage: Stage, directory: Path, case: Case) -> dict[str, Any]:
    """Who serves now; after one more deploy, undisturbed, how many steps a plan still has, and who serves then."""
    project, session = Deployed(directory, case), stage.patient
    seen = look(session, case)
    project.new()
    project.deploy(session)
    return {"seen": seen, "left": len(project.plan(session).steps), "after": look(session, case)}


def rehearse(endpoint: str) -> tuple[Stage, dict[str, int]]:
    """The stage, and how many calls each change takes: all that a deploy imports and caches is in memory then."""
    stage, calls = Stage(session_on(endpoint), session_on(endpoint, 2)), {}
    for session in (stage.patient, stage.impatient):
        session.control.list_functions()
    with tempfile.TemporaryDirectory() as name:
        for change in CHANGES:
            case, directory = Case(change, "none", 0), Path(name) / change
            if change != "create" and not stage.creation:
                _record_creation(stage, directory, case)
            elif change != "create":
                stage.set_old(case)
            counting = session_on(endpoint)
            project = Deployed(directory, case)
            if change != "create":
                assert project.plan(counting).steps == (), "the short way to the old state leads elsewhere"
            count = arm(counting, case)
            project.new()
            project.deploy(counting)
            calls[change] = count[0]
            look(counting, case)
    return stage, calls


def _record_creation(stage: Stage, directory: Path, case: Case) -> None:
    session, project = stage.session(case), Deployed(directory, case)
    events = session.control.meta.events

    def record(params: Any, **_: Any) -> None:
        stage.creation.update(params)

    events.register("provide-client-params.lambda.CreateFunction", record)
    project.deploy(session)
    events.unregister("provide-client-params.lambda.CreateFunction", record)


# faults


def arm(session: Session, case: Case) -> list[int]:
    """Disturb the k-th call of a session; the count of calls so far."""
    count, tries, events = [0], [0], session.control.meta.events
    mine = threading.local()  # reads go side by side: a call's number is its thread's until the next one
    lock = threading.Lock()

    def begins(**_: Any) -> None:
        with lock:
            count[0] += 1
            mine.number = count[0]

    def sends(request: Any, **_: Any) -> Any:
        if mine.number != case.k:
            return None
        tries[0] += 1
        return BEFORE[case.fault](session, request, tries[0]) if case.fault in BEFORE else None

    def ends(**_: Any) -> None:
        if mine.number == case.k and case.fault == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)
        if mine.number == case.k and case.fault == "another-writer":
            change_behind_its_back(session_on(session.options.endpoint or ""), case)

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


def acted_and_failed(session: Session, request: Any, attempts: int) -> Any:
    session.control._endpoint.http_session.send(request)  # type: ignore[attr-defined]
    return answer(500, "ServiceException")(session, request, attempts)


def never_got_there(session: Session, request: Any, attempts: int) -> Any:
    raise boto.EndpointConnectionError(endpoint_url=request.url)


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
    "refused": first(1, never_got_there),
    "reset": first(1, acted_and_lost),
    "500-after": first(1, acted_and_failed),
    "time-out": first(1, acted_and_slow),
}

FAULTS = (*BEFORE, "kill-after", "another-writer")


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


def serve(endpoint: str) -> None:
    """Until stdin ends. First what `rehearse` counted; then for each job, `{"id", "work", "directory", "case"}`, its
    result: `{"id", "result"}`, where the result of one that was killed is null."""
    stage, calls = rehearse(endpoint)
    _tell({"id": "calls", "result": calls})
    for session in (stage.patient, stage.impatient):
        # Two processes on one open connection would read each other's answers.
        session.control._endpoint.http_session.close()  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()  # what is in memory stays shared with those that are forked
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
                    _carry_out(stage, job)
                running[pid] = job["id"]


def _reap(running: dict[int, str]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        number = running.pop(pid)
        if status:
            _tell({"id": number, "result": None})


def _carry_out(stage: Stage, job: dict[str, Any]) -> NoReturn:
    try:
        gc.disable()
        signal.set_wakeup_fd(-1)
        where = Path(job["directory"]), Case(*job["case"])
        said, calls = None, 0
        if job["work"] == "attempt":
            said, calls = attempt(stage, *where)
        result = aftermath(stage, *where)
        _tell({"id": job["id"], "result": result | {"said": said, "calls": calls}})
    except Exception:
        _tell({"id": job["id"], "result": {"error": traceback.format_exc()[-3000:]}})
    finally:
        os._exit(0)


def _tell(value: dict[str, Any]) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
