"""A running sandbox as the host sees it: one class a tier over what both share.

`Running` follows two sockets (channel.py): the status socket until the program runs or a step has failed, and the life
socket until everything is released. It owns every descriptor of the sandbox on this side.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno as codes
import os
import shutil
import signal
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from pathlib import Path

from fnroll.errors import SandboxError
from fnroll.sandbox import channel, supervise, tree
from fnroll.sandbox.api import Exit, Layout, StepFailed

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


class Running(ABC):
    """What both tiers share. Made with its sockets; `started` waits until the program runs."""

    def __init__(
        self, layout: Layout, listener: socket.socket | None, output: int, status: socket.socket, life: socket.socket
    ) -> None:
        loop = asyncio.get_running_loop()
        self._layout = layout
        self._listener = listener
        self._output = output
        self._pid = 0
        self._peak = 0
        self._execed = False
        self._failure: StepFailed | None = None
        self._started: asyncio.Future[None] = loop.create_future()
        self._exited: asyncio.Future[Exit] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._life_socket = life
        self._status = Lines(status, self._on_status, self._on_status_end)
        self._life = Lines(life, self._on_life, self._on_life_end)
        self._status_ended = False
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
        return self._output

    async def started(self) -> None:
        """Until the program runs. Raises StepFailed, when nothing is left of the sandbox."""
        await asyncio.shield(self._started)
        if self._failure is not None or not self._execed or self._listener is None or self._pid == 0:
            await self.close()
            raise self._failure or StepFailed(
                "the sandbox died on its way in, or the fork server did", step="enter", errno=0
            )

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exited)

    def memory_peak(self) -> int:
        if not self._exited.done():
            self._peak = max(self._peak, tree.peak_memory(self._members()))
        return self._peak

    @abstractmethod
    def freeze(self) -> None:
        """SIGSTOP to the whole tree."""

    @abstractmethod
    def thaw(self) -> None:
        """SIGCONT to the whole tree."""

    @abstractmethod
    def terminate(self) -> None:
        """SIGTERM to the program."""

    def kill(self) -> None:
        """Closing our half of the life socket is the word for it, and the one that our own death gives as well."""
        with contextlib.suppress(OSError):
            self._life_socket.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        self.kill()
        await asyncio.shield(self._gone)
        self._status.close()
        self._life.close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
        self.on_closed(self)

    @abstractmethod
    def _members(self) -> list[int]:
        """The pids of the tree, as the host sees them."""

    def _on_status(self, words: list[str]) -> None:
        if words[0] == "listening":
            self._listener = socket.socket(fileno=self._status.take_descriptor())
            self._listener.setblocking(False)
        elif words[0] == "exec":
            self._execed = True
        elif words[0] == "failed":
            self._failure = step_failed(words)

    def _on_status_end(self) -> None:
        self._status_ended = True
        self._progress()

    def _on_life(self, words: list[str]) -> None:
        if words[0] == "pid":
            self._on_pid(words)
            self._progress()
        elif words[0] == "exit":
            code = os.waitstatus_to_exitcode(int(words[1]))
            self._on_exit(Exit(code if code >= 0 else None, -code if code < 0 else None, int(words[2])))
        elif words[0] == "gone":
            self._on_gone()

    def _on_pid(self, words: list[str]) -> None:
        self._pid = int(words[1])

    def _on_exit(self, ended: Exit) -> None:
        if not self._exited.done():
            self._exited.set_result(ended)

    def _on_gone(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    def _on_life_end(self) -> None:
        """Without `exit` before it: whoever waited for the program is dead, and then so is the program."""
        self._on_exit(Exit(None, int(signal.SIGKILL)))
        self._on_gone()
        self._progress()

    def _progress(self) -> None:
        if self._status_ended and (self._pid or self._gone.done()) and not self._started.done():
            self._started.set_result(None)


class LinuxSandbox(Running):
    """Signals go by the pidfd that the fork server sent: it can never name another process."""

    _pidfd = -1

    def _on_pid(self, words: list[str]) -> None:
        super()._on_pid(words)
        self._pidfd = self._life.take_descriptor()

    def _send(self, number: int) -> None:
        if self._pidfd >= 0 and not self._exited.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _members(self) -> list[int]:
        return [self._pid, *tree.descendants(self._pid)]

    def freeze(self) -> None:
        """From the top down, until a walk finds nothing new: a stopped process starts no more."""
        if self._exited.done():
            return
        self._send(signal.SIGSTOP)
        seen: set[int] = set()
        while fresh := [pid for pid in tree.descendants(self._pid) if pid not in seen]:
            _signal_all(fresh, signal.SIGSTOP)
            seen.update(fresh)

    def thaw(self) -> None:
        """From the bottom up, so that no parent runs and wonders at a stopped child."""
        if not self._exited.done():
            _signal_all(tree.descendants(self._pid)[::-1], signal.SIGCONT)
            self._send(signal.SIGCONT)

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        super().kill()

    def _on_life_end(self) -> None:
        """If the fork server died, its sandboxes are dying too: only the pidfd tells when the last process has."""
        if self._pidfd < 0 or self._gone.done():
            return super()._on_life_end()
        self._send(signal.SIGKILL)
        loop = asyncio.get_running_loop()

        def dead() -> None:
            loop.remove_reader(self._pidfd)
            super(LinuxSandbox, self)._on_life_end()

        loop.add_reader(self._pidfd, dead)
        return None

    async def close(self) -> None:
        await super().close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class ProcessSandbox(Running):
    """Everything is asked of the supervisor, who alone knows that a pid is still the program's."""

    _supervisor = 0
    scratch: Path | None = None
    """Deleted by the supervisor; by us if that one was killed."""

    def _on_pid(self, words: list[str]) -> None:
        super()._on_pid(words)
        self._supervisor = int(words[2])

    def _members(self) -> list[int]:
        return tree.descendants(self._supervisor)

    def _ask(self, command: bytes) -> None:
        if not self._exited.done():
            with contextlib.suppress(OSError):
                self._life_socket.send(command)

    def freeze(self) -> None:
        self._ask(supervise.FREEZE)

    def thaw(self) -> None:
        self._ask(supervise.THAW)

    def terminate(self) -> None:
        self._ask(supervise.TERMINATE)

    async def close(self) -> None:
        await super().close()
        if self.scratch is not None and self.scratch.exists():
            shutil.rmtree(self.scratch, ignore_errors=True)


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
