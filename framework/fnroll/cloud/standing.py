"""What is known of a local cloud from outside: whether one is up over a state, and forgetting a state that none holds.

Apart from the server, whose import takes longer than most commands that only ask the cloud that is up.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path

from fnroll.cloud.state import EPHEMERAL, Endpoint, hold, read_endpoint, remove
from fnroll.errors import CloudError

WAIT = 0.5
"""Seconds that a cloud which is just stopping, or was just killed, may take to let the state go."""


def running(state_dir: Path) -> Endpoint | None:
    """The cloud that is up over this state, if one is and answers."""
    endpoint = read_endpoint(state_dir)
    return endpoint if endpoint is not None and _answers(endpoint) else None


def wait_until_free(state_dir: Path, wait: float) -> None:
    """Until whoever holds the state has let it go, having put away what it must; or the time is over."""
    with suppress(CloudError), hold(state_dir, wait=wait):
        pass


def place(state_dir: Path) -> Path:
    """Where the state lies that whoever asks `state_dir` is answered from: that of an ephemeral cloud, if one is up."""
    endpoint = running(state_dir)
    return state_dir / EPHEMERAL if endpoint is not None and endpoint.ephemeral else state_dir


def reset(state_dir: Path) -> None:
    """Forget everything that the local cloud keeps in `state_dir`. CloudError while one is up over it."""
    remove(state_dir, wait=WAIT)


def _answers(endpoint: Endpoint) -> bool:
    """Whether the process of the endpoint file, and not another that took its port, answers within a second."""
    address = endpoint.url.removeprefix("http://").rpartition(":")[0].strip("[]")
    try:
        with socket.create_connection((address, endpoint.port), timeout=1.0) as connection:
            connection.sendall(b"GET /.fn/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
        pid: int = json.loads(answer.partition(b"\r\n\r\n")[2])["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return pid == endpoint.pid
