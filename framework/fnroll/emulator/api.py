"""What goes into an invocation and what comes out: the values that the emulator and its callers share.

Frozen values only; no I/O. What is made for each invocation is a named tuple: a frozen dataclass takes four times as
long to make. The names are Lambda's own. `cloud` turns API requests into these, `fn run` makes one of
each from the working tree, and tests make them by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from fnroll.sandbox.api import Network

MAX_PAYLOAD = 6 * 1024 * 1024
"""Bytes of a synchronous event (facts: quotas)."""

MAX_RESPONSE = 6 * 1024 * 1024 + 100
"""Bytes of a response on the Runtime API; one more is Function.ResponseSizeTooLarge."""

Initialization = Literal["on-demand", "provisioned-concurrency", "snap-start", "lambda-managed-instances"]


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """One version of a function, ready to run: its configuration, and its code unpacked on this machine.

    `arn` is unqualified; `revision` names code and configuration together, so that an environment started from
    another revision is never reused. Sizes in MiB, `timeout` in seconds.
    """

    name: str
    arn: str
    version: str
    revision: str
    task: Path
    handler: str | None
    opt: Path | None = None
    runtime: str | None = "provided.al2023"
    memory_mb: int = 128
    timeout: int = 3
    tmp_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    """AWS_ACCESS_KEY_ID and friends as the function shall see them; never the user's own unless asked for."""
    region: str = "us-east-1"
    log_group: str | None = None
    network: Network = "none"
    concurrency: int = 1
    """Invocations at a time in one environment: more than one only for managed instances (facts: quotas)."""
    limits: bool = True
    """False, for debugging: neither memory nor CPU is limited, and nothing is frozen."""
    log_format: Literal["Text", "JSON"] = "Text"
    application_log_level: str | None = None
    system_log_level: str = "INFO"
    """LoggingConfig; the levels count in the JSON format alone. The application's is its runtime's to apply."""
    tracing: bool = False
    """TracingConfig's mode is Active."""
    initialization: Initialization = "on-demand"
    """Why the environment exists: AWS_LAMBDA_INITIALIZATION_TYPE, and `initializationType` of platform.initStart."""


class Invocation(NamedTuple):
    """One event. `arn` as the caller named the function (with a qualifier only if the caller gave one)."""

    request_id: str
    payload: bytes
    arn: str
    client_context: str | None = None
    """JSON text, base64 already undone."""
    trace_id: str | None = None
    cognito_identity: str | None = None
    """JSON: cognitoIdentityId and cognitoIdentityPoolId."""
    tenant_id: str | None = None
    stream: ResponseStream | None = None
    """Gets a response that the runtime streams as it comes; the outcome's payload is empty then, but for an error.
    Without one, and for a runtime that does not stream, the response is collected."""
    early: Callable[[bytes, str], None] | None = None
    """Gets the payload of a good answer, and the version that gave it, as soon as the answer is there: before it is
    acknowledged, counted and logged. The outcome follows all the same."""
    ran_on: Callable[[float], None] | None = None
    """Is told for how many milliseconds extensions ran on after the answer, once they are done; never without any."""


class ResponseStream(Protocol):
    """Where a streamed response goes. Called from the event loop."""

    def begin(self, content_type: str) -> None: ...

    def chunk(self, data: bytes) -> None: ...


Status = Literal["success", "error", "timeout"]


class Report(NamedTuple):
    """The figures of the REPORT line. Milliseconds and MiB; `init_ms` only where this invocation paid for an init."""

    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None
    status: Status
    error_type: str | None = None
    platform_error: bool = False
    """Whether the platform found the error (crash, timeout, failed init, too large), not the function: then REPORT
    names it."""


class Outcome(NamedTuple):
    """What Invoke answers with. `function_error` is "Unhandled" when the payload is an error, else None."""

    payload: bytes
    function_error: str | None
    executed_version: str
    report: Report
    log: bytes
    """Every log line of this invocation, platform lines included (LogType Tail answers with its last 4 KB); of a log
    over 16 MiB the end."""
    provisioned: bool = False
    """Whether it ran in an environment of provisioned concurrency."""


class LogLine(NamedTuple):
    """One line as CloudWatch Logs would store it; `text` without its newline."""

    function: str
    version: str
    stream: str
    request_id: str | None
    timestamp_ms: int
    text: str
    arn: str = ""
    """The function's, unqualified: whose account and region the line belongs to."""
    group: str = ""
    """The log group: the configured one, else /aws/lambda/<function>."""


LogSink = Callable[[LogLine], None]
