"""InvokeWithResponseStream against a server that sends the event stream's own frames."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator

import pytest

from fnroll.aws import AwsOptions, Invocation, Session
from fnroll.aws.invoke import invoke_streaming
from fnroll.errors import AwsError, Throttled
from stream_support import chunk, complete, refusal, streamer


def call(url: str, pieces: list[bytes], **more: object) -> Invocation:
    session = Session(AwsOptions(endpoint=url, local=True))
    try:
        return invoke_streaming(session.invoker, "hello", b"{}", pieces.append, **more)  # type: ignore[arg-type]
    finally:
        session.invoker.close()


def test_each_piece_is_handed_on_before_the_next_is_sent() -> None:
    seen = threading.Event()

    def answer() -> Iterator[bytes]:
        yield chunk(b"one ")
        assert seen.wait(30), "the first piece was kept back"
        yield chunk(b"two\xff")
        yield complete()

    pieces: list[bytes] = []

    class Told(list[bytes]):
        def append(self, piece: bytes) -> None:
            pieces.append(piece)
            seen.set()

    with streamer(answer) as server:
        done = call(server.url, Told(), qualifier="live")
    assert pieces == [b"one ", b"two\xff"]
    assert done == Invocation(b"", 200, None, "7", None)
    path, headers, body = server.requests[0]
    assert (path, body) == ("/2021-11-15/functions/hello/response-streaming-invocations?Qualifier=live", b"{}")
    assert "x-amz-log-type" not in headers


def test_the_log_and_the_client_context_go_with_it() -> None:
    log = b64encode(b"START\nEND\n").decode()
    with streamer(lambda: iter([chunk(b"x"), complete(LogResult=log)])) as server:
        done = call(server.url, [], log_tail=True, client_context=b'{"custom":{"a":"b"}}')
    assert done.log == b"START\nEND\n"
    headers = server.requests[0][1]
    assert headers["x-amz-log-type"] == "Tail"
    assert json.loads(b64decode(headers["x-amz-client-context"])) == {"custom": {"a": "b"}}


def test_a_function_that_fails_in_mid_answer_is_a_result_with_what_it_had_sent() -> None:
    pieces: list[bytes] = []
    end = complete(ErrorCode="Unhandled", ErrorDetails='{"errorMessage":"late"}')
    with streamer(lambda: iter([chunk(b"half"), end])) as server:
        done = call(server.url, pieces)
    assert pieces == [b"half"]
    assert done.function_error == 'Unhandled: {"errorMessage":"late"}'


def test_a_stream_that_breaks_off_is_an_error_not_an_answer() -> None:
    pieces: list[bytes] = []
    with streamer(lambda: iter([chunk(b"half")])) as server:
        with pytest.raises(AwsError, match="ended before the function was done"):
            call(server.url, pieces)
    assert pieces == [b"half"]


def test_an_exception_within_the_stream_is_one_of_ours() -> None:
    late = refusal("TooManyRequestsException", "Rate Exceeded.")
    with streamer(lambda: iter([late])) as server:
        with pytest.raises(Throttled, match=r"Rate Exceeded. \(TooManyRequestsException\)"):
            call(server.url, [])
