"""The errors that the platform finds itself, as Invoke answers with them: one table of types and texts.

Source: AWS's recorded answers (facts 2.5). The key order and the missing spaces are Lambda's. An error that the
function or its runtime posts is passed on as posted and never comes through here. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from fnroll.emulator.api import MAX_RESPONSE
from fnroll.sandbox.api import Exit

TIMEOUT: Final = "Sandbox.Timedout"
EXIT: Final = "Runtime.ExitError"
OUT_OF_MEMORY: Final = "Runtime.OutOfMemory"
ENTRYPOINT: Final = "Runtime.InvalidEntrypoint"
TOO_LARGE: Final = "Function.ResponseSizeTooLarge"
EXTENSION_CRASH: Final = "Extension.Crash"
EXTENSION_INIT: Final = "Extension.InitError"
EXTENSION_EXIT: Final = "Extension.ExitError"
EXTENSION_LAUNCH: Final = "Extension.LaunchError"

SIGNALS: Final = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    10: "user defined signal 1",
    11: "segmentation fault",
    12: "user defined signal 2",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}
"""Signal numbers of Linux in the words that Lambda (a Go program) has for them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error the platform found. `message` without the request id; `prefixed`: whether the payload names it;
    `reported`: the type that the REPORT line has for it, where that is another."""

    type: str
    message: str
    prefixed: bool = True
    reported: str | None = None

    def payload(self, request_id: str) -> bytes:
        message = f"RequestId: {request_id} Error: {self.message}" if self.prefixed else self.message
        fields = {"errorType": self.type, "errorMessage": message}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def timed_out(seconds: float) -> Fault:
    return Fault(TIMEOUT, f"Task timed out after {seconds:.2f} seconds")


def response_too_large() -> Fault:
    text = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    return Fault(TOO_LARGE, text, prefixed=False)


def invalid_entrypoint(text: str) -> Fault:
    return Fault(ENTRYPOINT, text)


def exited(how: Exit) -> Fault:
    """The runtime ended when it should have gone on."""
    if how.signal is not None:
        reason = SIGNALS.get(how.signal, f"signal {how.signal}")
        reported = OUT_OF_MEMORY if how.oom else None
        return Fault(EXIT, f"Runtime exited with error: signal: {reason}", reported=reported)
    if how.status:
        return Fault(EXIT, f"Runtime exited with error: exit status {how.status}")
    return Fault(EXIT, "Runtime exited without providing a reason")


def extension_exited(how: Exit) -> Fault:
    """An extension ended when it should have gone on."""
    if how.signal is not None:
        reported = OUT_OF_MEMORY if how.oom else None
        return Fault(EXTENSION_CRASH, f"signal: {SIGNALS.get(how.signal, how.signal)}", reported=reported)
    return Fault(EXTENSION_CRASH, f"exit status {how.status}" if how.status else "exit code 0")


def extension_not_started(name: str, reason: str) -> Fault:
    return Fault(EXTENSION_LAUNCH, f"fork/exec /opt/extensions/{name}: {reason}")


def too_many_extensions() -> Fault:
    return Fault(EXTENSION_LAUNCH, "ErrTooManyExtensions")


_ERROR_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


def clean_error_type(header: str | None) -> str:
    """Lambda-Runtime-Function-Error-Type as the platform takes it: a known form, or Unknown."""
    header = header or ""
    if _ERROR_TYPE.fullmatch(header):
        return header
    return "Function.Unknown" if header.startswith("Function.") else "Runtime.Unknown"


ERROR_CAUSE: Final = "application/vnd.aws.lambda.error.cause+json"


def posted_error(content_type: str | None, body: bytes) -> bytes:
    """What a runtime posted as an error, as the caller sees it: with the cause taken off where the type says so."""
    if content_type is None or content_type.partition(";")[0].strip().lower() != ERROR_CAUSE:
        return body
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    if not isinstance(fields, dict):
        return body
    kept = {name: fields[name] for name in ("errorMessage", "errorType", "stackTrace") if name in fields}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()
