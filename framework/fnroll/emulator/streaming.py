"""Responses that a runtime streams: what its trailers and its prelude mean, and how fast it may go. Pure.

Source: facts 2.1. A stream is `Lambda-Runtime-Function-Response-Mode: streaming` with a chunked body; an error in its
middle comes as trailers. A response for a function URL begins with a prelude: JSON (statusCode, headers, cookies) and
eight NUL bytes, then the body.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fnroll.emulator.message import Request

MAX_STREAM: Final = 200 * 1024 * 1024
"""Bytes of a streamed response (facts: quotas)."""

PRELUDE_TYPE: Final = "application/vnd.awslambda.http-integration-response"
SEPARATOR: Final = bytes(8)
MAX_PRELUDE: Final = 64 * 1024

FREE: Final = 6 * 1024 * 1024
RATE: Final = 2 * 1024 * 1024
"""Bytes that go at once, and bytes a second after them."""


def is_stream(request: Request) -> bool:
    """Whether a chunked answer is a stream: it says so, or declares the trailers of one (AWS's Go client does no
    more)."""
    mode = request.header("lambda-runtime-function-response-mode")
    if mode in (None, ""):
        return any(
            name == "trailer" and "lambda-runtime-function-error-type" in value.lower()
            for name, value in request.headers
        )
    return mode == "streaming"


def error_of(trailers: Sequence[tuple[str, str]]) -> tuple[str, bytes] | None:
    """The error type and payload that a stream ended with; None if it ended well. Names are lower case."""
    said = dict(trailers)
    error_type = said.get("lambda-runtime-function-error-type")
    if error_type is None:
        return None
    try:
        body = base64.b64decode(said.get("lambda-runtime-function-error-body", ""), validate=True)
    except binascii.Error:
        body = b""
    return error_type, body


@dataclass(frozen=True, slots=True)
class Prelude:
    """What a streamed response for a function URL begins with."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()


class NoPrelude(Exception):
    """The stream does not begin with a prelude."""


def split_prelude(data: bytes) -> tuple[Prelude, bytes] | None:
    """The prelude and what of the body is there already; None where more has to come. Raises NoPrelude."""
    at = data.find(SEPARATOR)
    if at < 0:
        if len(data) > MAX_PRELUDE:
            raise NoPrelude
        return None
    try:
        said: Any = json.loads(data[:at])
        headers = {str(name): str(value) for name, value in said.get("headers", {}).items()}
        prelude = Prelude(int(said.get("statusCode", 200)), headers, tuple(map(str, said.get("cookies", ()))))
    except (ValueError, AttributeError, TypeError):
        raise NoPrelude from None
    return prelude, data[at + len(SEPARATOR) :]


def prelude_bytes(prelude: Prelude) -> bytes:
    said = {"statusCode": prelude.status, "headers": prelude.headers, "cookies": list(prelude.cookies)}
    return json.dumps(said, separators=(",", ":")).encode() + SEPARATOR


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A token bucket: `left` bytes may go at once, at the time `since` (seconds)."""

    left: float = float(FREE)
    since: float = 0.0

    def spend(self, size: int, now: float) -> tuple[Bandwidth, float]:
        """The bucket after `size` bytes at `now`, and how many seconds they have to wait."""
        left = min(float(FREE), self.left + (now - self.since) * RATE) - size
        return Bandwidth(left, now), max(0.0, -left / RATE)
