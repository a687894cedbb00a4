"""Events of `fn run`: what is taken from where, in which order, and what Lambda would refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cli.events import MAX_EVENT, checked, read_events
from fnroll.errors import UsageError


def test_events_keep_their_order_and_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(b'{"a":\n 1 }\n')
    (tmp_path / "many.jsonl").write_bytes(b'2\n\n  \n"three"\r\n[4]')
    (tmp_path / "empty").touch()
    sources = [
        ("text", "0"),
        ("file", str(tmp_path / "one.json")),
        ("stream", str(tmp_path / "many.jsonl")),
        ("file", str(tmp_path / "empty")),
        ("stream", str(tmp_path / "empty")),
        ("text", " "),
    ]
    assert read_events(sources) == [b"0", b'{"a":\n 1 }\n', b"2", b'"three"\r', b"[4]", b"{}", b"{}"]


@pytest.mark.parametrize(
    ("event", "line", "where", "words"),
    [
        (b"{", 1, "f:1:2", "not JSON"),
        (b'{\n "a": x}', 1, "f:2:7", "not JSON"),
        (b"{'a': 1}", 7, "f:7:2", "not JSON"),
        (b"NaN", 3, "f:3", "NaN is no value of JSON"),
        (b"[-Infinity]", 1, "f:1", "-Infinity is no value of JSON"),
        (b'"\xff"', 2, "f:2", "not UTF-8"),
        (b"[" * 100_000, 1, "f:1", "not JSON"),
        (b'"' + b"x" * MAX_EVENT + b'"', 1, "f:1", "Lambda takes 6,291,456"),
    ],
    ids=["open", "second-line", "later-in-a-stream", "nan", "infinity", "latin-1", "deep", "large"],
)
def test_what_lambda_would_refuse_is_refused_with_its_place(event: bytes, line: int, where: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked(event, "f", line)
    assert words in caught.value.message
    assert caught.value.where == where


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_any_json_is_taken_as_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    assert checked(text, "f") == text


def test_standard_input_is_read_once_and_a_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only once"):
        read_events([("file", "-"), ("stream", "-")])
    with pytest.raises(UsageError, match="No such file"):
        read_events([("file", str(tmp_path / "none"))])
