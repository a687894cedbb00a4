"""A running `fn dev` for tests: its URLs, what it says, and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT = 60.0
"""Seconds until a test gives up."""


class Dev:
    """`fn dev WORDS... DIRECTORIES...`, run in the first of them; up when this returns, unless `wait` is False."""

    def __init__(
        self, directories: list[Path], environment: dict[str, str], words: tuple[str, ...] = (), wait: bool = True
    ) -> None:
        command = [sys.executable, "-m", "fnroll", "dev", "--port", "0", *words, *map(str, directories)]
        self.process = subprocess.Popen(
            command,
            cwd=directories[0],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        """Lines on stderr."""
        self.shown: list[str] = []
        """Lines on stdout."""
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stderr, self.said), (self.process.stdout, self.shown))
        ]
        for reader in self._readers:
            reader.start()
        if wait:
            self.until(lambda: len(self.shown) >= len(directories))

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))

    @property
    def urls(self) -> dict[str, str]:
        """The URL of each function by its name, the last one told."""
        return dict(line.split("\t") for line in self.shown if "\t" in line)

    @property
    def endpoint(self) -> str:
        (line,) = [line for line in self.said if line.startswith("export AWS_ENDPOINT_URL=")]
        return line.partition("=")[2].partition(" ")[0]

    @property
    def records(self) -> list[dict[str, Any]]:
        """stdout under --output json."""
        return [json.loads(line) for line in self.shown]

    def says(self, part: str) -> bool:
        return any(part in line for line in tuple(self.said))

    def reloads(self, name: str) -> int:
        return sum(line.startswith(f"{name} reloaded in ") for line in tuple(self.said))

    def until(self, condition: Callable[[], Any]) -> None:
        """Ask again and again until it is so."""
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end and self.process.poll() is None, (self.shown, self.said)
            time.sleep(0.005)

    def end(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(LIMIT)
        for reader in self._readers:
            reader.join(LIMIT)
        assert self.process.stdout is not None and self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@contextmanager
def starter(environment: dict[str, str]) -> Iterator[Callable[..., Dev]]:
    """A function that starts one: `start(*directories, words=(), wait=True, **variables)`. All are ended at the end."""
    started: list[Dev] = []

    def start(*directories: Path, words: tuple[str, ...] = (), wait: bool = True, **variables: str) -> Dev:
        role = {"FN_ROLE": "arn:aws:iam::000000000000:role/x"}
        started.append(Dev(list(directories), environment | role | variables, words, wait))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            if each.process.poll() is None:
                each.end()
