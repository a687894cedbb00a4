"""The verbs Invoke and InvokeWithResponseStream: payload bytes as they are, out and back."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fnroll.aws.errors import border
from fnroll.errors import AwsError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

MAX_CONTEXT = 3583
"""Bytes of a client context, as base64 (InvokeRequest in the service model's documentation)."""


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
    client_context: bytes | None = None,
    tenant_id: str | None = None,
) -> Invocation:
    """Invoke, once. A function that fails is a result, not an error. Raises NotFound, Throttled, AwsError."""
    more = _more(qualifier, log_tail and not asynchronous, client_context, tenant_id)
    if asynchronous:
        more["InvocationType"] = "Event"
    with border("Invoke", _at(function, qualifier)):
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


def invoke_streaming(
    client: LambdaClient,
    function: str,
    payload: bytes,
    each: Callable[[bytes], None],
    *,
    qualifier: str | None = None,
    log_tail: bool = False,
    client_context: bytes | None = None,
    tenant_id: str | None = None,
) -> Invocation:
    """Invoke, once, and hand each piece of the answer to `each` as it arrives; the result's own payload is empty.

    `function_error` is the code and the details of InvokeComplete if the function failed, be it after half an answer.
    Raises NotFound, Throttled, AwsError; AwsError too for a stream that breaks off without InvokeComplete.
    """
    where = _at(function, qualifier)
    complete: Any = None
    with border("InvokeWithResponseStream", where):
        answer = client.invoke_with_response_stream(
            FunctionName=function, Payload=payload, **_more(qualifier, log_tail, client_context, tenant_id)
        )
        with closing(answer["EventStream"]) as events:
            for event in events:
                if "PayloadChunk" in event:
                    each(event["PayloadChunk"].get("Payload", b""))
                elif "InvokeComplete" in event:
                    complete = event["InvokeComplete"]
    if complete is None:
        raise AwsError(
            "InvokeWithResponseStream: the stream ended before the function was done",
            operation="InvokeWithResponseStream",
            where=where,
            hint="the function may be running still: fn logs shows what it did",
        )
    log = complete.get("LogResult")
    told = [complete[key] for key in ("ErrorCode", "ErrorDetails") if complete.get(key)]
    return Invocation(
        payload=b"",
        status=answer["StatusCode"],
        function_error=": ".join(told) or None,
        executed_version=answer.get("ExecutedVersion") or None,
        log=b64decode(log) if log else None,
    )


def _more(qualifier: str | None, log_tail: bool, client_context: bytes | None, tenant_id: str | None) -> Any:
    more: dict[str, Any] = {} if qualifier is None else {"Qualifier": qualifier}
    if log_tail:
        more["LogType"] = "Tail"
    if client_context is not None:
        more["ClientContext"] = b64encode(client_context).decode()
    if tenant_id is not None:
        more["TenantId"] = tenant_id
    return more


def _at(function: str, qualifier: str | None) -> str:
    return function if qualifier is None else f"{function}:{qualifier}"
