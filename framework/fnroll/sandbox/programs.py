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

    from fnroll.sandbox.steps import Step

FIRST = 0


class Programs:
    """`fork` gives 0 in the child; `way_in` are the steps of a program, the last of which is exec."""

    def __init__(self, life: _socket.socket, null: int, fork: Callable[[], int], way_in: tuple[Step, ...]) -> None:
        self._life = life
        self._null = null
        self._fork = fork
        self._way_in = way_in
        self._numbers: dict[int, int] = {}

    def start(self, number: int, program: list[Any], output: int) -> None:
        """Start `program` (argv, directory, environment) with its output on the pipe `output`, which is closed here."""
        told, tell = os.pipe()
        try:
            pid = self._fork()
        except OSError as error:
            channel.say(self._life, "failed", number, *steps.described("fork", error))
            pid = -1
        if pid == 0:
            steps.walk(self._way_in, steps.Entry(program, output, tell, self._null))
        os.close(tell)
        os.close(output)
        failure = b""
        while pid > 0 and (data := os.read(told, 4096)):
            failure += data
        os.close(told)
        if pid < 0:
            return
        if failure:
            os.waitpid(pid, 0)
            channel.say(self._life, "failed", number, *failure.decode("utf-8", "replace").rstrip("\n").split("\t"))
            return
        self._numbers[pid] = number
        channel.say(self._life, "started", number, pid)

    def signal(self, number: int, which: int) -> None:
        for pid, known in self._numbers.items():
            if known == number:
                try:
                    os.kill(pid, which)
                except ProcessLookupError:
                    pass

    def pid_of(self, number: int) -> int:
        """0 if it has ended."""
        return next((pid for pid, known in self._numbers.items() if known == number), 0)

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
