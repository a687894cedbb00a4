"""The one border where botocore's exceptions become ours.

Every verb of this room runs inside `border`; nothing of botocore gets out. What is known about an error code (its
class in our tree, how to mend it) stands in tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fnroll.errors import AwsError, Conflict, NoCredentials, NotFound, PreconditionFailed, Throttled

_CLASSES: dict[str, type[AwsError]] = {
    "ParameterNotFound": NotFound,
    "NoSuchKey": NotFound,
    "NoSuchBucket": NotFound,
    "ResourceNotFoundException": NotFound,
    "ResourceConflictException": Conflict,
    "PreconditionFailedException": PreconditionFailed,
    "TooManyRequestsException": Throttled,
    "ThrottlingException": Throttled,
    "Throttling": Throttled,
    "ExpiredToken": NoCredentials,
    "ExpiredTokenException": NoCredentials,
    "UnrecognizedClientException": NoCredentials,
    "InvalidClientTokenId": NoCredentials,
    "MissingAuthenticationToken": NoCredentials,
    "MissingAuthenticationTokenException": NoCredentials,
}
_STATUSES: dict[int, type[AwsError]] = {404: NotFound, 409: Conflict, 412: PreconditionFailed, 429: Throttled}

_SERVICES = {
    "GetCallerIdentity": "sts",
    "GetMetricData": "cloudwatch",
    "LookupEvents": "cloudtrail",
    **dict.fromkeys(("CreateSchedule", "GetSchedule", "UpdateSchedule", "DeleteSchedule"), "scheduler"),
    "GetParameter": "ssm",
    "DescribeSecret": "secretsmanager",
    **dict.fromkeys(("DescribeStacks", "ListExports"), "cloudformation"),
    **dict.fromkeys(("GetObject", "HeadObject", "PutObject"), "s3"),
    **dict.fromkeys(("FilterLogEvents", "DescribeLogGroups", "PutRetentionPolicy", "DeleteRetentionPolicy"), "logs"),
}
"""Operations that are not Lambda's, for the name of the permission that was missing."""

_LOG_IN = "log in again (aws sso login, or new keys), or choose another profile with --profile"
_HINTS = {
    "ExpiredToken": _LOG_IN,
    "ExpiredTokenException": _LOG_IN,
    "UnrecognizedClientException": "these keys are not known to AWS: check the profile and the region",
    "InvalidClientTokenId": "these keys are not known to AWS: check the profile and the region",
    "InvalidSignatureException": "check the secret key, and that this machine's clock is right",
    "RequestExpired": "check that this machine's clock is right",
    "TooManyRequestsException": "other work in this account uses up the same limit; wait a little and try again",
    "CodeStorageExceededException": "the account's space for code is full: delete old versions and layers",
    "RequestEntityTooLargeException": "the request is larger than Lambda takes",
    "RequestTooLargeException": "the payload is larger than Lambda takes: 6 MB, or 1 MB for --async",
    "KMSAccessDeniedException": "the function's role may not use the key of its environment variables",
}

ROLE_NOT_ASSUMABLE = "cannot be assumed by Lambda"
"""In the message of the InvalidParameterValueException that a role gives that is new, or that trusts others."""


def role_not_assumable(error: AwsError) -> bool:
    """Whether Lambda refused the role: for ever if its trust is wrong, for some seconds if it is new."""
    return error.code == "InvalidParameterValueException" and ROLE_NOT_ASSUMABLE in error.message


@contextmanager
def border(operation: str, where: str) -> Iterator[None]:
    """Run one call of `operation` on `where` (function, layer, ...); botocore's exceptions come out as AwsErrors."""
    try:
        yield
    except Exception as error:
        translated = translate(error, operation, where)
        if translated is None:
            raise
        raise translated from error


def translate(error: Exception, operation: str, where: str) -> AwsError | None:
    """Our error for one of botocore's; None for an exception that is not botocore's."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        return _answered(error.response, operation, where)
    if isinstance(error, BotoCoreError):
        return _unanswered(error, operation, where)
    return None


def _answered(response: Any, operation: str, where: str) -> AwsError:
    code: str = response.get("Error", {}).get("Code") or "Unknown"
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text: str = response.get("Error", {}).get("Message") or response.get("message") or "no reason given"
    kind = _CLASSES.get(code) or _STATUSES.get(status, AwsError)
    hint = _HINTS.get(code)
    if code in ("AccessDeniedException", "AccessDenied"):
        hint = f"the identity in use needs the permission {_SERVICES.get(operation, 'lambda')}:{operation}"
    elif ROLE_NOT_ASSUMABLE in text:
        hint = "the role's trust policy must let lambda.amazonaws.com call sts:AssumeRole"
    return kind(f"{operation}: {text} ({code})", code=code, operation=operation, status=status, where=where, hint=hint)


def _unanswered(error: Exception, operation: str, where: str) -> AwsError:
    from botocore import exceptions as known

    hint: str | None
    if isinstance(error, known.NoRegionError):
        return NoCredentials("no AWS region is set", where=where, hint="--region, AWS_REGION or the profile names it")
    if isinstance(error, known.ProfileNotFound):
        return NoCredentials(str(error), where=where, hint="aws configure list-profiles shows what there is")
    if isinstance(error, (known.NoCredentialsError, known.PartialCredentialsError)):
        hint = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; --local needs none"
        return NoCredentials("no AWS credentials were found", operation=operation, where=where, hint=hint)
    if isinstance(error, (known.SSOError, known.TokenRetrievalError, known.CredentialRetrievalError)):
        return NoCredentials(str(error), operation=operation, where=where, hint=_LOG_IN)
    if isinstance(error, (known.EndpointConnectionError, known.ConnectTimeoutError, known.ProxyConnectionError)):
        hint = "check the network, --region and --endpoint"
        return AwsError(f"{operation}: {error}", operation=operation, where=where, hint=hint)
    if isinstance(error, known.ReadTimeoutError):
        hint = "the call may have had its effect all the same"
        return AwsError(f"{operation}: {error}", operation=operation, where=where, hint=hint)
    return AwsError(f"{operation}: {error}", operation=operation, where=where)
