"""Every error a user can meet, as one tree.

    FnError                    1   something failed
    ├── UsageError             2   the command line was wrong
    ├── DefinitionError        1   function.json and its side files: one or many findings, each with its place
    ├── ArchiveError           1   a directory or zip that cannot be packed or read
    ├── LayerError             1   a runtime or layer that cannot be built
    │   └── LayerUnavailable       what it is built from cannot be had now: no network, no mirror
    ├── SandboxError           1   this machine cannot give the sandbox that was asked for
    ├── EmulatorError          1   an execution environment could not be made (not: the function failed)
    │   └── InvocationThrottled    429 on Lambda: more invocations at a time, or more environments, than are allowed
    ├── CloudError             1   the local cloud cannot start, or is not there
    ├── AwsError               1   AWS (or the local cloud) answered with an error
    │   ├── NotFound
    │   ├── Conflict               409: something else is changing the resource now
    │   ├── PreconditionFailed     412: the resource moved since it was read
    │   ├── Throttled
    │   └── NoCredentials
    ├── DeployError            1   a deploy or rollback that stopped, and how far it got
    └── FunctionFailed         3   the invoked function answered with an error

Rules of this file: an error says what happened, where, and how to mend it, and owns its exit code. Rooms raise
these; foreign errors (botocore's, click's, OSError) are translated once, at the border where they enter. Only
`cli` prints them and only `cli` exits. Nothing here imports anything of ours.
"""

from __future__ import annotations

from dataclasses import dataclass


class FnError(Exception):
    """Something failed. `message`: what; `where`: file:line:column or resource; `hint`: how to mend it."""

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class UsageError(FnError):
    """The command line (or a combination of options) makes no sense."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in a text file. `line` and `column` count from 1; `hint` is the nearest right thing; `excerpt`
    is the line of the file with a caret below, two lines of text."""

    message: str
    path: str
    line: int = 0
    column: int = 0
    hint: str | None = None
    excerpt: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        excerpt = f"\n{self.excerpt}" if self.excerpt else ""
        return f"{place}: {self.message}{excerpt}" + (f"\n  {self.hint}" if self.hint else "")


class DefinitionError(FnError):
    """One or many findings in a definition, all reported at once."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(str(f) for f in findings))
        self.findings = findings


class ArchiveError(FnError):
    """A directory that cannot be packed, or a zip that cannot be read or is refused."""


class LayerError(FnError):
    """A runtime manifest or a layer directory that cannot be built."""


class LayerUnavailable(LayerError):
    """What a layer is built from is not in the cache and cannot be fetched now."""


class SandboxError(FnError):
    """This machine cannot give the sandbox that was asked for."""


class EmulatorError(FnError):
    """An execution environment could not be made. A function that fails is an Outcome, never this."""


class InvocationThrottled(EmulatorError):
    """The invocation was refused before it began. `reason` is Lambda's (facts 2.6), `message` its text."""

    def __init__(self, reason: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__("Rate Exceeded.", where=where, hint=hint or reason)
        self.reason = reason


class CloudError(FnError):
    """The local cloud cannot start, is not there, or its state is held by another process."""


class AwsError(FnError):
    """AWS, or what stands in for it, refused a call. `code` is AWS's own error code."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        operation: str = "",
        status: int = 0,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code
        self.operation = operation
        self.status = status


class NotFound(AwsError):
    """404: the function, version, alias, layer or URL does not exist."""


class Conflict(AwsError):
    """409: something else is changing the resource at this moment."""


class PreconditionFailed(AwsError):
    """412: the resource moved since its RevisionId was read."""


class Throttled(AwsError):
    """429: too many calls, after the client's own retries were spent."""


class NoCredentials(AwsError):
    """No usable credentials or region were found."""


class DeployError(FnError):
    """A deploy, rollback or delete stopped; the message says what was done and what was not."""


class FunctionFailed(FnError):
    """The invoked function answered with an error; its payload was already printed."""

    exit_code = 3
