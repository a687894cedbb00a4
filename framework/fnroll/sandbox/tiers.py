"""What differs between the tiers in a running sandbox: how it is frozen, killed, measured and reached."""

from __future__ import annotations

import asyncio
import contextlib
import errno as codes
import os
import signal
import socket
from pathlib import Path
from typing import Any

from fnroll.sandbox import tree
from fnroll.sandbox.cgroups import OWN_MB
from fnroll.sandbox.limits import Group, Places
from fnroll.sandbox.rootfs import API_ADDRESS, API_PORT, GID, UID
from fnroll.sandbox.running import Running
from fnroll.sandbox.supervise import remove


class LinuxSandbox(Running):
    """Signals go by the pidfd that the fork server sent: it can never name another process."""

    _pidfd = -1
    group: Group | None = None
    places = Places()

    def _on_pid(self, words: list[str]) -> None:
        super()._on_pid(words)
        self._pidfd = self._life.take_descriptor()
        self.group = Group(self.places, int(words[2]))

    def _send(self, number: int) -> None:
        if self._pidfd >= 0 and not self._gone.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _members(self) -> list[int]:
        return tree.descendants(self._pid)

    @property
    def _memory(self) -> Group | None:
        """The groups, if they count memory."""
        return self.group if self.group is not None and self.group.counts_memory else None

    def _check_memory(self) -> None:
        """By what the kernel counts; only above the limit has to be looked into what that is."""
        group, limit = self._memory, (self._memory_mb + OWN_MB) << 20
        if group is None:
            return super()._check_memory()
        used = group.usage()
        if used > limit:
            try:
                outgrown = group.own_bytes(used, self._in_tmp()) > limit
            except (OSError, ValueError):
                outgrown = False
            if outgrown and (pid := group.largest(spared=self._pid)):
                self._oom = True
                _signal_all([pid], signal.SIGKILL)
        return self._watch_memory()

    def _measure(self) -> int:
        return self._memory.peak(self._in_tmp) if self._memory is not None else super()._measure()

    def _in_tmp(self) -> int:
        try:
            disk = os.statvfs(f"/proc/{self._pid}/root/tmp")
        except OSError:
            return 0
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    @property
    def _own_network(self) -> bool:
        return self._layout.api == f"{API_ADDRESS}:{API_PORT}"

    def _kernel_killed(self) -> bool:
        return self.group is not None and self.group.kernel_killed()

    def share_cpu(self) -> None:
        if self.group is not None and self._memory_mb:
            self.group.share_cpu(self._memory_mb)

    def freeze(self) -> None:
        """By the control group; else by the init, which reaches all at one blow."""
        self._rest()
        if not self._gone.done() and (self.group is None or not self.group.freeze()):
            self.command("freeze")

    def thaw(self) -> None:
        if self._gone.done():
            return
        self._watch_memory()
        if self.group is None or not self.group.thaw():
            self.command("thaw")

    async def _socket_inside(self) -> socket.socket:
        if not self._own_network:
            return socket.socket()
        self._number += 1
        waiting: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        self._dialled[self._number] = waiting
        if self._gone.done():
            raise ConnectionRefusedError(codes.ECONNREFUSED, "the sandbox has ended")
        self.command("dial", self._number)
        return await waiting

    def _addresses(self) -> tuple[str, ...]:
        """sandbox.localdomain, where extensions are told to listen; and loopback, for those who listen there."""
        return (API_ADDRESS, "127.0.0.1") if self._own_network else ("127.0.0.1",)

    def _prepare_output(self, descriptor: int) -> None:
        give_output(descriptor)

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        super().kill()

    def _on_life_end(self) -> None:
        """If the fork server died, its sandboxes are dying too: only the pidfd tells when the last process has."""
        if self._pidfd < 0 or self._gone.done():
            return super()._on_life_end()
        self._send(signal.SIGKILL)
        if self.group is not None:
            self.group.thaw()
        loop = asyncio.get_running_loop()

        def dead() -> None:
            loop.remove_reader(self._pidfd)
            super(LinuxSandbox, self)._on_life_end()

        loop.add_reader(self._pidfd, dead)
        return None

    async def close(self) -> None:
        await super().close()
        if self.group is not None:
            self.group.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class ProcessSandbox(Running):
    """Everything is asked of the supervisor, who alone knows that a pid is still the program's."""

    def __init__(self, *arguments: Any, own: Path | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._own = own  # deleted by the supervisor; by us if that one was killed

    def _members(self) -> list[int]:
        return tree.descendants(self._pid)

    def freeze(self) -> None:
        self._rest()
        self.command("freeze")

    def thaw(self) -> None:
        self._watch_memory()
        self.command("thaw")

    async def _socket_inside(self) -> socket.socket:
        return socket.socket()

    async def close(self) -> None:
        await super().close()
        if self._own is not None and self._own.exists():
            remove(str(self._own))


class LandlockSandbox(ProcessSandbox):
    """Of root's: its programs are Lambda's user."""

    def _prepare_output(self, descriptor: int) -> None:
        give_output(descriptor)


def give_output(descriptor: int) -> None:
    """An output pipe is given to the program's user: else /dev/stdout could not be opened again. Where we may not, the
    program's user is the caller."""
    with contextlib.suppress(OSError):
        os.fchown(descriptor, UID, GID)


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
