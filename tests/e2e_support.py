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


def get(url: str) -> tuple[int, Any]:
    """GET a function URL; its host is this machine. The body as JSON, or as text where it is none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Host": parts.netloc})
        answer = connection.getresponse()
        body = answer.read()
        try:
            return answer.status, json.loads(body)
        except ValueError:
            return answer.status, body.decode()
    finally:
        connection.close()
