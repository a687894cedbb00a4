"""The errors that Lambda answers with, as values: a code, a status, the text, and the body's exact member names.

`Fault` is raised by whatever computes an answer and caught at one place, `gate`; it never leaves the room. The two
spellings of the message member (`Message` and `message`) are those of botocore's error shapes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from fnroll.definition import service

_STATUS: Mapping[str, tuple[int, str]] = {
    "AccessDeniedException": (403, "Message"),
    "BadDigest": (400, "message"),
    "IncompleteBody": (400, "message"),
    "IncompleteSignatureException": (403, "message"),
    "InvalidChunkSizeError": (403, "message"),
    "InvalidParameterValueException": (400, "message"),
    "InvalidRequestContentException": (400, "message"),
    "InvalidSignatureException": (403, "message"),
    "MalformedTrailerError": (400, "message"),
    "MissingAuthenticationTokenException": (403, "message"),
    "MissingContentLength": (411, "message"),
    "NotImplementedException": (501, "message"),
    "PreconditionFailedException": (412, "message"),
    "RequestEntityTooLargeException": (413, "message"),
    "ResourceConflictException": (409, "message"),
    "ResourceNotFoundException": (404, "Message"),
    "SerializationException": (400, "Message"),
    "ServiceException": (500, "Message"),
    "TooManyRequestsException": (429, "message"),
    "UnknownOperationException": (404, "Message"),
    "UnrecognizedClientException": (403, "message"),
    "ValidationException": (400, "message"),
}

_WITHOUT_TYPE = frozenset(
    {
        "AccessDeniedException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnknownOperationException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""Codes that Lambda's front answers itself: their bodies carry no `Type`."""


def _modelled(code: str) -> tuple[int, str]:
    """Status and message member of any other error of Lambda's model."""
    shape = service.shape(code)
    return shape["error"]["httpStatusCode"], "Message" if "Message" in shape["members"] else "message"


class Fault(Exception):
    """One refusal. `typed` False leaves `Type` out of the body where AWS was seen to."""

    def __init__(self, code: str, message: str, *, typed: bool = True, reason: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.reason = reason
        self.code = code
        self.message = message
        self.status, self._member = _STATUS.get(code) or _modelled(code)
        self._typed = typed and code not in _WITHOUT_TYPE

    def headers(self) -> list[tuple[str, str]]:
        return [("Content-Type", "application/json"), ("x-amzn-ErrorType", self.code)]

    def body(self) -> bytes:
        fields = {self._member: self.message}
        if self._typed:
            fields = {"Type": "Service" if self.status >= 500 else "User", **fields}
        if self.reason is not None:
            fields = {"Reason": self.reason, **fields}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def throttled(reason: str) -> Fault:
    """429 of an invocation; `reason` is Lambda's (facts 2.6)."""
    return Fault("TooManyRequestsException", "Rate Exceeded.", reason=reason)


def not_found(arn: str) -> Fault:
    """404 of a function or version that is not there; `arn` with the qualifier that was asked for."""
    return Fault("ResourceNotFoundException", f"Function not found: {arn}")


def invalid(message: str, *, typed: bool = True) -> Fault:
    """400 of a value that the model allows and Lambda does not."""
    return Fault("InvalidParameterValueException", message, typed=typed)


def conflict(message: str) -> Fault:
    return Fault("ResourceConflictException", message)


def stale(read_with: str) -> Fault:
    """412; `read_with` names the calls that give the latest RevisionId."""
    return Fault(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {read_with} API to retrieve the latest Revision Id",
    )


def not_built(what: str) -> Fault:
    """501 of what AWS has and this cloud does not: `what` names it."""
    return Fault("NotImplementedException", f"{what} is not built in fn's local cloud")


def too_large(limit: int, operation: str) -> Fault:
    return Fault(
        "RequestEntityTooLargeException", f"Request must be smaller than {limit} bytes for the {operation} operation"
    )
