"""The host: starts the fork server of a tier, sends it jobs, and keeps what runs.

One class serves all tiers; what differs (paths, who makes the listener) is in `_place`. All I/O waits in the event
loop that opened the host, except sending a job, which the fork server takes at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fnroll.errors import SandboxError
from fnroll.sandbox import channel, missing, outbound
from fnroll.sandbox.api import Layout, Missing, Program, SandboxSpec, Scratch, StepFailed, Tier, Verdict
from fnroll.sandbox.limits import Places
from fnroll.sandbox.rootfs import API_ADDRESS, API_PORT, GID, UID
from fnroll.sandbox.running import Lines, Running, step_failed, words_of
from fnroll.sandbox.scratch import DirectoryScratch, MountedScratch
from fnroll.sandbox.tiers import LandlockSandbox, LinuxSandbox, ProcessSandbox, give_output

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from fnroll.sandbox.forkserver import main; main(sys.argv[2:])"
_INHERITED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All of the caller's environment that the fork server gets: what its own Python may need to start."""

TIERS = ("linux", "landlock", "process")
"""Strongest first, as "auto" tries them."""

_AT_ONCE = 16
"""Jobs under way. The fork server takes one at a time; more in its socket could only block the event loop."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sandbox will live: its layout, a listener if made here, and a directory of its own if it needs one."""

    layout: Layout
    listener: socket.socket | None
    own: Path | None


class Host:
    """See `fnroll.sandbox.api.SandboxHost`."""

    def __init__(self, tier: str, server: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._tier = tier
        self._server = server
        self._control = control
        self._missing: tuple[Missing, ...] = ()
        self._running: set[Running] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._places = Places()
        self._own_user = tier == "linux"
        self._scratches = 0
        self._closed = False

    @classmethod
    async def start(cls, tier: str, root: str = "") -> Host:
        """`root`: what a linux sandbox shows as its system: "" (this machine's /usr), "empty", or a directory. Raises
        StepFailed where the tier's ground cannot be laid."""
        if tier != "process" and sys.platform != "linux":
            text = f"step machine: {sys.platform} has neither namespaces nor Landlock"
            raise StepFailed(text, step="machine", errno=0)
        if not sys.executable:
            raise SandboxError("this Python does not know its own path, so it cannot start the fork server")
        ours, theirs = socket.socketpair()
        package_root = str(Path(__file__).resolve().parents[2])
        arguments = [package_root, tier, str(theirs.fileno()), str(os.getpid()), root]
        try:
            server = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            )
        except OSError as error:
            ours.close()
            raise SandboxError(f"cannot start the fork server: {error}") from error
        finally:
            theirs.close()
        host = cls(tier, server, ours)
        try:
            words = await host._first_words()
        except BaseException:
            await host.close()
            raise
        if tier == "linux":
            host._places = Places(words[2:])
            host._missing = missing.of_linux(words[1] == "1", host._places.refused)
        elif tier == "landlock":
            host._own_user = words[2] == "1"
            host._missing = missing.of_landlock(int(words[1]), host._own_user)
        else:
            host._missing = missing.of_process()
        return host

    async def _first_words(self) -> list[str]:
        """The server's verdict on itself. A second handle on the socket, since the first must stay blocking."""
        first: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

        def hear(words: list[str]) -> None:
            if not first.done():
                first.set_result(words)

        ear = Lines(self._control.dup(), hear, lambda: hear(["dead"]))
        try:
            words = await first
        finally:
            ear.close()
            self._control.setblocking(True)
        if words[0] == "failed":
            raise step_failed(words)
        assert self._server.stderr is not None
        if words[0] == "dead":
            text = self._server.stderr.read().decode("utf-8", "replace").strip()
            raise SandboxError("the fork server died at its start", hint=text or None)
        self._server.stderr.close()
        return words

    @property
    def tier(self) -> str:
        return self._tier

    @property
    def missing(self) -> tuple[Missing, ...]:
        return self._missing

    async def create(self, spec: SandboxSpec) -> Running:
        async with self._slots:
            if self._closed:
                raise SandboxError("the sandbox host is closed")
            try:
                place = self._place(spec)
            except OSError as error:
                raise SandboxError(f"no place for a sandbox: {error.strerror}", where=error.filename) from error
            sandbox = self._send(spec, place)
            self._running.add(sandbox)
            sandbox.on_closed = self._running.discard
            try:
                await sandbox.ready()
            except asyncio.CancelledError:
                await sandbox.close()
                raise
            return sandbox

    async def scratch(self, size_mb: int) -> Scratch:
        if self._tier == "linux":
            self._scratches += 1
            self._tell("scratch", self._scratches, size_mb)
            return MountedScratch(self._scratches, lambda key: self._tell("drop", key))
        try:
            scratch = Path(tempfile.mkdtemp(prefix="fn-scratch-"))
            self._give(scratch)
            return DirectoryScratch(scratch)
        except OSError as error:
            raise SandboxError(f"no place for a /tmp: {error.strerror}", where=error.filename) from error

    def _give(self, directory: Path) -> None:
        """To Lambda's user, if programs run as that."""
        if self._own_user:
            os.chown(directory, UID, GID)

    def _tell(self, *words: object) -> None:
        if self._closed:
            return
        try:
            channel.send(self._control, channel.encode(words))
        except OSError as error:
            raise SandboxError(f"the fork server cannot be reached: {error.strerror}") from error

    def _place(self, spec: SandboxSpec) -> _Place:
        for directory in spec.shown:
            if not directory.is_dir():
                raise SandboxError("no such directory, so it cannot be shown to a function", where=str(directory))
        listener, own, api = None, None, f"{API_ADDRESS}:{API_PORT}"
        if self._tier != "linux" or spec.network == "host":
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            listener.setblocking(False)
            api = f"127.0.0.1:{listener.getsockname()[1]}"
        if self._tier == "linux":
            return _Place(Layout("/var/task", "/opt", "/tmp", api), listener, None)
        try:
            own = Path(tempfile.mkdtemp(prefix="fn-sandbox-"))
            for name in ("tmp", "opt"):
                (own / name).mkdir()
            if self._own_user:
                own.chmod(0o711)
                self._give(own / "tmp")
        except OSError:
            _discard(listener, own)
            raise
        opt = spec.opt.resolve() if spec.opt else own / "opt"
        tmp = spec.scratch.path if isinstance(spec.scratch, DirectoryScratch) else own / "tmp"
        runtime, lang = (str(path.resolve()) if path else "" for path in (spec.runtime, spec.lang))
        layout = Layout(
            str(spec.task.resolve()), str(opt), str(tmp), api, runtime or "/var/runtime", lang or "/var/lang"
        )
        return _Place(layout, listener, own)

    def _send(self, spec: SandboxSpec, place: _Place) -> Running:
        """Hand the job over; on any failure nothing is open and nothing lies on the disk."""
        mine: list[socket.socket | int] = []
        theirs: list[socket.socket | int] = []
        try:
            program = words_of(spec.program(place.layout)) if spec.program is not None else None
            message = channel.encode(["sandbox", channel.packed(self._job(spec, place)), program])
            life, their_life = socket.socketpair()
            mine.append(life)
            theirs.append(their_life)
            output, write_end = os.pipe()
            mine.append(output)
            theirs.append(write_end)
            os.set_blocking(output, False)
            if self._own_user:
                give_output(write_end)
            channel.send(self._control, message, [their_life.fileno(), write_end])
        except BaseException as error:
            _close(mine)
            _discard(place.listener, place.own)
            if isinstance(error, OSError):
                raise SandboxError(f"the fork server cannot be reached: {error.strerror}") from error
            raise
        finally:
            _close(theirs)
        memory_mb = spec.memory_mb if spec.limits else 0
        if self._tier != "linux":
            kind = LandlockSandbox if self._own_user else ProcessSandbox
            return kind(place.layout, place.listener, output, life, memory_mb=memory_mb, own=place.own)
        sandbox = LinuxSandbox(place.layout, place.listener, output, life, memory_mb=memory_mb)
        sandbox.places = self._places
        return sandbox

    def _job(self, spec: SandboxSpec, place: _Place) -> channel.Job:
        return channel.Job(
            task=str(spec.task.resolve()),
            opt=place.layout.opt if place.own else str(spec.opt.resolve()) if spec.opt else "",
            network=spec.network,
            tmp=str(place.own) if place.own else "",
            tmp_mb=spec.tmp_mb,
            scratch=spec.scratch.key if isinstance(spec.scratch, MountedScratch) else 0,
            memory_mb=spec.memory_mb if spec.limits else 0,
            writable=place.layout.tmp if place.own else "",
            port=place.listener.getsockname()[1] if place.listener else 0,
            runtime=str(spec.runtime.resolve()) if spec.runtime else "",
            lang=str(spec.lang.resolve()) if spec.lang else "",
            way=self._way(spec),
        )

    def _way(self, spec: SandboxSpec) -> str:
        """The program that leads a sandbox's own network out. Raises SandboxError where there is none."""
        if spec.network != "nat" or self._tier != "linux":
            return ""
        found = shutil.which(outbound.PROGRAM)
        if found is None:
            raise SandboxError(
                f"network nat needs {outbound.PROGRAM}, which is not installed here",
                hint=f"install the package {outbound.PROGRAM}, or use --network host",
            )
        return str(Path(found).resolve())

    async def close(self) -> None:
        self._closed = True
        while self._running:
            await asyncio.gather(*(sandbox.close() for sandbox in tuple(self._running)))
        self._control.close()
        await asyncio.to_thread(self._server.wait)
        if self._server.stderr is not None:
            self._server.stderr.close()

    async def canary(self) -> None:
        """One complete sandbox, to the end of its program. Raises StepFailed with what this machine refuses."""
        spec = SandboxSpec(lambda _: Program(("/bin/sh", "-c", ":"), {}, "/"), task=Path("/usr"), tmp_mb=1)
        sandbox = await self.create(spec)
        ended = await sandbox.wait()
        await sandbox.close()
        if ended.status != 0:
            raise StepFailed(f"step canary: /bin/sh ended with {ended}", step="canary", errno=0)


def _close(ends: list[socket.socket | int]) -> None:
    for end in ends:
        if isinstance(end, int):
            os.close(end)
        else:
            end.close()


def _discard(listener: socket.socket | None, own: Path | None) -> None:
    if listener is not None:
        listener.close()
    if own is not None:
        for directory in (own / "tmp", own / "opt", own):
            with contextlib.suppress(OSError):
                directory.rmdir()


async def open_host(tier: Tier, root: str = "") -> Host:
    """See `fnroll.sandbox.open_host`."""
    wanted = ("linux",) if root else TIERS if tier == "auto" else (tier,)
    failures: list[tuple[str, StepFailed]] = []
    for name in wanted:
        try:
            host = await _open(name, root)
        except StepFailed as failure:
            failures.append((name, failure))
            continue
        if failures:
            host._missing = (missing.isolation(failures, missing.surroundings()), *host.missing)
        return host
    name, last = failures[-1]
    raise StepFailed(
        f"this machine does not give the {name} sandbox: {last.message}",
        step=last.step,
        errno=last.errno,
        where=last.where,
        hint=missing.mend(last, missing.surroundings(), name),
    ) from last


async def _open(tier: str, root: str = "") -> Host:
    """Tried for real: a host, and one complete sandbox where there is something that could be refused."""
    host = await Host.start(tier, root)
    try:
        if tier != "process" and not root:  # another root need not hold a shell
            await host.canary()
    except BaseException:
        await host.close()
        raise
    return host


async def diagnose() -> tuple[Verdict, ...]:
    """See `fnroll.sandbox.diagnose`."""
    verdicts = []
    for tier in TIERS:
        try:
            host = await _open(tier)
        except StepFailed as failure:
            refused = missing.isolation([(tier, failure)], missing.surroundings())
            verdicts.append(Verdict(tier, refused, ()))
        except SandboxError as error:
            verdicts.append(Verdict(tier, Missing(tier, error.message, error.hint or ""), ()))
        else:
            verdicts.append(Verdict(tier, None, host.missing))
            await host.close()
    return tuple(verdicts)
