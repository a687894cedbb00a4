"""The verb Invoke: payload bytes as they are, out and back."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came back. `function_error` is AWS's word (Unhandled, Handled) if the function failed, else None.

    `executed_version` is the version behind the alias that ran; `log` the last 4 KB of the log, if asked for.
    """

    payload: bytes
    status: int
    function_error: str | None
    executed_version: str | None
    log: bytes | None


def invoke(
    client: LambdaClient,
    function: str,
    payload: bytes,
    *,
    qualifier: str | None = None,
    asynchronous: bool = False,
    log_tail: bool = False,
) -> Invocation:
    """Invoke, once. A function that fails is a result, not an error. Raises NotFound, Throttled, AwsError."""
    more: Any = {} if qualifier is None else {"Qualifier": qualifier}
    if asynchronous:
        more["InvocationType"] = "Event"
    elif log_tail:
        more["LogType"] = "Tail"
    with border("Invoke", function if qualifier is None else f"{function}:{qualifier}"):
        answer = client.invoke(FunctionName=function, Payload=payload, **more)
        body = answer["Payload"].read() if "Payload" in answer else b""
    log = answer.get("LogResult")
    return Invocation(
        payload=body,
        status=answer["StatusCode"],
        function_error=answer.get("FunctionError") or None,
        executed_version=answer.get("ExecutedVersion") or None,
        log=None if log is None else b64decode(log),
    )
