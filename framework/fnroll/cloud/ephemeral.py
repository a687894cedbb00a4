"""A cloud that forgets everything when it ends, in the place of the one that the state directory keeps.

It has a state of its own below that directory, and holds the directory's lock: whoever asks there finds it, and what
is kept there is not touched. What a crash left of one goes when the next one starts, and with `fn local reset`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from fnroll.cloud.standing import WAIT
from fnroll.cloud.state import EPHEMERAL, Endpoint, hold, make_removable, write_whole


class Ephemeral:
    """`place`: the state to serve from; `publish` tells in the state directory where it answers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.place = directory / EPHEMERAL

    def publish(self, endpoint: Endpoint) -> None:
        told = json.dumps(asdict(replace(endpoint, ephemeral=True))).encode()
        write_whole(self._directory / "endpoint", told)

    def forget(self) -> None:
        if self.place.exists():
            make_removable(self.place)
            shutil.rmtree(self.place)


@contextmanager
def ephemeral(directory: Path) -> Iterator[Ephemeral]:
    """CloudError while a cloud is up over the directory."""
    with hold(directory, wait=WAIT):
        one = Ephemeral(directory)
        one.forget()
        try:
            yield one
        finally:
            (directory / "endpoint").unlink(missing_ok=True)
            one.forget()
