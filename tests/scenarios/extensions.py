"""Scenarios of external extensions beside a function (facts 2.2): told of everything, and able to end everything."""

from __future__ import annotations

from typing import Any

from scenarios.languages import HERE
from scenarios.vocabulary import (
    DIRECTORY,
    NATIVE,
    Call,
    File,
    Like,
    Scenario,
    answers,
    crash,
    init_report,
    notes,
    scenario,
    timeout,
    told_error,
    twice,
)

PROGRAM = File((HERE / "handlers" / "extension.pl").read_text())
READY = "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
TOLD = Like(r"EXTENSION\tName: watcher\tState: \w+\tEvents: \[(INVOKE, SHUTDOWN)?\](\tError Type: [\w.]+)?")
NAMES = (
    "watcher: AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION "
    "AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_RUNTIME_API OWN"
)


def beside(name: str, *calls: Call, does: str = "", layer: Any = None, **fields: Any) -> Scenario:
    """A function with the extension `watcher` in its layer."""
    placed = {"extensions/watcher": PROGRAM} if layer is None else layer
    return scenario(name, *calls, languages=NATIVE, layer=placed, env={"EXTENSION": does, "OWN": "1"}, **fields)


def taken_along(kind: str, reason: str, *do: str, told: tuple[Any, ...] = (), **fields: Any) -> Call:
    """The extension takes the invocation with it; `told`: the lines before."""
    payload = f'{{"errorType":"{kind}","errorMessage":"RequestId: ID Error: {reason}"}}'
    return Call(do, payload, kind, told_error(kind), log=(*told, f"RequestId: ID Error: {reason}", kind), **fields)


def never_began(kind: str, reason: str, line: Any = TOLD) -> Call:
    """It fails in init and again in the invocation."""
    return taken_along(kind, reason, init_log=twice(kind, line), cold=False)


TABLE: tuple[Scenario, ...] = (
    beside(
        "an extension is told of every invocation",
        answers("1", "return 1", init_log=(READY,), log=None, after=("watcher: INVOKE",)),
        answers("2", "return 2", log=None),
    ),
    beside(
        "two extensions, and what is none of them",
        answers("1", "return 1", log=None, after=("watcher: INVOKE", "second: INVOKE")),
        layer={"extensions/watcher": PROGRAM, "extensions/second": PROGRAM, "extensions/lib": DIRECTORY},
    ),
    beside(
        "an extension is told of a timeout",
        timeout(
            "1.00", "sleep 60000", init_log=(READY,), log=("watcher: INVOKE",), after=("watcher: SHUTDOWN timeout",)
        ),
        notes([1], "count", log=None),
        config={"timeout": 1},
    ),
    beside(
        "an extension is told of a crash",
        crash(
            "Runtime exited with error: exit status 3",
            "sh echo",
            "sleep 100",
            "exit 3",
            init_log=(READY,),
            log=("watcher: INVOKE",),
            after=("watcher: SHUTDOWN failure",),
        ),
        notes([1], "count", log=None),
    ),
    beside(
        "an extension's work after the answer holds the environment, not the answer",
        notes([1], "count", init_log=(READY,), log=None),
        notes([1], "count", log=None),
        does="slow",
    ),
    beside(
        "what an extension sees of the environment, and is greeted with",
        answers(
            "1",
            "return 1",
            init_log=(
                NAMES,
                Like(
                    r'watcher: \{"functionName":"scenario-\d+-native","functionVersion":"\$LATEST",'
                    r'"handler":"handler.handle"\}'
                ),
                READY,
            ),
            log=None,
        ),
        does="names",
    ),
    beside(
        "an extension that registers wrongly",
        answers(
            "1",
            "return 1",
            init_log=(
                Like(r'watcher: 403 \{"errorMessage":"SHUTDOWN: .*,"errorType":"Extension.InvalidEventType"\}'),
                Like(r'watcher: 403 \{"errorMessage":"DEPLOY: .*,"errorType":"Extension.InvalidEventType"\}'),
                Like(r'watcher: 403 \{"errorMessage":".*,"errorType":"InvalidRequestFormat"\}'),
                READY,
            ),
            log=None,
        ),
        does="other",
    ),
    beside(
        "an extension that ends before it registers",
        never_began("Extension.Crash", "exit status 3"),
        does="exit",
    ),
    beside(
        "an extension that reports an init error",
        never_began("Extension.InitError", "exit status 1"),
        does="init error",
    ),
    beside(
        "an extension that never registers",
        timeout(
            "1.00",
            init_log=(TOLD, init_report("init", "timeout"), TOLD, init_report("invoke", "timeout")),
            cold=False,
        ),
        does="wait",
        patience=0.5,
        config={"timeout": 1},
    ),
    beside(
        "an extension that ends during an invocation",
        taken_along(
            "Extension.Crash",
            "exit status 4",
            "sleep 60000",
            init_log=(READY,),
            told=("watcher: INVOKE",),
        ),
        does="crash",
    ),
    beside(
        "an extension that reports its end during an invocation",
        taken_along(
            "Extension.ExitError",
            "exit status 1",
            "sleep 60000",
            init_log=(READY,),
            told=("watcher: INVOKE",),
        ),
        does="exit error",
    ),
    beside(
        "an extension that is not executable",
        never_began(
            "Extension.LaunchError",
            "fork/exec /opt/extensions/watcher: permission denied",
            "EXTENSION\tName: watcher\tState: LaunchError\tEvents: []\tError Type: PermissionDenied",
        ),
        layer={"extensions/watcher": File(PROGRAM.text, 0o644)},
    ),
    beside(
        "an extension that is no program",
        never_began(
            "Extension.LaunchError",
            "fork/exec /opt/extensions/watcher: exec format error",
            "EXTENSION\tName: watcher\tState: LaunchError\tEvents: []\tError Type: UnknownError",
        ),
        layer={"extensions/watcher": File("no program\n")},
    ),
    beside(
        "extensions that are switched off",
        answers("1", "return 1"),
        layer={"extensions/watcher": PROGRAM, "disable-extensions-jwigqn8j": File("")},
    ),
)
