"""`fn dev --debug-port`: the functions that it serves, each under a debugger at a port of its own.

Such a function has one environment at a time, so that the port is always the same one's: a reload ends the old one as
soon as nothing runs in it, and only then the next one starts. It is started before anybody asks for it, so that a
debugger can be attached first; there is no limit of time, memory or CPU, and nothing is frozen. Each of these functions
has an emulator that keeps one environment, over the one sandbox host; all others share one as ever.

Python has no switch that makes it listen. Where debugpy is installed beside fn, or in the package, a sitecustomize of
ours in /opt/fn-debug does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from fnroll.cli import debugging
from fnroll.cli.debugging import A_DAY, Bridge, Help
from fnroll.errors import UsageError

if TYPE_CHECKING:
    from fnroll.emulator import Emulator, FunctionConfig, Invocation, LogSink, Outcome
    from fnroll.sandbox.api import Missing, SandboxHost, Tier

HOME: Final = "fn-debug"
SITECUSTOMIZE: Final = """\
import os
import sys

port = os.environ.pop("FN_DEBUGPY", None)  # for this process, not for the programs that it starts
if port:
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    before = list(sys.path)
    sys.path += [os.environ.get("LAMBDA_TASK_ROOT", "/var/task"), "/opt/python"]
    try:
        import debugpy

        debugpy.configure(subProcess=False)
        debugpy.listen(("127.0.0.1", int(port)))
    except Exception as error:
        print(f"no debugger listens: {type(error).__name__}: {error}", file=sys.stderr)
    sys.path[:] = before
"""


def ports(first: int, count: int) -> list[int]:
    """One for each function, from `first` on. Raises UsageError if one cannot be used."""
    if first + count - 1 > 65535:
        raise UsageError(f"{count} functions take the ports from {first} on, and there is none after 65535")
    found = list(range(first, first + count))
    for port in found:
        debugging.check_free(port)
    return found


@dataclass(slots=True)
class _Held:
    """A function under a debugger."""

    port: int
    emulator: Emulator
    bridge: Bridge
    help: Help | None = None


class Debugged:
    """`assign` names the functions; the rest belongs to the event loop of the cloud. `say` is told what to do."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._ports: dict[str, int] = {}
        self._held: dict[int, _Held] = {}
        self._lock = asyncio.Lock()
        self._scratch = tempfile.TemporaryDirectory(prefix="fn-debug-", ignore_cleanup_errors=True)
        self._sink: LogSink | None = None

    def assign(self, name: str, port: int) -> None:
        """The function `name` has this port from now on, and whoever had it has none. From any thread."""
        self._ports = {other: known for other, known in self._ports.items() if known != port} | {name: port}

    async def open(self, tier: str, sink: LogSink | None) -> Debugged:
        from fnroll.emulator import Emulator
        from fnroll.sandbox import open_host

        self._sink = sink
        self._host: SandboxHost = await open_host(cast("Tier", tier))
        self._others = await Emulator.open(host=self._host, sink=sink)
        return self

    @property
    def tier(self) -> str:
        return self._others.tier

    @property
    def missing(self) -> Sequence[Missing]:
        return self._others.missing

    async def invoke(self, config: FunctionConfig, invocation: Invocation) -> Outcome:
        emulator, config = await self._placed(config)
        return await emulator.invoke(config, invocation)

    async def warm(self, config: FunctionConfig) -> bool:
        """As the emulator's; for a function under a debugger this waits for a debugger that holds its environment."""
        emulator, config = await self._placed(config)
        works = await emulator.warm(config)
        if works and (port := self._ports.get(config.name)) is not None:
            self._say(f"{config.name} waits for requests, and for a debugger at 127.0.0.1:{port}")
        return works

    async def _placed(self, config: FunctionConfig) -> tuple[Emulator, FunctionConfig]:
        port = self._ports.get(config.name)
        if port is None:
            return self._others, config
        held = await self._hold(port)
        return held.emulator, await self._prepared(held, config)

    async def _hold(self, port: int) -> _Held:
        from fnroll.emulator import Emulator

        async with self._lock:
            held = self._held.get(port)
            if held is None:
                emulator = await Emulator.open(
                    host=self._host,
                    sink=self._sink,
                    max_environments=1,
                    idle_seconds=A_DAY,
                    init_timeout=A_DAY,
                    limits=False,
                )
                held = self._held[port] = _Held(port, emulator, Bridge(lambda: self._say("the debugger is connected")))
            return held

    async def _prepared(self, held: _Held, config: FunctionConfig) -> FunctionConfig:
        """The configuration with what its debugger needs; the first time, and when that changes, it is said."""
        language = debugging.language(config.runtime, (), _head(config.task, config.opt))
        listens = language == "python" and (_debugpy() is not None or _brings_debugpy(config))
        help = debugging.DEBUGPY if listens else debugging.helped_serving(language)
        async with self._lock:
            if help.bridged and not held.bridge.inner:
                await held.bridge.open(held.port)
            if help is not held.help:
                held.help = help
                for line in help.advice:
                    self._say(f"debug {config.name}: " + line.replace("{port}", str(held.port)))
            variables = debugging.variables(config.environment, help, held.port, held.bridge.inner or held.port)
            if help is debugging.DEBUGPY:
                config = await self._with_debugpy(config, _debugpy())
                variables |= self._listening(config, variables, held.port)
        return replace(config, environment=variables, timeout=A_DAY, concurrency=1)

    async def _with_debugpy(self, config: FunctionConfig, beside: Path | None) -> FunctionConfig:
        """With an /opt that holds what makes Python listen, too."""
        key = hashlib.sha256(f"{config.opt}".encode()).hexdigest()[:16]
        opt = Path(self._scratch.name) / key
        if not opt.is_dir():
            await asyncio.to_thread(_lay_out, opt, config.opt, beside)
        return replace(config, opt=opt)

    def _listening(self, config: FunctionConfig, given: dict[str, str], port: int) -> dict[str, str]:
        opt = "/opt" if self.tier == "linux" else str(config.opt)
        own = given.get("PYTHONPATH")
        path = [f"{opt}/{HOME}", *([own] if own else [] if opt == "/opt" else [f"{opt}/python"])]
        return {"FN_DEBUGPY": str(port), "PYTHONPATH": os.pathsep.join(path)}

    async def retire(self, arn: str) -> None:
        for emulator in self._all():
            await emulator.retire(arn)

    def reserve(self, arn: str, concurrency: int | None) -> None:
        for emulator in self._all():
            emulator.reserve(arn, concurrency)

    def limit(self, arn: str, version: str, most: int | None) -> None:
        for emulator in self._all():
            emulator.limit(arn, version, most)

    async def provision(self, config: FunctionConfig, count: int) -> None:
        """A function under a debugger has its one environment, ahead of invocations anyway."""
        if config.name not in self._ports:
            await self._others.provision(config, count)

    async def close(self) -> None:
        for held in self._held.values():
            await held.bridge.close()
        for emulator in self._all():
            await emulator.close()
        await self._host.close()
        self._scratch.cleanup()

    def _all(self) -> list[Emulator]:
        return [self._others, *(held.emulator for held in self._held.values())]


def _head(task: Path, opt: Path | None) -> bytes:
    for directory in (task, opt):
        if directory is not None:
            with contextlib.suppress(OSError), (directory / "bootstrap").open("rb") as file:
                return file.read(2048)
    return b""


def _debugpy() -> Path | None:
    """The debugpy that is installed beside fn."""
    found = importlib.util.find_spec("debugpy")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def _brings_debugpy(config: FunctionConfig) -> bool:
    places = [config.task, *([config.opt / "python"] if config.opt is not None else [])]
    return any((place / "debugpy").is_dir() for place in places)


def _lay_out(target: Path, opt: Path | None, debugpy: Path | None) -> None:
    """Linked where that goes: debugpy is large."""
    making = target.with_name(f"{target.name}.part")
    if opt is not None:
        shutil.copytree(opt, making, symlinks=True, copy_function=_link)
    (making / HOME).mkdir(parents=True, exist_ok=True)
    if debugpy is not None:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(debugpy, making / HOME / "debugpy", copy_function=_link, ignore=skipped)
    (making / HOME / "sitecustomize.py").write_text(SITECUSTOMIZE)
    for path in (making, *making.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    making.parent.chmod(0o711)
    making.rename(target)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target
