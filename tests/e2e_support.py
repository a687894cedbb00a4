"""What the end-to-end tests share: the type of the `fn` fixture, and a GET to a function URL."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Fn = Callable[..., "subprocess.CompletedProcess[str]"]
"""`fn(*words, cwd=, status=0, stdin=, **environment)` runs the real process."""


def get(url: str) -> tuple[int, dict[str, Any]]:
    """GET a function URL; its host is this machine."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Host": parts.netloc})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
