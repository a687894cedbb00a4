"""A running sandbox as the host sees it: one class a tier over what all share.

`Running` follows the life socket (channel.py) until everything is released, and sends the sandbox's init its commands.
It owns every descriptor of the sandbox on this side.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno as codes
import os
import signal
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from fnroll.errors import SandboxError
from fnroll.sandbox import channel, tree
from fnroll.sandbox.api import Exit, Layout, Program, StepFailed
from fnroll.sandbox.programs import FIRST

LOOK = 0.01
"""Seconds between two looks at the memory of a sandbox that runs; longer where more than `LOOKED_AT` do."""

LOOKED_AT = 32

_EXEC_HINTS = {
    codes.ENOENT: "the program, or the interpreter that its first line or ELF header names, does not exist inside",
    codes.EACCES: "the program, or a directory above it, is not executable: chmod +x",
    codes.ENOEXEC: "neither a program for this machine nor a script with a #! line",
}


class Lines:
    """Reads lines of words off a socket as they come. `on_line` gets the words and `self`, for `take_descriptor`."""

    def __init__(self, sock: socket.socket, on_line: Callable[[list[str]], None], on_end: Callable[[], None]) -> None:
        self._socket = sock
        self._on_line = on_line
        self._on_end = on_end
        self._rest = b""
        self._descriptors: deque[int] = deque()
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._readable)

    def take_descriptor(self) -> int:
        """The oldest descriptor that came along and was not taken yet."""
        return self._descriptors.popleft()

    def _readable(self) -> None:
        try:
            data, descriptors = channel.receive(self._socket, 65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, descriptors = b"", []
        self._descriptors.extend(descriptors)
        lines, self._rest = channel.split(self._rest + data)
        for words in lines:
            self._on_line(words)
        if not data:
            self.close()
            self._on_end()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())


def step_failed(words: list[str]) -> StepFailed:
    """The error that a `failed` line tells: step, errno, text, and what it was about."""
    step, number, text, about = (*words[1:], "", "", "", "")[:4]
    code = int(number or 0)
    name = codes.errorcode.get(code, "")
    message = f"step {step}: {text}" + (f" ({name})" if name else "")
    hint = _EXEC_HINTS.get(code) if step == "exec" else None
    return StepFailed(message, step=step, errno=code, where=about or None, hint=hint)


class Launched:
    """One program of a sandbox: see fnroll.sandbox.api.Process."""

    def __init__(self, sandbox: Running, number: int, output: int) -> None:
        loop = asyncio.get_running_loop()
        self._sandbox = sandbox
        self._number = number
        self._output = output
        self.started: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[Exit] = loop.create_future()

    @property
    def output(self) -> int:
        return self._output

    async def wait(self) -> Exit:
        return await asyncio.shield(self.exited)

    def send_signal(self, number: int) -> None:
        if not self.exited.done():
            self._sandbox.command("signal", self._number, int(number))

    def end(self, ended: Exit) -> None:
        if not self.exited.done():
            self.exited.set_result(ended)

    def close(self) -> None:
        if self._output >= 0:
            os.close(self._output)
            self._output = -1


class Running(ABC):
    """What all tiers share. `ready` waits until the first program runs, or the sandbox waits for one."""

    _looks: ClassVar[int] = 0

    def __init__(
        self,
        layout: Layout,
        listener: socket.socket | None,
        output: int,
        life: socket.socket,
        *,
        memory_mb: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._layout = layout
        self._listener = listener
        self._memory_mb = memory_mb
        self._pid = 0
        self._peak = 0
        self._oom = False
        self._failures: dict[int, StepFailed] = {}
        self._gone: asyncio.Future[None] = loop.create_future()
        self._programs = {FIRST: Launched(self, FIRST, output)}
        self._dialled: dict[int, asyncio.Future[socket.socket]] = {}
        self._number = FIRST
        self._look: asyncio.TimerHandle | None = None
        self._closer_look: asyncio.Task[None] | None = None
        self._life_socket = life
        self._life = Lines(life, self._on_life, self._on_life_end)
        self.on_closed: Callable[[Running], None] = lambda _: None

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def layout(self) -> Layout:
        return self._layout

    @property
    def listener(self) -> socket.socket:
        if self._listener is None:
            raise SandboxError("this sandbox has no listener: it was closed")
        return self._listener

    @property
    def output(self) -> int:
        return self._programs[FIRST].output

    async def ready(self) -> None:
        """Until the first program runs. Raises StepFailed, when nothing is left of the sandbox."""
        try:
            await self._begun(FIRST)
        except StepFailed:
            await self.close()
            raise
        self._watch_memory()

    async def _begun(self, number: int) -> None:
        await asyncio.shield(self._programs[number].started)
        if number in self._failures:
            raise self._failures[number]
        if self._listener is None or self._pid == 0 or self._gone.done():
            text = "the sandbox died on its way in, or the fork server did"
            raise StepFailed(text, step="enter", errno=0)

    async def wait(self) -> Exit:
        return await self._programs[FIRST].wait()

    def send_signal(self, number: int) -> None:
        self._programs[FIRST].send_signal(number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    async def start(self, program: Program) -> Launched:
        self._number += 1
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._prepare_output(write)
        launched = self._programs[self._number] = Launched(self, self._number, read)
        try:
            self.command("start", self._number, words_of(program), descriptors=[write])
        finally:
            os.close(write)
        try:
            await self._begun(self._number)
        except StepFailed:
            launched.close()
            raise
        return launched

    def command(self, *words: object, descriptors: Sequence[int] = ()) -> None:
        """One message to the sandbox's init. One that has gone is no error: its end tells what there is to know."""
        with contextlib.suppress(OSError):
            channel.send(self._life_socket, channel.encode(words), descriptors)

    async def dial(self, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        refused = ConnectionRefusedError(codes.ECONNREFUSED, "nobody listens on this port")
        for address in self._addresses():
            sock = await self._socket_inside()
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, (address, port))
                return sock
            except ConnectionRefusedError:
                sock.close()
            except BaseException:
                sock.close()
                raise
        raise refused

    def share_cpu(self) -> None:  # noqa: B027 -- what a tier cannot give it names in `missing`
        pass

    def memory_peak(self) -> int:
        if not self._gone.done():
            self._peak = max(self._peak, self._measure())
        return self._peak

    def _measure(self) -> int:
        return tree.peak_memory(self._members())

    def _watch_memory(self) -> None:
        if self._look is None and self._memory_mb:
            Running._looks += 1
            delay = LOOK * max(1.0, Running._looks / LOOKED_AT)
            self._look = asyncio.get_running_loop().call_later(delay, self._look_at_memory)

    def _look_at_memory(self) -> None:
        self._rest()
        if not self._gone.done():
            self._check_memory()

    def _check_memory(self) -> None:
        """Kill what has outgrown its limit, or `_watch_memory` again. Here by resident sizes."""
        if tree.own_memory(self._members()) > self._memory_mb << 20:
            self._closer_look = asyncio.get_running_loop().create_task(self._look_closer())
        else:
            self._watch_memory()

    async def _look_closer(self) -> None:
        """A forked family shares most of its memory. In a thread: there may be a thousand of them."""
        if await asyncio.to_thread(tree.divided_memory, self._members()) <= self._memory_mb << 20:
            self._watch_memory()
        elif not self._gone.done():
            self._oom = True
            self.kill()

    def _rest(self) -> None:
        if self._look is not None:
            Running._looks -= 1
            self._look.cancel()
            self._look = None
        if self._closer_look is not None:
            self._closer_look.cancel()
            self._closer_look = None

    @abstractmethod
    def freeze(self) -> None:
        """Stop the whole tree."""

    @abstractmethod
    def thaw(self) -> None:
        """Let the whole tree go on."""

    @abstractmethod
    def _members(self) -> list[int]:
        """The pids of the tree, as the host sees them, without our own process at its root."""

    @abstractmethod
    async def _socket_inside(self) -> socket.socket:
        """An unconnected TCP socket of the sandbox's network."""

    def _addresses(self) -> tuple[str, ...]:
        return ("127.0.0.1",)

    def _prepare_output(self, descriptor: int) -> None:  # noqa: B027 -- most tiers need nothing
        """Before the write end of an output pipe goes in."""

    def _kernel_killed(self) -> bool:
        """Whether the kernel has killed a process of the sandbox for want of memory."""
        return False

    def kill(self) -> None:
        """Closing our half of the life socket is the word for it, and the one that our own death gives as well."""
        with contextlib.suppress(OSError):
            self._life_socket.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        self.kill()
        self._rest()
        await asyncio.shield(self._gone)
        self._life.close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for launched in self._programs.values():
            launched.close()
        self.on_closed(self)

    # what the life socket says

    def _on_life(self, words: list[str]) -> None:
        match words[0]:
            case "pid":
                self._on_pid(words)
            case "listening":
                self._listener = socket.socket(fileno=self._life.take_descriptor())
                self._listener.setblocking(False)
            case "ready":
                self._settle(FIRST)
            case "started":
                self._settle(int(words[1]))
            case "failed":
                self._failures[int(words[1])] = step_failed(words[1:])
                self._settle(int(words[1]))
            case "exit":
                self._on_exit(words)
            case "oom":
                self._oom = True
            case "dialled":
                self._on_dialled(int(words[1]))
            case "undialled":
                self._on_undialled(int(words[1]), int(words[2]))
            case "gone":
                self._on_gone()

    def _settle(self, number: int) -> None:
        if not self._programs[number].started.done():
            self._programs[number].started.set_result(None)

    def _on_pid(self, words: list[str]) -> None:
        self._pid = int(words[1])

    def _on_exit(self, words: list[str]) -> None:
        code = os.waitstatus_to_exitcode(int(words[2]))
        oom = code == -signal.SIGKILL and (self._oom or self._kernel_killed())
        ended = Exit(code if code >= 0 else None, -code if code < 0 else None, int(words[3]), oom)
        self._programs[int(words[1])].end(ended)

    def _on_dialled(self, number: int) -> None:
        descriptor = self._life.take_descriptor()
        waiting = self._dialled.pop(number, None)
        if waiting is None or waiting.done():
            os.close(descriptor)
        else:
            waiting.set_result(socket.socket(fileno=descriptor))

    def _on_undialled(self, number: int, code: int) -> None:
        waiting = self._dialled.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(OSError(code, os.strerror(code)))

    def _on_gone(self) -> None:
        """What was not told to have ended by itself was killed."""
        if self._gone.done():
            return
        self._gone.set_result(None)
        for number, launched in self._programs.items():
            self._settle(number)
            launched.end(Exit(None, int(signal.SIGKILL), 0, self._oom))
        for waiting in self._dialled.values():
            if not waiting.done():
                waiting.set_exception(ConnectionRefusedError(codes.ECONNREFUSED, "the sandbox has ended"))

    def _on_life_end(self) -> None:
        """Without `gone` before it: whoever waited for the sandbox is dead, and then so is the sandbox."""
        self._on_gone()


def words_of(program: Program) -> list[object]:
    """A program as a message holds it."""
    return [list(program.argv), program.cwd, dict(program.env)]
