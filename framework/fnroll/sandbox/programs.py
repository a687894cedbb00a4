"""The programs of one sandbox, as the process keeps them that starts and reaps them: its init, or its supervisor.

A program has a number that the host gave it (0: the sandbox's first). A start is answered on the life socket by
`started`, once the program has been exec'd, or by `failed` with the step; its end by `exit`.
"""

from __future__ import annotations

import os

from fnroll.sandbox import channel, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any

FIRST = 0


class Programs:
    """`launch` starts a program (argv, directory, environment) with its output on a pipe and gives its pid, or raises
    steps.NotStarted."""

    def __init__(self, life: _socket.socket, launch: Callable[[list[Any], int], int]) -> None:
        self._life = life
        self._launch = launch
        self._numbers: dict[int, int] = {}

    def start(self, number: int, program: list[Any], output: int) -> None:
        """`output` is closed here."""
        try:
            pid = self._launch(program, output)
        except steps.NotStarted as failure:
            channel.say(self._life, "failed", number, *failure.words)
        else:
            self._numbers[pid] = number
            channel.say(self._life, "started", number)
        finally:
            os.close(output)

    def signal(self, number: int, which: int) -> None:
        for pid, known in self._numbers.items():
            if known == number:
                try:
                    os.kill(pid, which)
                except ProcessLookupError:
                    pass

    def reap(self) -> None:
        """Take in every child that has ended: programs, whose end is told, and orphans that have come to us."""
        while True:
            try:
                pid, raw, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._numbers:
                channel.say(self._life, "exit", self._numbers.pop(pid), raw, usage.ru_maxrss * steps.RSS_UNIT)
