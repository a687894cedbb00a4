"""Sandbox hosts that isolate nothing, so that the emulator can be tested without the sandbox room: plain subprocesses
with a loopback listener, and puppets without a program that the test plays itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile

from fnroll.errors import SandboxError
from fnroll.sandbox.api import Exit, Layout, Missing, Process, Program, SandboxSpec, Scratch, StepFailed


class PlainScratch:
    """A directory in the machine's /tmp."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="fn-plain-")

    async def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class PlainProgram:
    """See fnroll.sandbox.api.Process. Each program has a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process, output: int) -> None:
        self.process = process
        self.output = output

    @classmethod
    async def start(cls, program: Program) -> PlainProgram:
        """Raises StepFailed."""
        output, write_end = os.pipe()
        os.set_blocking(output, False)
        try:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                cwd=program.cwd,
                env=dict(program.env),
                start_new_session=True,
            )
        except OSError as error:
            os.close(output)
            text = f"cannot start {program.argv[0]}: {error.strerror}"
            raise StepFailed(text, step="exec", errno=error.errno or 0) from error
        finally:
            os.close(write_end)
        return cls(process, output)

    async def wait(self) -> Exit:
        code = await self.process.wait()
        return Exit(code, None) if code >= 0 else Exit(None, -code)

    def send_signal(self, number: int) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        if self.process.returncode is None:  # else the number may be somebody else's by now
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    async def close(self) -> None:
        await self.process.wait()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1


class PlainSandbox:
    """See fnroll.sandbox.api.Sandbox; process groups, and nothing else of what a sandbox promises."""

    def __init__(self, layout: Layout, listener: socket.socket) -> None:
        self.layout = layout
        self.listener = listener
        self.programs: list[PlainProgram] = []
        self.open = True
        self.frozen = False
        self.shares_cpu = False

    @property
    def pid(self) -> int:
        return self.programs[0].process.pid

    @property
    def output(self) -> int:
        return self.programs[0].output

    async def start(self, program: Program) -> Process:
        self.programs.append(await PlainProgram.start(program))
        return self.programs[-1]

    async def dial(self, port: int) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def wait(self) -> Exit:
        return await self.programs[0].wait()

    def send_signal(self, number: int) -> None:
        self.programs[0].send_signal(number)

    def share_cpu(self) -> None:
        self.shares_cpu = True

    def memory_peak(self) -> int:
        return 5 << 20

    def _signal(self, number: int) -> None:
        for program in self.programs:
            program.signal_group(number)

    def freeze(self) -> None:
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self.open:
            self._signal(signal.SIGKILL)

    async def close(self) -> None:
        self.kill()
        self.open = False
        for program in self.programs:
            await program.close()
        self.listener.close()


class PlainHost:
    """Counts what it makes; `alive` are the sandboxes that were not closed yet, `refuse` an error to raise instead."""

    tier = "plain"
    missing = (Missing("isolation", "it is a test", "use a real tier"),)

    def __init__(self) -> None:
        self.made: list[PlainSandbox] = []
        self.scratches: list[PlainScratch] = []
        self.refuse: SandboxError | None = None
        self.sandbox = PlainSandbox

    async def create(self, spec: SandboxSpec) -> PlainSandbox:
        if self.refuse is not None:
            raise self.refuse
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        tmp = spec.scratch.path if isinstance(spec.scratch, PlainScratch) else "/tmp"
        layout = Layout(str(spec.task), str(spec.opt or "/opt"), tmp, f"127.0.0.1:{listener.getsockname()[1]}")
        sandbox = self.sandbox(layout, listener)
        if spec.program is not None:
            try:
                await sandbox.start(spec.program(layout))
            except StepFailed:
                listener.close()
                raise
        self.made.append(sandbox)
        return sandbox

    async def scratch(self, size_mb: int) -> Scratch:
        self.scratches.append(PlainScratch())
        return self.scratches[-1]

    @property
    def alive(self) -> int:
        return sum(sandbox.open for sandbox in self.made)

    async def close(self) -> None:
        for sandbox in self.made:
            await sandbox.close()


class NoScratch:
    """A /tmp that is the machine's own."""

    async def close(self) -> None: ...


class OneProgram:
    """What a sandbox of a single program has no use for."""

    async def start(self, program: Program) -> Process:
        raise SandboxError("one program is all there is")

    async def dial(self, port: int) -> socket.socket:
        raise ConnectionRefusedError

    def send_signal(self, number: int) -> None: ...

    def share_cpu(self) -> None: ...


class Puppet(OneProgram):
    """A sandbox without a program: the test is the runtime, and says in which order things become visible."""

    pid = 0

    def __init__(self, spec: SandboxSpec) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.address = self.listener.getsockname()
        self.layout = Layout(str(spec.task), "/opt", "/tmp", f"127.0.0.1:{self.address[1]}")
        self.output, self._write_end = os.pipe()
        os.set_blocking(self.output, False)
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address)

    def prints(self, text: str) -> None:
        os.write(self._write_end, text.encode())

    def exits(self, status: int | None = None, number: int | None = None) -> None:
        if not self._exit.done():
            self._exit.set_result(Exit(status, number))

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def memory_peak(self) -> int:
        return 0

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None:
        self.exits(None, 9)

    async def close(self) -> None:
        self.kill()
        self.listener.close()
        for end in (self.output, self._write_end):
            if end >= 0:
                os.close(end)
        self.output = self._write_end = -1


class PuppetHost:
    """Hands each sandbox to the test as it is made."""

    tier = "puppet"
    missing = ()

    def __init__(self) -> None:
        self.made: asyncio.Queue[Puppet] = asyncio.Queue()

    async def create(self, spec: SandboxSpec) -> Puppet:
        puppet = Puppet(spec)
        self.made.put_nowait(puppet)
        return puppet

    async def scratch(self, size_mb: int) -> NoScratch:
        return NoScratch()

    async def close(self) -> None: ...
