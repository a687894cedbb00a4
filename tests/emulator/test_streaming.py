"""Streamed responses: trailers, prelude and bandwidth as pure functions, and a runtime that streams."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator_support import event, function, opened
from fnroll.emulator import Outcome
from fnroll.emulator.api import MAX_RESPONSE
from fnroll.emulator.streaming import (
    FREE,
    MAX_PRELUDE,
    RATE,
    SEPARATOR,
    Bandwidth,
    NoPrelude,
    Prelude,
    error_of,
    prelude_bytes,
    split_prelude,
)

texts = st.text(st.characters(exclude_categories=("Cs",)))
preludes = st.builds(Prelude, st.integers(100, 599), st.dictionaries(texts, texts), st.lists(texts).map(tuple))


@given(preludes, st.binary(), st.data())
def test_a_prelude_survives_in_any_pieces(prelude: Prelude, body: bytes, data: st.DataObject) -> None:
    whole = prelude_bytes(prelude)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert split_prelude(whole[:cut]) is None or whole[:cut].find(SEPARATOR) >= 0
    assert split_prelude(whole + body) == (prelude, body)


@pytest.mark.parametrize("data", [b"no json" + SEPARATOR, b"[]" + SEPARATOR, b'{"headers":1}' + SEPARATOR])
def test_what_is_no_prelude(data: bytes) -> None:
    with pytest.raises(NoPrelude):
        split_prelude(data)
    with pytest.raises(NoPrelude):
        split_prelude(b"x" * (MAX_PRELUDE + 1))


@pytest.mark.parametrize(
    ("trailers", "expected"),
    [
        ([], None),
        ([("x", "y")], None),
        (
            [
                ("lambda-runtime-function-error-type", "Runtime.StreamError"),
                ("lambda-runtime-function-error-body", base64.b64encode(b"{}").decode()),
            ],
            ("Runtime.StreamError", b"{}"),
        ),
        ([("lambda-runtime-function-error-type", "A"), ("lambda-runtime-function-error-body", "!")], ("A", b"")),
    ],
)
def test_trailers(trailers: list[tuple[str, str]], expected: tuple[str, bytes] | None) -> None:
    assert error_of(trailers) == expected


def test_bandwidth_is_free_first_and_then_as_fast_as_it_may() -> None:
    bucket, wait = Bandwidth().spend(FREE, 0.0)
    assert wait == 0
    bucket, wait = bucket.spend(RATE, 0.0)
    assert wait == 1.0
    bucket, wait = bucket.spend(0, 2.0)
    assert wait == 0
    assert Bandwidth(0.0, 0.0).spend(FREE, 1e9)[1] == 0


@given(st.lists(st.tuples(st.integers(0, 4 << 20), st.floats(0, 10)), max_size=20))
def test_who_waits_as_told_never_exceeds_the_rate(steps: list[tuple[int, float]]) -> None:
    bucket, now, sent = Bandwidth(), 0.0, 0
    for size, pause in steps:
        now += pause
        bucket, wait = bucket.spend(size, now)
        now += wait
        sent += size
        assert sent <= FREE + now * RATE + 1


STREAM = r"""
my $path = "$base/invocation/$id/response";
my @head = ("POST $path HTTP/1.1", "Host: x", "Lambda-Runtime-Function-Response-Mode: streaming",
            "Transfer-Encoding: chunked", "Content-Type: text/x-parts");
syswrite $api, join("\r\n", @head, 'Trailer: Lambda-Runtime-Function-Error-Type', '', '');
syswrite $api, sprintf("%%x\r\n%%s\r\n", length $_, $_) for %s;
syswrite $api, "0\r\n%s\r\n";
receive($api);
"""


class Kept:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def begin(self, content_type: str) -> None:
        self.told.append(content_type)

    def chunk(self, data: bytes) -> None:
        self.told.append(data)


def invoke(tmp_path: Path, text: str, stream: Kept | None, tier: str = "plain") -> tuple[Outcome, Outcome]:
    """The outcome, and that of an invocation after it."""

    async def main() -> tuple[Outcome, Outcome]:
        async with opened(tier) as run:
            config = function(tmp_path)
            outcome = await run.emulator.invoke(config, event(text, stream=stream))
            return outcome, await run(config, "respond('next')")

    first, second = asyncio.run(main())
    assert second.payload == b"next"
    return first, second


@pytest.mark.parametrize("tier", ["plain", "linux"])
def test_a_stream_goes_on_as_it_comes(tmp_path: Path, tier: str) -> None:
    kept = Kept()
    outcome, _ = invoke(tmp_path, STREAM % ("('one', 'two')", ""), kept, tier)
    assert kept.told[0] == "text/x-parts"
    assert b"".join(kept.told[1:]) == b"onetwo"
    assert (outcome.payload, outcome.function_error) == (b"", None)


def test_who_wants_no_stream_gets_it_whole(tmp_path: Path) -> None:
    assert invoke(tmp_path, STREAM % ("('one', 'two')", ""), None)[0].payload == b"onetwo"


@pytest.mark.parametrize("streamed", [True, False])
def test_an_error_in_the_middle_comes_as_trailers(tmp_path: Path, streamed: bool) -> None:
    body = base64.b64encode(b'{"errorMessage":"broke"}').decode()
    trailers = (
        f"Lambda-Runtime-Function-Error-Type: Runtime.StreamError\\r\\nLambda-Runtime-Function-Error-Body: {body}\\r\\n"
    )
    kept = Kept() if streamed else None
    outcome, _ = invoke(tmp_path, STREAM % ("('one')", trailers), kept)
    assert (outcome.payload, outcome.function_error) == (b'{"errorMessage":"broke"}', "Unhandled")
    assert outcome.report.error_type == "Runtime.StreamError"
    assert kept is None or kept.told[1:] == [b"one"]


def test_a_stream_that_is_collected_has_the_limit_of_a_response(tmp_path: Path) -> None:
    parts = f"('x' x {MAX_RESPONSE}, 'y')"
    outcome, _ = invoke(tmp_path, STREAM % (parts, ""), None)
    assert outcome.report.error_type == "Function.ResponseSizeTooLarge"


def test_a_stream_that_ends_in_the_middle_is_no_answer(tmp_path: Path) -> None:
    text = (STREAM % ("('one')", "")).split('syswrite $api, "0')[0] + "exit 4;"
    kept = Kept()
    outcome, _ = invoke(tmp_path, text, kept)
    assert b"Runtime.ExitError" in outcome.payload
    assert kept.told[1:] == [b"one"]


def test_headers_of_identity_and_tenant(tmp_path: Path) -> None:
    async def main() -> str:
        async with opened("plain") as run:
            said = event("respond($head)", cognito_identity='{"cognitoIdentityId":"a"}', tenant_id="blue")
            return (await run.emulator.invoke(function(tmp_path), said)).payload.decode()

    head = asyncio.run(main())
    assert 'Lambda-Runtime-Cognito-Identity: {"cognitoIdentityId":"a"}' in head
    assert "Lambda-Runtime-Aws-Tenant-Id: blue" in head
