"""A run of `fn run`, carried out: one event loop from the working tree to the last result.

The sandbox host starts in a process of its own while the package is read and laid out in a thread; then the events are
invoked, so many at a time, and what they give is printed in the order of the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fnroll.cli.run import missing_line
from fnroll.errors import SandboxError

if TYPE_CHECKING:
    from fnroll.aws.credentials import Identity
    from fnroll.cli.app import App
    from fnroll.cli.run import Plan
    from fnroll.emulator import Emulator, FunctionConfig, LogLine, Outcome, Report
    from fnroll.layers import Parts
    from fnroll.sandbox.api import SandboxHost

ACCOUNT = "000000000000"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "fn", "AWS_SECRET_ACCESS_KEY": "fn", "AWS_SESSION_TOKEN": "fn"}
"""What the function sees: never the user's own keys, unless --aws-credentials says so."""

MANY = 32
"""Invocations at a time from which on the sandbox host too needs more open files than a process has by default."""


@dataclass(frozen=True, slots=True)
class Laid:
    """The working tree as Lambda would unpack it, and whose credentials it runs with (None: nobody's)."""

    parts: Parts
    task: Path
    opt: Path | None
    identity: Identity | None


async def execute(app: App, plan: Plan) -> int:
    """How many invocations ended with an error. Cancelling it ends everything; SIGTERM does that."""
    gc.disable()  # what is loaded from here to the first invocation stays: looking through it for garbage is in vain
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if plan.concurrency >= MANY:
        from fnroll.emulator.machine import raise_descriptor_limit

        raise_descriptor_limit()
    opening = asyncio.create_task(_open_host(plan))
    await asyncio.sleep(0)  # its process starts before this one is busy
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(_close_host, opening)
        scratch = stack.enter_context(_scratch(plan.keep))
        laid = await asyncio.to_thread(_lay_out, app, plan, scratch)
        host = await opening
        laid = _within_reach(laid, host.tier, scratch)
        if plan.keep:
            app.say(f"kept: /var/task is {laid.task}" + (f", /opt is {laid.opt}" if laid.opt else ""))
        config = await stack.enter_async_context(_configured(app, plan, laid))
        results = Results(plan)
        emulator = await stack.enter_async_context(_emulator(plan, host, results))
        app.say(missing_line(emulator.tier, [gap.what for gap in emulator.missing]), dim=True)
        gc.freeze()  # nor at the end
        gc.enable()
        began = time.perf_counter()
        await _invoke_all(emulator, config, plan, results)
        if len(plan.events) > 1:
            app.say(results.summary(time.perf_counter() - began), dim=True)
        return results.failed


# the parts


async def _open_host(plan: Plan) -> SandboxHost:
    from fnroll.sandbox import open_host

    tier: Any = plan.sandbox
    return await open_host(tier, rootfs=plan.rootfs)


async def _close_host(opening: asyncio.Task[SandboxHost]) -> None:
    """Also where it never came to be used."""
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError, SandboxError):
        await (await opening).close()


@contextlib.contextmanager
def _scratch(keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="fn-run-"))
        return
    with tempfile.TemporaryDirectory(prefix="fn-run-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _lay_out(app: App, plan: Plan, scratch: Path) -> Laid:
    """In a thread: all that takes time before the first sandbox. Raises DefinitionError, ArchiveError, LayerError,
    NoCredentials, AwsError."""
    from fnroll.layers import assemble

    parts = assemble(app.definition(full=False), say=app.warn)
    for entry in parts.foreign_layers:
        app.warn(f"layer {entry} is on AWS; it is left out here")
    task, opt = parts.stage(scratch)
    _say_what_stands_in(app, parts, task, opt)
    identity = None
    if plan.credentials:
        from fnroll.aws import credentials

        identity = credentials.identity(app.session())
        if plan.network == "none":
            app.warn("with --network none the function reaches no AWS: add --network host")
    import fnroll.emulator  # noqa: F401  here, where it costs no time of its own

    return Laid(parts, task, opt, identity)


def _say_what_stands_in(app: App, parts: Parts, task: Path, opt: Path | None) -> None:
    """For a managed runtime: the machine's interpreter, if it is another version."""
    from fnroll.emulator import entrypoint

    found = entrypoint.find(task, opt, parts.definition.runtime)
    if isinstance(found, entrypoint.Entrypoint) and found.managed is not None and found.managed.notice:
        app.warn(found.managed.notice)


def _within_reach(laid: Laid, tier: str, scratch: Path) -> Laid:
    """Landlock shows nothing elsewhere than where it lies. Under root the function is another user, who has to get
    there by himself: not into a private directory, nor into the cache in root's home."""
    if tier != "landlock" or os.geteuid() != 0:
        return laid
    scratch.chmod(0o711)
    if laid.opt is None:
        return laid
    return replace(laid, opt=Path(shutil.copytree(laid.opt, scratch / "opt", symlinks=True)))


@contextlib.asynccontextmanager
async def _configured(app: App, plan: Plan, laid: Laid) -> AsyncIterator[FunctionConfig]:
    """The configuration; with --debug-port also what a debugger needs, as long as it is needed."""
    variables = {**laid.parts.definition.environment, **plan.variables}
    if plan.debug_port is None:
        yield _config(app, plan, laid, variables, None)
        return
    from fnroll.cli import debugging

    port = plan.debug_port
    language = debugging.language_of(laid.parts, laid.task, laid.opt)
    help = debugging.helped(language)
    debugging.check_free(port)
    bridge = debugging.Bridge(lambda: app.say("the debugger is connected", dim=True))
    try:
        if help.bridged:
            await bridge.open(port)
        for line in help.advice:
            app.say("debug: " + line.replace("{port}", str(port)))
        variables = debugging.variables(variables, help, port, bridge.inner or port)
        yield _config(app, plan, laid, variables, debugging.A_DAY)
    finally:
        await bridge.close()


def _config(app: App, plan: Plan, laid: Laid, variables: dict[str, str], timeout: int | None) -> FunctionConfig:
    from fnroll.definition.model import invocations_at_once, is_traced
    from fnroll.emulator import FunctionConfig

    definition, identity = laid.parts.definition, laid.identity
    region = identity.region if identity else app.settings.region or "us-east-1"
    account = identity.account if identity else ACCOUNT
    logging = definition.request.get("LoggingConfig", {})
    return FunctionConfig(
        name=definition.name,
        arn=f"arn:aws:lambda:{region}:{account}:function:{definition.name}",
        version="$LATEST",
        revision="working-tree",
        task=laid.task,
        opt=laid.opt,
        handler=definition.handler,
        runtime=definition.runtime,
        memory_mb=plan.memory or definition.memory_mb,
        timeout=timeout or plan.timeout or definition.timeout,
        tmp_mb=definition.tmp_mb,
        environment=variables,
        credentials=identity.variables if identity else CREDENTIALS,
        region=region,
        log_group=logging.get("LogGroup"),
        log_format=logging.get("LogFormat", "Text"),
        application_log_level=logging.get("ApplicationLogLevel"),
        system_log_level=logging.get("SystemLogLevel", "INFO"),
        network=plan.network,
        tracing=is_traced(definition.request),
        concurrency=1 if plan.debug_port else invocations_at_once(definition.request),
    )


@contextlib.asynccontextmanager
async def _emulator(plan: Plan, host: SandboxHost, results: Results) -> AsyncIterator[Emulator]:
    from fnroll.cli.debugging import A_DAY
    from fnroll.emulator import INIT_TIMEOUT, Emulator

    limit = INIT_TIMEOUT if plan.debug_port is None else float(A_DAY)
    emulator = await Emulator.open(host=host, sink=results.log, init_timeout=limit, limits=plan.limits)
    try:
        yield emulator
    finally:
        await emulator.close()


async def _invoke_all(emulator: Emulator, config: FunctionConfig, plan: Plan, results: Results) -> None:
    from fnroll.emulator import Invocation

    numbers = iter(range(len(plan.events)))

    async def worker() -> None:
        for number in numbers:
            request_id = results.begin(number)
            results.done(number, await emulator.invoke(config, Invocation(request_id, plan.events[number], config.arn)))

    workers = [asyncio.create_task(worker()) for _ in range(min(plan.concurrency, len(plan.events)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.wait(workers)


class Results:
    """Takes what comes in whatever order, prints results in the order of the events and log lines at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._numbers: dict[str, int] = {}
        self._early: dict[int, Outcome] = {}
        self._printed: list[Report] = []
        self._cold = 0
        self.failed = 0

    def begin(self, number: int) -> str:
        """The request id of an event."""
        request_id = str(uuid4())
        if self._plan.tagged:
            self._numbers[request_id] = number + 1
        return request_id

    def log(self, line: LogLine) -> None:
        tag = f"[{self._numbers.get(line.request_id or '', '-')}] " if self._plan.tagged else ""
        text = line.text.replace("\r", "\n")  # so AWS's clients end the lines of one event
        sys.stderr.write(f"{tag}{text}\n")
        sys.stderr.flush()

    def done(self, number: int, outcome: Outcome) -> None:
        self._early[number] = outcome
        while (ready := self._early.pop(len(self._printed), None)) is not None:
            self._print(ready)
            self._printed.append(ready.report)

    def _print(self, outcome: Outcome) -> None:
        from fnroll.cli import results

        self.failed += outcome.function_error is not None
        self._cold += results.was_cold(outcome)
        line = results.record_line(outcome) if self._plan.as_json else results.one_line(outcome.payload)
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    def summary(self, seconds: float) -> str:
        from fnroll.cli import results

        return results.summary(self._printed, self._cold, seconds)
